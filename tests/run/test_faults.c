/* Every allocation of compiling and running may fail: the answer is a status with a text, nothing leaks, no state
 * changes, and the same plan works afterwards. */
#include "run/networks.h"

#include "base/alloc.h"

static void test_every_failing_allocation_of_a_training_step_is_an_answer(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = training_graph(ctx, cnn, true);
    sw_tensor *x = numbers(ctx, input_dims(cnn, 2), 1), *labels = labels_of(ctx, 2, CLASSES, 1);
    const sw_compile_options options = {.size = sizeof options, .training = true};
    uint64_t bytes = sw_context_bytes(ctx), n = 1;
    for (bool done = false; !done; n++) {
        sw_plan *plan = NULL;
        sw_tensor *inputs[] = {x, labels}, *outputs[] = {NULL};
        sw_error_clear();
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_compile(g, &options, &plan);
        if (status == SW_OK)
            status = sw_plan_run(plan, inputs, outputs, NULL);
        done = !sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (!done && status != SW_OK) {
            assert_int_equal(status, SW_NO_MEMORY);
            assert_true(strlen(sw_error_text()) > 0);
            assert_null(outputs[0]);
        }
        if (done)
            assert_ok(status);
        sw_tensor_release(outputs[0]);
        sw_plan_free(plan);
        assert_int_equal(sw_context_bytes(ctx), bytes);
    }
    print_message("%d allocations\n", (int)n - 2);
    assert_true(n > 50);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_a_plan_survives_the_failures_of_its_first_run(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = forward_graph(ctx, cnn);
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true});
    sw_tensor *x = numbers(ctx, input_dims(cnn, 2), 1), *inputs[] = {x}, *outputs[] = {NULL};
    sw_status status = SW_NO_MEMORY;
    for (uint64_t n = 1; status != SW_OK; n++) {
        sw_alloc_fail_at(ctx, n);
        status = sw_plan_run(plan, inputs, outputs, NULL);
        sw_alloc_fail_at(ctx, 0);
        assert_true(status == SW_OK || status == SW_NO_MEMORY);
    }
    sw_context *other = context_of("ref", 1);
    sw_graph *same = forward_graph(other, cnn);
    sw_plan *truth = plan_of(same, (sw_compile_options){0});
    sw_tensor *y = numbers(other, input_dims(cnn, 2), 1), *expected = run_plan(truth, y, NULL);
    assert_true(difference(outputs[0], expected) < 1e-5);
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_tensor_release(expected);
    sw_tensor_release(outputs[0]);
    sw_plan_free(plan);
    sw_plan_free(truth);
    sw_graph_free(g);
    sw_graph_free(same);
    sw_context_free(other);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failing_allocation_of_a_training_step_is_an_answer),
        cmocka_unit_test(test_a_plan_survives_the_failures_of_its_first_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
