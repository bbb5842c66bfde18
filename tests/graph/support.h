/* What the tests of graphs share: contexts that must succeed, small tensors of doubles, finite differences. */
#ifndef TEST_GRAPH_SUPPORT_H
#define TEST_GRAPH_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/random.h"
#include "graph/inside.h"
#include "slipway/ops.h"

#define assert_ok(call) assert_ok_at((call), #call, __FILE__, __LINE__)
static inline void assert_ok_at(sw_status status, const char *call, const char *file, int line)
{
    if (status != SW_OK)
        print_error("%s:%d: %s: %s\n", file, line, call, sw_error_text());
    assert_int_equal(status, SW_OK);
}

static inline void assert_graph_ok(const sw_graph *g)
{
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_true(sw_ok(g));
}

static inline sw_context *context(void)
{
    sw_context *ctx = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "ref"});
    assert_non_null(ctx);
    return ctx;
}

/* Doubles in [low, high) at a fixed address. */
static inline sw_tensor *doubles(sw_context *ctx, sw_dims dims, uint32_t stream, double low, double high)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_F64, dims);
    assert_non_null(t);
    for (int64_t i = 0; i < sw_tensor_count(t); i++) {
        double u = sw_random_double((sw_random_address){.seed = 3, .stream = stream}, (uint64_t)i);
        assert_ok(sw_tensor_set(t, i, low + (high - low) * u));
    }
    return t;
}

static inline sw_state *double_param(sw_context *ctx, const char *name, sw_dims dims)
{
    sw_tensor *t = doubles(ctx, dims, sw_random_stream(name), -1, 1);
    sw_state *state = sw_param(ctx, name, SW_F64, dims, sw_init_zero());
    assert_non_null(state);
    assert_ok(sw_state_set(state, t));
    sw_tensor_release(t);
    return state;
}

static inline double number(sw_value *value)
{
    sw_tensor *t = sw_value_tensor(value);
    if (!t)
        print_error("%s\n", sw_error_text());
    assert_non_null(t);
    return sw_tensor_get(t, 0);
}

/* A scalar of states: built anew for each evaluation. */
typedef sw_value *(*scalar_fn)(sw_graph *g, sw_state *const *states);

static inline double evaluate(sw_context *ctx, scalar_fn f, sw_state *const *states)
{
    sw_graph *g = sw_graph_new(ctx, SW_NOGRAD);
    double y = number(f(g, states));
    sw_graph_free(g);
    return y;
}

/* df/d(state[index]) by central differences. */
static inline double slope(sw_context *ctx, scalar_fn f, sw_state *const *states, int which, int64_t index)
{
    const double h = 1e-5;
    double y[2];
    for (int side = 0; side < 2; side++) {
        sw_tensor *t = sw_tensor_cast(sw_state_tensor(states[which]), SW_F64),
                  *moved = sw_tensor_zeros(ctx, SW_F64, sw_tensor_dims(t));
        assert_ok(sw_tensor_copy(moved, t));
        double x = sw_tensor_get(t, index);
        assert_ok(sw_tensor_set(moved, index, side ? x + h : x - h));
        assert_ok(sw_state_set(states[which], moved));
        y[side] = evaluate(ctx, f, states);
        assert_ok(sw_tensor_set(moved, index, x));
        assert_ok(sw_state_set(states[which], moved));
        sw_tensor_release(t);
        sw_tensor_release(moved);
    }
    return (y[1] - y[0]) / (2 * h);
}

#endif
