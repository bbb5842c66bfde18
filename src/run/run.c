/* run.c: one run of a plan.
 *
 * Bind the inputs' dims to the symbols, find the instance for them (prepared at first use), make sure of the
 * memory, point the views at it, call the steps. Between steps of the first part the cancel token is looked at;
 * the commit (compile/program.h) goes through. In the steady state nothing here allocates, and a run of a small
 * network costs little more than its kernels. */
#include <string.h>

#include "base/clock.h"
#include "graph/dim.h"
#include "run/inside.h"
#include "tensor/dtype.h"

struct run {
    sw_plan *plan;
    sw_program *p;
    sw_lane *lane;
    sw_tensor *const *inputs;
    sw_tensor **outputs;
    sw_cancel *cancel;
    sw_instance *instance; /* of the segment at hand */
    sw_frame *frame;
    uint64_t ended; /* the last step; when a trace is on */
};

static const char *input_name(const struct run *r, int i) { return sw_value_name(r->p->inputs[i]); }

static sw_status bind_inputs(struct run *r)
{
    for (int i = 0; i < r->p->inputs_count; i++) {
        const sw_tensor *t = r->inputs[i];
        if (!t)
            return sw_fail(SW_INVALID, "plan '%s': input '%s' is missing", r->p->name, input_name(r, i));
        if (sw_tensor_dtype(t) != r->p->inputs[i]->type.dtype)
            return sw_fail(SW_SHAPE, "plan '%s': input '%s' is %s, needs %s", r->p->name, input_name(r, i),
                           sw_dtype_name(sw_tensor_dtype(t)), sw_dtype_name(r->p->inputs[i]->type.dtype));
        if (!sw_tensor_is_contiguous(t))
            return sw_fail(SW_INVALID, "plan '%s': input '%s' is not contiguous", r->p->name, input_name(r, i));
        r->lane->input_dims[i] = sw_tensor_dims(t);
    }
    SW_TRY(sw_program_bind(r->p, r->lane->input_dims, r->lane->symbols));
    for (int i = 0; i < r->p->buffers_count; i++) {
        const sw_buffer *buffer = &r->p->buffers[i];
        if (buffer->home == SW_HOME_INPUT)
            r->lane->where[i] = sw_tensor_data(r->inputs[buffer->index]);
        else if (buffer->home == SW_HOME_STATE)
            r->lane->where[i] = sw_tensor_data(sw_state_tensor(r->p->states[buffer->index]));
    }
    return SW_OK;
}

/* The caller's tensor, or a fresh one, for an output whose maker is in this segment. */
static sw_status bind_output(struct run *r, int i, int buffer)
{
    sw_dims dims;
    const sw_value *value = r->p->outputs[i];
    SW_TRY(sw_program_dims(r->p, value, r->lane->symbols, &dims));
    sw_tensor *t = r->outputs[i];
    if (!t) {
        t = r->outputs[i] = r->lane->made[i] = sw_tensor_new(r->p->ctx, value->type.dtype, dims);
        if (!t)
            return sw_fail_in(sw_alloc_status(), "plan '%s': output '%s'", r->p->name, r->p->output_names[i]);
    } else if (sw_tensor_dtype(t) != value->type.dtype || !sw_dims_equal(sw_tensor_dims(t), dims) ||
               !sw_tensor_is_contiguous(t)) {
        char have[256], need[256];
        return sw_fail(SW_SHAPE, "plan '%s': the tensor for output '%s' is %s%s, needs contiguous %s%s", r->p->name,
                       r->p->output_names[i], sw_dtype_name(sw_tensor_dtype(t)),
                       sw_dims_text(sw_tensor_dims(t), have, sizeof have), sw_dtype_name(value->type.dtype),
                       sw_dims_text(dims, need, sizeof need));
    }
    r->lane->where[buffer] = sw_tensor_data(t);
    return SW_OK;
}

/* A data-shaped row says how large its output is: memory for it grows and stays with the lane. */
static sw_status place(sw_call *call, int index, sw_dims dims)
{
    struct run *r = call->owner;
    const sw_value *value = sw_node_output(call->node, index);
    if (value == sw_none)
        return sw_fail(SW_INTERNAL, "'%s' places output %d, which is not made", sw_node_name(call->node), index);
    int buffer = r->p->buffer_of[value->id];
    int64_t count;
    size_t bytes;
    SW_TRY(sw_type_unify(r->p->graph, &value->type, dims, sw_node_name(call->node), r->lane->symbols));
    SW_TRY(sw_dims_count(dims, &count));
    if (!sw_dtype_size(value->type.dtype, count, &bytes))
        return sw_fail(SW_SHAPE, "'%s' makes more elements than can be addressed", sw_node_name(call->node));
    if (r->lane->grown_bytes[buffer] < bytes || !r->lane->grown[buffer]) {
        sw_free(r->p->ctx, r->lane->grown[buffer]);
        r->lane->grown_bytes[buffer] = 0;
        r->lane->grown[buffer] = sw_alloc_aligned(r->p->ctx, bytes ? bytes : 1, SW_TENSOR_ALIGNMENT);
        if (!r->lane->grown[buffer])
            return sw_fail_in(sw_alloc_status(), "'%s' needs %zu bytes for what it made of this input",
                              sw_node_name(call->node), bytes);
        r->lane->grown_bytes[buffer] = bytes;
    }
    sw_view *view = &call->outputs[index];
    view->rank = dims.rank;
    memcpy(view->dims, dims.dim, sizeof dims.dim);
    sw_view_pack_strides(view);
    view->data = r->lane->where[buffer] = r->lane->grown[buffer];
    return SW_OK;
}

static void copy(const sw_call *call)
{
    size_t bytes = sw_view_bytes(&call->inputs[0]);
    if (bytes)
        memcpy(call->outputs[0].data, call->inputs[0].data, bytes);
}

static sw_status call_step(struct run *r, int i)
{
    const sw_instance_step *at = &r->instance->steps[i];
    sw_call *call = &r->frame->calls[i];
    if (!at->kernel) {
        copy(call);
        return SW_OK;
    }
    if (!at->step->commit) {
        sw_status status = sw_cancel_check(r->cancel);
        if (status != SW_OK)
            return sw_fail(status, "plan '%s' was stopped before '%s': %s", r->p->name, sw_node_name(at->step->node),
                           sw_status_name(status));
        call->cancel = r->cancel;
    }
    if (at->step->data_shaped) {
        call->place = place;
        call->owner = r;
    }
    sw_team_use_threads(at->threads);
    sw_status status = at->kernel->run(call);
    return status == SW_OK ? SW_OK : sw_fail_in(status, "plan '%s': '%s'", r->p->name, sw_node_name(at->step->node));
}

static sw_status bind_segment(struct run *r, int segment)
{
    sw_program *p = r->p;
    SW_TRY(sw_instance_take(p, segment, r->lane->symbols, &r->instance));
    SW_TRY(sw_lane_reserve(&r->plan->lanes, r->lane, p, segment, r->instance->arena_bytes));
    SW_TRY(sw_frame_get(p, r->instance, r->lane, &r->frame));
    for (int i = 0; i < p->outputs_count; i++) {
        int buffer = r->plan->output_buffers[i];
        if (p->buffers[buffer].segment == segment)
            SW_TRY(bind_output(r, i, buffer));
    }
    for (int i = 0; i < p->buffers_count && p->segments_count > 1; i++)
        if (r->instance->exported[i] != SIZE_MAX)
            r->lane->where[i] = (char *)r->lane->arenas[segment] + r->instance->exported[i];
    for (int i = 0; i < r->instance->outside_count; i++)
        r->frame->views[r->instance->outside[i].view].data = r->lane->where[r->instance->outside[i].buffer];
    return SW_OK;
}

static sw_status run_segment(struct run *r, int segment)
{
    sw_status status = bind_segment(r, segment);
    bool traced = status == SW_OK && sw_trace_is_on(&r->plan->trace);
    uint64_t *marks = traced ? sw_trace_marks(r->p->ctx, r->instance->steps_count) : NULL;
    if (traced && !marks)
        status = sw_alloc_status();
    if (marks)
        marks[0] = sw_now_ns();
    for (int i = 0; status == SW_OK && i < r->instance->steps_count; i++) {
        status = call_step(r, i);
        if (marks)
            marks[i + 1] = sw_now_ns();
    }
    if (marks)
        r->ended = marks[r->instance->steps_count];
    if (marks && status == SW_OK)
        sw_trace_steps(r->p->ctx, &r->plan->trace, r->instance, r->frame->views, r->lane->index, marks);
    sw_free(r->p->ctx, marks);
    if (r->instance)
        sw_instance_give_back(r->p, r->instance);
    r->instance = NULL;
    return status;
}

static sw_status run_in_lane(struct run *r)
{
    uint64_t begin = sw_now_ns();
    memset(r->lane->made, 0, (size_t)r->p->outputs_count * sizeof *r->lane->made);
    SW_TRY(sw_lane_team_enter(&r->lane->team));
    int threads = sw_team_use_threads(1);
    sw_status status = bind_inputs(r);
    for (int s = 0; s < r->p->segments_count && status == SW_OK; s++)
        status = run_segment(r, s);
    sw_team_use_threads(threads);
    sw_lane_team_leave(&r->lane->team);
    if (status == SW_OK)
        for (int i = 0; i < r->p->assignments_count; i++)
            sw_state_touch(r->p->states[r->p->assignments[i].state]);
    if (status == SW_OK && r->ended)
        sw_trace_run(r->p->ctx, &r->plan->trace, r->p->name, r->lane->index, begin, r->ended);
    for (int i = 0; i < r->p->outputs_count && status != SW_OK; i++)
        if (r->lane->made[i]) {
            sw_tensor_release(r->lane->made[i]);
            r->outputs[i] = NULL;
        }
    return status;
}

sw_status sw_plan_run(sw_plan *plan, sw_tensor *const *inputs, sw_tensor **outputs, sw_cancel *cancel)
{
    struct run r = {.plan = plan, .p = plan->program, .inputs = inputs, .outputs = outputs, .cancel = cancel};
    SW_TRY(sw_lane_take(&plan->lanes, cancel, &r.lane));
    sw_status status = run_in_lane(&r);
    sw_lane_give_back(&plan->lanes, r.lane);
    return status;
}
