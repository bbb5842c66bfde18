/* Small networks for the tests of plans, and what they are compared with. */
#ifndef TEST_RUN_NETWORKS_H
#define TEST_RUN_NETWORKS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "run/team.h"
#include "slipway/ops.h"
#include "slipway/plan.h"

#define assert_ok(call) assert_ok_at((call), #call, __FILE__, __LINE__)
static inline void assert_ok_at(sw_status status, const char *call, const char *file, int line)
{
    if (status != SW_OK)
        print_error("%s:%d: %s: %s\n", file, line, call, sw_error_text());
    assert_int_equal(status, SW_OK);
}

static inline sw_context *context_of(const char *backend, int threads)
{
    const sw_context_options options = {.size = sizeof options, .backend = backend, .threads = threads};
    sw_context *ctx = sw_context_new(&options);
    if (!ctx)
        print_error("%s\n", sw_error_text());
    assert_non_null(ctx);
    return ctx;
}

/* Numbers in [-1, 1) at a fixed address. */
static inline sw_tensor *numbers(sw_context *ctx, sw_dims dims, uint32_t stream)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_F32, dims);
    assert_non_null(t);
    float *data = sw_tensor_data(t);
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        data[i] = 2 * sw_random_float((sw_random_address){.seed = 11, .stream = stream}, (uint64_t)i) - 1;
    return t;
}

static inline sw_tensor *labels_of(sw_context *ctx, int64_t count, int classes, uint32_t stream)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_I64, SW_DIMS(count));
    assert_non_null(t);
    int64_t *data = sw_tensor_data(t);
    for (int64_t i = 0; i < count; i++)
        data[i] =
            (int64_t)sw_random_below((sw_random_address){.seed = 12, .stream = stream}, (uint64_t)i, (uint64_t)classes);
    return t;
}

/* The largest difference, relative to the larger of 1 and the expected number. */
static inline double difference(const sw_tensor *a, const sw_tensor *b)
{
    assert_true(sw_dims_equal(sw_tensor_dims(a), sw_tensor_dims(b)));
    double most = 0;
    for (int64_t i = 0; i < sw_tensor_count(a); i++) {
        double x = sw_tensor_get(a, i), y = sw_tensor_get(b, i), d = fabs(x - y) / fmax(1, fabs(y));
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

enum { CLASSES = 5 };

static inline sw_value *parameter(sw_graph *g, const char *name, sw_dims dims, sw_init init)
{
    sw_state *state = sw_param(sw_graph_context(g), name, SW_F32, dims, init);
    sw_value *value = sw_read(g, state);
    sw_state_release(state); /* the graph keeps it */
    return value;
}

/* x f32[N, 20] -> logits f32[N, CLASSES] */
static inline sw_value *mlp(sw_graph *g, sw_value *x)
{
    sw_value *h = sw_matmul(g, x, parameter(g, "w1", SW_DIMS(20, 16), sw_init_glorot(1)));
    h = sw_relu(g, sw_add(g, h, parameter(g, "b1", SW_DIMS(16), sw_init_constant(0.1))));
    h = sw_matmul(g, h, parameter(g, "w2", SW_DIMS(16, CLASSES), sw_init_glorot(2)));
    return sw_add(g, h, parameter(g, "b2", SW_DIMS(CLASSES), sw_init_zero()));
}

/* x f32[N, 1, 12, 12] -> logits f32[N, CLASSES]; two convolutions, one with a residual. */
static inline sw_value *cnn(sw_graph *g, sw_value *x)
{
    const sw_window same = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    const sw_window half = {.axes = 2, .kernel = {2, 2}, .strides = {2, 2}};
    sw_value *h = sw_conv(g, x, parameter(g, "c1", SW_DIMS(16, 1, 3, 3), sw_init_he(3)),
                          parameter(g, "d1", SW_DIMS(16), sw_init_zero()), &same);
    h = sw_max_pool(g, sw_relu(g, h), &half);
    sw_value *r = sw_conv(g, h, parameter(g, "c2", SW_DIMS(16, 16, 3, 3), sw_init_he(4)),
                          parameter(g, "d2", SW_DIMS(16), sw_init_zero()), &same);
    h = sw_global_average_pool(g, sw_relu(g, sw_add(g, r, h)));
    h = sw_matmul(g, sw_flatten(g, h, 1), parameter(g, "w", SW_DIMS(16, CLASSES), sw_init_glorot(5)));
    return sw_add(g, h, parameter(g, "b", SW_DIMS(CLASSES), sw_init_zero()));
}

typedef sw_value *(*network)(sw_graph *g, sw_value *x);

static inline sw_type input_type(sw_graph *g, network net)
{
    sw_dim n = sw_symbol(g, "N");
    return net == mlp ? SW_TYPE(SW_F32, n, 20) : SW_TYPE(SW_F32, n, 1, 12, 12);
}
static inline sw_dims input_dims(network net, int64_t n) { return net == mlp ? SW_DIMS(n, 20) : SW_DIMS(n, 1, 12, 12); }

/* A sleeping graph: x -> "logits". */
static inline sw_graph *forward_graph(sw_context *ctx, network net)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_graph_set_name(g, net == mlp ? "mlp" : "cnn");
    sw_value *x = sw_input_declare(g, "x", input_type(g, net));
    sw_output(g, "logits", net(g, x));
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_true(sw_ok(g));
    return g;
}

/* Forward, backward and update in one: x, labels -> "loss". */
static inline void training_step(sw_graph *g, network net, sw_value *x, sw_value *labels, bool adam)
{
    sw_value *loss = sw_softmax_cross_entropy(g, net(g, x), labels);
    if (loss)
        sw_value_set_name(loss, "loss");
    sw_backward(g, loss);
    if (adam)
        sw_adam_step(g, (sw_adam_options){.size = sizeof(sw_adam_options), .lr = 0.01});
    else
        sw_sgd_step(g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.1, .momentum = 0.9});
    sw_output(g, "loss", loss);
}

static inline sw_graph *training_graph(sw_context *ctx, network net, bool adam)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_graph_set_name(g, "step");
    sw_value *x = sw_input_declare(g, "x", input_type(g, net));
    sw_value *labels = sw_input_declare(g, "labels", SW_TYPE(SW_I64, sw_symbol(g, "N")));
    training_step(g, net, x, labels, adam);
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_true(sw_ok(g));
    return g;
}

static inline sw_plan *plan_of(sw_graph *g, sw_compile_options options)
{
    sw_plan *plan;
    options.size = sizeof options;
    if (options.team > sw_team_most())
        options.team = sw_team_most(); /* a build without OpenMP */
    sw_status status = sw_compile(g, &options, &plan);
    if (status != SW_OK)
        print_error("%s\n", sw_error_text());
    assert_int_equal(status, SW_OK);
    return plan;
}

/* One run with one output. */
static inline sw_tensor *run_plan(sw_plan *plan, sw_tensor *x, sw_tensor *labels)
{
    sw_tensor *inputs[] = {x, labels}, *outputs[] = {NULL};
    assert_ok(sw_plan_run(plan, inputs, outputs, NULL));
    return outputs[0];
}

#endif
