/* onednn.c: how a oneDNN primitive becomes a prepared kernel, and how it is run.
 *
 * Prepared once: the primitive, a reorder for every port whose form in the plan is not the one the primitive works
 * on, and the layout of one scratch block (copies of reordered ports, then the primitive's own scratchpad). Running
 * binds pointers to memory objects kept in *sessions*: a run takes a free one, or makes one when several lanes run
 * the same plan at once, so the steady state creates nothing. Scratch belongs to the call, so a primitive may run on
 * many lanes at a time. This file knows no op. */
#include <stdatomic.h>
#include <string.h>

#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_inside.h"
#include "base/alloc.h"

enum { SESSIONS = 8 };

struct session {
    dnnl_stream_t stream;
    dnnl_memory_t user[SW_DNNL_PORTS], own[SW_DNNL_PORTS], scratchpad, residual;
};

struct state {
    dnnl_engine_t engine;
    dnnl_primitive_t primitive, residual_reorder;
    int threads, ports_count, copy_from;
    sw_dnnl_port ports[SW_DNNL_PORTS];
    sw_md scratchpad, residual;
    size_t scratchpad_at;
    _Atomic(struct session *) sessions[SESSIONS];
};

/* ---- reorders ---- */

static sw_status make_reorder(dnnl_engine_t engine, sw_md_ref from, sw_md_ref to, dnnl_primitive_t *reorder)
{
    dnnl_primitive_desc_t desc;
    SW_TRY(sw_dnnl_check(dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL), "reorder"));
    dnnl_status_t status = dnnl_primitive_create(reorder, desc);
    dnnl_primitive_desc_destroy(desc);
    return sw_dnnl_check(status, "reorder");
}

/* ---- sessions ---- */

static void free_session(sw_context *ctx, struct session *s)
{
    for (int i = 0; i < SW_DNNL_PORTS; i++) {
        if (s->user[i])
            dnnl_memory_destroy(s->user[i]);
        if (s->own[i])
            dnnl_memory_destroy(s->own[i]);
    }
    if (s->scratchpad)
        dnnl_memory_destroy(s->scratchpad);
    if (s->residual)
        dnnl_memory_destroy(s->residual);
    if (s->stream)
        dnnl_stream_destroy(s->stream);
    sw_free(ctx, s);
}

static sw_status make_memory(const struct state *state, const sw_md *md, dnnl_memory_t *memory)
{
    return sw_dnnl_check(dnnl_memory_create(memory, sw_md_of(md), state->engine, DNNL_MEMORY_NONE), "memory object");
}

static sw_status fill_session(const struct state *state, struct session *s)
{
    SW_TRY(sw_dnnl_check(dnnl_stream_create(&s->stream, state->engine, dnnl_stream_default_flags), "stream"));
    for (int i = 0; i < state->ports_count; i++) {
        const sw_dnnl_port *port = &state->ports[i];
        SW_TRY(make_memory(state, &port->own, &s->own[i]));
        if (port->reorder)
            SW_TRY(make_memory(state, &port->user, &s->user[i]));
    }
    if (state->residual_reorder)
        SW_TRY(make_memory(state, &state->residual, &s->residual));
    return state->scratchpad.set ? make_memory(state, &state->scratchpad, &s->scratchpad) : SW_OK;
}

static sw_status new_session(sw_context *ctx, const struct state *state, struct session **session)
{
    struct session *s = sw_alloc_zero(ctx, sizeof *s);
    if (!s)
        return sw_alloc_status();
    sw_status status = fill_session(state, s);
    if (status != SW_OK)
        free_session(ctx, s);
    else
        *session = s;
    return status;
}

static sw_status take_session(sw_context *ctx, struct state *state, struct session **session)
{
    for (int i = 0; i < SESSIONS; i++)
        if ((*session = atomic_exchange(&state->sessions[i], NULL)))
            return SW_OK;
    return new_session(ctx, state, session);
}

static void give_session(sw_context *ctx, struct state *state, struct session *session)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct session *nobody = NULL;
        if (atomic_compare_exchange_strong(&state->sessions[i], &nobody, session))
            return;
    }
    free_session(ctx, session);
}

/* ---- finishing ---- */

static void release_form(sw_context *ctx, void *form)
{
    sw_md_release(form);
    sw_free(ctx, form);
}

/* Asks the plan to keep input `port->index` in the primitive's form. */
static sw_status ask_pack(sw_context *ctx, const sw_dnnl_port *port, sw_packed *pack)
{
    sw_md *form = sw_alloc_zero(ctx, sizeof *form);
    if (!form)
        return sw_alloc_status();
    sw_status status = sw_md_copy(form, sw_md_of(&port->own));
    if (status != SW_OK) {
        sw_free(ctx, form);
        return status;
    }
    *pack = (sw_packed){.kernel = "onednn", .form = form, .release_form = release_form, .bytes = sw_md_bytes(form)};
    return SW_OK;
}

static sw_status settle_port(struct state *state, const sw_dnnl_build *build, sw_dnnl_port *port, sw_prepared *prepared)
{
    sw_md_ref own = port->query == dnnl_query_undef
                        ? sw_md_of(&port->user)
                        : dnnl_primitive_desc_query_md(build->desc, port->query, port->query_index);
    SW_TRY(sw_md_copy(&port->own, own));
    if (sw_md_equal(&port->own, &port->user))
        return SW_OK;
    if (port->may_pack) {
        port->packed = true;
        return ask_pack(build->site->ctx, port, &prepared->packs[port->index]);
    }
    port->at = prepared->scratch_bytes;
    prepared->scratch_bytes += sw_align_up(sw_md_bytes(&port->own), SW_TENSOR_ALIGNMENT);
    const sw_md *from = port->output ? &port->own : &port->user, *to = port->output ? &port->user : &port->own;
    return make_reorder(state->engine, sw_md_of(from), sw_md_of(to), &port->reorder);
}

/* A residual that is first copied into the output: through a reorder when their forms differ. */
static sw_status settle_residual(struct state *state, const sw_dnnl_build *build)
{
    if (build->copy_from < 0)
        return SW_OK;
    for (int i = 0; i < state->ports_count; i++)
        if (state->ports[i].output) {
            SW_TRY(sw_md_view(&state->residual, &build->site->inputs[build->copy_from]));
            if (!sw_md_equal(&state->residual, &state->ports[i].own))
                return make_reorder(state->engine, sw_md_of(&state->residual), sw_md_of(&state->ports[i].own),
                                    &state->residual_reorder);
        }
    return SW_OK;
}

static bool is_reference(const_dnnl_primitive_desc_t desc)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name &&
           strncmp(name, "ref", 3) == 0;
}

static sw_status fill_state(struct state *state, sw_dnnl_build *build, sw_prepared *prepared)
{
    for (int i = 0; i < state->ports_count; i++)
        SW_TRY(settle_port(state, build, &state->ports[i], prepared));
    SW_TRY(settle_residual(state, build));
    SW_TRY(sw_md_copy(&state->scratchpad, dnnl_primitive_desc_query_md(build->desc, dnnl_query_scratchpad_md, 0)));
    state->scratchpad_at = prepared->scratch_bytes;
    size_t scratchpad = sw_md_bytes(&state->scratchpad);
    if (scratchpad == 0)
        sw_md_release(&state->scratchpad);
    prepared->scratch_bytes += scratchpad;
    SW_TRY(sw_dnnl_check(dnnl_primitive_create(&state->primitive, build->desc), "primitive"));
    struct session *session = NULL;
    SW_TRY(new_session(build->site->ctx, state, &session));
    atomic_store(&state->sessions[0], session);
    return SW_OK;
}

sw_status sw_dnnl_finish(sw_dnnl_build *build, sw_prepared *prepared)
{
    sw_context *ctx = build->site->ctx;
    if (is_reference(build->desc))
        return sw_fail(SW_UNSUPPORTED, "oneDNN has only its slow reference kernel");
    struct state *state = sw_alloc_zero(ctx, sizeof *state);
    if (!state)
        return sw_alloc_status();
    state->engine = build->engine;
    state->threads = build->site->threads;
    state->copy_from = build->copy_from;
    state->ports_count = build->ports_count;
    memcpy(state->ports, build->ports, sizeof state->ports);
    build->ports_count = 0; /* the state owns them now */

    sw_status status = fill_state(state, build, prepared);
    if (status != SW_OK) {
        sw_dnnl_release(ctx, state);
        for (int i = 0; i < SW_MAX_PORTS; i++)
            if (prepared->packs[i].form)
                prepared->packs[i].release_form(ctx, prepared->packs[i].form);
        *prepared = (sw_prepared){0};
        return status;
    }
    prepared->state = state;
    return SW_OK;
}

void sw_dnnl_release(sw_context *ctx, void *value)
{
    struct state *state = value;
    if (!state)
        return;
    for (int i = 0; i < SESSIONS; i++) {
        struct session *session = atomic_exchange(&state->sessions[i], NULL);
        if (session)
            free_session(ctx, session);
    }
    for (int i = 0; i < state->ports_count; i++) {
        sw_dnnl_port *port = &state->ports[i];
        sw_md_release(&port->user);
        sw_md_release(&port->wanted);
        sw_md_release(&port->own);
        if (port->reorder)
            dnnl_primitive_destroy(port->reorder);
    }
    sw_md_release(&state->scratchpad);
    sw_md_release(&state->residual);
    if (state->residual_reorder)
        dnnl_primitive_destroy(state->residual_reorder);
    if (state->primitive)
        dnnl_primitive_destroy(state->primitive);
    sw_free(ctx, state);
}

/* ---- running ---- */

static sw_status point(dnnl_memory_t memory, const void *data)
{
    return sw_dnnl_check(dnnl_memory_set_data_handle(memory, (void *)data), "memory");
}

static sw_status reorder(dnnl_primitive_t primitive, struct session *s, dnnl_memory_t from, dnnl_memory_t to)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    return sw_dnnl_check(dnnl_primitive_execute(primitive, s->stream, 2, args), "reorder");
}

static const void *data_of(const sw_call *call, const sw_dnnl_port *port)
{
    return port->output ? call->outputs[port->index].data : call->inputs[port->index].data;
}

static sw_status bind_ports(const sw_call *call, const struct state *state, struct session *s)
{
    char *scratch = call->scratch;
    for (int i = 0; i < state->ports_count; i++) {
        const sw_dnnl_port *port = &state->ports[i];
        SW_TRY(point(s->own[i], port->reorder ? scratch + port->at : data_of(call, port)));
        if (port->reorder) {
            SW_TRY(point(s->user[i], data_of(call, port)));
            if (!port->output)
                SW_TRY(reorder(port->reorder, s, s->user[i], s->own[i]));
        }
    }
    return s->scratchpad ? point(s->scratchpad, scratch + state->scratchpad_at) : SW_OK;
}

static sw_status copy_residual(const sw_call *call, const struct state *state, struct session *s)
{
    const sw_view *residual = &call->inputs[state->copy_from];
    for (int i = 0; i < state->ports_count; i++) {
        const sw_dnnl_port *port = &state->ports[i];
        if (!port->output)
            continue;
        if (state->residual_reorder) {
            SW_TRY(point(s->residual, residual->data));
            return reorder(state->residual_reorder, s, s->residual, s->own[i]);
        }
        void *to = port->reorder ? (char *)call->scratch + port->at : call->outputs[port->index].data;
        if (to != residual->data)
            memcpy(to, residual->data, sw_md_bytes(&port->own));
    }
    return SW_OK;
}

static sw_status run_session(const sw_call *call, const struct state *state, struct session *s)
{
    SW_TRY(bind_ports(call, state, s));
    if (state->copy_from >= 0)
        SW_TRY(copy_residual(call, state, s));
    dnnl_exec_arg_t args[SW_DNNL_PORTS + 1];
    int count = 0;
    for (int i = 0; i < state->ports_count; i++)
        args[count++] = (dnnl_exec_arg_t){state->ports[i].arg, s->own[i]};
    if (s->scratchpad)
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, s->scratchpad};
    SW_TRY(sw_dnnl_check(dnnl_primitive_execute(state->primitive, s->stream, count, args), "primitive"));
    for (int i = 0; i < state->ports_count; i++)
        if (state->ports[i].output && state->ports[i].reorder)
            SW_TRY(reorder(state->ports[i].reorder, s, s->own[i], s->user[i]));
    return SW_OK;
}

sw_status sw_dnnl_run(const sw_call *call)
{
    struct state *state = call->prepared;
    struct session *session = NULL;
    sw_dnnl_use_team(state->threads);
    SW_TRY(take_session(call->ctx, state, &session));
    sw_status status = run_session(call, state, session);
    give_session(call->ctx, state, session);
    return status;
}

static sw_status pack_with(const struct state *state, const sw_dnnl_port *port, struct session *s, const void *from,
                           void *to)
{
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t plain = NULL;
    sw_status status = make_reorder(state->engine, sw_md_of(&port->user), sw_md_of(&port->own), &primitive);
    if (status == SW_OK)
        status = make_memory(state, &port->user, &plain);
    if (status == SW_OK)
        status = point(plain, from);
    dnnl_memory_t own = s->own[port - state->ports];
    if (status == SW_OK)
        status = point(own, to);
    if (status == SW_OK)
        status = reorder(primitive, s, plain, own);
    if (plain)
        dnnl_memory_destroy(plain);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    return status;
}

sw_status sw_dnnl_pack(const sw_site *site, const sw_prepared *prepared, int input, const sw_view *plain, void *packed)
{
    struct state *state = prepared->state;
    for (int i = 0; i < state->ports_count; i++) {
        const sw_dnnl_port *port = &state->ports[i];
        if (port->output || port->index != input || !port->packed)
            continue;
        struct session *session = NULL;
        SW_TRY(take_session(site->ctx, state, &session));
        sw_status status = pack_with(state, port, session, plain->data, packed);
        give_session(site->ctx, state, session);
        return status;
    }
    return sw_fail(SW_INTERNAL, "oneDNN did not ask for input %d to be packed", input);
}

const char *sw_dnnl_skips(const sw_site *site)
{
    for (int i = 0; i < site->inputs_count; i++) {
        const sw_view *v = &site->inputs[i];
        if (v->dtype == SW_DTYPE_NONE)
            continue;
        if (sw_dnnl_dtype(v->dtype) == dnnl_data_type_undef || !sw_dtype_is_float(v->dtype))
            return "element type is not one of f32, f16, bf16";
        if (sw_view_count(v) == 0)
            return "no elements";
    }
    for (int i = 0; i < site->outputs_count; i++)
        if (sw_view_count(&site->outputs[i]) == 0)
            return "no elements";
    return NULL;
}
