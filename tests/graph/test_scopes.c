/* What scopes give back, what they keep, and that a program can run for ever in them. */
#include "support.h"

static uint64_t at_first;

static int setup(void **state)
{
    *state = context();
    sw_state_release(sw_param(*state, "first", SW_F64, SW_SCALAR, (sw_init){0})); /* the context's list is made */
    at_first = sw_context_bytes(*state);
    return 0;
}

static int teardown(void **state)
{
    int left = sw_context_bytes(*state) != at_first;
    sw_context_free(*state);
    return left;
}

static sw_value *vector(sw_graph *g, double first, double second)
{
    sw_tensor *t = sw_tensor_from(sw_graph_context(g), SW_F64, SW_DIMS(2), (double[]){first, second});
    sw_value *v = sw_input(g, t);
    sw_tensor_release(t);
    return v;
}

static void test_a_scope_gives_back_what_it_recorded(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *outside = vector(g, 1, 2);
    uint64_t tensors = sw_context_bytes(ctx);
    int nodes = sw_graph_node_count(g), ids = sw_graph_value_ids(g);
    for (int round = 0; round < 3; round++) {
        sw_scope *scope = sw_scope_begin(g);
        sw_value *a = sw_add(g, outside, vector(g, 3, 4)), *b = sw_mul(g, a, a);
        assert_ok(sw_value_set_name(b, "square"));
        assert_string_equal(sw_node_name(b->node), "Mul_3");
        assert_ok(sw_output(g, "out", b));
        assert_true(number(b) == 16);
        assert_ok(sw_graph_verify(g));
        sw_scope_end(scope);
        assert_ok(sw_graph_verify(g));
        assert_int_equal(sw_graph_node_count(g), nodes);
        assert_int_equal(sw_graph_value_ids(g), ids);
        assert_int_equal(sw_graph_input_count(g), 1);
        assert_int_equal(sw_graph_output_count(g), 0);
        assert_int_equal(outside->uses, 0);
        if (round == 0)
            tensors = sw_context_bytes(ctx); /* blocks of arenas and lists stay, contents do not */
        assert_int_equal(sw_context_bytes(ctx), tensors);
    }
    sw_graph_free(g);
}

static void test_scopes_nest_and_an_outer_end_ends_the_inner(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_scope *outer = sw_scope_begin(g);
    sw_value *a = vector(g, 1, 1);
    sw_scope *inner = sw_scope_begin(g);
    sw_add(g, a, a);
    sw_scope_end(inner);
    assert_int_equal(sw_graph_node_count(g), 1);
    sw_scope_begin(g);
    sw_add(g, a, a);
    sw_scope_end(outer);
    assert_int_equal(sw_graph_node_count(g), 0);
    sw_scope_end(NULL);
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
}

static void test_what_is_kept_survives_one_scope_as_a_leaf(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_scope *outer = sw_scope_begin(g), *inner = sw_scope_begin(g);
    sw_value *a = vector(g, 1, 2), *twice = sw_add(g, a, a), *kept = sw_keep(twice), *also = sw_keep(a);
    sw_value *used = sw_mul(g, kept, also); /* a kept value can be used where it was made */
    assert_true(number(used) == 2);
    assert_ok(sw_graph_verify(g));
    sw_scope_end(inner);
    assert_ok(sw_graph_verify(g));
    assert_true(number(kept) == 2);
    assert_true(number(also) == 1);
    assert_int_equal(sw_graph_node_count(g), 2);
    assert_int_equal(sw_node_input_count(kept->node), 0);
    sw_value *more = sw_add(g, kept, also);
    assert_true(number(more) == 3);

    /* An empty scope opened right behind kept leaves must not take them for its own. */
    sw_scope *empty = sw_scope_begin(g);
    sw_value *deep = sw_keep(more);
    sw_scope_end(empty);
    assert_true(number(deep) == 3);
    assert_ok(sw_graph_verify(g));
    sw_value *last = sw_keep(deep);
    sw_scope_end(outer);
    assert_int_equal(sw_graph_node_count(g), 1);
    assert_true(number(last) == 3);
    assert_ok(sw_graph_verify(g));
    assert_true(number(sw_keep(last)) == 3); /* without a scope: a leaf like others */
    sw_graph_free(g);
}

static void test_states_read_in_a_scope_are_read_again_after_it(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w = double_param(ctx, "w", SW_DIMS(2));
    for (int i = 0; i < 3; i++) {
        sw_scope *scope = sw_scope_begin(g);
        sw_value *now = sw_read(g, w), *next = sw_add(g, now, vector(g, 1, 1));
        double before = number(now);
        assert_ok(sw_assign(g, w, next));
        assert_true(number(sw_read(g, w)) == before + 1);
        assert_true(number(now) == before);
        sw_scope_end(scope);
        assert_true(sw_tensor_get(sw_state_tensor(w), 0) == before + 1);
        assert_ok(sw_graph_verify(g));
    }
    sw_graph_free(g);
    sw_state_release(w);
}

static void test_random_streams_are_the_same_in_every_step(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    double first[2];
    for (int round = 0; round < 2; round++) {
        sw_scope *scope = sw_scope_begin(g);
        double a = number(sw_random_uniform(g, SW_F64, SW_DIMS(1), 0, 1));
        double b = number(sw_random_uniform(g, SW_F64, SW_DIMS(1), 0, 1));
        assert_true(a != b);
        if (round == 1)
            assert_true(a == first[0] && b == first[1]);
        first[0] = a;
        first[1] = b;
        sw_scope_end(scope);
    }
    sw_graph_free(g);
}

static void test_a_failed_graph_can_still_end_its_scopes(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_scope *scope = sw_scope_begin(g);
    sw_add(g, vector(g, 1, 2), NULL);
    assert_false(sw_ok(g));
    assert_null(sw_scope_begin(g));
    sw_scope_end(scope);
    assert_int_equal(sw_graph_node_count(g), 0);
    sw_graph_free(g);
}

static void test_a_graph_freed_inside_its_scopes_leaves_nothing(void **state)
{
    uint64_t before = sw_context_bytes(*state);
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_scope_begin(g);
    sw_scope_begin(g);
    sw_keep(sw_add(g, vector(g, 1, 2), vector(g, 1, 2)));
    sw_graph_free(g);
    assert_int_equal(sw_context_bytes(*state), before);
}

static void test_a_sleeping_graph_has_no_scopes(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    assert_null(sw_scope_begin(g));
    assert_true(sw_ok(g));
    sw_graph_free(g);
}

static void keep_some(sw_context *ctx, sw_graph *g)
{
    sw_scope *outer = sw_scope_begin(g), *inner = sw_scope_begin(g);
    sw_value *a = vector(g, 1, 2), *kept = sw_keep(sw_add(g, a, a));
    sw_scope_end(inner);
    sw_keep(sw_mul(g, kept, kept));
    sw_scope_end(outer);
    (void)ctx;
}

static void test_every_allocation_may_fail(void **state)
{
    sw_context *ctx = *state;
    uint64_t before = sw_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        assert_true(nth < 1000);
        sw_alloc_fail_at(ctx, nth);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        if (g)
            keep_some(ctx, g);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (g)
            assert_int_equal(sw_ok(g), !failed);
        sw_graph_free(g);
        assert_int_equal(sw_context_bytes(ctx), before);
        if (!failed)
            return;
    }
}

/* Forward, backward and update. Nothing piles up: not in bytes held, not in calls for more. */
#ifdef SW_SANITIZED
enum { STEPS = 20000 };
#else
enum { STEPS = 1000000 };
#endif
static void test_a_million_steps_run_at_flat_memory(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w = sw_param(ctx, "w", SW_F64, SW_SCALAR, sw_init_constant(1));
    uint64_t bytes = 0, peak = 0;
    for (int i = 0; i < STEPS; i++) {
        sw_scope *step = sw_scope_begin(g);
        sw_value *x = sw_read(g, w), *loss = sw_mul(g, x, x);
        sw_backward(g, loss);
        sw_assign(g, w, sw_sub(g, x, sw_mul_scalar(g, sw_gradient_of(g, w), 1e-6)));
        sw_scope_end(step);
        if (i == 100) {
            bytes = sw_context_bytes(ctx);
            peak = sw_context_peak_bytes(ctx);
        }
    }
    assert_graph_ok(g);
    assert_int_equal(sw_context_bytes(ctx), bytes);
    assert_int_equal(sw_context_peak_bytes(ctx), peak);
    assert_true(fabs(sw_tensor_get(sw_state_tensor(w), 0) - pow(1 - 2e-6, STEPS)) < 1e-9);
    sw_graph_free(g);
    sw_state_release(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_scope_gives_back_what_it_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scopes_nest_and_an_outer_end_ends_the_inner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_kept_survives_one_scope_as_a_leaf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states_read_in_a_scope_are_read_again_after_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_streams_are_the_same_in_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_graph_can_still_end_its_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_graph_freed_inside_its_scopes_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sleeping_graph_has_no_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_million_steps_run_at_flat_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
