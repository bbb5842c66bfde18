/* States: counted, named, filled, versioned; and what a graph makes of reads and assignments. */
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

static sw_status fill_address(sw_tensor *tensor, uint32_t stream, uint64_t a, double b)
{
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
        SW_TRY(sw_tensor_set(tensor, i, (double)(stream % 1000) + (double)a + b));
    return SW_OK;
}

static sw_status fill_fails(sw_tensor *tensor, uint32_t stream, uint64_t a, double b)
{
    (void)tensor, (void)stream, (void)a, (void)b;
    return sw_fail(SW_UNSUPPORTED, "cannot be filled");
}

static void test_an_initialiser_gets_seed_value_and_the_stream_of_the_name(void **state)
{
    sw_init init = {fill_address, 7, 0.5};
    sw_state *a = sw_param(*state, "layer/w", SW_F64, SW_DIMS(2), init);
    assert_true(sw_tensor_get(sw_state_tensor(a), 1) == sw_random_stream("layer/w") % 1000 + 7.5);
    assert_true(sw_state_trainable(a));
    assert_string_equal(sw_state_name(a), "layer/w");
    sw_state *count = sw_state_new(*state, "count", SW_I64, SW_SCALAR, (sw_init){0}, false);
    assert_int_equal(sw_tensor_get_int(sw_state_tensor(count), 0), 0);
    assert_false(sw_state_trainable(count));
    sw_state_release(a);
    sw_state_release(count);
}

static void test_what_cannot_be_a_state_is_refused(void **state)
{
    assert_null(sw_param(*state, "i", SW_I32, SW_DIMS(2), (sw_init){0}));
    assert_string_equal(sw_error_text(), "state 'i': what is trained must be floating");
    assert_null(sw_param(*state, "", SW_F32, SW_DIMS(2), (sw_init){0}));
    assert_null(sw_param(*state, "x", SW_F32, SW_DIMS(-2), (sw_init){0}));
    uint64_t before = sw_context_bytes(*state);
    assert_null(sw_param(*state, "y", SW_F32, SW_DIMS(2), (sw_init){.fill = fill_fails}));
    assert_string_equal(sw_error_text(), "cannot be filled");
    assert_int_equal(sw_context_bytes(*state), before);
}

static void test_what_nobody_releases_goes_with_the_context(void **state)
{
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%d", i);
        assert_non_null(sw_param(*state, name, SW_F32, SW_DIMS(10), (sw_init){0}));
    }
    sw_state *middle = sw_param(*state, "m", SW_F32, SW_DIMS(10), (sw_init){0});
    sw_state_release(sw_state_retain(middle));
    sw_state_release(middle); /* leak checkers watch the rest go in teardown */
}

static void test_set_copies_and_checks(void **state)
{
    sw_state *w = sw_param(*state, "w", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_tensor *t = sw_tensor_from(*state, SW_F64, SW_DIMS(2), (double[]){1, 2});
    assert_ok(sw_state_set(w, t));
    sw_tensor_set(t, 0, 9);
    assert_true(sw_tensor_get(sw_state_tensor(w), 0) == 1);
    sw_tensor *wrong = sw_tensor_zeros(*state, SW_F32, SW_DIMS(3));
    assert_int_equal(sw_state_set(w, wrong), SW_SHAPE);
    assert_string_equal(sw_error_text(), "state 'w': given f32[3], needs f64[2]");
    sw_tensor_release(t);
    sw_tensor_release(wrong);
    sw_state_release(w);
}

static void test_a_sleeping_graph_reads_once_and_then_what_it_assigned(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_state *w = sw_param(*state, "w", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_value *first = sw_read(g, w);
    assert_ptr_equal(sw_read(g, w), first);
    sw_value *next = sw_exp(g, first);
    assert_ok(sw_assign(g, w, next));
    assert_ptr_equal(sw_read(g, w), next);
    assert_int_equal(sw_graph_state_count(g), 1);
    assert_ptr_equal(sw_graph_state(g, 0), w);
    assert_ptr_equal(sw_graph_state_named(g, "w"), w);
    assert_null(sw_graph_state_named(g, "v"));
    assert_ok(sw_graph_verify(g));
    sw_state_release(w);
    assert_true(sw_tensor_get(sw_state_tensor(sw_graph_state(g, 0)), 0) == 0); /* held by the graph, untouched */
    sw_graph_free(g);
}

static void test_two_states_of_one_name_cannot_meet_in_a_graph(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_state *a = sw_param(*state, "w", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_state *b = sw_param(*state, "w", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_read(g, a);
    assert_null(sw_read(g, b));
    assert_int_equal(sw_graph_status(g), SW_EXISTS);
    assert_string_equal(sw_graph_error(g), "the graph uses another state 'w' already");
    sw_graph_free(g);
    sw_state_release(a);
    sw_state_release(b);
}

static void test_an_awake_graph_sees_contents_that_came_from_outside(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_state *w = sw_param(*state, "w", SW_F64, SW_DIMS(1), (sw_init){0});
    sw_value *old = sw_read(g, w);
    assert_ptr_equal(sw_read(g, w), old);
    sw_tensor *t = sw_tensor_from(*state, SW_F64, SW_DIMS(1), (double[]){5});
    assert_ok(sw_state_set(w, t));
    assert_true(number(sw_read(g, w)) == 5);
    assert_true(number(old) == 0);
    *(double *)sw_tensor_data(sw_state_tensor(w)) = 6; /* as a plan does */
    sw_value *before_touch = sw_read(g, w);
    sw_state_touch(w);
    assert_ptr_not_equal(sw_read(g, w), before_touch);
    sw_tensor_release(t);
    sw_graph_free(g);
    sw_state_release(w);
}

/* A tensor that the caller can still write, or that another state has taken, is copied. */
static void test_assigned_contents_are_the_states_own(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_state *a = sw_param(*state, "a", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_state *b = sw_param(*state, "b", SW_F64, SW_DIMS(2), (sw_init){0});
    sw_tensor *mine = sw_tensor_from(*state, SW_F64, SW_DIMS(2), (double[]){1, 2});
    sw_value *x = sw_input(g, mine), *y = sw_add(g, x, x);
    assert_ok(sw_assign(g, a, sw_reshape(g, x, SW_DIMS(2))));
    sw_tensor_set(mine, 0, 100);
    assert_true(sw_tensor_get(sw_state_tensor(a), 0) == 1);
    assert_ok(sw_assign(g, a, y));
    assert_ok(sw_assign(g, b, y));
    assert_ptr_not_equal(sw_tensor_data(sw_state_tensor(a)), sw_tensor_data(sw_state_tensor(b)));
    sw_tensor_release(mine);
    sw_graph_free(g);
    sw_state_release(a);
    sw_state_release(b);
}

static void test_an_assignment_of_another_type_is_refused(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_state *w = sw_param(*state, "w", SW_F64, SW_DIMS(2), (sw_init){0});
    assert_int_equal(sw_assign(g, w, sw_input_declare(g, "x", SW_TYPE(SW_F64, sw_symbol(g, "N")))), SW_SHAPE);
    assert_string_equal(sw_graph_error(g), "Assign 'w': given f64[N], needs f64[2]");
    sw_graph_free(g);
    sw_state_release(w);
}

/* Steps without scopes: each step's gradient is that step's own, not through the updates before it. */
static void test_steps_without_scopes_differentiate_one_step(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_state *w = sw_param(*state, "w", SW_F64, SW_SCALAR, sw_init_constant(1));
    double x = 1;
    for (int i = 0; i < 4; i++) {
        sw_value *now = sw_read(g, w);
        assert_ok(sw_backward(g, sw_mul(g, now, now)));
        assert_true(number(sw_gradient_of(g, w)) == 2 * x);
        assert_ok(sw_assign(g, w, sw_sub(g, now, sw_mul_scalar(g, sw_gradient_of(g, w), 0.25))));
        x /= 2;
    }
    assert_graph_ok(g);
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
    sw_state_release(w);
}

/* ---- phase and randomness ---- */
static void test_the_phase_is_a_value(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    assert_true(number(sw_training(g)) == 1);
    assert_ptr_equal(sw_training(g), sw_training(g));
    sw_graph_set_training(g, false);
    assert_true(number(sw_training(g)) == 0);
    sw_graph_free(g);
    g = sw_graph_new(*state, 0);
    assert_null(sw_graph_training_value(g));
    sw_value *phase = sw_training(g);
    assert_ptr_equal(sw_graph_training_value(g), phase);
    assert_int_equal(sw_graph_input_count(g), 0);
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
}

static void test_the_random_key_is_a_state_when_one_is_given(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    assert_true(sw_tensor_get(sw_value_tensor(sw_random_key(g)), 0) == 0);
    sw_state *key = sw_state_new(*state, "key", SW_U64, SW_DIMS(2), (sw_init){0}, false);
    sw_tensor *t = sw_tensor_from(*state, SW_U64, SW_DIMS(2), (uint64_t[]){42, 3});
    assert_ok(sw_state_set(key, t));
    sw_graph_set_random(g, key);
    assert_true(sw_tensor_get(sw_value_tensor(sw_random_key(g)), 0) == 42);
    sw_state *wrong = sw_state_new(*state, "wrong", SW_U64, SW_DIMS(3), (sw_init){0}, false);
    sw_graph_set_random(g, wrong);
    assert_int_equal(sw_graph_status(g), SW_SHAPE);
    sw_tensor_release(t);
    sw_graph_free(g);
    sw_state_release(key);
    sw_state_release(wrong);
}

static void test_every_allocation_may_fail(void **state)
{
    sw_context *ctx = *state;
    sw_state_release(sw_param(ctx, "first", SW_F64, SW_DIMS(2), (sw_init){0})); /* the context's list is made */
    uint64_t before = sw_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        assert_true(nth < 1000);
        sw_alloc_fail_at(ctx, nth);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        sw_state *w = sw_param(ctx, "w", SW_F64, SW_DIMS(2), sw_init_constant(1));
        sw_status status = SW_NO_MEMORY;
        if (g && w) {
            sw_value *x = sw_read(g, w);
            status = sw_assign(g, w, sw_add(g, x, x));
            if (status == SW_OK)
                status = sw_assign(g, w, sw_read(g, w)); /* a leaf: copied */
        }
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
        sw_graph_free(g);
        sw_state_release(w);
        assert_int_equal(sw_context_bytes(ctx), before);
        if (!failed)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_initialiser_gets_seed_value_and_the_stream_of_the_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_a_state_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_nobody_releases_goes_with_the_context, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_copies_and_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sleeping_graph_reads_once_and_then_what_it_assigned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_states_of_one_name_cannot_meet_in_a_graph, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_awake_graph_sees_contents_that_came_from_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assigned_contents_are_the_states_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_assignment_of_another_type_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_without_scopes_differentiate_one_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_phase_is_a_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_random_key_is_a_state_when_one_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
