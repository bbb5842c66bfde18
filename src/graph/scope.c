/* scope.c: giving back what a step of an awake graph recorded and computed.
 *
 * A scope is a mark: in the arena, in the order of nodes, in the counters and lists. Its end releases what the nodes
 * behind the mark hold and rewinds the rest. A value that is kept becomes a leaf in front of the mark, in memory of its
 * own: it belongs to the enclosing scope, or to the graph, and goes with it. */
#include "graph/inside.h"

sw_scope *sw_scope_begin(sw_graph *g)
{
    if (!sw_ok(g) || !sw_graph_awake(g))
        return NULL; /* what sleeps has nothing to give back */
    sw_arena_mark mark = sw_arena_mark_now(g->arena);
    sw_scope *scope = sw_arena_alloc(g->arena, sizeof *scope);
    if (!scope)
        return sw_graph_null(g, sw_alloc_status());
    *scope = (sw_scope){.graph = g,
                        .outer = g->scope,
                        .arena = mark,
                        .last = g->last,
                        .node_ids = g->node_ids,
                        .value_ids = g->value_ids,
                        .inputs = g->inputs.count,
                        .outputs = g->outputs.count,
                        .node_names = g->node_names.newest,
                        .value_names = g->value_names.newest,
                        .streams = g->streams};
    g->scope = scope;
    return scope;
}

/* True for what was made since the scope began. What it keeps stands in front of it, whatever its number says. */
static bool inside(const sw_scope *scope, const sw_value *value)
{
    return value && value->id >= scope->value_ids && value->node->kept_from != scope;
}

/* What the graph remembers of the scope's values: the current versions of states, gradients, phase and key. */
static void forget(sw_graph *g, const sw_scope *scope)
{
    for (size_t i = 0; i < g->states.count; i++) {
        struct held *held = &g->states.items[i];
        if (inside(scope, held->current))
            held->current = NULL;
        if (inside(scope, held->gradient))
            held->gradient = NULL;
    }
    if (inside(scope, g->training))
        g->training = NULL;
    if (inside(scope, g->random_key))
        g->random_key = NULL;
    for (size_t i = scope->outputs; i < g->outputs.count; i++)
        g->outputs.items[i].value->uses--;
    g->inputs.count = scope->inputs;
    g->outputs.count = scope->outputs;
}

void sw_node_drop(sw_node *node)
{
    sw_context *ctx = node->graph->ctx;
    sw_node_unlink(node);
    sw_node_release(node);
    if (node->kept)
        sw_free(ctx, node);
}

static void end(sw_scope *scope)
{
    sw_graph *g = scope->graph;
    forget(g, scope);
    while (g->last != scope->last)
        sw_node_drop(g->last);
    g->scope = scope->outer;
    g->node_ids = scope->node_ids;
    g->value_ids = scope->value_ids;
    g->streams = scope->streams;
    sw_names_rewind(&g->node_names, scope->node_names);
    sw_names_rewind(&g->value_names, scope->value_names);
    /* The leaves kept out of this scope get numbers as if they had been made before it. */
    for (sw_node *node = scope->last; node && node->kept_from == scope; node = node->previous) {
        node->kept_from = NULL;
        node->id = g->node_ids++;
        node->outputs[0]->id = g->value_ids++;
    }
    sw_arena_rewind(g->arena, scope->arena);
}

void sw_scope_end(sw_scope *scope)
{
    if (!scope)
        return;
    sw_graph *g = scope->graph;
    while (g->scope != scope)
        end(g->scope);
    end(scope);
}

/* The leaf stands at the end of what was there before the scope. */
static sw_value *keep_out(sw_scope *scope, const sw_value *value)
{
    struct kept {
        sw_node node;
        sw_value value;
        sw_value *outputs[1];
    } *kept = sw_alloc_zero(scope->graph->ctx, sizeof *kept);
    if (!kept)
        return sw_graph_null(scope->graph, sw_alloc_status());
    sw_graph *g = scope->graph;
    kept->node = (sw_node){.op = &sw_op_constant,
                           .graph = g,
                           .id = g->node_ids++,
                           .outputs_count = 1,
                           .outputs = kept->outputs,
                           .kept_from = scope,
                           .kept = true};
    kept->value = (sw_value){.graph = g,
                             .node = &kept->node,
                             .id = g->value_ids++,
                             .type = value->type,
                             .tensor = sw_tensor_retain(value->tensor)};
    kept->outputs[0] = &kept->value;
    g->before = scope->last ? scope->last->next : g->first;
    sw_node_link(g, &kept->node);
    g->before = NULL;
    scope->last = &kept->node;
    return &kept->value;
}

sw_value *sw_keep(sw_value *value)
{
    if (!value || value == sw_none || !sw_ok(value->graph))
        return value == sw_none ? value : NULL;
    sw_graph *g = value->graph;
    if (!sw_value_tensor(value))
        return sw_graph_null(g, sw_fail_in(SW_INVALID, "sw_keep"));
    return g->scope ? keep_out(g->scope, value) : sw_leaf_add(g, &sw_op_constant, &value->type, value->tensor);
}
