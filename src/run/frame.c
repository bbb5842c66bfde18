/* frame.c: an instance's views, pointed at a lane's memory.
 *
 * Calls and views are laid out once; a run only sets the pointers of what lies outside (inputs, outputs, states). */
#include <string.h>

#include "run/lane.h"

static sw_frame *make(sw_context *ctx, const sw_instance *instance)
{
    size_t calls = sw_align_up(sizeof(sw_frame), 16);
    size_t views = sw_align_up(calls + (size_t)instance->steps_count * sizeof(sw_call), 16);
    char *block = sw_alloc_zero(ctx, views + (size_t)instance->views_count * sizeof(sw_view));
    if (!block)
        return NULL;
    sw_frame *frame = (void *)block;
    frame->calls = (void *)(block + calls);
    frame->views = (void *)(block + views);
    if (instance->views_count)
        memcpy(frame->views, instance->views, (size_t)instance->views_count * sizeof(sw_view));
    return frame;
}

static void turn(const sw_program *p, const sw_instance *instance, sw_lane *lane, sw_frame *frame)
{
    char *base = lane->arenas[instance->segment];
    for (int i = 0; i < instance->local_count; i++)
        frame->views[instance->local[i].view].data = base + instance->local[i].offset;
    for (int i = 0; i < instance->steps_count; i++) {
        const sw_instance_step *at = &instance->steps[i];
        frame->calls[i] = (sw_call){.ctx = p->ctx,
                                    .node = at->step->node,
                                    .inputs_count = at->inputs_count,
                                    .outputs_count = at->outputs_count,
                                    .inputs = &frame->views[at->inputs],
                                    .outputs = &frame->views[at->outputs],
                                    .scratch = base + at->scratch_offset,
                                    .prepared = at->prepared.state,
                                    .team = at->threads > 1 ? &lane->team.team : NULL};
    }
    frame->base = base;
}

sw_status sw_frame_get(const sw_program *program, sw_instance *instance, sw_lane *lane, sw_frame **frame)
{
    void **slot = &instance->frames[lane->index];
    if (!*slot && !(*slot = make(program->ctx, instance)))
        return sw_alloc_status();
    *frame = *slot;
    if ((*frame)->base != lane->arenas[instance->segment])
        turn(program, instance, lane, *frame);
    return SW_OK;
}
