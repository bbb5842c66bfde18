/* node.c: a node's life, from its row to its place in the order.
 *
 * A node, its list of ports, its attributes and its output values are one piece of the arena. It is linked only when
 * everything about it is right, so a failed call leaves the order as it was. In an awake graph it is computed before
 * the builder returns. */
#include <stdio.h>
#include <string.h>

#include "graph/inside.h"

sw_node *sw_node_make(sw_graph *g, const sw_op *op, int inputs_count, int outputs_count)
{
    int attrs_count = sw_attr_rows_count(op);
    size_t head = sw_align_up(sizeof(sw_node), 16), attrs = (size_t)attrs_count * sizeof(sw_attr);
    size_t values = (size_t)outputs_count * sizeof(sw_value),
           lists = (size_t)(inputs_count + outputs_count) * sizeof(sw_value *);
    char *memory = sw_arena_alloc(g->arena, head + values + attrs + lists);
    if (!memory)
        return NULL;
    sw_node *node = (sw_node *)memory;
    sw_value *outputs = (sw_value *)(memory + head);
    node->op = op;
    node->graph = g;
    node->inputs_count = inputs_count;
    node->outputs_count = outputs_count;
    node->attrs = (sw_attr *)(memory + head + values);
    node->inputs = (sw_value **)(memory + head + values + attrs);
    node->outputs = node->inputs + inputs_count;
    node->id = g->node_ids++;
    for (int i = 0; i < outputs_count; i++) {
        outputs[i].graph = g;
        outputs[i].node = node;
        outputs[i].index = i;
        outputs[i].id = g->value_ids++;
        node->outputs[i] = &outputs[i];
    }
    return node;
}

void sw_node_link(sw_graph *g, sw_node *node)
{
    node->next = g->before;
    node->previous = g->before ? g->before->previous : g->last;
    *(node->previous ? &node->previous->next : &g->first) = node;
    *(node->next ? &node->next->previous : &g->last) = node;
    for (int i = 0; i < node->inputs_count; i++)
        if (node->inputs[i] != sw_none)
            node->inputs[i]->uses++;
    g->nodes++;
}

void sw_node_unlink(sw_node *node)
{
    sw_graph *g = node->graph;
    *(node->previous ? &node->previous->next : &g->first) = node->next;
    *(node->next ? &node->next->previous : &g->last) = node->previous;
    if (g->before == node)
        g->before = node->next;
    for (int i = 0; i < node->inputs_count; i++)
        if (node->inputs[i] != sw_none)
            node->inputs[i]->uses--;
    g->nodes--;
}

void sw_node_release(sw_node *node)
{
    for (int i = 0; i < node->outputs_count; i++) {
        sw_tensor_release(node->outputs[i]->tensor);
        node->outputs[i]->tensor = NULL;
    }
    for (int i = 0; node->op->attrs[i].name && i < SW_MAX_ATTRS; i++) {
        if (node->attrs[i].kind == SW_ATTR_TENSOR)
            sw_tensor_release(node->attrs[i].tensor);
        else if (node->attrs[i].kind == SW_ATTR_GRAPH)
            sw_graph_free(node->attrs[i].graph);
        else
            continue;
        node->attrs[i].tensor = NULL;
    }
}

sw_value *sw_leaf_add(sw_graph *g, const sw_op *op, const sw_type *type, sw_tensor *tensor)
{
    sw_node *node = sw_node_make(g, op, 0, 1);
    if (!node)
        return sw_graph_null(g, sw_alloc_status());
    node->outputs[0]->type = *type;
    node->outputs[0]->tensor = tensor ? sw_tensor_retain(tensor) : NULL;
    sw_node_link(g, node);
    return node->outputs[0];
}

sw_status sw_value_check(sw_graph *g, const sw_value *value, const char *what)
{
    if (!value)
        return sw_fail(SW_INVALID, "%s is NULL: the call that made it failed or was for another graph", what);
    if (value == sw_none)
        return sw_fail(SW_INVALID, "%s is SW_NONE", what);
    if (value->graph != g)
        return sw_fail(SW_INVALID, "%s belongs to another graph", what);
    return SW_OK;
}

/* Takes the inputs given; what is left out at the end is absent. */
static sw_status take_inputs(sw_graph *g, sw_node *node, sw_value *const *inputs, int given)
{
    for (int i = 0; i < given; i++) {
        sw_value *value = inputs[i];
        if (value != sw_none && (!value || value->graph != g)) {
            char what[48];
            snprintf(what, sizeof what, "input %d", i);
            return sw_fail_in(sw_value_check(g, value, what), "%s '%s'", node->op->name, sw_node_name(node));
        }
        node->inputs[i] = value;
    }
    for (int i = given; i < node->inputs_count; i++)
        node->inputs[i] = sw_none;
    return SW_OK;
}

/* How many ports of a side a node has: those asked for, and at least those that must be there. */
static sw_status count_ports(const sw_op *op, const sw_port *ports, const char *side, int given, int *count)
{
    int rows = sw_ports_count(ports), least = 0;
    for (int i = 0; i < rows; i++)
        if (!(ports[i].flags & (SW_PORT_OPTIONAL | SW_PORT_VARIADIC)))
            least = i + 1;
    bool variadic = rows > 0 && ports[rows - 1].flags & SW_PORT_VARIADIC;
    if (given < 0 || (given > rows && !variadic))
        return sw_fail(SW_INVALID, "%s: %d %ss given, has at most %d", op->name, given, side, rows);
    *count = given > least ? given : least;
    return SW_OK;
}

static sw_status build(sw_graph *g, const sw_op *op, sw_value *const *inputs, int inputs_count, const sw_attr *attrs,
                       int attrs_count, int outputs_count, sw_node **built)
{
    SW_TRY(count_ports(op, op->inputs, "input", inputs_count, &(int){0}));
    SW_TRY(count_ports(op, op->outputs, "output", outputs_count, &outputs_count));
    if (outputs_count > SW_MAX_PORTS)
        return sw_fail(SW_UNSUPPORTED, "%s: %d outputs, has at most %d", op->name, outputs_count, SW_MAX_PORTS);
    int rows = sw_ports_count(op->inputs);
    if (rows > 0 && op->inputs[rows - 1].flags & SW_PORT_VARIADIC)
        rows--;
    sw_node *node = sw_node_make(g, op, inputs_count > rows ? inputs_count : rows, outputs_count);
    if (!node)
        return sw_alloc_status();
    SW_TRY(take_inputs(g, node, inputs, inputs_count));
    SW_TRY(sw_node_check_inputs(node));
    sw_status status = sw_attrs_resolve(g, node, attrs, attrs_count);
    if (status == SW_OK)
        status = sw_node_infer(g, node);
    if (status == SW_OK && op->flags & SW_RANDOM)
        node->stream = g->streams++;
    if (status == SW_OK && sw_graph_awake(g))
        status = sw_node_execute(node);
    if (status != SW_OK) {
        sw_node_release(node);
        return status;
    }
    sw_node_link(g, node);
    *built = node;
    return SW_OK;
}

sw_value *sw_node_add_op(sw_graph *g, const sw_op *op, sw_value *const *inputs, int inputs_count, const sw_attr *attrs,
                         int attrs_count, sw_value **outputs, int outputs_count)
{
    for (int i = 0; outputs && i < outputs_count; i++)
        outputs[i] = NULL;
    if (!sw_ok(g))
        return NULL;
    sw_node *node = NULL;
    sw_status status = build(g, op, inputs, inputs_count, attrs, attrs_count, outputs ? outputs_count : 0, &node);
    if (status != SW_OK)
        return sw_graph_null(g, status);
    for (int i = 0; outputs && i < outputs_count; i++)
        outputs[i] = node->outputs[i];
    return node->outputs_count ? node->outputs[0] : sw_none;
}

sw_value *sw_node_add(sw_graph *g, const char *op, sw_value *const *inputs, int inputs_count, const sw_attr *attrs,
                      int attrs_count, sw_value **outputs, int outputs_count)
{
    const sw_op *row = sw_ok(g) && op ? sw_registry_find(g->registry, op) : NULL;
    if (row && !(row->flags & SW_LEAF) && row != &sw_op_assign)
        return sw_node_add_op(g, row, inputs, inputs_count, attrs, attrs_count, outputs, outputs_count);
    for (int i = 0; outputs && i < outputs_count; i++)
        outputs[i] = NULL;
    if (!sw_ok(g))
        return NULL;
    if (row)
        return sw_graph_null(g,
                             sw_fail(SW_INVALID, "a node '%s' is made by the graph itself (sw_input, sw_read, …)", op));
    return sw_graph_null(g, sw_fail(SW_NOT_FOUND, "there is no op '%s'", op ? op : ""));
}

/* ---- looking at nodes ---- */
const sw_op *sw_node_op(const sw_node *node) { return node->op; }

/* The automatic name is made when first asked for: most nodes of an awake graph never are. When somebody has given
 * another node that very name, underscores tell them apart. */
const char *sw_node_name(const sw_node *node)
{
    if (node->name)
        return node->name;
    sw_node *mine = (sw_node *)node;
    sw_graph *g = node->graph;
    char *name = sw_arena_format(g->arena, "%s_%d", node->op->name, node->id);
    while (name && sw_names_find(&g->node_names, name))
        name = sw_arena_format(g->arena, "%s_", name);
    if (!name || sw_names_add(g, &g->node_names, name, mine) != SW_OK)
        return node->op->name;
    return mine->name = name;
}

sw_status sw_node_set_name(sw_node *node, const char *name)
{
    sw_graph *g = node->graph;
    if (!sw_ok(g))
        return sw_graph_status(g);
    if (!name || !*name)
        return sw_graph_fail(g, sw_fail(SW_INVALID, "%s: a node's name cannot be empty", sw_node_name(node)));
    if (node->name && strcmp(node->name, name) == 0) {
        node->named = true;
        return SW_OK;
    }
    char *copy = sw_arena_strdup(g->arena, name);
    sw_status status = copy ? sw_names_add(g, &g->node_names, copy, node) : sw_alloc_status();
    if (status != SW_OK)
        return sw_graph_fail(g, sw_fail_in(status, "node of %s", node->op->name));
    if (node->name)
        sw_names_remove(&g->node_names, node->name);
    node->name = copy;
    node->named = true;
    return SW_OK;
}

int sw_node_input_count(const sw_node *node) { return node->inputs_count; }

sw_value *sw_node_input(const sw_node *node, int index)
{
    return index >= 0 && index < node->inputs_count ? node->inputs[index] : sw_none;
}

int sw_node_output_count(const sw_node *node) { return node->outputs_count; }

sw_value *sw_node_output(const sw_node *node, int index)
{
    return index >= 0 && index < node->outputs_count ? node->outputs[index] : sw_none;
}

sw_state *sw_node_state(const sw_node *node) { return node->state; }
