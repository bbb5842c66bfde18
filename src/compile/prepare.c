/* prepare.c: makes an instance: dims, kernels, scratch, offsets.
 *
 * In this order: every view of every step gets its dims; each node's kernel is chosen and prepared for them, which
 * tells how much scratch it wants; then buffers and scratch are placed together, a step's scratch being a buffer
 * that lives for that step. Nothing of the arena is allocated here, so that a run that will not fit is refused before
 * it begins. */

#include <string.h>

#include "compile/instance.h"
#include "compile/pass.h"

/* Below these a step is over before a team has gathered: some 20 microseconds of a product, 100 of moving memory. On a
 * busy machine a member that is not running at the moment costs milliseconds, so a team must be worth it. */
static const double team_flops = 4194304, team_bytes = 1048576;

struct preparing {
    sw_program *p;
    sw_instance *instance;
    const sw_segment *segment;
    const int64_t *symbols;
    int *place; /* per buffer: its item in placings, -1 */
    sw_placing *items;
    int items_count;
};

static int ports(const sw_step *step)
{
    return step->kind == SW_STEP_COPY ? 2 : step->node->inputs_count + step->node->outputs_count;
}

static sw_status list(struct preparing *r)
{
    sw_instance *instance = r->instance;
    instance->steps_count = r->segment->end - r->segment->first;
    size_t views = 1, steps = (size_t)instance->steps_count + 1, buffers = (size_t)r->p->buffers_count + 1;
    for (int i = r->segment->first; i < r->segment->end; i++)
        views += (size_t)ports(&r->p->steps[i]);
    instance->key = sw_arena_array(instance->arena, (size_t)r->segment->symbols_count + 1, sizeof *instance->key);
    instance->steps = sw_arena_array(instance->arena, steps, sizeof *instance->steps);
    instance->views = sw_arena_array(instance->arena, views, sizeof *instance->views);
    instance->local = sw_arena_array(instance->arena, views, sizeof *instance->local);
    instance->outside = sw_arena_array(instance->arena, views, sizeof *instance->outside);
    instance->exported = sw_arena_array(instance->arena, buffers, sizeof *instance->exported);
    instance->frames_count = r->p->options.lanes;
    instance->frames = sw_arena_array(instance->arena, (size_t)instance->frames_count, sizeof *instance->frames);
    r->place = sw_alloc_array(r->p->ctx, buffers, sizeof *r->place);
    r->items = sw_alloc_array(r->p->ctx, buffers + steps, sizeof *r->items);
    if (!instance->key || !instance->steps || !instance->views || !instance->local || !instance->outside ||
        !instance->exported || !instance->frames || !r->place || !r->items)
        return sw_alloc_status();
    for (int i = 0; i < r->segment->symbols_count; i++)
        instance->key[i] = r->symbols[r->segment->symbols[i]];
    for (int i = 0; i < r->p->buffers_count; i++) {
        r->place[i] = -1;
        instance->exported[i] = SIZE_MAX;
    }
    return SW_OK;
}

/* The buffer's bytes follow from any value in it; it is placed when a step of this segment makes it. */
static void want_buffer(struct preparing *r, int buffer, const sw_view *view)
{
    if (buffer < 0)
        return;
    const sw_buffer *b = &r->p->buffers[buffer];
    if (b->home != SW_HOME_ARENA || &r->p->segments[b->segment] != r->segment || r->place[buffer] >= 0)
        return;
    r->place[buffer] = r->items_count;
    r->items[r->items_count++] = (sw_placing){
        .bytes = sw_view_bytes(view),
        .first = b->first,
        .last = b->exported ? r->segment->end : b->last,
    };
}

static sw_status add_view(struct preparing *r, const sw_value *value, int buffer, bool sized)
{
    sw_instance *instance = r->instance;
    sw_view *view = &instance->views[instance->views_count];
    int at = instance->views_count++;
    if (value == sw_none)
        return SW_OK;
    if (!sized) { /* a data-shaped row's output: the row says when it runs */
        *view = (sw_view){.dtype = value->type.dtype, .rank = value->type.rank};
    } else {
        SW_TRY(sw_program_view(r->p, value, r->symbols, view));
        if (sw_view_count(view) == 0)
            view->layout = SW_LAYOUT_PLAIN; /* no elements have no order: kernels need not know better */
        want_buffer(r, buffer, view);
    }
    if (buffer < 0) /* asked for its dims only, and nobody makes it */
        return SW_OK;
    const sw_buffer *b = &r->p->buffers[buffer];
    if (b->home == SW_HOME_ARENA && &r->p->segments[b->segment] == r->segment)
        instance->local[instance->local_count++] = (sw_slot){at, buffer, 0};
    else if (b->home == SW_HOME_CONSTANT && r->p->roots[value->id]->tensor)
        view->data = sw_tensor_data(r->p->roots[value->id]->tensor); /* also through a view of it */
    else if (b->home != SW_HOME_CONSTANT)
        instance->outside[instance->outside_count++] = (sw_slot){at, buffer, 0};
    return SW_OK;
}

static sw_status add_views(struct preparing *r, sw_instance_step *at)
{
    const sw_step *step = at->step;
    at->inputs = r->instance->views_count;
    if (step->kind == SW_STEP_COPY) {
        at->inputs_count = at->outputs_count = 1;
        SW_TRY(add_view(r, step->value, step->from, true));
        at->outputs = r->instance->views_count;
        return add_view(r, step->value, step->to, true);
    }
    const sw_node *n = step->node;
    at->inputs_count = n->inputs_count;
    at->outputs_count = n->outputs_count;
    for (int i = 0; i < n->inputs_count; i++) {
        SW_TRY(add_view(r, n->inputs[i], n->inputs[i] == sw_none ? -1 : r->p->buffer_of[n->inputs[i]->id], true));
        if (!sw_node_reads(n, i)) /* only its dims are meant */
            r->instance->views[at->inputs + i].layout = SW_LAYOUT_PLAIN;
    }
    at->outputs = r->instance->views_count;
    for (int i = 0; i < n->outputs_count; i++)
        SW_TRY(add_view(r, n->outputs[i], n->outputs[i] == sw_none ? -1 : r->p->buffer_of[n->outputs[i]->id],
                        !step->data_shaped));
    return SW_OK;
}

static void estimate(struct preparing *r, sw_instance_step *at)
{
    const sw_view *views = r->instance->views;
    const sw_call call = {.ctx = r->p->ctx,
                          .node = at->step->node,
                          .inputs_count = at->inputs_count,
                          .outputs_count = at->outputs_count,
                          .inputs = &views[at->inputs],
                          .outputs = &r->instance->views[at->outputs]};
    if (at->step->kind == SW_STEP_NODE && at->step->node->op->cost) {
        at->cost = at->step->node->op->cost(&call);
    } else {
        for (int i = at->inputs; i < at->outputs + at->outputs_count; i++)
            at->cost.bytes += (double)sw_view_bytes(&views[i]);
        for (int i = 0; i < at->outputs_count && at->step->kind == SW_STEP_NODE; i++)
            at->cost.flops += (double)sw_view_count(&views[at->outputs + i]);
    }
    bool pays = at->cost.flops >= team_flops || at->cost.bytes >= team_bytes;
    at->threads = pays ? r->p->options.team : 1;
}

/* A backend that shows only some of another's candidates. */
struct shown {
    sw_backend backend;
    const sw_kernel *list[SW_MAX_PORTS];
};

static const sw_kernel *const *list_shown(const sw_backend *backend, const char *op)
{
    (void)op;
    return ((const struct shown *)backend->user)->list;
}

/* Asks the candidates that can read the node's weights in the form that the program keeps them in. */
static sw_status choose_from(const struct preparing *r, const sw_backend *backend, const sw_site *site,
                             sw_instance_step *at)
{
    struct shown shown = {.backend = *backend};
    const sw_kernel *const *all = backend->candidates(backend, site->node->op->name);
    int count = 0;
    for (; all && *all && count < SW_MAX_PORTS - 1; all++)
        if (sw_weights_allow(r->p, site->node, *all))
            shown.list[count++] = *all;
    shown.backend.candidates = list_shown;
    shown.backend.user = &shown;
    return sw_kernel_choose(&shown.backend, site, &at->kernel, &at->prepared);
}

/* Reference bodies, the last resort, read plain memory only. */
static sw_status choose(const struct preparing *r, const sw_site *site, sw_instance_step *at)
{
    sw_status status = choose_from(r, r->p->backend, site, at);
    bool again = status == SW_UNSUPPORTED && r->p->last_resort && r->p->last_resort != r->p->backend;
    for (int i = 0; i < site->inputs_count; i++)
        again &= site->inputs[i].layout == SW_LAYOUT_PLAIN;
    if (again)
        status = choose_from(r, r->p->last_resort, site, at);
    if (status != SW_OK) { /* nothing was prepared that would have to be released */
        at->kernel = NULL;
        at->prepared = (sw_prepared){0};
    }
    return status;
}

/* Nothing to compute: no output has an element. */
static sw_status do_nothing(const sw_call *call)
{
    (void)call;
    return SW_OK;
}
static const sw_kernel nothing = {.name = "nothing", .op = "*", .run = do_nothing, .fixed_slices = true};

static bool makes_nothing(const struct preparing *r, const sw_instance_step *at)
{
    for (int i = 0; i < at->outputs_count; i++)
        if (at->step->data_shaped ||
            (at->step->node->outputs[i] != sw_none && sw_view_count(&r->instance->views[at->outputs + i]) > 0))
            return false;
    return true;
}

/* A weight that another row has packed, and a constant seen through a view, is read plain here, and not as a constant:
 * a kernel would ask to pack it, and there is one form per weight. */
static void show_constants(struct preparing *r, const sw_instance_step *at, bool shown)
{
    const sw_node *n = at->step->node;
    for (int i = 0; i < at->inputs_count; i++) {
        const sw_value *v = n->inputs[i], *root = v == sw_none ? NULL : r->p->roots[v->id];
        bool packed_here = root == v && root && (!r->p->packed[v->id].op || r->p->packed[v->id].op == n->op);
        if (root && root->tensor && !packed_here)
            r->instance->views[at->inputs + i].data = shown ? sw_tensor_data(root->tensor) : NULL;
    }
}

static sw_status prepare_step(struct preparing *r, sw_instance_step *at)
{
    if (makes_nothing(r, at)) {
        at->kernel = &nothing;
        return SW_OK;
    }
    sw_program *p = r->p;
    const sw_node *n = at->step->node;
    const sw_packed *packed[SW_MAX_PORTS + 1] = {NULL}, **all = packed;
    if (at->inputs_count > SW_MAX_PORTS) { /* a variadic row */
        all = sw_arena_array(r->instance->arena, (size_t)at->inputs_count, sizeof *all);
        if (!all)
            return sw_alloc_status();
    }
    for (int i = 0; i < at->inputs_count; i++)
        if (n->inputs[i] != sw_none && p->packed[n->inputs[i]->id].op == n->op)
            all[i] = &p->packed[n->inputs[i]->id].pack;
    sw_site site = {.ctx = p->ctx,
                    .node = n,
                    .inputs_count = at->inputs_count,
                    .outputs_count = at->outputs_count,
                    .inputs = &r->instance->views[at->inputs],
                    .outputs = &r->instance->views[at->outputs],
                    .packed = all,
                    .threads = at->threads};
    int before = p->use_threads ? p->use_threads(at->threads) : 0;
    show_constants(r, at, false);
    sw_status status = choose(r, &site, at);
    show_constants(r, at, true);
    if (p->use_threads)
        p->use_threads(before);
    SW_TRY(status);
    SW_TRY(sw_weights_pack(p, &site, at->kernel, &at->prepared));
    for (int i = 0; i < at->inputs_count; i++) {
        const sw_packed_weight *w = n->inputs[i] == sw_none ? NULL : &p->packed[n->inputs[i]->id];
        if (w && w->op == n->op && strcmp(w->pack.kernel, at->kernel->name) == 0) {
            r->instance->views[at->inputs + i].data = w->pack.data;
            r->instance->views[at->inputs + i].layout = SW_LAYOUT_PACKED;
        }
    }
    SW_TRY(sw_alloc_book(p->ctx, at->prepared.library_bytes));
    r->instance->library_bytes += at->prepared.library_bytes;
    return SW_OK;
}

static sw_status place(struct preparing *r)
{
    sw_instance *instance = r->instance;
    int buffers_count = r->items_count;
    int *order = sw_alloc_array(r->p->ctx, (size_t)r->items_count + (size_t)instance->steps_count + 1, sizeof *order);
    if (!order)
        return sw_alloc_status();
    sw_status status = sw_place(r->items, buffers_count, order, &instance->buffer_bytes);
    for (int i = 0; i < instance->steps_count; i++)
        if (instance->steps[i].prepared.scratch_bytes)
            r->items[r->items_count++] = (sw_placing){.bytes = instance->steps[i].prepared.scratch_bytes,
                                                      .first = r->segment->first + i,
                                                      .last = r->segment->first + i};
    if (status == SW_OK)
        status = sw_place(r->items, r->items_count, order, &instance->arena_bytes);
    sw_free(r->p->ctx, order);
    SW_TRY(status);
    for (int i = 0; i < instance->local_count; i++)
        instance->local[i].offset = r->items[r->place[instance->local[i].buffer]].offset;
    for (int i = 0; i < r->p->buffers_count; i++)
        if (r->place[i] >= 0 && r->p->buffers[i].exported)
            instance->exported[i] = r->items[r->place[i]].offset;
    for (int i = 0, at = buffers_count; i < instance->steps_count; i++)
        if (instance->steps[i].prepared.scratch_bytes)
            instance->steps[i].scratch_offset = r->items[at++].offset;
    return SW_OK;
}

static sw_status fill(struct preparing *r)
{
    SW_TRY(list(r));
    sw_instance *instance = r->instance;
    for (int i = 0; i < instance->steps_count; i++) {
        sw_instance_step *at = &instance->steps[i];
        at->step = &r->p->steps[r->segment->first + i];
        SW_TRY(add_views(r, at));
    }
    for (int i = 0; i < instance->steps_count; i++) {
        sw_instance_step *at = &instance->steps[i];
        estimate(r, at);
        if (at->step->kind == SW_STEP_NODE)
            SW_TRY(prepare_step(r, at));
        instance->flops += at->cost.flops;
        instance->bytes += at->cost.bytes;
    }
    return place(r);
}

sw_status sw_instance_prepare(sw_program *program, int segment, const int64_t *symbols, sw_instance **instance)
{
    *instance = NULL;
    sw_arena *arena = sw_arena_new(program->ctx);
    sw_instance *made = arena ? sw_arena_alloc(arena, sizeof *made) : NULL;
    if (!made) {
        sw_status status = sw_alloc_status();
        sw_arena_free(arena);
        return status;
    }
    made->arena = arena;
    made->segment = segment;
    struct preparing r = {.p = program, .instance = made, .segment = &program->segments[segment], .symbols = symbols};
    sw_status status = fill(&r);
    sw_free(program->ctx, r.place);
    sw_free(program->ctx, r.items);
    if (status != SW_OK) {
        sw_instance_free(program, made);
        return status;
    }
    sw_weights_release_plain(program, made);
    *instance = made;
    return SW_OK;
}

void sw_instance_free(sw_program *program, sw_instance *instance)
{
    for (int i = 0; i < instance->frames_count && instance->frames; i++)
        sw_free(program->ctx, instance->frames[i]);
    for (int i = 0; i < instance->steps_count && instance->steps; i++) {
        sw_instance_step *at = &instance->steps[i];
        if (at->kernel && at->kernel->release && at->prepared.state)
            at->kernel->release(program->ctx, at->prepared.state);
    }
    sw_alloc_unbook(program->ctx, instance->library_bytes);
    sw_arena_free(instance->arena);
}
