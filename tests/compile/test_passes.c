/* Each pass fires on the graph that it is for, leaves alone what only looks like it, and changes no result. */
#include "run/networks.h"

#include "compile/pass.h"

/* A backend that fuses everything, over reference bodies. */
static bool fuses_all(sw_context *ctx, const char *op, const char *activation)
{
    (void)ctx, (void)op, (void)activation;
    return true;
}

struct outcome {
    sw_graph *g;
    char *notes;
};

/* A copy of `g` after one pass. */
static struct outcome after(sw_graph *g, const char *pass, bool freeze, bool training)
{
    sw_context *ctx = sw_graph_context(g);
    sw_backend backend = *sw_backend_find(ctx, "ref");
    backend.fuses = fuses_all;
    const sw_compile_options options = {.size = sizeof options, .freeze = freeze, .training = training, .team = 1};
    sw_text notes;
    sw_text_init(&notes, ctx);
    sw_graph *copy = sw_graph_copy(g, NULL);
    assert_non_null(copy);
    sw_compiling c = {.ctx = ctx, .g = copy, .options = &options, .backend = &backend, .notes = &notes, .only = pass};
    assert_ok(sw_passes_run(&c));
    assert_ok(sw_graph_verify(copy));
    sw_free(ctx, c.layouts);
    return (struct outcome){copy, sw_text_take(&notes)};
}

static int count_of(const sw_graph *g, const char *op)
{
    int count = 0;
    for (sw_node *node = sw_graph_first(g); node; node = node->next)
        count += sw_node_is(node, op);
    return count;
}

/* Both graphs on the same inputs, by the reference. */
static void assert_same(sw_graph *a, sw_graph *b, double bound)
{
    sw_context *ctx = sw_graph_context(a);
    sw_plan *plans[] = {plan_of(a, (sw_compile_options){.backend = "ref"}),
                        plan_of(b, (sw_compile_options){.backend = "ref"})};
    sw_tensor *inputs[8], *outputs[2][8] = {0};
    int count = sw_plan_input_count(plans[0]), made = sw_plan_output_count(plans[0]);
    assert_int_equal(count, sw_plan_input_count(plans[1]));
    assert_int_equal(made, sw_plan_output_count(plans[1]));
    for (int i = 0; i < count; i++) {
        sw_dims dims = {.rank = sw_plan_input_type(plans[0], i)->rank};
        for (int k = 0; k < dims.rank; k++)
            dims.dim[k] =
                sw_dim_known(sw_plan_input_type(plans[0], i)->dims[k]) ? sw_plan_input_type(plans[0], i)->dims[k] : 3;
        inputs[i] = numbers(ctx, dims, (uint32_t)i);
    }
    for (int k = 0; k < 2; k++)
        assert_ok(sw_plan_run(plans[k], inputs, outputs[k], NULL));
    for (int i = 0; i < made; i++) {
        assert_true(difference(outputs[1][i], outputs[0][i]) <= bound);
        sw_tensor_release(outputs[0][i]);
        sw_tensor_release(outputs[1][i]);
    }
    for (int i = 0; i < count; i++)
        sw_tensor_release(inputs[i]);
    sw_plan_free(plans[0]);
    sw_plan_free(plans[1]);
}

/* Runs the pass (NULL: all of them) and checks that `op` stands `left` times afterwards. Takes the graph. */
static void check(sw_graph *g, const char *pass, bool freeze, const char *op, int left, double bound)
{
    assert_true(sw_ok(g));
    struct outcome o = after(g, pass, freeze, false);
    if (count_of(o.g, op) != left)
        print_error("%d %s left, notes:\n%s", count_of(o.g, op), op, o.notes);
    assert_int_equal(count_of(o.g, op), left);
    assert_true(strlen(o.notes) > 0);
    assert_same(g, o.g, bound);
    sw_text_release(sw_graph_context(g), o.notes);
    sw_graph_free(o.g);
    sw_graph_free(g);
}

static sw_context *ctx;

static sw_graph *graph_with(sw_value **x, sw_type (*type)(sw_graph *g))
{
    sw_graph *g = sw_graph_new(ctx, 0);
    *x = sw_input_declare(g, "x", type(g));
    return g;
}
static sw_type rows(sw_graph *g) { return SW_TYPE(SW_F32, sw_symbol(g, "N"), 6); }
static sw_type pictures(sw_graph *g) { return SW_TYPE(SW_F32, sw_symbol(g, "N"), 3, 5, 5); }

static void test_dead_removes_what_nobody_reads(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_exp(g, sw_exp(g, sw_exp(g, x)));
    sw_output(g, "y", sw_relu(g, x));
    check(g, "dead", false, "Exp", 0, 0);
}

static void test_constants_are_computed_once(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_value *two = sw_exp(g, sw_log(g, sw_add(g, sw_scalar(g, SW_F32, 1.5), sw_scalar(g, SW_F32, 0.5))));
    sw_output(g, "y", sw_mul(g, x, two));
    check(g, "constants", false, "Exp", 0, 0);
}

static void test_known_shapes_are_constants(void **state)
{
    (void)state;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, 4, 6));
    sw_output(g, "y", sw_cast(g, sw_shape_of(g, x), SW_F32));
    check(g, "constants", false, "Shape", 0, 0);
}

static void test_twins_are_merged_but_not_random_ones(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_output(g, "y", sw_mul(g, sw_exp(g, sw_relu(g, x)), sw_exp(g, sw_relu(g, x))));
    check(g, "common", false, "Exp", 1, 0);

    g = graph_with(&x, rows);
    sw_value *a = sw_random_uniform(g, SW_F32, SW_DIMS(6), 0, 1), *b = sw_random_uniform(g, SW_F32, SW_DIMS(6), 0, 1);
    sw_output(g, "y", sw_add(g, sw_add(g, sw_relu(g, x), sw_relu(g, x)), sw_sub(g, a, b)));
    check(g, "common", false, "RandomUniform", 2, 0);
}

static void test_leaky_relus_of_different_slopes_are_not_twins(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_value *y = sw_add(g, sw_leaky_relu(g, x, 0.1), sw_leaky_relu(g, x, 0.2));
    sw_output(g, "y", sw_add(g, y, sw_leaky_relu(g, x, 0.1)));
    check(g, "common", false, "LeakyRelu", 2, 0);
}

static void test_rows_that_change_nothing_go(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_value *y = sw_mul(g, sw_add(g, x, sw_scalar(g, SW_F32, 0)), sw_scalar(g, SW_F32, 1));
    sw_output(g, "y", sw_neg(g, sw_neg(g, sw_neg(g, y))));
    check(g, NULL, false, "Add", 0, 0);

    g = graph_with(&x, rows);
    const int64_t turn[] = {1, 0};
    y = sw_transpose(g, sw_transpose(g, sw_relu(g, x), 2, turn), 2, turn);
    sw_output(g, "y", sw_cast(g, y, SW_F32));
    check(g, NULL, false, "Transpose", 0, 0);

    g = graph_with(&x, pictures);
    const int64_t a[] = {0, 2, 3, 1}, b[] = {3, 1, 2, 0};
    sw_output(g, "y", sw_transpose(g, sw_transpose(g, x, 4, a), 4, b));
    check(g, NULL, false, "Transpose", 1, 0);
}

static void test_a_zero_that_broadcasts_stays(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_tensor *zeros = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(2, 1, 6));
    sw_output(g, "y", sw_add(g, x, sw_constant(g, zeros)));
    sw_output(g, "z", sw_add(g, x, sw_scalar(g, SW_F32, 0)));
    sw_tensor_release(zeros);
    check(g, "algebra", false, "Add", 1, 0);
}

static sw_value *batch_norm(sw_graph *g, sw_value *x, int64_t channels)
{
    sw_state *mean = sw_state_new(ctx, "mean", SW_F32, SW_DIMS(channels), sw_init_normal(8, 0.3), false);
    sw_state *variance = sw_state_new(ctx, "variance", SW_F32, SW_DIMS(channels), sw_init_constant(0.7), false);
    sw_value *y =
        sw_batch_norm(g, x, parameter(g, "scale", SW_DIMS(channels), sw_init_normal(6, 1)),
                      parameter(g, "shift", SW_DIMS(channels), sw_init_normal(7, 1)), mean, variance, 1e-3, 0.9);
    sw_state_release(mean);
    sw_state_release(variance);
    return y;
}

static sw_value *convolved(sw_graph *g, sw_value *x)
{
    const sw_window window = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    return sw_conv(g, x, parameter(g, "w", SW_DIMS(4, 3, 3, 3), sw_init_he(3)),
                   parameter(g, "b", SW_DIMS(4), sw_init_normal(4, 1)), &window);
}

static void test_a_frozen_normalisation_goes_into_its_convolution(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, pictures);
    sw_output(g, "y", sw_relu(g, batch_norm(g, convolved(g, x), 4)));
    assert_true(sw_ok(g));
    struct outcome o = after(g, NULL, true, false);
    assert_int_equal(count_of(o.g, "BatchNorm"), 0);
    assert_int_equal(count_of(o.g, "Read"), 0);
    assert_int_equal(count_of(o.g, "Assign"), 0);
    assert_int_equal(count_of(o.g, "FusedConv"), 1);
    assert_non_null(strstr(o.notes, "batch-norm"));
    assert_same(g, o.g, 1e-6);
    sw_text_release(ctx, o.notes);
    sw_graph_free(o.g);

    o = after(g, NULL, false, true); /* while training it stays */
    assert_int_equal(count_of(o.g, "BatchNorm"), 1);
    assert_int_equal(count_of(o.g, "Assign"), 2);
    sw_text_release(ctx, o.notes);
    sw_graph_free(o.g);
    sw_graph_free(g);
}

static void test_dropout_is_nothing_outside_training(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_output(g, "y", sw_dropout(g, sw_relu(g, x), 0.5));
    check(g, "training", false, "Dropout", 0, 0);
}

static void test_bias_and_activation_ride_on_a_product(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, rows);
    sw_value *h = sw_matmul(g, x, parameter(g, "w", SW_DIMS(6, 4), sw_init_glorot(1)));
    sw_output(g, "y", sw_gelu(g, sw_add(g, h, parameter(g, "b", SW_DIMS(4), sw_init_normal(2, 1))), false));
    struct outcome o = after(g, NULL, false, false);
    assert_int_equal(count_of(o.g, "FusedMatMul"), 1);
    assert_int_equal(count_of(o.g, "Add") + count_of(o.g, "Gelu") + count_of(o.g, "MatMul"), 0);
    assert_same(g, o.g, 1e-6);
    sw_text_release(ctx, o.notes);
    sw_graph_free(o.g);
    sw_graph_free(g);

    g = graph_with(&x, rows); /* a product that somebody else reads as well stays as it is */
    h = sw_matmul(g, x, parameter(g, "w", SW_DIMS(6, 4), sw_init_glorot(1)));
    sw_output(g, "h", h);
    sw_output(g, "y", sw_relu(g, h));
    o = after(g, NULL, false, false);
    assert_int_equal(count_of(o.g, "FusedMatMul"), 0);
    sw_text_release(ctx, o.notes);
    sw_graph_free(o.g);
    sw_graph_free(g);
}

static void test_a_residual_is_added_before_the_activation(void **state)
{
    (void)state;
    sw_value *x;
    sw_graph *g = graph_with(&x, pictures);
    sw_value *r = sw_exp(g, convolved(g, x));
    const sw_window window = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    sw_value *y = sw_conv(g, r, parameter(g, "w2", SW_DIMS(4, 4, 3, 3), sw_init_he(5)), SW_NONE, &window);
    sw_output(g, "y", sw_relu(g, sw_add(g, y, r)));
    struct outcome o = after(g, NULL, false, false);
    assert_int_equal(count_of(o.g, "FusedConv"), 1);
    assert_int_equal(count_of(o.g, "Add") + count_of(o.g, "Relu"), 0);
    assert_same(g, o.g, 1e-5);
    sw_text_release(ctx, o.notes);
    sw_graph_free(o.g);
    sw_graph_free(g);
}

static int set_up(void **state)
{
    (void)state;
    ctx = context_of("ref", 1);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    sw_context_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_removes_what_nobody_reads),
        cmocka_unit_test(test_constants_are_computed_once),
        cmocka_unit_test(test_known_shapes_are_constants),
        cmocka_unit_test(test_twins_are_merged_but_not_random_ones),
        cmocka_unit_test(test_leaky_relus_of_different_slopes_are_not_twins),
        cmocka_unit_test(test_rows_that_change_nothing_go),
        cmocka_unit_test(test_a_zero_that_broadcasts_stays),
        cmocka_unit_test(test_a_frozen_normalisation_goes_into_its_convolution),
        cmocka_unit_test(test_dropout_is_nothing_outside_training),
        cmocka_unit_test(test_bias_and_activation_ride_on_a_product),
        cmocka_unit_test(test_a_residual_is_added_before_the_activation),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
