/* plan_overhead.c: what a plan adds to its kernels: nanoseconds per run and per step; for the script of the same name.
 *
 * Chains of Neg over a handful of numbers: the kernels do next to nothing, so what grows with the chain is the cost of
 * a step, and what an empty chain costs is the cost of a run. The shortest of many stretches is taken. */
#include <stdio.h>

#include "base/clock.h"
#include "slipway/ops.h"
#include "slipway/plan.h"

enum { RUNS = 2000, STRETCHES = 50 };

static double nanoseconds(sw_plan *plan, sw_tensor *x, sw_tensor *y)
{
    double best = 1e18;
    for (int i = 0; i < STRETCHES; i++) {
        uint64_t begin = sw_now_ns();
        for (int k = 0; k < RUNS; k++)
            if (sw_plan_run(plan, &x, &y, NULL) != SW_OK)
                return -1;
        double each = (double)(sw_now_ns() - begin) / RUNS;
        best = each < best ? each : best;
    }
    return best;
}

static double chain(sw_context *ctx, int length)
{
    sw_plan *plan = NULL;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *y = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), 8));
    for (int i = 0; i < length; i++)
        y = i % 2 ? sw_abs(g, y) : sw_neg(g, y);
    sw_output(g, "y", y);
    double time = -1;
    sw_tensor *in = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(1, 8)), *out = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(1, 8));
    if (in && out && sw_compile(g, NULL, &plan) == SW_OK)
        time = nanoseconds(plan, in, out);
    sw_tensor_release(in);
    sw_tensor_release(out);
    sw_plan_free(plan);
    sw_graph_free(g);
    return time;
}

int main(void)
{
    sw_context *ctx = sw_context_new(NULL);
    double one = chain(ctx, 1), many = chain(ctx, 65);
    int code = one > 0 && many > 0 ? 0 : 1;
    if (code)
        fprintf(stderr, "plan_overhead: %s\n", sw_error_text());
    else
        printf("a run with one step  %6.0f ns\neach further step    %6.0f ns\n", one, (many - one) / 64);
    sw_context_free(ctx);
    return code;
}
