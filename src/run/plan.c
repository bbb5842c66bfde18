/* plan.c: plans as callers see them: made, asked, freed. */
#include <string.h>

#include "base/context.h"
#include "base/log.h"
#include "graph/dim.h"
#include "run/inside.h"

static sw_status find_output_buffers(sw_plan *plan)
{
    const sw_program *p = plan->program;
    plan->output_buffers = sw_alloc_array(plan->ctx, (size_t)p->outputs_count + 1, sizeof *plan->output_buffers);
    if (!plan->output_buffers)
        return sw_alloc_status();
    for (int i = 0; i < p->buffers_count; i++)
        if (p->buffers[i].home == SW_HOME_OUTPUT)
            plan->output_buffers[p->buffers[i].index] = i;
    return SW_OK;
}

/* Makes the team once on this thread: what was asked for must come. */
static sw_status check_team(sw_plan *plan)
{
    sw_lane_team *team = &plan->lanes.lanes[0].team;
    SW_TRY(sw_lane_team_enter(team));
    sw_lane_team_leave(team);
    return SW_OK;
}

static sw_status make(sw_graph *g, const sw_compile_options *options, sw_plan *plan)
{
    SW_TRY(sw_program_build(g, options, &plan->program));
    plan->program->use_threads = sw_team_use_threads;
    SW_TRY(find_output_buffers(plan));
    SW_TRY(sw_lanes_init(&plan->lanes, plan->program));
    return check_team(plan);
}

sw_status sw_compile(sw_graph *g, const sw_compile_options *options, sw_plan **plan)
{
    *plan = NULL;
    if (!g)
        return sw_fail(SW_INVALID, "there is no graph to compile");
    sw_context *ctx = sw_graph_context(g);
    if (options && options->team > sw_team_most())
        return sw_fail(SW_UNSUPPORTED, "a team of %d threads: this build has no OpenMP, plans run on one",
                       options->team);
    sw_plan *made = sw_alloc_zero(ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    made->ctx = ctx;
    sw_trace_init(&made->trace);
    sw_status status = make(g, options, made);
    if (status != SW_OK) {
        sw_plan_free(made);
        return status;
    }
    *plan = made;
    return SW_OK;
}

void sw_plan_free(sw_plan *plan)
{
    if (!plan)
        return;
    if (plan->lanes.ctx)
        sw_lanes_free(&plan->lanes, plan->program);
    sw_trace_free(plan->ctx, &plan->trace);
    sw_free(plan->ctx, plan->output_buffers);
    sw_program_free(plan->program);
    sw_free(plan->ctx, plan);
}

int sw_plan_input_count(const sw_plan *plan) { return plan->program->inputs_count; }

const char *sw_plan_input_name(const sw_plan *plan, int index) { return sw_value_name(plan->program->inputs[index]); }

const sw_type *sw_plan_input_type(const sw_plan *plan, int index) { return &plan->program->inputs[index]->type; }

int sw_plan_output_count(const sw_plan *plan) { return plan->program->outputs_count; }

const char *sw_plan_output_name(const sw_plan *plan, int index) { return plan->program->output_names[index]; }

const sw_type *sw_plan_output_type(const sw_plan *plan, int index) { return &plan->program->outputs[index]->type; }

char *sw_plan_type_text(const sw_plan *plan, const sw_type *type, char *text, size_t size)
{
    return sw_type_text(plan->program->graph, type, text, size);
}

bool sw_plan_is_batched(const sw_plan *plan)
{
    const sw_program *p = plan->program;
    if (p->inputs_count == 0 || p->outputs_count == 0 || p->inputs[0]->type.rank < 1)
        return false;
    sw_dim rows = p->inputs[0]->type.dims[0];
    bool batched = !sw_dim_known(rows);
    for (int i = 1; i < p->inputs_count; i++)
        batched &= p->inputs[i]->type.rank > 0 && p->inputs[i]->type.dims[0] == rows;
    for (int i = 0; i < p->outputs_count; i++)
        batched &= p->outputs[i]->type.rank > 0 && p->outputs[i]->type.dims[0] == rows;
    return batched;
}

uint64_t sw_plan_preparations(const sw_plan *plan) { return plan->program->preparations; }

void sw_plan_identity(const sw_plan *plan, char hex[65]) { memcpy(hex, plan->program->identity, 65); }

static sw_status bind(const sw_plan *plan, const sw_dims *inputs, int64_t **symbols)
{
    *symbols = sw_alloc_array(plan->ctx, (size_t)plan->program->symbols_count + 1, sizeof **symbols);
    if (!*symbols)
        return sw_alloc_status();
    sw_status status = sw_program_bind(plan->program, inputs, *symbols);
    if (status != SW_OK) {
        sw_free(plan->ctx, *symbols);
        *symbols = NULL;
    }
    return status;
}

/* Segments whose dims follow from the inputs' alone; the others wait for data. */
static bool is_known(const sw_program *p, int segment, const int64_t *symbols)
{
    for (int i = 0; i < p->segments[segment].symbols_count; i++)
        if (symbols[p->segments[segment].symbols[i]] < 0)
            return false;
    return true;
}

/* Every lane's memory for the instance, so that the first run finds all there. */
static sw_status warm_lanes(sw_plan *plan, sw_instance *instance)
{
    sw_status status = SW_OK;
    for (int i = 0; i < plan->lanes.count && status == SW_OK; i++) {
        sw_lane *lane;
        sw_frame *frame;
        sw_lane_take_index(&plan->lanes, i, &lane);
        status = sw_lane_reserve(&plan->lanes, lane, plan->program, instance->segment, instance->arena_bytes);
        if (status == SW_OK)
            status = sw_frame_get(plan->program, instance, lane, &frame);
        sw_lane_give_back(&plan->lanes, lane);
    }
    return status;
}

sw_status sw_plan_prepare(sw_plan *plan, const sw_dims *inputs)
{
    sw_program *p = plan->program;
    int64_t *symbols;
    SW_TRY(bind(plan, inputs, &symbols));
    sw_status status = SW_OK;
    for (int s = 0; s < p->segments_count && status == SW_OK; s++) {
        sw_instance *instance;
        if (!is_known(p, s, symbols))
            continue;
        status = sw_instance_take(p, s, symbols, &instance);
        if (status != SW_OK)
            break;
        status = warm_lanes(plan, instance);
        sw_instance_give_back(p, instance);
    }
    sw_free(plan->ctx, symbols);
    return status;
}

/* Calls `visit` with each instance that is known for these dims, prepared when it was not. */
static sw_status visit_instances(sw_plan *plan, const sw_dims *inputs, void (*visit)(const sw_instance *, void *),
                                 void *user)
{
    sw_program *p = plan->program;
    int64_t *symbols;
    SW_TRY(bind(plan, inputs, &symbols));
    sw_status status = SW_OK;
    for (int s = 0; s < p->segments_count && status == SW_OK; s++) {
        sw_instance *instance;
        if (!is_known(p, s, symbols))
            continue;
        status = sw_instance_take(p, s, symbols, &instance);
        if (status != SW_OK)
            break;
        visit(instance, user);
        sw_instance_give_back(p, instance);
    }
    sw_free(plan->ctx, symbols);
    return status;
}

static void add_arena(const sw_instance *instance, void *user) { *(uint64_t *)user += instance->arena_bytes; }

sw_status sw_plan_arena_bytes(sw_plan *plan, const sw_dims *inputs, uint64_t *bytes)
{
    *bytes = 0;
    return visit_instances(plan, inputs, add_arena, bytes);
}

static void add_cost(const sw_instance *instance, void *user)
{
    sw_cost *cost = user;
    cost->flops += instance->flops;
    cost->bytes += instance->bytes;
}

sw_status sw_plan_cost(sw_plan *plan, const sw_dims *inputs, double *flops, double *bytes)
{
    sw_cost cost = {0};
    sw_status status = visit_instances(plan, inputs, add_cost, &cost);
    *flops = cost.flops;
    *bytes = cost.bytes;
    return status;
}

/* Constants that are plain still, what was packed, the graph and its lists, what the instances hold. */
uint64_t sw_plan_held_bytes(const sw_plan *plan)
{
    sw_program *p = plan->program;
    uint64_t bytes =
        sizeof *plan + sizeof *p + p->held_bytes + sw_arena_bytes(p->arena) + sw_arena_bytes(sw_graph_arena(p->graph));
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next)
        if (n->outputs_count && n->outputs[0] != sw_none && n->outputs[0]->tensor)
            bytes += sw_tensor_bytes(n->outputs[0]->tensor);
    pthread_mutex_lock(&p->lock);
    for (int s = 0; s < p->segments_count; s++)
        for (const sw_instance *i = p->segments[s].instances; i; i = i->next)
            bytes += i->library_bytes + sw_arena_bytes(i->arena);
    pthread_mutex_unlock(&p->lock);
    return bytes;
}
