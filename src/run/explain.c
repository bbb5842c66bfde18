/* explain.c: a plan in words: what the passes did, then the steps with their kernels and places. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "graph/dim.h"
#include "run/inside.h"

static const char *const homes[] = {"nowhere", "arena", "input", "output", "state", "constant", "grown"};
static const char *const layouts[] = {"", " channels-last", " blocked-8", " blocked-16", " packed"};

static void add_view(sw_text *text, const sw_view *view)
{
    char dims[256];
    sw_dims d = {.rank = view->rank};
    memcpy(d.dim, view->dims, sizeof d.dim);
    if (view->dtype == SW_DTYPE_NONE)
        sw_text_add(text, "-");
    else
        sw_text_addf(text, "%s%s%s", sw_dtype_name(view->dtype), sw_dims_text(d, dims, sizeof dims),
                     layouts[view->layout]);
}

static void add_place(sw_text *text, const sw_program *p, const sw_instance *instance, int view)
{
    for (int i = 0; i < instance->local_count; i++)
        if (instance->local[i].view == view)
            sw_text_addf(text, " @%zu", instance->local[i].offset);
    for (int i = 0; i < instance->outside_count; i++)
        if (instance->outside[i].view == view) {
            const sw_buffer *b = &p->buffers[instance->outside[i].buffer];
            sw_text_addf(text, " @%s %d", homes[b->home], b->index);
        }
}

static void add_step(sw_text *text, const sw_program *p, const sw_instance *instance, const sw_instance_step *at)
{
    const char *name = at->kernel ? sw_node_name(at->step->node) : "copy";
    sw_text_addf(text, "  %s%s: %s, %s, %d thread%s, %.4g flops\n", name, at->step->commit ? " (commit)" : "",
                 at->kernel ? at->step->node->op->name : "Copy", at->kernel ? at->kernel->name : "memcpy", at->threads,
                 at->threads == 1 ? "" : "s", at->cost.flops);
    for (int i = 0; i < at->inputs_count + at->outputs_count; i++) {
        int view = i < at->inputs_count ? at->inputs + i : at->outputs + i - at->inputs_count;
        sw_text_add(text, i < at->inputs_count ? "    < " : "    > ");
        add_view(text, &instance->views[view]);
        add_place(text, p, instance, view);
        sw_text_add(text, "\n");
    }
    if (at->prepared.scratch_bytes)
        sw_text_addf(text, "    scratch %zu bytes @%zu\n", at->prepared.scratch_bytes, at->scratch_offset);
}

static void add_instance(sw_text *text, const sw_program *p, const sw_segment *segment, const sw_instance *instance)
{
    sw_text_add(text, "instance");
    for (int i = 0; i < segment->symbols_count; i++)
        sw_text_addf(text, " %s=%lld", sw_symbol_name(p->graph, segment->symbols[i]), (long long)instance->key[i]);
    sw_text_addf(text, ": arena %zu bytes (buffers alone %zu), library %zu bytes, %.4g flops\n", instance->arena_bytes,
                 instance->buffer_bytes, instance->library_bytes, instance->flops);
    for (int i = 0; i < instance->steps_count; i++)
        add_step(text, p, instance, &instance->steps[i]);
}

static void add_steps(sw_text *text, const sw_program *p)
{
    sw_text_addf(text, "steps: %d, of which %d in the commit\n", p->steps_count, p->steps_count - p->commit_first);
    for (int i = 0; i < p->steps_count; i++) {
        const sw_step *step = &p->steps[i];
        if (step->kind == SW_STEP_COPY)
            sw_text_addf(text, "  copy to %s %d\n", homes[p->buffers[step->to].home], p->buffers[step->to].index);
        else
            sw_text_addf(text, "  %s (%s)\n", sw_node_name(step->node), step->node->op->name);
    }
}

char *sw_plan_explain(sw_plan *plan)
{
    const sw_program *p = plan->program;
    sw_text text;
    sw_text_init(&text, plan->ctx);
    sw_text_addf(&text, "plan '%s', backend %s, team %d, lanes %d, identity %s\npasses:\n%s", p->name, p->backend->name,
                 p->options.team, plan->lanes.count, p->identity, p->passes_text);
    add_steps(&text, p);
    pthread_mutex_lock(&plan->program->lock);
    for (int s = 0; s < p->segments_count; s++)
        for (const sw_instance *i = p->segments[s].instances; i; i = i->next)
            add_instance(&text, p, &p->segments[s], i);
    pthread_mutex_unlock(&plan->program->lock);
    char *made = sw_text_take(&text);
    sw_text_free(&text);
    return made;
}
