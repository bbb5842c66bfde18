/* program.c: from a graph to a program, and what a program answers about dims.
 *
 * The caller's graph is copied first: passes rewrite the copy, and the caller may free or go on with its own. */
#include <string.h>

#include "base/context.h"
#include "compile/instance.h"
#include "compile/pass.h"
#include "graph/dim.h"
#include "tensor/dtype.h"

static sw_status fill_options(sw_graph *g, const sw_compile_options *given, sw_compile_options *options)
{
    sw_context *ctx = sw_graph_context(g);
    *options = (sw_compile_options){.size = sizeof *options};
    if (given && (given->size == 0 || given->size > sizeof *options))
        return sw_fail(SW_INVALID, "sw_compile_options.size is %zu, at most %zu is known", given->size,
                       sizeof *options);
    if (given)
        memcpy(options, given, given->size);
    options->size = sizeof *options;
    options->team = options->team ? options->team : 1;
    options->lanes = options->lanes ? options->lanes : 1;
    options->instances = options->instances ? options->instances : 8;
    options->backend = options->backend ? options->backend : sw_context_backend(ctx);
    int threads = sw_context_threads(ctx);
    if (options->team < 1 || options->lanes < 1 || options->instances < 1)
        return sw_fail(SW_INVALID, "team, lanes and instances of a plan must be at least 1");
    if (options->team > threads || options->lanes > threads / options->team)
        return sw_fail(SW_INVALID, "%d lanes of %d threads each exceed the %d that this context may use",
                       options->lanes, options->team, threads);
    return SW_OK;
}

static sw_status find_backend(sw_program *p)
{
    p->backend = sw_backend_find(p->ctx, p->options.backend);
    p->last_resort = sw_backend_find(p->ctx, "ref");
    if (!p->backend && strcmp(p->options.backend, "cpu") == 0)
        p->backend = p->last_resort; /* a context of rows alone */
    if (!p->backend)
        return sw_fail(SW_NOT_FOUND, "no backend is named '%s'", p->options.backend);
    p->options.backend = p->backend->name;
    return SW_OK;
}

static sw_status select_outputs(sw_program *p)
{
    int all = sw_graph_output_count(p->graph), wanted = p->options.outputs_count;
    if (all == 0 && wanted == 0 && sw_graph_state_count(p->graph) == 0)
        return sw_fail(SW_INVALID, "the graph has no outputs and assigns no state: there is nothing to run");
    if (wanted == 0)
        return SW_OK;
    return sw_graph_select_outputs(p->graph, wanted, p->options.outputs);
}

static sw_status list_ports(sw_program *p)
{
    sw_graph *g = p->graph;
    sw_graph_forget_states(g); /* frozen ones: their memory is not ours to hold */
    p->inputs_count = sw_graph_input_count(g);
    p->outputs_count = sw_graph_output_count(g);
    p->states_count = sw_graph_state_count(g);
    p->inputs = sw_arena_array(p->arena, (size_t)p->inputs_count + 1, sizeof *p->inputs);
    p->outputs = sw_arena_array(p->arena, (size_t)p->outputs_count + 1, sizeof *p->outputs);
    p->output_names = sw_arena_array(p->arena, (size_t)p->outputs_count + 1, sizeof *p->output_names);
    p->states = sw_arena_array(p->arena, (size_t)p->states_count + 1, sizeof *p->states);
    if (!p->inputs || !p->outputs || !p->output_names || !p->states)
        return sw_alloc_status();
    for (int i = 0; i < p->inputs_count; i++)
        p->inputs[i] = sw_graph_input(g, i);
    for (int i = 0; i < p->outputs_count; i++) {
        p->outputs[i] = sw_graph_output(g, i);
        p->output_names[i] = sw_graph_output_name(g, i);
    }
    for (int i = 0; i < p->states_count; i++)
        p->states[i] = sw_graph_state(g, i);
    return SW_OK;
}

static sw_status run_passes(sw_program *p)
{
    sw_text notes;
    sw_text_init(&notes, p->ctx);
    sw_compiling c = {.ctx = p->ctx, .g = p->graph, .options = &p->options, .backend = p->backend, .notes = &notes};
    sw_status status = sw_passes_run(&c);
    if (status == SW_OK)
        status = sw_graph_status(p->graph);
    if (status == SW_OK)
        status = sw_graph_verify(p->graph);
    if (status == SW_OK && !(p->passes_text = sw_text_take(&notes)))
        status = sw_alloc_status();
    p->values_count = sw_graph_value_ids(p->graph);
    p->layouts = sw_arena_array(p->arena, (size_t)p->values_count + 1, sizeof *p->layouts);
    if (status == SW_OK && !p->layouts)
        status = sw_alloc_status();
    if (status == SW_OK && c.layouts) { /* the table has room to spare; nodes made after the last pass are none */
        int count = c.layouts_count < p->values_count ? c.layouts_count : p->values_count;
        memcpy(p->layouts, c.layouts, (size_t)count * sizeof *p->layouts);
    }
    sw_free(p->ctx, c.layouts);
    sw_text_free(&notes);
    return status;
}

/* Kernels take constants as they lie; a strided one (a transposed weight) is straightened once. */
static sw_status straighten_constants(sw_program *p)
{
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next) {
        sw_value *v = n->outputs_count ? n->outputs[0] : sw_none;
        if (v == sw_none || !v->tensor || sw_tensor_is_contiguous(v->tensor))
            continue;
        sw_tensor *straight = sw_tensor_contiguous(v->tensor);
        if (!straight)
            return sw_alloc_status();
        sw_tensor_release(v->tensor);
        v->tensor = straight;
    }
    return SW_OK;
}

static sw_status check_kernels(sw_program *p)
{
    sw_text missing;
    sw_text_init(&missing, p->ctx);
    int count = 0;
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next) {
        if ((n->op->flags & SW_LEAF) || sw_node_is(n, "Assign") || sw_backend_computes(p->backend, n->op))
            continue;
        sw_text_addf(&missing, "%s'%s' (%s)", count++ ? ", " : "", sw_node_name(n), n->op->name);
    }
    sw_status status = SW_OK;
    if (count)
        status = sw_fail(SW_UNSUPPORTED, "backend '%s' has no kernel for %s", p->backend->name,
                         missing.status == SW_OK ? missing.data : "some nodes");
    sw_text_free(&missing);
    return status;
}

static sw_status build(sw_program *p, sw_graph *g)
{
    SW_TRY(sw_graph_status(g));
    SW_TRY(find_backend(p));
    char *text = sw_graph_dump(g);
    if (!text)
        return sw_alloc_status();
    sw_status status = sw_program_identity(p, text);
    sw_text_release(p->ctx, text);
    SW_TRY(status);
    p->graph = sw_graph_copy(g, NULL);
    if (!p->graph)
        return sw_fail_in(sw_graph_status(g) ? sw_graph_status(g) : sw_alloc_status(), "compiling graph '%s'",
                          sw_graph_name(g));
    SW_TRY(sw_graph_verify(p->graph));
    SW_TRY(select_outputs(p));
    SW_TRY(run_passes(p));
    SW_TRY(list_ports(p));
    SW_TRY(straighten_constants(p));
    SW_TRY(check_kernels(p));
    p->packed = sw_arena_array(p->arena, (size_t)p->values_count + 1, sizeof *p->packed);
    if (!p->packed)
        return sw_alloc_status();
    SW_TRY(sw_program_schedule(p));
    SW_TRY(sw_program_buffers(p));
    return sw_program_segments(p);
}

sw_status sw_program_build(sw_graph *g, const sw_compile_options *options, sw_program **program)
{
    *program = NULL;
    sw_compile_options filled;
    SW_TRY(fill_options(g, options, &filled));
    sw_context *ctx = sw_graph_context(g);
    sw_program *p = sw_alloc_zero(ctx, sizeof *p);
    if (!p)
        return sw_alloc_status();
    p->ctx = ctx;
    p->options = filled;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->preparing, NULL);
    p->arena = sw_arena_new(ctx);
    p->name = p->arena ? sw_arena_strdup(p->arena, sw_graph_name(g)) : NULL;
    sw_status status = p->name ? build(p, g) : sw_alloc_status();
    if (status != SW_OK) {
        sw_program_free(p);
        return status;
    }
    p->options.outputs = NULL; /* the caller's */
    *program = p;
    return SW_OK;
}

void sw_program_free(sw_program *program)
{
    if (!program)
        return;
    for (int i = 0; i < program->segments_count; i++)
        sw_instances_free(program, &program->segments[i]);
    for (int i = 0; i < program->values_count && program->packed; i++) {
        sw_packed *pack = &program->packed[i].pack;
        if (pack->release_form && pack->form)
            pack->release_form(program->ctx, pack->form);
        sw_free(program->ctx, pack->data);
    }
    sw_graph_free(program->graph);
    sw_free(program->ctx, program->passes_text);
    sw_arena_free(program->arena);
    pthread_mutex_destroy(&program->lock);
    pthread_mutex_destroy(&program->preparing);
    sw_free(program->ctx, program);
}

sw_status sw_program_bind(const sw_program *program, const sw_dims *inputs, int64_t *symbols)
{
    for (int i = 0; i < program->symbols_count; i++)
        symbols[i] = -1;
    /* Twice: a dim that is an expression may stand before the symbol in it. */
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < program->inputs_count; i++)
            SW_TRY(sw_type_unify(program->graph, &program->inputs[i]->type, inputs[i],
                                 sw_value_name(program->inputs[i]), symbols));
    return SW_OK;
}

sw_status sw_program_dims(const sw_program *program, const sw_value *value, const int64_t *symbols, sw_dims *dims)
{
    dims->rank = value->type.rank;
    for (int i = 0; i < value->type.rank; i++) {
        dims->dim[i] = value->type.dims[i];
        if (!sw_dim_known(dims->dim[i]))
            SW_TRY(sw_dim_eval(program->graph, value->type.dims[i], symbols, &dims->dim[i]));
        if (dims->dim[i] < 0)
            return sw_fail(SW_SHAPE, "'%s': axis %d has no size for these inputs", sw_node_name(value->node), i);
    }
    return SW_OK;
}

sw_status sw_program_view(const sw_program *program, const sw_value *value, const int64_t *symbols, sw_view *view)
{
    sw_dims dims;
    SW_TRY(sw_program_dims(program, value, symbols, &dims));
    *view = (sw_view){.dtype = value->type.dtype, .layout = program->layouts[value->id], .rank = dims.rank};
    memcpy(view->dims, dims.dim, sizeof dims.dim);
    sw_view_pack_strides(view);
    int64_t count;
    size_t bytes;
    SW_TRY(sw_dims_count(dims, &count));
    if (!sw_dtype_size(view->dtype, count, &bytes))
        return sw_fail(SW_SHAPE, "'%s' has more elements than can be addressed", sw_node_name(value->node));
    if (value->tensor)
        view->data = sw_tensor_data(value->tensor);
    return SW_OK;
}
