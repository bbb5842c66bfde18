/* A compiled plan as a servable.
 *
 * The plan is frozen (parameters become constants and are packed), with a team of one: lanes, not teams, are how a
 * server uses its processors, because requests are independent and a team's meeting costs more than it gains on
 * small runs. Everything here lives in one arena, released with the version. */
#include <string.h>

#include "base/arena.h"
#include "serve/sources.h"
#include "slipway/plan.h"

enum { MAX_BATCH = 32, INSTANCES = 16 };

typedef struct plan_servable {
    sw_servable servable;
    sw_arena *arena;
    sw_plan *plan;
} plan_servable;

static sw_status run(sw_servable *self, sw_tensor *const *inputs, sw_tensor **outputs, sw_cancel *cancel)
{
    return sw_plan_run(((plan_servable *)self)->plan, inputs, outputs, cancel);
}

static void release(sw_servable *self)
{
    plan_servable *p = (plan_servable *)self;
    sw_plan_free(p->plan);
    sw_arena_free(p->arena); /* p is in it */
}

static sw_status read_port(plan_servable *p, const char *name, const sw_type *type, sw_port *port)
{
    if (type->kind != SW_TENSOR || type->rank < 0)
        return sw_fail(SW_UNSUPPORTED, "'%s' is no tensor of known rank, which is all that can be served", name);
    port->name = sw_arena_strdup(p->arena, name);
    port->dtype = type->dtype;
    port->dims.rank = type->rank;
    for (int i = 0; i < type->rank; i++)
        port->dims.dim[i] = sw_dim_known(type->dims[i]) ? type->dims[i] : -1;
    return port->name ? SW_OK : sw_alloc_status();
}

static sw_status read_ports(plan_servable *p)
{
    sw_servable *s = &p->servable;
    s->input_count = sw_plan_input_count(p->plan);
    s->output_count = sw_plan_output_count(p->plan);
    sw_port *inputs = sw_arena_array(p->arena, (size_t)s->input_count + 1, sizeof *inputs);
    sw_port *outputs = sw_arena_array(p->arena, (size_t)s->output_count + 1, sizeof *outputs);
    if (!inputs || !outputs)
        return sw_alloc_status();
    for (int i = 0; i < s->input_count; i++)
        SW_TRY(read_port(p, sw_plan_input_name(p->plan, i), sw_plan_input_type(p->plan, i), &inputs[i]));
    for (int i = 0; i < s->output_count; i++)
        SW_TRY(read_port(p, sw_plan_output_name(p->plan, i), sw_plan_output_type(p->plan, i), &outputs[i]));
    s->inputs = inputs;
    s->outputs = outputs;
    s->batched = s->input_count > 0 && s->output_count > 0 && sw_plan_is_batched(p->plan);
    for (int i = 0; s->batched && i < s->input_count; i++)
        s->batched = inputs[i].dims.rank > 0 && inputs[i].dims.dim[0] < 0;
    for (int i = 0; s->batched && i < s->output_count; i++)
        s->batched = outputs[i].dims.rank > 0 && outputs[i].dims.dim[0] < 0;
    s->max_batch = MAX_BATCH;
    return s->output_count > 0 ? SW_OK : sw_fail(SW_INVALID, "the model has no output");
}

static sw_status read_classes(plan_servable *p, const sw_artifact *artifact, const sw_model_version *stored)
{
    sw_servable *s = &p->servable;
    bool from_store = stored && stored->class_count > 0;
    int count = from_store ? stored->class_count : sw_artifact_class_count(artifact);
    const char **names = sw_arena_array(p->arena, (size_t)count + 1, sizeof *names);
    for (int i = 0; names && i < count; i++) {
        names[i] = sw_arena_strdup(p->arena, from_store ? stored->classes[i] : sw_artifact_class(artifact, i));
        if (!names[i])
            return sw_alloc_status();
    }
    s->classes = names;
    s->class_count = count;
    return names ? SW_OK : sw_alloc_status();
}

static sw_status fill(plan_servable *p, const sw_artifact *artifact, const sw_model_version *stored, const char *origin,
                      int lanes)
{
    SW_TRY(sw_compile(
        sw_artifact_graph(artifact),
        &(sw_compile_options){
            .size = sizeof(sw_compile_options), .freeze = true, .team = 1, .lanes = lanes, .instances = INSTANCES},
        &p->plan));
    SW_TRY(read_ports(p));
    SW_TRY(read_classes(p, artifact, stored));
    p->servable.origin = sw_arena_strdup(p->arena, origin);
    return p->servable.origin ? SW_OK : sw_alloc_status();
}

sw_status sw_servable_from(sw_context *ctx, sw_artifact *artifact, const sw_model_version *stored, int64_t version,
                           const char *origin, int lanes, sw_servable **servable)
{
    sw_arena *arena = sw_arena_new(ctx);
    plan_servable *p = arena ? sw_arena_alloc(arena, sizeof *p) : NULL;
    sw_status status = p ? SW_OK : sw_alloc_status();
    if (p) {
        p->arena = arena;
        p->servable = (sw_servable){.version = version, .platform = "slipway_plan", .run = run, .free = release};
        status = fill(p, artifact, stored, origin, lanes);
    }
    sw_artifact_close(artifact);
    if (status == SW_OK) {
        *servable = &p->servable;
        return SW_OK;
    }
    sw_error error = sw_error_take(status);
    if (p)
        release(&p->servable);
    else
        sw_arena_free(arena);
    return sw_error_raise(&error);
}
