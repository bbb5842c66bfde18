/* Graphs nobody thought of: drawn at random, run by the reference without any fusion and by the fast backend with all
 * passes, forward and as a training step; results and states must agree. */
#include "run/networks.h"

enum { CHANNELS = 16, SIDE = 6, GRAPHS = 60 };

struct drawing {
    sw_random_address at;
    uint64_t element;
    sw_graph *g;
    sw_value *values[64]; /* all [N, CHANNELS, SIDE, SIDE] */
    int count, weights;
    sw_value *shared[2]; /* a 3x3 weight and a square one, for rows that share */
};

static uint64_t draw(struct drawing *d, uint64_t bound) { return sw_random_below(d->at, d->element++, bound); }

static sw_value *any(struct drawing *d)
{
    /* Rather a late one, so that graphs are deep and now and then wide. */
    uint64_t back = draw(d, draw(d, 3) ? 3 : (uint64_t)d->count);
    return d->values[back < (uint64_t)d->count ? d->count - 1 - (int)back : 0];
}

static sw_value *weight(struct drawing *d, sw_dims dims, sw_init init)
{
    char name[16];
    snprintf(name, sizeof name, "w%d", d->weights++);
    return parameter(d->g, name, dims, init);
}

static sw_value *convolution(struct drawing *d)
{
    int64_t kernel = draw(d, 2) ? 3 : 1, groups = draw(d, 3) ? 1 : 4;
    const sw_window window = {
        .axes = 2, .pads_begin = {kernel / 2, kernel / 2}, .pads_end = {kernel / 2, kernel / 2}, .groups = groups};
    bool tied = kernel == 3 && groups == 1;
    sw_value *w = tied && d->shared[0] && draw(d, 2)
                      ? d->shared[0]
                      : weight(d, SW_DIMS(CHANNELS, CHANNELS / groups, kernel, kernel), sw_init_he(draw(d, 1000)));
    d->shared[0] = tied ? w : d->shared[0];
    sw_value *b = draw(d, 2) ? weight(d, SW_DIMS(CHANNELS), sw_init_normal(draw(d, 1000), 0.2)) : SW_NONE;
    return sw_conv(d->g, any(d), w, b, &window);
}

static sw_value *normalisation(struct drawing *d)
{
    char name[2][16];
    sw_state *states[2];
    for (int i = 0; i < 2; i++) {
        snprintf(name[i], sizeof name[i], "s%d", d->weights++);
        states[i] = sw_state_new(sw_graph_context(d->g), name[i], SW_F32, SW_DIMS(CHANNELS),
                                 sw_init_constant(i ? 0.8 : 0.1), false);
    }
    sw_value *scale = weight(d, SW_DIMS(CHANNELS), sw_init_constant(0.9));
    sw_value *y = sw_batch_norm(d->g, any(d), scale, weight(d, SW_DIMS(CHANNELS), sw_init_zero()), states[0], states[1],
                                1e-3, 0.9);
    sw_state_release(states[0]);
    sw_state_release(states[1]);
    return y;
}

static sw_value *pooled(struct drawing *d)
{
    const sw_window window = {.axes = 2, .kernel = {3, 3}, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    return draw(d, 2) ? sw_max_pool(d->g, any(d), &window) : sw_average_pool(d->g, any(d), &window);
}

static sw_value *halves(struct drawing *d)
{
    sw_value *a = sw_slice(d->g, any(d), 1, 0, CHANNELS / 2, 1),
             *b = sw_slice(d->g, any(d), 1, CHANNELS / 2, CHANNELS, 1);
    return sw_concat(d->g, (sw_value *[]){a, b}, 2, 1);
}

static sw_value *turned(struct drawing *d)
{
    const int64_t there[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
    sw_value *x = sw_transpose(d->g, any(d), 4, there);
    return sw_transpose(d->g, draw(d, 2) ? sw_relu(d->g, x) : x, 4, back);
}

static sw_value *channel_product(struct drawing *d)
{
    sw_value *x = any(d), *flat = sw_flatten(d->g, sw_global_average_pool(d->g, x), 1);
    if (!d->shared[1] || draw(d, 2))
        d->shared[1] = weight(d, SW_DIMS(CHANNELS, CHANNELS), sw_init_glorot(draw(d, 1000)));
    sw_value *y = sw_matmul(d->g, flat, d->shared[1]);
    y = sw_sigmoid(d->g, sw_add(d->g, y, weight(d, SW_DIMS(CHANNELS), sw_init_zero())));
    return sw_mul(d->g, x, sw_reshape(d->g, y, SW_DIMS(-1, CHANNELS, 1, 1)));
}

static sw_value *next(struct drawing *d)
{
    sw_graph *g = d->g;
    switch (draw(d, 18)) {
    case 0:
        return sw_relu(g, any(d));
    case 1:
        return sw_sigmoid(g, any(d));
    case 2:
        return sw_tanh(g, any(d));
    case 3:
        return sw_gelu(g, any(d), false);
    case 4:
        return sw_leaky_relu(g, any(d), 0.1);
    case 5:
        return sw_add(g, any(d), any(d));
    case 6:
        return sw_mul(g, any(d), sw_tanh(g, any(d)));
    case 7:
        return sw_max(g, any(d), any(d));
    case 8:
        return sw_add_scalar(g, any(d), draw(d, 2) ? 0 : 0.5);
    case 9:
        return sw_mul_scalar(g, any(d), draw(d, 2) ? 1 : 0.5);
    case 10:
        return pooled(d);
    case 11:
        return halves(d);
    case 12:
        return turned(d);
    case 13:
        return channel_product(d);
    case 14:
        return normalisation(d);
    default:
        return convolution(d);
    }
}

/* The same graph for the same seed, in any context. */
static sw_graph *drawn(sw_context *ctx, uint64_t seed, bool training)
{
    struct drawing d = {.at = {.seed = seed, .stream = 3}, .g = sw_graph_new(ctx, 0)};
    d.values[d.count++] = sw_input_declare(d.g, "x", SW_TYPE(SW_F32, sw_symbol(d.g, "N"), CHANNELS, SIDE, SIDE));
    int rows = 3 + (int)draw(&d, 14);
    for (int i = 0; i < rows; i++) {
        sw_value *value = next(&d);
        d.values[d.count++] = value;
    }
    sw_output(d.g, "middle", any(&d));
    sw_value *y = sw_add(d.g, d.values[d.count - 1], d.values[d.count / 2]);
    sw_output(d.g, "y", y);
    if (training) {
        sw_value *loss = sw_reduce_mean(d.g, sw_mul(d.g, y, y), 0, NULL, false);
        sw_value *w = weight(&d, SW_SCALAR, sw_init_constant(1));
        loss = sw_mul(d.g, loss, w);
        sw_backward(d.g, loss);
        sw_sgd_step(d.g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.05, .momentum = 0.9});
        sw_output(d.g, "loss", loss);
    }
    if (!sw_ok(d.g))
        print_error("seed %d: %s\n", (int)seed, sw_graph_error(d.g));
    assert_true(sw_ok(d.g));
    return d.g;
}

struct side {
    sw_context *ctx;
    sw_graph *g;
    sw_plan *plan;
};

static void compare(struct side *a, struct side *b, uint64_t seed, int64_t batch, bool training, double bound)
{
    sw_tensor *outputs[2][3] = {0};
    struct side *sides[] = {a, b};
    for (int k = 0; k < 2; k++) {
        sw_tensor *x = numbers(sides[k]->ctx, SW_DIMS(batch, CHANNELS, SIDE, SIDE), (uint32_t)batch);
        assert_ok(sw_plan_run(sides[k]->plan, (sw_tensor *[]){x}, outputs[k], NULL));
        sw_tensor_release(x);
    }
    bool same = true;
    for (int i = 0; i < (training ? 3 : 2); i++) {
        same &= difference(outputs[1][i], outputs[0][i]) < bound;
        sw_tensor_release(outputs[0][i]);
        sw_tensor_release(outputs[1][i]);
    }
    for (int i = 0; i < sw_graph_state_count(a->g); i++)
        same &= difference(sw_state_tensor(sw_graph_state(b->g, i)), sw_state_tensor(sw_graph_state(a->g, i))) < bound;
    if (!same) {
        char *text = sw_plan_explain(b->plan);
        print_error("seed %d, batch %d, training %d\n%s\n", (int)seed, (int)batch, training, text);
        sw_text_release(b->ctx, text);
    }
    assert_true(same);
}

static void check(uint64_t seed, bool training, bool freeze, int team)
{
    struct side sides[2];
    for (int k = 0; k < 2; k++) {
        sides[k].ctx = context_of(k ? "cpu" : "ref", 2);
        sides[k].g = drawn(sides[k].ctx, seed, training);
        sides[k].plan =
            plan_of(sides[k].g, k ? (sw_compile_options){.training = training, .freeze = freeze, .team = team}
                                  : (sw_compile_options){.training = training, .no_fusion = true});
    }
    const int64_t batches[] = {team > 1 ? 40 : 2, 1, 3}; /* a team comes only for large steps */
    for (int i = 0; i < 3; i++)
        compare(&sides[0], &sides[1], seed, batches[i], training, training ? 5e-3 : 2e-4);
    for (int k = 0; k < 2; k++) {
        sw_plan_free(sides[k].plan);
        sw_graph_free(sides[k].g);
        sw_context_free(sides[k].ctx);
    }
}

static void test_drawn_networks_give_the_same_frozen(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++)
        check(seed, false, true, seed % 4 ? 1 : 2);
}

static void test_drawn_networks_give_the_same_with_live_states(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 100 + GRAPHS / 2; seed++)
        check(seed, false, false, 1);
}

static void test_drawn_networks_learn_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 201; seed <= 200 + GRAPHS; seed++)
        check(seed, true, false, seed % 4 ? 1 : 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn_networks_give_the_same_frozen),
        cmocka_unit_test(test_drawn_networks_give_the_same_with_live_states),
        cmocka_unit_test(test_drawn_networks_learn_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
