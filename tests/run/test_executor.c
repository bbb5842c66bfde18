/* Awake graphs compute through kernels: the same numbers as the reference, from many threads, in flat memory. */
#include "run/networks.h"

#include <pthread.h>

#include "base/alloc.h"
#include "graph/engine.h"

static sw_tensor *forward(sw_context *ctx, network net, sw_tensor *x)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
    sw_value *y = net(g, sw_input(g, x));
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_non_null(y);
    sw_tensor *t = sw_tensor_retain(sw_value_tensor(y));
    sw_graph_free(g);
    return t;
}

static void test_kernels_and_reference_agree(void **state)
{
    (void)state;
    sw_context *cpu = context_of("cpu", 1), *ref = context_of("ref", 1);
    assert_non_null(sw_executor_of(cpu));
    for (int i = 0; i < 4; i++) {
        network net = i % 2 ? mlp : cnn;
        sw_tensor *a = numbers(cpu, input_dims(net, i), 1), *b = numbers(ref, input_dims(net, i), 1);
        sw_tensor *fast = forward(cpu, net, a), *slow = forward(ref, net, b);
        assert_true(difference(fast, slow) < 1e-5);
        sw_tensor_release(a);
        sw_tensor_release(b);
        sw_tensor_release(fast);
        sw_tensor_release(slow);
    }
    sw_context_free(cpu);
    sw_context_free(ref);
}

/* A view that is not contiguous, attributes that differ in a digit: each has a signature of its own. */
static void test_signatures_tell_attributes_and_strides_apart(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_tensor *x = numbers(ctx, SW_DIMS(8, 8), 1), *turned = sw_tensor_transpose(x, (int[]){1, 0});
    sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
    for (int round = 0; round < 2; round++) {
        sw_value *a = sw_leaky_relu(g, sw_input(g, x), 0.25), *b = sw_leaky_relu(g, sw_input(g, x), 0.5);
        sw_value *c = sw_leaky_relu(g, sw_input(g, turned), 0.25);
        assert_true(sw_ok(g));
        for (int i = 0; i < 8; i++)
            for (int k = 0; k < 8; k++) {
                double v = sw_tensor_get(x, 8 * i + k);
                assert_true(sw_tensor_get(sw_value_tensor(a), 8 * i + k) == (v < 0 ? 0.25 * v : v));
                assert_true(sw_tensor_get(sw_value_tensor(b), 8 * i + k) == (v < 0 ? 0.5 * v : v));
                assert_true(sw_tensor_get(sw_value_tensor(c), 8 * k + i) == (v < 0 ? 0.25 * v : v));
            }
    }
    sw_graph_free(g);
    sw_tensor_release(x);
    sw_tensor_release(turned);
    sw_context_free(ctx);
}

static void test_many_shapes_stay_within_the_table(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    uint64_t bytes = 0;
    for (int64_t n = 1; n <= 2000; n++) {
        sw_tensor *x = numbers(ctx, SW_DIMS(1 + n % 500, 12), 1);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
        assert_non_null(sw_matmul_t(g, sw_input(g, x), false, sw_input(g, x), true));
        sw_graph_free(g);
        sw_tensor_release(x);
        if (n == 1000)
            bytes = sw_context_bytes(ctx);
    }
    assert_true(sw_context_bytes(ctx) <= bytes + (64 << 10));
    sw_context_free(ctx);
}

struct worker {
    sw_context *ctx;
    sw_tensor *x, *expected;
    pthread_t thread;
    int wrong;
};

static void *work(void *user)
{
    struct worker *w = user;
    for (int i = 0; i < 50; i++) {
        sw_graph *g = sw_graph_new(w->ctx, SW_EAGER | SW_NOGRAD);
        sw_value *y = cnn(g, sw_input(g, w->x));
        w->wrong += !y || memcmp(sw_tensor_data(sw_value_tensor(y)), sw_tensor_data(w->expected),
                                 sw_tensor_bytes(w->expected)) != 0;
        sw_graph_free(g);
    }
    return NULL;
}

static void test_threads_share_the_prepared_kernels(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 2);
    struct worker workers[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){.ctx = ctx, .x = numbers(ctx, input_dims(cnn, 2 + i % 2), (uint32_t)i)};
        workers[i].expected = forward(ctx, cnn, workers[i].x);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].wrong, 0);
        sw_tensor_release(workers[i].x);
        sw_tensor_release(workers[i].expected);
    }
    sw_context_free(ctx);
}

static void test_every_failing_allocation_fails_the_graph_and_nothing_else(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_tensor *x = numbers(ctx, input_dims(cnn, 2), 1);
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        sw_alloc_fail_at(ctx, n);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
        sw_value *y = g ? cnn(g, sw_input(g, x)) : NULL;
        done = !sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_true(done ? y != NULL : !y || sw_ok(g));
        sw_graph_free(g);
    }
    sw_tensor_release(forward(ctx, cnn, x));
    sw_tensor_release(x);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_and_reference_agree),
        cmocka_unit_test(test_signatures_tell_attributes_and_strides_apart),
        cmocka_unit_test(test_many_shapes_stay_within_the_table),
        cmocka_unit_test(test_threads_share_the_prepared_kernels),
        cmocka_unit_test(test_every_failing_allocation_fails_the_graph_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
