/* segments.c: stretches of steps whose dims are all known when the first of them begins.
 *
 * Most graphs are one segment. A data-shaped row ends one: what it makes binds symbols that nobody knew before it
 * ran. Behind it, steps that depend on such symbols and steps that do not are kept apart, so that pictures of many
 * sizes prepare the resize anew, not the network behind it. Values that cross into a later segment keep their memory
 * to the end of the run: each segment has an arena of its own.
 *
 * A dim does not list its symbols; it is asked for each: with all others bound, does it have a value? */
#include <string.h>

#include "compile/program.h"
#include "graph/dim.h"

struct reach {
    sw_program *p;
    int64_t *probe; /* symbols_count values */
    bool *used;     /* of the segment at hand */
    bool *inner;    /* per symbol: bound by data, not by inputs */
};

static sw_status dim_uses(struct reach *r, sw_dim dim, bool *used)
{
    if (sw_dim_known(dim))
        return SW_OK;
    if (dim == SW_DIM_UNKNOWN)
        return sw_fail(SW_UNSUPPORTED, "a dim is not known before the plan runs");
    for (int s = 0; s < r->p->symbols_count; s++) {
        int64_t value;
        for (int i = 0; i < r->p->symbols_count; i++)
            r->probe[i] = i == s ? -1 : 1024;
        SW_TRY(sw_dim_eval(r->p->graph, dim, r->probe, &value));
        if (value < 0)
            used[s] = true;
    }
    return SW_OK;
}

static sw_status value_uses(struct reach *r, const sw_value *value, bool *used)
{
    if (value == sw_none)
        return SW_OK;
    if (value->type.kind != SW_TENSOR || value->type.rank < 0 || value->type.dtype == SW_STRING)
        return sw_fail(SW_UNSUPPORTED, "'%s' makes what a plan cannot place: only tensors of numbers with a known rank",
                       sw_node_name(value->node));
    for (int i = 0; i < value->type.rank; i++)
        SW_TRY(dim_uses(r, value->type.dims[i], used));
    return SW_OK;
}

static sw_status step_uses(struct reach *r, const sw_step *step, bool *used)
{
    if (step->kind == SW_STEP_COPY)
        return value_uses(r, step->value, used);
    for (int i = 0; i < step->node->inputs_count; i++)
        SW_TRY(value_uses(r, step->node->inputs[i], used));
    for (int i = 0; i < step->node->outputs_count && !step->data_shaped; i++)
        SW_TRY(value_uses(r, step->node->outputs[i], used));
    return SW_OK;
}

static sw_status find_inner(struct reach *r)
{
    sw_program *p = r->p;
    for (int s = 0; s < p->symbols_count; s++)
        r->inner[s] = true;
    for (int i = 0; i < p->inputs_count; i++) {
        bool *used = r->used;
        memset(used, 0, (size_t)p->symbols_count);
        SW_TRY(value_uses(r, p->inputs[i], used));
        for (int s = 0; s < p->symbols_count; s++)
            r->inner[s] &= !used[s];
    }
    return SW_OK;
}

/* True when the step's dims depend on a symbol that data binds. */
static sw_status depends_on_data(struct reach *r, const sw_step *step, bool *used, bool *depends)
{
    memset(used, 0, (size_t)r->p->symbols_count);
    *depends = false;
    SW_TRY(step_uses(r, step, used));
    for (int s = 0; s < r->p->symbols_count; s++)
        *depends |= used[s] && r->inner[s];
    return SW_OK;
}

static sw_status end_segment(struct reach *r, sw_segment *segment, int end)
{
    sw_program *p = r->p;
    segment->end = end;
    bool *used = sw_arena_array(p->arena, (size_t)p->symbols_count + 1, sizeof *used);
    segment->symbols = sw_arena_array(p->arena, (size_t)p->symbols_count + 1, sizeof *segment->symbols);
    if (!used || !segment->symbols)
        return sw_alloc_status();
    for (int i = segment->first; i < end; i++)
        SW_TRY(step_uses(r, &p->steps[i], used));
    for (int s = 0; s < p->symbols_count; s++)
        if (used[s])
            segment->symbols[segment->symbols_count++] = s;
    return SW_OK;
}

static sw_status cut(struct reach *r)
{
    sw_program *p = r->p;
    p->segments = sw_arena_array(p->arena, (size_t)p->steps_count + 1, sizeof *p->segments);
    if (!p->segments)
        return sw_alloc_status();
    p->segments_count = 1;
    bool dynamic = false, ended = false;
    for (int i = 0; i < p->steps_count; i++) {
        bool depends;
        SW_TRY(depends_on_data(r, &p->steps[i], r->used, &depends));
        if (i > 0 && (ended || depends != dynamic)) {
            SW_TRY(end_segment(r, &p->segments[p->segments_count - 1], i));
            p->segments[p->segments_count++].first = i;
        }
        dynamic = depends;
        ended = p->steps[i].data_shaped;
    }
    return end_segment(r, &p->segments[p->segments_count - 1], p->steps_count);
}

static int segment_of(const sw_program *p, int step)
{
    int s = 0;
    while (step >= p->segments[s].end && s + 1 < p->segments_count)
        s++;
    return s;
}

sw_status sw_program_segments(sw_program *program)
{
    sw_program *p = program;
    p->symbols_count = sw_symbol_count(p->graph);
    size_t symbols = (size_t)p->symbols_count + 1;
    struct reach r = {p, sw_arena_array(p->arena, symbols, sizeof *r.probe),
                      sw_arena_array(p->arena, symbols, sizeof *r.used),
                      sw_arena_array(p->arena, symbols, sizeof *r.inner)};
    if (!r.probe || !r.used || !r.inner)
        return sw_alloc_status();
    SW_TRY(find_inner(&r));
    SW_TRY(cut(&r));
    for (int i = 0; i < p->buffers_count; i++) {
        sw_buffer *buffer = &p->buffers[i];
        if (buffer->first < 0)
            continue;
        buffer->segment = segment_of(p, buffer->first);
        buffer->exported = buffer->home == SW_HOME_ARENA && buffer->last >= p->segments[buffer->segment].end;
    }
    return SW_OK;
}
