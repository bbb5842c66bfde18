/* The gradient walk: what it adds up, where it stops, what it keeps, against differences in double precision. */
#include "support.h"

static int setup(void **state)
{
    *state = context();
    return 0;
}

static int teardown(void **state)
{
    sw_context_free(*state);
    return 0;
}

/* Every element of every state's gradient is the slope of the function. */
static void check_gradients(sw_context *ctx, scalar_fn f, sw_state *const *states, int count, unsigned flags)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER | flags);
    sw_value *y = f(g, states);
    assert_ok(sw_backward(g, y));
    for (int k = 0; k < count; k++) {
        sw_tensor *gradient = sw_value_tensor(sw_gradient_of(g, states[k]));
        assert_non_null(gradient);
        for (int64_t i = 0; i < sw_tensor_count(gradient); i++) {
            double expected = slope(ctx, f, states, k, i), got = sw_tensor_get(gradient, i);
            if (fabs(got - expected) > 1e-7 * fmax(1, fabs(expected)))
                fail_msg("state %d element %d: %.12g, differences say %.12g", k, (int)i, got, expected);
        }
    }
    sw_graph_free(g);
}

/* ---- two layers, softmax, biases that broadcast ---- */
static sw_value *two_layers(sw_graph *g, sw_state *const *s)
{
    sw_context *ctx = sw_graph_context(g);
    sw_tensor *x = doubles(ctx, SW_DIMS(4, 3), 77, -1, 1);
    sw_tensor *labels = sw_tensor_from(ctx, SW_I64, SW_DIMS(4), (int64_t[]){0, 1, 1, 0});
    sw_value *h = sw_tanh(g, sw_add(g, sw_matmul(g, sw_input(g, x), sw_read(g, s[0])), sw_read(g, s[1])));
    sw_value *logits = sw_add(g, sw_matmul(g, h, sw_read(g, s[2])), sw_read(g, s[3]));
    sw_value *loss = sw_softmax_cross_entropy(g, logits, sw_input(g, labels));
    sw_tensor_release(x);
    sw_tensor_release(labels);
    return loss;
}

static void test_a_network_agrees_with_differences(void **state)
{
    sw_state *s[] = {double_param(*state, "w1", SW_DIMS(3, 5)), double_param(*state, "b1", SW_DIMS(5)),
                     double_param(*state, "w2", SW_DIMS(5, 2)), double_param(*state, "b2", SW_DIMS(2))};
    check_gradients(*state, two_layers, s, 4, 0);
    check_gradients(*state, two_layers, s, 4, SW_RETAIN);
}

/* ---- shapes of graphs ---- */
static sw_value *diamond(sw_graph *g, sw_state *const *s)
{
    sw_value *a = sw_read(g, s[0]), *left = sw_exp(g, a), *right = sw_sin(g, a);
    sw_value *both = sw_add(g, sw_mul(g, left, right), sw_mul(g, left, left));
    return sw_reduce_sum(g, sw_mul(g, both, a), 0, NULL, false);
}

static void test_paths_that_meet_are_added(void **state)
{
    sw_state *a = double_param(*state, "a", SW_DIMS(3));
    check_gradients(*state, diamond, &a, 1, 0);
}

static sw_value *same_twice(sw_graph *g, sw_state *const *s)
{
    sw_value *a = sw_read(g, s[0]);
    return sw_reduce_sum(g, sw_matmul_t(g, a, false, a, true), 0, NULL, false);
}

static void test_a_value_at_two_ports_counts_twice(void **state)
{
    sw_state *a = double_param(*state, "a", SW_DIMS(3, 2));
    check_gradients(*state, same_twice, &a, 1, 0);
}

static sw_value *concatenated(sw_graph *g, sw_state *const *s)
{
    sw_value *a = sw_read(g, s[0]), *b = sw_read(g, s[1]);
    sw_value *c = sw_concat(g, (sw_value *[]){a, b, a}, 3, 0);
    return sw_reduce_sum(g, sw_mul(g, c, sw_sigmoid(g, c)), 0, NULL, false);
}

static void test_many_inputs_of_one_node(void **state)
{
    sw_state *s[] = {double_param(*state, "a", SW_DIMS(2, 3)), double_param(*state, "b", SW_DIMS(1, 3))};
    check_gradients(*state, concatenated, s, 2, 0);
}

/* Rows without a rule are taken apart: Gemm, Normalize and their like. */
static sw_value *decomposed(sw_graph *g, sw_state *const *s)
{
    sw_value *a = sw_read(g, s[0]), *b = sw_read(g, s[1]);
    sw_value *product = sw_gemm(g, a, true, b, false, SW_NONE, 0.5, 1.0);
    return sw_reduce_sum(g, sw_mul(g, product, sw_hard_swish(g, product)), 0, NULL, false);
}

static void test_rows_that_are_taken_apart(void **state)
{
    sw_state *s[] = {double_param(*state, "a", SW_DIMS(2, 3)), double_param(*state, "b", SW_DIMS(2, 4))};
    check_gradients(*state, decomposed, s, 2, 0);
}

/* ---- where gradients end ---- */
static void test_independent_values_have_none(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_state *used = double_param(*state, "used", SW_DIMS(2)), *idle = double_param(*state, "idle", SW_DIMS(2));
    sw_read(g, idle);
    sw_value *counted = sw_argmax(g, sw_read(g, idle), 0, false); /* no gradient passes an index */
    sw_value *y = sw_add(g, sw_reduce_sum(g, sw_read(g, used), 0, NULL, false), sw_cast(g, counted, SW_F64));
    assert_ok(sw_backward(g, y));
    assert_ptr_equal(sw_gradient_of(g, idle), SW_NONE);
    assert_int_equal((int)number(sw_gradient_of(g, used)), 1);
    sw_graph_free(g);
}

static void test_what_cannot_be_differentiated_is_said(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *gradient;
    sw_value *y = sw_scalar(g, SW_I64, 3);
    assert_int_equal(sw_grad(g, y, SW_NONE, &y, 1, &gradient), SW_INVALID);
    assert_non_null(strstr(sw_graph_error(g), "i64"));
    assert_null(gradient);
    sw_graph_free(g);

    g = sw_graph_new(*state, SW_EAGER);
    y = sw_scalar(g, SW_F64, 3);
    assert_int_equal(sw_grad(g, y, sw_scalar(g, SW_F32, 1), &y, 1, &gradient), SW_SHAPE);
    assert_string_equal(sw_graph_error(g), "its incoming gradient is f32[], needs f64[]");
    sw_graph_free(g);

    g = sw_graph_new(*state, SW_NOGRAD);
    assert_int_equal(sw_backward(g, sw_scalar(g, SW_F64, 3)), SW_INVALID);
    assert_string_equal(sw_graph_error(g), "a graph made with SW_NOGRAD records nothing to differentiate");
    sw_graph_free(g);
}

/* What is computed from states beside the way to the loss is still there to be looked at. */
static void test_backward_leaves_what_is_beside_its_path(void **state)
{
    sw_state *w = double_param(*state, "w", SW_DIMS(3));
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *hidden = sw_exp(g, sw_read(g, w)), *shown = sw_softmax(g, hidden, 0);
    assert_ok(sw_backward(g, sw_reduce_sum(g, hidden, 0, NULL, false)));
    assert_non_null(sw_value_tensor(shown));
    assert_null(sw_value_tensor(hidden));
    /* Where only dims count, freed contents are no loss; where they count, the text says how to keep them. */
    assert_true(number(sw_shape_of(g, hidden)) == 3);
    assert_null(sw_exp(g, hidden));
    assert_non_null(strstr(sw_graph_error(g), "were freed by sw_backward: name the value"));
    sw_graph_free(g);
    sw_state_release(w);
}

/* ---- gradients are nodes ---- */
static sw_value *slope_squared(sw_graph *g, sw_state *const *s)
{
    sw_value *x = sw_read(g, s[0]), *dx;
    sw_value *y = sw_reduce_sum(g, sw_mul(g, sw_sigmoid(g, x), sw_mul(g, x, x)), 0, NULL, false);
    if (sw_grad(g, y, SW_NONE, &x, 1, &dx) != SW_OK)
        return NULL;
    return sw_reduce_sum(g, sw_mul(g, dx, dx), 0, NULL, false);
}

static void test_gradients_of_gradients(void **state)
{
    sw_state *x = double_param(*state, "x", SW_DIMS(4));
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *y = slope_squared(g, &x), *at = sw_read(g, x), *dx;
    assert_ok(sw_grad(g, y, SW_NONE, &at, 1, &dx));
    for (int i = 0; i < 4; i++) {
        const double h = 1e-5;
        double side[2];
        sw_tensor *base = sw_tensor_zeros(*state, SW_F64, SW_DIMS(4));
        assert_ok(sw_tensor_copy(base, sw_state_tensor(x)));
        double was = sw_tensor_get(base, i);
        for (int k = 0; k < 2; k++) {
            assert_ok(sw_tensor_set(base, i, was + (k ? h : -h)));
            assert_ok(sw_state_set(x, base));
            sw_graph *again = sw_graph_new(*state, SW_EAGER);
            side[k] = number(slope_squared(again, &x));
            sw_graph_free(again);
        }
        assert_ok(sw_tensor_set(base, i, was));
        assert_ok(sw_state_set(x, base));
        sw_tensor_release(base);
        assert_true(fabs(sw_tensor_get(sw_value_tensor(dx), i) - (side[1] - side[0]) / (2 * h)) < 1e-6);
    }
    sw_graph_free(g);
}

/* ---- a sleeping graph records the same nodes, on symbols too ---- */
static void test_a_sleeping_graph_records_the_backward_pass(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_state *w = double_param(*state, "w", SW_DIMS(3, 2)), *b = double_param(*state, "b", SW_DIMS(2));
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F64, sw_symbol(g, "N"), 3));
    sw_value *y = sw_relu(g, sw_add(g, sw_matmul(g, x, sw_read(g, w)), sw_read(g, b)));
    assert_ok(sw_backward(g, sw_reduce_mean(g, y, 0, NULL, false)));
    assert_graph_ok(g);
    const sw_type *dw = sw_value_type(sw_gradient_of(g, w)), *db = sw_value_type(sw_gradient_of(g, b));
    assert_true(dw->rank == 2 && dw->dims[0] == 3 && dw->dims[1] == 2);
    assert_true(db->rank == 1 && db->dims[0] == 2);
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
}

/* ---- what an awake graph frees on the way ---- */
static void test_backward_frees_what_nobody_needs(void **state)
{
    for (int retain = 0; retain < 2; retain++) {
        sw_graph *g = sw_graph_new(*state, SW_EAGER | (retain ? SW_RETAIN : 0));
        sw_state *w = double_param(*state, "w", SW_DIMS(4));
        sw_value *hidden = sw_exp(g, sw_read(g, w)), *named = sw_sin(g, hidden), *out = sw_mul(g, named, named);
        assert_ok(sw_value_set_name(named, "named"));
        assert_ok(sw_output(g, "out", out));
        sw_value *loss = sw_reduce_sum(g, out, 0, NULL, false);
        assert_ok(sw_backward(g, loss));
        assert_non_null(sw_value_tensor(loss));
        assert_non_null(sw_value_tensor(named));
        assert_non_null(sw_value_tensor(out));
        assert_non_null(sw_value_tensor(sw_gradient_of(g, w)));
        assert_int_equal(sw_value_tensor(hidden) != NULL, retain);
        if (!retain)
            assert_non_null(strstr(sw_error_text(), "SW_RETAIN"));
        sw_graph_free(g);
        sw_state_release(w);
    }
}

/* Forward, backward and update, a hundred thousand times: nothing piles up. */
static void test_steps_run_at_flat_memory(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w = double_param(ctx, "w", SW_DIMS(2));
    uint64_t after_few = 0;
    for (int i = 0; i < 20000; i++) {
        sw_scope *step = sw_scope_begin(g);
        sw_value *x = sw_read(g, w), *loss = sw_reduce_sum(g, sw_mul(g, x, x), 0, NULL, false);
        assert_ok(sw_backward(g, loss));
        assert_ok(sw_sgd_step(g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 1e-3}));
        sw_scope_end(step);
        if (i == 100)
            after_few = sw_context_bytes(ctx);
    }
    assert_graph_ok(g);
    assert_int_equal(sw_context_bytes(ctx), after_few);
    assert_true(fabs(sw_tensor_get(sw_state_tensor(w), 0)) < 1e-10); /* (1 - 2e-3)^20000 */
    sw_graph_free(g);
}

/* ---- no memory ---- */
static void test_every_allocation_may_fail(void **state)
{
    sw_context *ctx = *state;
    sw_state *s[] = {double_param(ctx, "w1", SW_DIMS(3, 5)), double_param(ctx, "b1", SW_DIMS(5)),
                     double_param(ctx, "w2", SW_DIMS(5, 2)), double_param(ctx, "b2", SW_DIMS(2))};
    sw_tensor *x = doubles(ctx, SW_DIMS(4, 3), 77, -1, 1);
    uint64_t before = sw_context_bytes(ctx);
    bool done = false;
    for (uint64_t nth = 1; !done && nth < 5000; nth++) {
        sw_alloc_fail_at(ctx, nth);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        if (g) {
            sw_value *h = sw_tanh(g, sw_add(g, sw_matmul(g, sw_input(g, x), sw_read(g, s[0])), sw_read(g, s[1])));
            sw_value *y = sw_add(g, sw_matmul(g, h, sw_read(g, s[2])), sw_read(g, s[3]));
            sw_backward(g, sw_reduce_mean(g, sw_mul(g, y, y), 0, NULL, false));
        }
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (failed) {
            assert_false(sw_ok(g));
            assert_true(strlen(g ? sw_graph_error(g) : sw_error_text()) > 0);
        } else {
            assert_graph_ok(g);
            done = true;
        }
        sw_graph_free(g);
        assert_int_equal(sw_context_bytes(ctx), before);
    }
    assert_true(done);
    sw_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_network_agrees_with_differences, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths_that_meet_are_added, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_value_at_two_ports_counts_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_inputs_of_one_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_are_taken_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_independent_values_have_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_differentiated_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backward_leaves_what_is_beside_its_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gradients_of_gradients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sleeping_graph_records_the_backward_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backward_frees_what_nobody_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_run_at_flat_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
