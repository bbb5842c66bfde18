/* verify.c: every invariant of a graph, checked.
 *
 * Builders cannot make a graph that fails here; passes that edit one can. So the compiler verifies after its passes,
 * and importers verify what they built. A failure is a fault of Slipway unless the graph itself had failed before. */
#include <string.h>

#include "graph/inside.h"

/* The walk so far: which values are defined, and how often each was used. */
struct check {
    const sw_graph *g;
    const sw_value **defined; /* by id */
    int *uses;
};

static sw_status wrong(const struct check *check, const sw_node *node, const char *what)
{
    return sw_fail(SW_INTERNAL, "graph '%s': %s '%s' %s", check->g->name ? check->g->name : "", node->op->name,
                   sw_node_name(node), what);
}

static sw_status use(struct check *check, const sw_node *node, const sw_value *value)
{
    if (!value)
        return wrong(check, node, "has a NULL input; an absent one is SW_NONE");
    if (value == sw_none)
        return SW_OK;
    if (value->graph != check->g)
        return wrong(check, node, "reads a value of another graph");
    if (value->id < 0 || value->id >= check->g->value_ids || check->defined[value->id] != value)
        return wrong(check, node, "reads a value before it is made, or one that was removed");
    check->uses[value->id]++;
    return SW_OK;
}

static sw_status define(struct check *check, const sw_node *node, int index)
{
    const sw_value *value = node->outputs[index];
    if (!value || value->graph != check->g || value->node != node || value->index != index)
        return wrong(check, node, "has an output that does not know it");
    if (value->id < 0 || value->id >= check->g->value_ids || check->defined[value->id])
        return wrong(check, node, "has an output whose number is taken");
    if (value->name && sw_names_find(&check->g->value_names, value->name) != value)
        return wrong(check, node, "has an output whose name belongs to another value");
    if (value->contents && (!sw_dtype_is_integer(value->type.dtype) || value->contents_count < 0))
        return wrong(check, node, "has known contents that are no integers");
    SW_TRY(sw_type_check(check->g, &value->type, node->op->name, value->name ? value->name : sw_node_name(node)));
    check->defined[value->id] = value;
    return SW_OK;
}

static sw_status check_arity(const struct check *check, const sw_node *node)
{
    const sw_op *op = node->op;
    int inputs = sw_ports_count(op->inputs), outputs = sw_ports_count(op->outputs);
    bool more_inputs = inputs > 0 && op->inputs[inputs - 1].flags & SW_PORT_VARIADIC;
    bool more_outputs = outputs > 0 && op->outputs[outputs - 1].flags & SW_PORT_VARIADIC;
    if (node->inputs_count > inputs && !more_inputs)
        return wrong(check, node, "has more inputs than its row");
    if (node->outputs_count > outputs && !more_outputs)
        return wrong(check, node, "has more outputs than its row");
    return SW_OK;
}

static sw_status check_attrs(const struct check *check, const sw_node *node)
{
    for (int i = 0; i < SW_MAX_ATTRS && node->op->attrs[i].name; i++)
        if (!node->attrs[i].name || strcmp(node->attrs[i].name, node->op->attrs[i].name) != 0 ||
            (node->attrs[i].kind != node->op->attrs[i].kind && node->attrs[i].given))
            return wrong(check, node, "has attributes that are not those of its row");
    return SW_OK;
}

static sw_status check_state(const struct check *check, const sw_node *node)
{
    bool needs = node->op == &sw_op_read || node->op == &sw_op_assign;
    if (needs != (node->state != NULL))
        return wrong(check, node, needs ? "has no state" : "has a state, which only Read and Assign do");
    if (node->state && !sw_held_find(check->g, node->state))
        return wrong(check, node, "has a state that its graph does not hold");
    return SW_OK;
}

static sw_status check_node(struct check *check, const sw_node *node)
{
    if (node->graph != check->g)
        return wrong(check, node, "belongs to another graph");
    SW_TRY(check_arity(check, node));
    SW_TRY(check_attrs(check, node));
    SW_TRY(check_state(check, node));
    for (int i = 0; i < node->inputs_count; i++)
        SW_TRY(use(check, node, node->inputs[i]));
    if (sw_node_check_inputs(node) != SW_OK)
        return sw_fail_in(SW_INTERNAL, "graph '%s'", check->g->name ? check->g->name : "");
    for (int i = 0; i < node->outputs_count; i++)
        SW_TRY(define(check, node, i));
    return SW_OK;
}

static sw_status check_ends(struct check *check)
{
    const sw_graph *g = check->g;
    for (size_t i = 0; i < g->inputs.count; i++)
        if (g->inputs.items[i]->node->op != &sw_op_input ||
            check->defined[g->inputs.items[i]->id] != g->inputs.items[i])
            return sw_fail(SW_INTERNAL, "graph '%s': input %zu is not made by an input node of it",
                           g->name ? g->name : "", i);
    for (size_t i = 0; i < g->outputs.count; i++) {
        const sw_value *value = g->outputs.items[i].value;
        if (!value || value->graph != g || value->id >= g->value_ids || check->defined[value->id] != value)
            return sw_fail(SW_INTERNAL, "graph '%s': output '%s' is not made by a node of it", g->name ? g->name : "",
                           g->outputs.items[i].name);
        check->uses[value->id]++;
    }
    return SW_OK;
}

static sw_status check_all(struct check *check)
{
    int nodes = 0;
    const sw_node *previous = NULL;
    for (const sw_node *node = check->g->first; node; previous = node, node = node->next, nodes++) {
        if (node->previous != previous || nodes >= check->g->node_ids)
            return wrong(check, node, "is linked wrongly");
        SW_TRY(check_node(check, node));
    }
    if (nodes != check->g->nodes || check->g->last != previous)
        return sw_fail(SW_INTERNAL, "graph '%s': %d nodes are linked, %d counted", check->g->name ? check->g->name : "",
                       nodes, check->g->nodes);
    SW_TRY(check_ends(check));
    for (int i = 0; i < check->g->value_ids; i++)
        if (check->defined[i] && check->defined[i]->uses != check->uses[i])
            return sw_fail(SW_INTERNAL, "graph '%s': output %d of '%s' counts %d uses and has %d",
                           check->g->name ? check->g->name : "", check->defined[i]->index,
                           sw_node_name(check->defined[i]->node), check->defined[i]->uses, check->uses[i]);
    return SW_OK;
}

sw_status sw_graph_verify(const sw_graph *g)
{
    if (!g)
        return sw_fail(SW_INVALID, "there is no graph");
    if (g->error.status != SW_OK)
        return sw_error_raise(&g->error);
    size_t values = (size_t)g->value_ids + 1;
    struct check check = {.g = g};
    check.defined = sw_alloc_zero(g->ctx, values * sizeof *check.defined);
    check.uses = sw_alloc_zero(g->ctx, values * sizeof *check.uses);
    sw_status status = check.defined && check.uses ? check_all(&check) : sw_alloc_status();
    sw_free(g->ctx, check.defined);
    sw_free(g->ctx, check.uses);
    return status;
}
