/* trace.c: timelines for chrome://tracing and Perfetto.
 *
 * One process, one track per lane; a run is a slice with its steps as slices inside it. */
#include "run/trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/vec.h"
#include "run/inside.h"

enum { MOST_EVENTS = 1 << 20 };

void sw_trace_init(sw_trace *trace)
{
    *trace = (sw_trace){0};
    pthread_mutex_init(&trace->lock, NULL);
}

static void clear(sw_context *ctx, sw_trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        sw_free(ctx, trace->events[i].name);
        sw_free(ctx, trace->events[i].args);
    }
    sw_free(ctx, trace->events);
    trace->events = NULL;
    trace->count = trace->capacity = trace->lost = 0;
}

void sw_trace_free(sw_context *ctx, sw_trace *trace)
{
    clear(ctx, trace);
    pthread_mutex_destroy(&trace->lock);
}

uint64_t *sw_trace_marks(sw_context *ctx, int steps)
{
    return sw_alloc_array(ctx, (size_t)steps + 1, sizeof(uint64_t));
}

/* Takes name and args, whatever happens. */
static void add(sw_context *ctx, sw_trace *trace, sw_trace_event event)
{
    pthread_mutex_lock(&trace->lock);
    bool fits = event.name && trace->count < MOST_EVENTS &&
                (trace->count < trace->capacity ||
                 sw_vec_grow(ctx, (void **)&trace->events, &trace->capacity, trace->count, 1, sizeof event) == SW_OK);
    if (fits)
        trace->events[trace->count++] = event;
    else
        trace->lost++;
    pthread_mutex_unlock(&trace->lock);
    if (!fits) {
        sw_free(ctx, event.name);
        sw_free(ctx, event.args);
    }
}

static void add_dims(sw_json_writer *json, const char *key, const sw_view *views, int count)
{
    sw_json_open(json, key, '[');
    for (int i = 0; i < count; i++) {
        char text[256] = "absent";
        if (views[i].dtype != SW_DTYPE_NONE) {
            sw_dims dims = {.rank = views[i].rank};
            memcpy(dims.dim, views[i].dims, sizeof dims.dim);
            int at = snprintf(text, sizeof text, "%s", sw_dtype_name(views[i].dtype));
            sw_dims_text(dims, text + at, sizeof text - (size_t)at);
        }
        sw_json_string(json, NULL, text);
    }
    sw_json_close(json, ']');
}

static char *describe(sw_context *ctx, const sw_instance_step *at, const sw_view *views)
{
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, ctx);
    sw_json_begin(&json, &text, false);
    sw_json_open(&json, NULL, '{');
    sw_json_string(&json, "op", at->kernel ? at->step->node->op->name : "Copy");
    sw_json_string(&json, "kernel", at->kernel ? at->kernel->name : "memcpy");
    add_dims(&json, "inputs", &views[at->inputs], at->inputs_count);
    add_dims(&json, "outputs", &views[at->outputs], at->outputs_count);
    sw_json_double(&json, "flops", at->cost.flops);
    sw_json_double(&json, "bytes", at->cost.bytes);
    sw_json_int(&json, "threads", at->threads);
    sw_json_close(&json, '}');
    char *made = sw_text_take(&text);
    sw_text_free(&text);
    return made;
}

void sw_trace_steps(sw_context *ctx, sw_trace *trace, const sw_instance *instance, const sw_view *views, int lane,
                    const uint64_t *marks)
{
    for (int i = 0; i < instance->steps_count; i++) {
        const sw_instance_step *at = &instance->steps[i];
        add(ctx, trace,
            (sw_trace_event){.name = sw_strdup(ctx, at->kernel ? sw_node_name(at->step->node) : "copy"),
                             .args = describe(ctx, at, views),
                             .category = "step",
                             .lane = lane,
                             .begin = marks[i],
                             .end = marks[i + 1]});
    }
}

void sw_trace_run(sw_context *ctx, sw_trace *trace, const char *plan, int lane, uint64_t begin, uint64_t end)
{
    add(ctx, trace,
        (sw_trace_event){
            .name = sw_format(ctx, "run %s", plan), .category = "run", .lane = lane, .begin = begin, .end = end});
}

sw_status sw_plan_trace_begin(sw_plan *plan)
{
    pthread_mutex_lock(&plan->trace.lock);
    clear(plan->ctx, &plan->trace);
    plan->trace.origin = sw_now_ns();
    pthread_mutex_unlock(&plan->trace.lock);
    atomic_store(&plan->trace.on, true);
    return SW_OK;
}

static void write_name(sw_json_writer *json, const char *what, int lane, const char *name)
{
    sw_json_open(json, NULL, '{');
    sw_json_string(json, "ph", "M");
    sw_json_string(json, "name", what);
    sw_json_int(json, "pid", (int64_t)getpid());
    sw_json_int(json, "tid", lane);
    sw_json_open(json, "args", '{');
    sw_json_string(json, "name", name);
    sw_json_close(json, '}');
    sw_json_close(json, '}');
}

static void write_event(sw_json_writer *json, const sw_trace *trace, const sw_trace_event *event)
{
    sw_json_open(json, NULL, '{');
    sw_json_string(json, "ph", "X");
    sw_json_string(json, "name", event->name);
    sw_json_string(json, "cat", event->category);
    sw_json_double(json, "ts", (double)(event->begin - trace->origin) / 1000.0); /* microseconds */
    sw_json_double(json, "dur", (double)(event->end - event->begin) / 1000.0);
    sw_json_int(json, "pid", (int64_t)getpid());
    sw_json_int(json, "tid", event->lane);
    if (event->args)
        sw_json_raw(json, "args", event->args);
    sw_json_close(json, '}');
}

static void write_all(sw_json_writer *json, const sw_plan *plan)
{
    const sw_trace *trace = &plan->trace;
    char name[32];
    sw_json_open(json, NULL, '{');
    sw_json_string(json, "displayTimeUnit", "ns");
    sw_json_open(json, "otherData", '{');
    sw_json_string(json, "plan", plan->program->name);
    sw_json_string(json, "identity", plan->program->identity);
    sw_json_int(json, "lost", (int64_t)trace->lost);
    sw_json_close(json, '}');
    sw_json_open(json, "traceEvents", '[');
    write_name(json, "process_name", 0, "slipway");
    for (int i = 0; i < plan->lanes.count; i++) {
        snprintf(name, sizeof name, "lane %d", i);
        write_name(json, "thread_name", i, name);
    }
    for (size_t i = 0; i < trace->count; i++)
        write_event(json, trace, &trace->events[i]);
    sw_json_close(json, ']');
    sw_json_close(json, '}');
}

sw_status sw_plan_trace_write(sw_plan *plan, const char *path)
{
    if (!atomic_exchange(&plan->trace.on, false))
        return sw_fail(SW_INVALID, "plan '%s': no trace was begun", plan->program->name);
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, plan->ctx);
    sw_json_begin(&json, &text, false);
    pthread_mutex_lock(&plan->trace.lock);
    write_all(&json, plan);
    clear(plan->ctx, &plan->trace);
    pthread_mutex_unlock(&plan->trace.lock);
    sw_status status = text.status;
    if (status == SW_OK)
        status = sw_file_write(plan->ctx, path, text.data, text.size);
    sw_text_free(&text);
    return status;
}
