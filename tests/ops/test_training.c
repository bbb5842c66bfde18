/* What programs lean on: builders, initialisers, dropout, running statistics and optimiser steps, in an awake graph. */
#include "walk.h"

/* ---- initialisers ---- */

static void moments(const sw_state *state, double *mean, double *deviation, double *largest)
{
    sw_tensor *t = sw_state_tensor(state);
    double sum = 0, squares = 0, n = (double)sw_tensor_count(t);
    *largest = 0;
    for (int64_t i = 0; i < sw_tensor_count(t); i++) {
        double v = sw_tensor_get(t, i);
        sum += v, squares += v * v;
        *largest = fmax(*largest, fabs(v));
    }
    *mean = sum / n;
    *deviation = sqrt(squares / n - *mean * *mean);
}

static void test_initialisers_have_the_published_spread(void **state)
{
    sw_context *ctx = *state;
    double mean, deviation, largest;
    sw_state *matrix = sw_param(ctx, "m", SW_F32, SW_DIMS(200, 100), sw_init_glorot(1));
    moments(matrix, &mean, &deviation, &largest);
    assert_true(largest <= sqrt(6.0 / 300) && largest > 0.99 * sqrt(6.0 / 300));
    assert_true(fabs(mean) < 0.003 && fabs(deviation - sqrt(2.0 / 300)) < 0.001);
    sw_state *kernel = sw_param(ctx, "k", SW_F32, SW_DIMS(64, 32, 3, 3), sw_init_he(1)); /* fan-in 32 * 9 */
    moments(kernel, &mean, &deviation, &largest);
    assert_true(fabs(mean) < 0.002 && fabs(deviation - sqrt(2.0 / 288)) < 0.001);
    sw_state *flat = sw_param(ctx, "f", SW_F64, SW_DIMS(1000), sw_init_uniform(3, 0.5));
    moments(flat, &mean, &deviation, &largest);
    assert_true(largest <= 0.5 && fabs(deviation - 0.5 / sqrt(3)) < 0.02);
    sw_state *constant = sw_param(ctx, "c", SW_F16, SW_DIMS(3), sw_init_constant(1.5));
    assert_true(sw_tensor_get(sw_state_tensor(constant), 2) == 1.5);
    sw_state_release(matrix);
    sw_state_release(kernel);
    sw_state_release(flat);
    sw_state_release(constant);
}

static void test_what_is_drawn_follows_the_name_and_not_the_order(void **state)
{
    sw_context *ctx = *state;
    sw_state *a = sw_param(ctx, "a", SW_F32, SW_DIMS(9), sw_init_he(5)),
             *b = sw_param(ctx, "b", SW_F32, SW_DIMS(9), sw_init_he(5));
    sw_state *again = sw_param(ctx, "a", SW_F32, SW_DIMS(9), sw_init_he(5));
    assert_true(same_bits(sw_state_tensor(a), sw_state_tensor(again)));
    assert_false(same_bits(sw_state_tensor(a), sw_state_tensor(b)));
    sw_state_release(a);
    sw_state_release(b);
    sw_state_release(again);
}

/* ---- dropout ---- */

static sw_tensor *ones(sw_context *ctx, sw_dims dims)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_F32, dims);
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        sw_tensor_set(t, i, 1);
    return t;
}

static void test_dropout_keeps_the_mean_and_backward_sees_the_same_mask(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_RETAIN);
    sw_tensor *t = ones(ctx, SW_DIMS(100, 100));
    sw_value *x = sw_input(g, t), *y = sw_dropout(g, x, 0.25), *other = sw_dropout(g, x, 0.25), *dx;
    assert_int_equal(sw_grad(g, y, SW_NONE, &x, 1, &dx), SW_OK);
    double sum = 0;
    for (int64_t i = 0; i < 10000; i++) {
        double v = sw_tensor_get(sw_value_tensor(y), i);
        assert_true(v == 0 || fabs(v - 1 / 0.75) < 1e-6);
        sum += v;
    }
    assert_true(fabs(sum / 10000 - 1) < 0.02);
    assert_true(same_bits(sw_value_tensor(y), sw_value_tensor(dx))); /* of ones, both are the mask */
    assert_false(same_bits(sw_value_tensor(y), sw_value_tensor(other)));
    sw_graph_set_training(g, false);
    assert_true(same_bits(sw_value_tensor(sw_dropout(g, x, 0.25)), t));
    sw_tensor_release(t);
    sw_graph_free(g);
}

/* ---- running statistics ---- */

static void test_batch_norm_moves_its_running_statistics_only_while_training(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_tensor *t = sw_tensor_from(ctx, SW_F32, SW_DIMS(2, 1, 2), (float[]){1, 2, 3, 6}); /* mean 3, variance 3.5 */
    sw_state *scale = sw_param(ctx, "scale", SW_F32, SW_DIMS(1), sw_init_constant(1)),
             *bias = sw_param(ctx, "bias", SW_F32, SW_DIMS(1), sw_init_zero());
    sw_state *mean = sw_state_new(ctx, "mean", SW_F32, SW_DIMS(1), sw_init_zero(), false);
    sw_state *variance = sw_state_new(ctx, "variance", SW_F32, SW_DIMS(1), sw_init_constant(1), false);
    sw_value *y = sw_batch_norm(g, sw_input(g, t), sw_read(g, scale), sw_read(g, bias), mean, variance, 0, 0.75);
    assert_true(fabs(sw_tensor_get(sw_value_tensor(y), 3) - 3 / sqrt(3.5)) < 1e-6);
    assert_true(fabs(sw_tensor_get(sw_state_tensor(mean), 0) - 0.75) < 1e-6);      /* 0.75 * 0 + 0.25 * 3 */
    assert_true(fabs(sw_tensor_get(sw_state_tensor(variance), 0) - 1.625) < 1e-6); /* 0.75 * 1 + 0.25 * 3.5 */
    sw_graph_set_training(g, false);
    y = sw_batch_norm(g, sw_input(g, t), sw_read(g, scale), sw_read(g, bias), mean, variance, 0, 0.75);
    assert_true(fabs(sw_tensor_get(sw_value_tensor(y), 3) - (6 - 0.75) / sqrt(1.625)) < 1e-6);
    assert_true(fabs(sw_tensor_get(sw_state_tensor(mean), 0) - 0.75) < 1e-6);
    sw_tensor_release(t);
    sw_graph_free(g);
}

/* ---- optimisers ---- */

/* Two moons would do; XOR is the smallest thing that a linear model cannot learn. */
static double train_xor(sw_context *ctx, bool adam, int steps, double *first)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w1 = sw_param(ctx, "w1", SW_F32, SW_DIMS(2, 8), sw_init_glorot(3)),
             *b1 = sw_param(ctx, "b1", SW_F32, SW_DIMS(8), sw_init_zero());
    sw_state *w2 = sw_param(ctx, "w2", SW_F32, SW_DIMS(8, 2), sw_init_glorot(3)),
             *b2 = sw_param(ctx, "b2", SW_F32, SW_DIMS(2), sw_init_zero());
    sw_tensor *x = sw_tensor_from(ctx, SW_F32, SW_DIMS(4, 2), (float[]){0, 0, 0, 1, 1, 0, 1, 1});
    sw_tensor *t = sw_tensor_from(ctx, SW_I64, SW_DIMS(4), (int64_t[]){0, 1, 1, 0});
    double last = 0;
    for (int step = 0; step < steps && sw_ok(g); step++) {
        sw_scope *scope = sw_scope_begin(g);
        sw_value *h = sw_tanh(g, sw_add(g, sw_matmul(g, sw_input(g, x), sw_read(g, w1)), sw_read(g, b1)));
        sw_value *y = sw_gemm(g, h, false, sw_read(g, w2), false, sw_read(g, b2), 1, 1);
        sw_value *loss = sw_softmax_cross_entropy(g, y, sw_input(g, t));
        last = loss ? sw_tensor_get(sw_value_tensor(loss), 0) : NAN;
        if (step == 0)
            *first = last;
        sw_backward(g, loss);
        if (adam)
            sw_adam_step(g, (sw_adam_options){.size = sizeof(sw_adam_options), .lr = 0.05});
        else
            sw_sgd_step(g,
                        (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.2, .momentum = 0.9, .nesterov = true});
        sw_scope_end(scope);
    }
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    assert_int_equal(sw_graph_state_count(g), adam ? 4 + 8 + 1 : 4 + 4);
    sw_tensor_release(x);
    sw_tensor_release(t);
    sw_graph_free(g);
    sw_state_release(w1);
    sw_state_release(b1);
    sw_state_release(w2);
    sw_state_release(b2);
    return last;
}

static void test_both_optimisers_learn_xor_and_to_the_same_bits_each_time(void **state)
{
    for (int adam = 0; adam < 2; adam++) {
        double first, last = train_xor(*state, adam, 150, &first);
        assert_true(fabs(first - log(2)) < 0.3);
        if (!(last < 0.02))
            fail_msg("%s ends at %g, began at %g", adam ? "Adam" : "SGD", last, first);
        assert_true(train_xor(*state, adam, 150, &first) == last);
    }
}

static void test_a_step_without_gradients_says_what_is_missing(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    assert_int_equal(sw_sgd_step(g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.1}), SW_INVALID);
    assert_non_null(strstr(sw_graph_error(g), "sw_backward first"));
    sw_graph_free(g);
}

/* The learning rate may be a value of the graph: the same step as with the number. */
static void test_the_learning_rate_may_be_fed(void **state)
{
    sw_context *ctx = *state;
    float rates[] = {0.5f};
    double results[2];
    for (int fed = 0; fed < 2; fed++) {
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        sw_state *w = sw_param(ctx, "w", SW_F32, SW_DIMS(1), sw_init_constant(2));
        sw_tensor *rate = sw_tensor_from(ctx, SW_F32, SW_SCALAR, rates);
        sw_value *read = sw_read(g, w);
        sw_backward(g, sw_reduce_sum(g, sw_mul(g, read, read), 0, NULL, false)); /* slope 4 */
        sw_sgd_step(
            g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.5, .lr_value = fed ? sw_input(g, rate) : NULL});
        if (!sw_ok(g))
            fail_msg("%s", sw_graph_error(g));
        results[fed] = sw_tensor_get(sw_state_tensor(w), 0);
        sw_tensor_release(rate);
        sw_graph_free(g);
        sw_state_release(w);
    }
    assert_true(results[0] == 0 && results[1] == 0); /* 2 - 0.5 * 4 */
}

/* One whole step of a small convolutional network; the graph's status. */
static sw_status small_step(sw_context *ctx, sw_state *const *states, sw_tensor *x, sw_tensor *t)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    if (!g)
        return SW_NO_MEMORY;
    sw_window same = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}},
              half = {.axes = 2, .kernel = {2, 2}, .strides = {2, 2}};
    sw_value *h = sw_relu(g, sw_conv(g, sw_input(g, x), sw_read(g, states[0]), sw_read(g, states[1]), &same));
    h = sw_dropout(g, sw_flatten(g, sw_max_pool(g, h, &half), 1), 0.2);
    sw_backward(g, sw_softmax_cross_entropy(g, sw_matmul(g, h, sw_read(g, states[2])), sw_input(g, t)));
    sw_adam_step(g, (sw_adam_options){.size = sizeof(sw_adam_options), .lr = 0.01});
    sw_status status = sw_graph_status(g);
    if (status != SW_OK && *sw_graph_error(g) == '\0')
        fail_msg("a failure without a text");
    sw_graph_free(g);
    return status;
}

static void test_every_allocation_of_a_training_step_may_fail(void **state)
{
    sw_context *ctx = *state;
    sw_state *states[] = {sw_param(ctx, "w", SW_F32, SW_DIMS(3, 1, 3, 3), sw_init_he(1)),
                          sw_param(ctx, "b", SW_F32, SW_DIMS(3), sw_init_zero()),
                          sw_param(ctx, "d", SW_F32, SW_DIMS(12, 2), sw_init_glorot(1))};
    sw_tensor *x = ones(ctx, SW_DIMS(2, 1, 4, 4)), *t = sw_tensor_from(ctx, SW_I64, SW_DIMS(2), (int64_t[]){0, 1});
    assert_int_equal(small_step(ctx, states, x, t), SW_OK); /* what a context makes once is there */
    uint64_t before = sw_context_bytes(ctx);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        sw_alloc_fail_at(ctx, nth);
        sw_status status = small_step(ctx, states, x, t);
        failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (status != (failed ? SW_NO_MEMORY : SW_OK))
            fail_msg("allocation %llu: %s: %s", (unsigned long long)nth, sw_status_name(status), sw_error_text());
        if (sw_context_bytes(ctx) != before)
            fail_msg("allocation %llu: %lld bytes lost", (unsigned long long)nth,
                     (long long)(sw_context_bytes(ctx) - before));
    }
    sw_tensor_release(x);
    sw_tensor_release(t);
    for (int i = 0; i < 3; i++)
        sw_state_release(states[i]);
}

/* ---- a person can act on it ---- */

static void assert_error(sw_graph *g, sw_status status, const char *part)
{
    if (sw_graph_status(g) != status || !strstr(sw_graph_error(g), part))
        fail_msg("'%s' (%s) should be %s and say '%s'", sw_graph_error(g), sw_status_name(sw_graph_status(g)),
                 sw_status_name(status), part);
    sw_graph_free(g);
}

static sw_value *declared(sw_graph *g, const char *name, sw_dtype dtype, sw_dims dims)
{
    sw_type type = {.dtype = dtype, .rank = dims.rank};
    for (int i = 0; i < dims.rank; i++)
        type.dims[i] = dims.dim[i];
    return sw_input_declare(g, name, type);
}

static void test_errors_name_what_was_wrong_and_what_would_be_right(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_conv(g, declared(g, "x", SW_F32, SW_DIMS(8, 3, 9, 9)), declared(g, "w", SW_F32, SW_DIMS(4, 2, 3, 3)), SW_NONE,
            &(sw_window){.axes = 2});
    assert_error(g, SW_SHAPE,
                 "(x f32[8, 3, 9, 9], w f32[4, 2, 3, 3]): channels of x and groups * channels of the weight do not "
                 "agree: 3 != 2");
    g = sw_graph_new(ctx, 0);
    sw_conv(g, declared(g, "x", SW_F32, SW_DIMS(8, 2, 9, 2)), declared(g, "w", SW_F32, SW_DIMS(4, 2, 3, 3)), SW_NONE,
            &(sw_window){.axes = 2});
    assert_error(g, SW_SHAPE, "a kernel of 3 does not fit into axis 3 of 2 with its padding");
    g = sw_graph_new(ctx, 0);
    sw_matmul(g, declared(g, "a", SW_F32, SW_DIMS(8, 3)), declared(g, "b", SW_F32, SW_DIMS(4, 2)));
    assert_error(g, SW_SHAPE, "the inner dims do not agree: 3 != 4");
    g = sw_graph_new(ctx, 0);
    sw_add(g, declared(g, "a", SW_F32, SW_DIMS(8, 3)), declared(g, "b", SW_F64, SW_DIMS(3)));
    assert_error(g, SW_SHAPE, "input 'b' is f64, needs f32 as 'a' is");
    g = sw_graph_new(ctx, 0);
    sw_reshape(g, declared(g, "a", SW_F32, SW_DIMS(8, 3)), SW_DIMS(5, -1));
    assert_error(g, SW_SHAPE, "24 elements do not fill [5, -1]");
    g = sw_graph_new(ctx, 0);
    sw_softmax(g, declared(g, "a", SW_F32, SW_DIMS(8, 3)), 2);
    assert_error(g, SW_SHAPE, "axis 2 is outside 2 dims (allowed: -2 to 1)");
}

static void test_contents_that_cannot_be_are_answers_too(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_tensor *logits = ones(ctx, SW_DIMS(2, 3)), *labels = sw_tensor_from(ctx, SW_I64, SW_DIMS(2), (int64_t[]){1, 3});
    sw_softmax_cross_entropy(g, sw_input(g, logits), sw_input(g, labels));
    assert_error(g, SW_INVALID, "label 3 is none of 3 classes");
    g = sw_graph_new(ctx, SW_EAGER);
    sw_gather(g, sw_input(g, logits), sw_input(g, labels), 0);
    assert_error(g, SW_INVALID, "index 3 is outside an axis of 2");
    sw_tensor_release(logits);
    sw_tensor_release(labels);
}

/* ---- shapes that are computed ---- */

/* x [N, C, H, W] flattened by hand, as exported networks do: Shape, Gather, Mul, Concat, Reshape keep the symbol. */
static void test_shape_arithmetic_is_followed_symbol_by_symbol(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), 3, 4, 5));
    sw_value *shape = sw_shape_of(g, x);
    sw_value *n = sw_gather(g, shape, sw_ints(g, 1, (int64_t[]){0}), 0), *rest = sw_slice(g, shape, 0, 1, INT64_MAX, 1);
    sw_value *count = sw_reduce_prod(g, rest, 0, NULL, true);
    sw_value *doubled = sw_mul(g, n, sw_ints(g, 1, (int64_t[]){2})),
             *half = sw_div(g, count, sw_ints(g, 1, (int64_t[]){2}));
    sw_value *y = sw_reshape_to(g, x, sw_concat(g, (sw_value *[]){doubled, half}, 2, 0));
    char text[64];
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    assert_string_equal(sw_type_text(g, sw_value_type(y), text, sizeof text), "f32[2*N, 30]");
    sw_value *z = sw_expand(g, sw_scalar(g, SW_F32, 0), sw_shape_of(g, y));
    assert_string_equal(sw_type_text(g, sw_value_type(z), text, sizeof text), "f32[2*N, 30]");
    sw_graph_free(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_initialisers_have_the_published_spread),
        TEST(test_what_is_drawn_follows_the_name_and_not_the_order),
        TEST(test_dropout_keeps_the_mean_and_backward_sees_the_same_mask),
        TEST(test_batch_norm_moves_its_running_statistics_only_while_training),
        TEST(test_both_optimisers_learn_xor_and_to_the_same_bits_each_time),
        TEST(test_a_step_without_gradients_says_what_is_missing),
        TEST(test_the_learning_rate_may_be_fed),
        TEST(test_every_allocation_of_a_training_step_may_fail),
        TEST(test_errors_name_what_was_wrong_and_what_would_be_right),
        TEST(test_contents_that_cannot_be_are_answers_too),
        TEST(test_shape_arithmetic_is_followed_symbol_by_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
