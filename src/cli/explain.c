/* explain.c: what a plan does and when, for people who wonder why it is slow. */
#include "cli/explain.h"

#include <stdio.h>

#include "base/alloc.h"

enum { RUNS = 10 };

static sw_status prepare(sw_graph *g, const sw_dims *inputs, sw_plan **plan)
{
    const sw_compile_options options = {.size = sizeof options, .freeze = true};
    SW_TRY(sw_compile(g, &options, plan));
    sw_status status = sw_plan_prepare(*plan, inputs);
    if (status != SW_OK) {
        sw_plan_free(*plan);
        *plan = NULL;
    }
    return status;
}

int cli_explain(cli *c, sw_graph *g, const sw_dims *inputs)
{
    sw_plan *plan;
    sw_status status = prepare(g, inputs, &plan);
    if (status != SW_OK)
        return cli_fail(c, status);
    char *text = sw_plan_explain(plan);
    if (text)
        fputs(text, stdout);
    status = text ? SW_OK : sw_alloc_status();
    sw_text_release(cli_context(c), text);
    sw_plan_free(plan);
    return status == SW_OK ? 0 : cli_fail(c, status);
}

static void release_all(sw_tensor **tensors, int count)
{
    for (int i = 0; i < count; i++) {
        sw_tensor_release(tensors[i]);
        tensors[i] = NULL;
    }
}

static sw_status run_some(sw_plan *plan, sw_tensor **inputs, sw_tensor **outputs, const char *path)
{
    SW_TRY(sw_plan_run(plan, inputs, outputs, NULL)); /* what the first run warms is no part of it */
    SW_TRY(sw_plan_trace_begin(plan));
    for (int i = 0; i < RUNS; i++)
        SW_TRY(sw_plan_run(plan, inputs, outputs, NULL));
    return sw_plan_trace_write(plan, path);
}

static sw_status trace(sw_context *ctx, sw_plan *plan, const sw_dims *dims, const char *path)
{
    int inputs = sw_plan_input_count(plan), outputs = sw_plan_output_count(plan);
    sw_tensor **tensors = sw_alloc_zero(ctx, (size_t)(inputs + outputs) * sizeof *tensors);
    if (!tensors)
        return sw_alloc_status();
    sw_status status = SW_OK;
    for (int i = 0; i < inputs && status == SW_OK; i++) {
        tensors[i] = sw_tensor_zeros(ctx, sw_plan_input_type(plan, i)->dtype, dims[i]);
        status = tensors[i] ? SW_OK : sw_alloc_status();
    }
    if (status == SW_OK)
        status = run_some(plan, tensors, tensors + inputs, path);
    release_all(tensors, inputs + outputs);
    sw_free(ctx, tensors);
    return status;
}

int cli_trace(cli *c, sw_graph *g, const sw_dims *inputs, const char *path)
{
    sw_plan *plan;
    sw_status status = prepare(g, inputs, &plan);
    if (status != SW_OK)
        return cli_fail(c, status);
    status = trace(cli_context(c), plan, inputs, path);
    sw_plan_free(plan);
    if (status != SW_OK)
        return cli_fail(c, status);
    cli_note(c, "%s: a timeline of %d runs; open it in chrome://tracing or ui.perfetto.dev", path, RUNS);
    return 0;
}
