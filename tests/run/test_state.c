/* States in plans: a step of training equals the awake one, and a run that fails or is stopped changes no state. */
#include "run/networks.h"

#include "base/alloc.h"
#include "graph/graph.h"
#include "run/team.h"

/* Copies of all states of a graph, in its order. */
struct snapshot {
    int count;
    sw_tensor *tensors[32];
};

static struct snapshot take(sw_context *ctx, const sw_graph *g)
{
    struct snapshot s = {.count = sw_graph_state_count(g)};
    assert_true(s.count <= 32);
    for (int i = 0; i < s.count; i++) {
        const sw_tensor *now = sw_state_tensor(sw_graph_state(g, i));
        s.tensors[i] = sw_tensor_from(ctx, sw_tensor_dtype(now), sw_tensor_dims(now), sw_tensor_data(now));
        assert_non_null(s.tensors[i]);
    }
    return s;
}

static void drop(struct snapshot *s)
{
    for (int i = 0; i < s->count; i++)
        sw_tensor_release(s->tensors[i]);
}

static double distance(const struct snapshot *s, const sw_graph *g)
{
    double most = 0;
    for (int i = 0; i < s->count; i++)
        most = fmax(most, difference(sw_state_tensor(sw_graph_state(g, i)), s->tensors[i]));
    return most;
}

static void put_back(const struct snapshot *s, const sw_graph *g)
{
    for (int i = 0; i < s->count; i++)
        assert_ok(sw_state_set(sw_graph_state(g, i), s->tensors[i]));
}

/* The same steps by the reference, one by one. */
static void check_training(network net, bool adam, int team, double bound)
{
    const int64_t batch = team > 1 ? 48 : 6; /* a team comes only for large steps */
    enum { STEPS = 8 };
    double losses[2][STEPS];
    struct snapshot ends[2];
    sw_context *contexts[2];
    for (int k = 0; k < 2; k++) {
        sw_context *ctx = contexts[k] = context_of(k ? "cpu" : "ref", 2);
        sw_graph *g = training_graph(ctx, net, adam);
        sw_plan *plan = plan_of(g, (sw_compile_options){.training = true, .team = k ? team : 1, .no_fusion = !k});
        for (int step = 0; step < STEPS; step++) {
            sw_tensor *x = numbers(ctx, input_dims(net, batch), (uint32_t)step),
                      *labels = labels_of(ctx, batch, CLASSES, (uint32_t)step);
            sw_tensor *loss = run_plan(plan, x, labels);
            losses[k][step] = sw_tensor_get(loss, 0);
            sw_tensor_release(x);
            sw_tensor_release(labels);
            sw_tensor_release(loss);
        }
        ends[k] = take(ctx, g);
        sw_plan_free(plan);
        sw_graph_free(g);
    }
    for (int step = 0; step < STEPS; step++)
        assert_true(fabs(losses[0][step] - losses[1][step]) < bound);
    assert_int_equal(ends[0].count, ends[1].count);
    for (int i = 0; i < ends[0].count; i++)
        assert_true(difference(ends[1].tensors[i], ends[0].tensors[i]) < bound);
    for (int k = 0; k < 2; k++) {
        drop(&ends[k]);
        sw_context_free(contexts[k]);
    }
}

static void test_backends_agree_on_training(void **state)
{
    (void)state;
    check_training(mlp, false, 1, 1e-4);
    check_training(cnn, false, 1, 1e-3);
    check_training(cnn, true, 2, 1e-2);
}

/* All bytes of all states after some steps. */
static struct snapshot trained(sw_context *ctx, int team)
{
    sw_graph *g = training_graph(ctx, cnn, true);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true, .team = team});
    for (uint32_t step = 0; step < 5; step++) {
        sw_tensor *x = numbers(ctx, input_dims(cnn, 48), step), *labels = labels_of(ctx, 48, CLASSES, step);
        sw_tensor_release(run_plan(plan, x, labels));
        sw_tensor_release(x);
        sw_tensor_release(labels);
    }
    struct snapshot end = take(ctx, g);
    sw_plan_free(plan);
    sw_graph_free(g);
    return end;
}

static void test_the_same_identity_gives_the_same_bits(void **state)
{
    (void)state;
    for (int team = 1; team <= (sw_team_most() > 1 ? 2 : 1); team++) {
        struct snapshot ends[2];
        sw_context *contexts[2];
        for (int k = 0; k < 2; k++)
            ends[k] = trained(contexts[k] = context_of("cpu", 2), team);
        for (int i = 0; i < ends[0].count; i++)
            assert_memory_equal(sw_tensor_data(ends[0].tensors[i]), sw_tensor_data(ends[1].tensors[i]),
                                sw_tensor_bytes(ends[0].tensors[i]));
        for (int k = 0; k < 2; k++) {
            drop(&ends[k]);
            sw_context_free(contexts[k]);
        }
    }
}

static void test_a_step_equals_the_awake_one(void **state)
{
    (void)state;
    sw_context *ctx = context_of("ref", 1);
    sw_graph *g = training_graph(ctx, mlp, true);
    struct snapshot start = take(ctx, g);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    sw_tensor *x = numbers(ctx, input_dims(mlp, 6), 1), *labels = labels_of(ctx, 6, CLASSES, 1);
    sw_tensor_release(run_plan(plan, x, labels));
    struct snapshot end = take(ctx, g);

    sw_graph *awake = sw_graph_new(ctx, SW_EAGER);
    training_step(awake, mlp, sw_input(awake, x), sw_input(awake, labels), true);
    if (!sw_ok(awake))
        print_error("%s\n", sw_graph_error(awake));
    assert_true(sw_ok(awake));
    assert_int_equal(sw_graph_state_count(awake), end.count);
    for (int i = 0; i < end.count; i++) {
        sw_state *same = sw_graph_state_named(awake, sw_state_name(sw_graph_state(g, i)));
        assert_non_null(same);
        assert_true(difference(end.tensors[i], sw_state_tensor(same)) == 0);
    }
    assert_true(distance(&start, g) > 0.001);
    drop(&start);
    drop(&end);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    sw_plan_free(plan);
    sw_graph_free(awake);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_new_versions_are_written_over_the_old(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = training_graph(ctx, cnn, true);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    char *text = sw_plan_explain(plan);
    assert_non_null(text);
    assert_null(strstr(text, "copy to state")); /* parameters, slots and the step counter: all in place */
    assert_non_null(strstr(text, "in the commit"));
    sw_text_release(ctx, text);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_a_stopped_run_changes_no_state(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = training_graph(ctx, cnn, false);
    struct snapshot start = take(ctx, g);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    sw_tensor *x = numbers(ctx, input_dims(cnn, 4), 1), *labels = labels_of(ctx, 4, CLASSES, 1);
    sw_tensor *inputs[] = {x, labels}, *outputs[] = {NULL};
    sw_cancel *cancel = sw_cancel_new(ctx);
    sw_cancel_request(cancel);
    assert_int_equal(sw_plan_run(plan, inputs, outputs, cancel), SW_CANCELLED);
    assert_null(outputs[0]);
    assert_true(distance(&start, g) == 0);
    sw_cancel_free(cancel);
    cancel = sw_cancel_new(ctx);
    sw_cancel_set_deadline(cancel, 1);
    assert_int_equal(sw_plan_run(plan, inputs, outputs, cancel), SW_DEADLINE);
    assert_true(distance(&start, g) == 0);
    sw_cancel_free(cancel);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    drop(&start);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

/* A label that is no class makes the loss fail, in the middle of the step. */
static void test_a_failed_run_changes_no_state(void **state)
{
    (void)state;
    sw_context *ctx = context_of("ref", 1);
    sw_graph *g = training_graph(ctx, mlp, true);
    struct snapshot start = take(ctx, g);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    sw_tensor *x = numbers(ctx, input_dims(mlp, 4), 1), *labels = labels_of(ctx, 4, CLASSES, 1);
    assert_ok(sw_tensor_set(labels, 2, 1000));
    sw_tensor *inputs[] = {x, labels}, *outputs[] = {NULL};
    assert_int_not_equal(sw_plan_run(plan, inputs, outputs, NULL), SW_OK);
    assert_true(distance(&start, g) == 0);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    drop(&start);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static sw_state *counter(sw_context *ctx, const char *name, double value)
{
    return sw_state_new(ctx, name, SW_F32, SW_DIMS(3), sw_init_constant(value), false);
}

/* a' = b, b' = a, c' = c + a, out = the old c. */
static void test_states_may_be_exchanged(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_state *a = counter(ctx, "a", 1), *b = counter(ctx, "b", 2), *c = counter(ctx, "c", 10);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *old_a = sw_read(g, a), *old_b = sw_read(g, b), *old_c = sw_read(g, c);
    sw_assign(g, a, old_b);
    sw_assign(g, b, old_a);
    sw_assign(g, c, sw_add(g, old_c, old_a));
    sw_output(g, "old", old_c);
    assert_true(sw_ok(g));
    sw_plan *plan = plan_of(g, (sw_compile_options){0});
    const double expected[][4] = {{2, 1, 11, 10}, {1, 2, 13, 11}, {2, 1, 14, 13}};
    for (int i = 0; i < 3; i++) {
        sw_tensor *outputs[] = {NULL};
        assert_ok(sw_plan_run(plan, NULL, outputs, NULL));
        assert_true(sw_tensor_get(sw_state_tensor(a), 2) == expected[i][0]);
        assert_true(sw_tensor_get(sw_state_tensor(b), 2) == expected[i][1]);
        assert_true(sw_tensor_get(sw_state_tensor(c), 2) == expected[i][2]);
        assert_true(sw_tensor_get(outputs[0], 2) == expected[i][3]);
        sw_tensor_release(outputs[0]);
    }
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_state_release(a);
    sw_state_release(b);
    sw_state_release(c);
    sw_context_free(ctx);
}

static void test_a_frozen_plan_keeps_what_the_states_were(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = forward_graph(ctx, mlp), *step = training_graph(ctx, mlp, false);
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true}), *refused;
    sw_tensor *x = numbers(ctx, input_dims(mlp, 3), 1), *before = run_plan(plan, x, NULL);
    struct snapshot start = take(ctx, g);
    for (int i = 0; i < start.count; i++) {
        sw_tensor *zeros = sw_tensor_zeros(ctx, SW_F32, sw_tensor_dims(start.tensors[i]));
        assert_ok(sw_state_set(sw_graph_state(g, i), zeros));
        sw_tensor_release(zeros);
    }
    sw_tensor *after = run_plan(plan, x, NULL);
    assert_true(difference(after, before) == 0);
    put_back(&start, g);
    const sw_compile_options frozen = {.size = sizeof frozen, .freeze = true};
    assert_int_equal(sw_compile(step, &frozen, &refused), SW_INVALID);
    assert_null(refused);
    drop(&start);
    sw_tensor_release(x);
    sw_tensor_release(before);
    sw_tensor_release(after);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_graph_free(step);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backends_agree_on_training),
        cmocka_unit_test(test_the_same_identity_gives_the_same_bits),
        cmocka_unit_test(test_a_step_equals_the_awake_one),
        cmocka_unit_test(test_new_versions_are_written_over_the_old),
        cmocka_unit_test(test_a_stopped_run_changes_no_state),
        cmocka_unit_test(test_a_failed_run_changes_no_state),
        cmocka_unit_test(test_states_may_be_exchanged),
        cmocka_unit_test(test_a_frozen_plan_keeps_what_the_states_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
