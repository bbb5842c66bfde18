/* eager_overhead: what an awake graph costs beside the arithmetic, in nanoseconds of processor time per node.
 *
 * Scalars, so that computing is next to nothing: what is left is checking, inferring, recording, allocating and giving
 * back. Processor time, so that a busy machine does not count; the least of several rounds. */
#include <stdio.h>
#include <time.h>

#include "slipway/slipway.h"

enum { ROUNDS = 7, STEPS = 2000, NODES = 100 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void chain_add(sw_graph *g, sw_value *x)
{
    for (int i = 0; i < NODES; i++)
        x = sw_add(g, x, x);
}

static void chain_relu(sw_graph *g, sw_value *x)
{
    for (int i = 0; i < NODES; i++)
        x = sw_relu(g, x);
}

/* Forward and backward: as many nodes again, and the walk. */
static void chain_backward(sw_graph *g, sw_value *x)
{
    sw_value *y = x, *dx;
    for (int i = 0; i < NODES / 2; i++)
        y = sw_add(g, y, x);
    sw_grad(g, y, SW_NONE, &x, 1, &dx);
}

static void measure(sw_context *ctx, const char *name, void (*chain)(sw_graph *g, sw_value *x))
{
    double best = 1e30;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_tensor *one = sw_tensor_zeros(ctx, SW_F32, SW_SCALAR);
    for (int round = 0; round < ROUNDS; round++) {
        double nodes = 0, before = now_ns();
        for (int step = 0; step < STEPS; step++) {
            sw_scope *scope = sw_scope_begin(g);
            chain(g, sw_input(g, one));
            nodes += sw_graph_node_count(g);
            sw_scope_end(scope);
        }
        double each = (now_ns() - before) / nodes;
        best = each < best ? each : best;
    }
    if (sw_ok(g))
        printf("%-10s %6.0f ns per node\n", name, best);
    else
        printf("%-10s failed: %s\n", name, sw_graph_error(g));
    sw_tensor_release(one);
    sw_graph_free(g);
}

int main(void)
{
    sw_context *ctx = sw_context_new(NULL);
    if (!ctx)
        return fprintf(stderr, "eager_overhead: %s\n", sw_error_text()), 1;
    measure(ctx, "add", chain_add);
    measure(ctx, "relu", chain_relu);
    measure(ctx, "backward", chain_backward);
    sw_context_free(ctx);
    return 0;
}
