/* verify.c: every invariant of a graph, checked from outside.
 *
 * Builders cannot make a graph that breaks them; passes and importers can, by editing. The walk goes once through the
 * order with a table of what was met: what a node uses must have been made before it, counts must be what is counted,
 * names must lead back to who bears them, and inference must not contradict the types that are written down.
 *
 * SW_INTERNAL: the structure is broken. SW_INVALID: a node that no builder would have let through. */
#include <string.h>

#include "graph/inside.h"

struct check {
    sw_graph *g;
    sw_value **made; /* by id: met so far */
    int *uses;       /* by id: counted */
    bool *nodes;     /* by id: met */
};

#define BROKEN(...) sw_fail(SW_INTERNAL, "graph: " __VA_ARGS__)

/* The node's name, without making one: a graph that is checked does not change. */
static const char *name_of(const sw_node *node) { return node->name ? node->name : node->op->name; }

static bool is_made(const struct check *check, const sw_value *value)
{
    return value && value->graph == check->g && value->id >= 0 && value->id < check->g->value_ids &&
           check->made[value->id] == value;
}

/* ---- one node ---- */
static sw_status check_links(const struct check *check, const sw_node *node, const sw_node *previous)
{
    const sw_graph *g = check->g;
    if (node->graph != g || !node->op)
        return BROKEN("node %d belongs to another graph or has no row", node->id);
    if (node->previous != previous)
        return BROKEN("'%s' is not linked back to the node before it", name_of(node));
    if (node->id < 0 || node->id >= g->node_ids || check->nodes[node->id])
        return BROKEN("'%s' has number %d, which is out of range or taken", name_of(node), node->id);
    check->nodes[node->id] = true;
    if (node->name && sw_names_find(&g->node_names, node->name) != node)
        return BROKEN("the name '%s' does not lead to its node", node->name);
    return SW_OK;
}

static sw_status check_uses(struct check *check, const sw_node *node)
{
    for (int i = 0; i < node->inputs_count; i++) {
        const sw_value *value = node->inputs[i];
        if (value == sw_none)
            continue;
        if (!is_made(check, value))
            return BROKEN("'%s' (%s) uses as input %d a value that is not made before it", name_of(node),
                          node->op->name, i);
        check->uses[value->id]++;
    }
    return SW_OK;
}

static sw_status check_value(struct check *check, const sw_node *node, int index)
{
    sw_graph *g = check->g;
    sw_value *value = node->outputs[index];
    if (!value || value->graph != g || value->node != node || value->index != index)
        return BROKEN("output %d of '%s' does not lead back to it", index, name_of(node));
    if (value->id < 0 || value->id >= g->value_ids || check->made[value->id])
        return BROKEN("output %d of '%s' has number %d, which is out of range or taken", index, name_of(node),
                      value->id);
    if (value->name && sw_names_find(&g->value_names, value->name) != value)
        return BROKEN("the name '%s' does not lead to its value", value->name);
    if (sw_type_check(g, &value->type, "output of", name_of(node)) != SW_OK)
        return sw_fail_in(SW_INVALID, "graph");
    if (value->contents && value->contents_count < 0)
        return BROKEN("output %d of '%s' has %d known contents", index, name_of(node), value->contents_count);
    check->made[value->id] = value;
    return SW_OK;
}

/* Contents are there where they must be, and are what the type says. */
static sw_status check_contents(const struct check *check, const sw_node *node, const sw_value *value)
{
    if (!value->tensor) {
        bool needed = node->op == &sw_op_constant || (sw_graph_awake(check->g) && value->type.kind == SW_TENSOR);
        return needed && !value->freed ? BROKEN("'%s' has no contents", name_of(node)) : SW_OK;
    }
    sw_type type = sw_type_of(value->tensor);
    bool same = type.dtype == value->type.dtype && type.rank == value->type.rank;
    for (int i = 0; same && i < type.rank; i++)
        same = value->type.dims[i] < 0 || value->type.dims[i] == type.dims[i];
    return same ? SW_OK : BROKEN("the contents of '%s' are not of its type", name_of(node));
}

static sw_status check_attrs(const sw_node *node)
{
    for (int i = 0; i < sw_attr_rows_count(node->op); i++) {
        const sw_attr_row *row = &node->op->attrs[i];
        const sw_attr *attr = &node->attrs[i];
        if (attr->kind != row->kind || (row->required && !attr->given))
            return sw_fail(SW_INVALID, "graph: '%s': attribute '%s' is missing or of another kind", name_of(node),
                           row->name);
        if (attr->count < 0 || (attr->count > 0 && !attr->ints))
            return sw_fail(SW_INVALID, "graph: '%s': attribute '%s' has %d values", name_of(node), row->name,
                           attr->count);
    }
    return SW_OK;
}

static sw_status check_state(const struct check *check, const sw_node *node)
{
    bool needs = node->op == &sw_op_read || node->op == &sw_op_assign;
    if (needs != (node->state != NULL))
        return BROKEN("'%s' (%s) %s", name_of(node), node->op->name,
                      needs ? "has no state" : "has a state, and is no such row");
    if (!needs)
        return SW_OK;
    if (!sw_held_find(check->g, node->state))
        return BROKEN("'%s' uses state '%s', which the graph does not hold", name_of(node), sw_state_name(node->state));
    sw_type type = sw_type_of(sw_state_tensor(node->state));
    const sw_type *value = node->op == &sw_op_read ? &node->outputs[0]->type : &node->inputs[0]->type;
    bool same = value->kind == SW_TENSOR && value->dtype == type.dtype && value->rank == type.rank;
    for (int i = 0; same && i < type.rank; i++)
        same = value->dims[i] == type.dims[i];
    return same ? SW_OK
                : sw_fail(SW_INVALID, "graph: '%s' is not of the type of state '%s'", name_of(node),
                          sw_state_name(node->state));
}

/* ---- ports ---- */
static sw_status check_arity(const sw_node *node)
{
    int inputs = sw_ports_count(node->op->inputs), outputs = sw_ports_count(node->op->outputs);
    bool many_in = inputs && node->op->inputs[inputs - 1].flags & SW_PORT_VARIADIC;
    bool many_out = outputs && node->op->outputs[outputs - 1].flags & SW_PORT_VARIADIC;
    if ((node->inputs_count > inputs && !many_in) || (node->outputs_count > outputs && !many_out) ||
        node->inputs_count < 0 || node->outputs_count < 0 || node->outputs_count > SW_MAX_PORTS)
        return sw_fail(SW_INVALID, "graph: '%s' has %d inputs and %d outputs, %s has %d and %d", name_of(node),
                       node->inputs_count, node->outputs_count, node->op->name, inputs, outputs);
    return SW_OK;
}

static bool contradicts(const sw_type *written, const sw_type *inferred)
{
    if (written->kind != inferred->kind || (written->kind != SW_TENSOR ? false : written->dtype != inferred->dtype))
        return true;
    if (written->kind != SW_TENSOR || written->rank < 0 || inferred->rank < 0)
        return false;
    if (written->rank != inferred->rank)
        return true;
    for (int i = 0; i < written->rank; i++)
        if (written->dims[i] >= 0 && inferred->dims[i] >= 0 && written->dims[i] != inferred->dims[i])
            return true;
    return false;
}

static sw_status check_inference(const struct check *check, const sw_node *node)
{
    sw_type inferred[SW_MAX_PORTS];
    if (node->op->flags & (SW_LEAF | SW_DATA_SHAPED) || node->op == &sw_op_assign)
        return SW_OK; /* dims that data decide are new symbols each time */
    if (sw_node_check_inputs(node) != SW_OK || sw_node_infer_types(check->g, node, inferred) != SW_OK)
        return sw_fail_in(SW_INVALID, "graph");
    for (int i = 0; i < node->outputs_count; i++)
        if (contradicts(&node->outputs[i]->type, &inferred[i])) {
            char has[192], needs[192];
            return sw_fail(SW_INVALID, "graph: output %d of '%s' is written down as %s and inferred as %s", i,
                           name_of(node), sw_type_text(check->g, &node->outputs[i]->type, has, sizeof has),
                           sw_type_text(check->g, &inferred[i], needs, sizeof needs));
        }
    return SW_OK;
}

static sw_status check_node(struct check *check, const sw_node *node, const sw_node *previous)
{
    SW_TRY(check_links(check, node, previous));
    SW_TRY(check_arity(node));
    SW_TRY(check_uses(check, node));
    for (int i = 0; i < node->outputs_count; i++) {
        SW_TRY(check_value(check, node, i));
        SW_TRY(check_contents(check, node, node->outputs[i]));
    }
    SW_TRY(check_attrs(node));
    SW_TRY(check_state(check, node));
    return check_inference(check, node);
}

/* ---- the graph's own lists ---- */
static sw_status check_inputs(const struct check *check)
{
    const sw_graph *g = check->g;
    for (size_t i = 0; i < g->inputs.count; i++)
        if (!is_made(check, g->inputs.items[i]) || g->inputs.items[i]->node->op != &sw_op_input)
            return BROKEN("input %zu is no Input of this graph", i);
    return SW_OK;
}

static sw_status check_outputs(struct check *check)
{
    const sw_graph *g = check->g;
    for (size_t i = 0; i < g->outputs.count; i++) {
        const struct output *output = &g->outputs.items[i];
        if (!output->name || !is_made(check, output->value))
            return BROKEN("output %zu has no name, or is no value of this graph", i);
        for (size_t k = 0; k < i; k++)
            if (strcmp(output->name, g->outputs.items[k].name) == 0)
                return BROKEN("two outputs are named '%s'", output->name);
        check->uses[output->value->id]++;
    }
    return SW_OK;
}

static sw_status check_remembered(const struct check *check)
{
    const sw_graph *g = check->g;
    for (size_t i = 0; i < g->states.count; i++) {
        const struct held *held = &g->states.items[i];
        if ((held->current && !is_made(check, held->current)) || (held->gradient && !is_made(check, held->gradient)))
            return BROKEN("state '%s' remembers a value that is gone", sw_state_name(held->state));
    }
    if ((g->training && !is_made(check, g->training)) || (g->random_key && !is_made(check, g->random_key)))
        return BROKEN("the phase or the random key is a value that is gone");
    return SW_OK;
}

static sw_status check_counts(const struct check *check, int nodes)
{
    const sw_graph *g = check->g;
    if (nodes != g->nodes)
        return BROKEN("%d nodes are linked, %d are counted", nodes, g->nodes);
    for (int i = 0; i < g->value_ids; i++)
        if (check->made[i] && check->made[i]->uses != check->uses[i])
            return BROKEN("output %d of '%s' has %d uses, %d are counted", check->made[i]->index,
                          name_of(check->made[i]->node), check->uses[i], check->made[i]->uses);
    return SW_OK;
}

static sw_status check_all(struct check *check)
{
    int nodes = 0;
    const sw_node *previous = NULL;
    for (const sw_node *node = check->g->first; node; previous = node, node = node->next, nodes++)
        SW_TRY(check_node(check, node, previous));
    if (check->g->last != previous)
        return BROKEN("the last node is not where the order ends");
    SW_TRY(check_inputs(check));
    SW_TRY(check_outputs(check));
    SW_TRY(check_remembered(check));
    return check_counts(check, nodes);
}

sw_status sw_graph_verify(const sw_graph *graph)
{
    sw_graph *g = (sw_graph *)graph; /* inference may note expressions of dims in its table: nothing that is seen */
    if (!g)
        return sw_fail(SW_INVALID, "there is no graph");
    if (!sw_ok(g)) {
        sw_error_raise(&g->error);
        return g->error.status;
    }
    size_t values = (size_t)g->value_ids + 1, nodes = (size_t)g->node_ids + 1;
    struct check check = {.g = g};
    char *memory =
        sw_alloc_zero(g->ctx, values * (sizeof *check.made + sizeof *check.uses) + nodes * sizeof *check.nodes);
    if (!memory)
        return sw_alloc_status();
    check.made = (sw_value **)memory;
    check.uses = (int *)(memory + values * sizeof *check.made);
    check.nodes = (bool *)(check.uses + values);
    sw_status status = check_all(&check);
    sw_free(g->ctx, memory);
    return status;
}
