/* copy.c: a deep copy of a graph, asleep.
 *
 * Nodes are made again in their order; dims keep their numbers, states and constants are shared. A graph that was awake
 * loses what it computed, reads each state once and assigns it once: the last assignment is the one that lasts. */
#include <string.h>

#include "graph/inside.h"

struct copying {
    const sw_graph *from;
    sw_graph *to;
    sw_value **map; /* by id of the value in `from` */
};

static sw_value *mapped(const struct copying *copying, const sw_value *value)
{
    return !value || value == sw_none ? (sw_value *)value : copying->map[value->id];
}

static sw_status copy_value(struct copying *copying, const sw_value *value, sw_value *copy)
{
    sw_graph *to = copying->to;
    copy->type = value->type;
    if (value->contents) {
        copy->contents =
            sw_arena_copy(to->arena, value->contents, (size_t)value->contents_count * sizeof *value->contents);
        copy->contents_count = value->contents_count;
        if (!copy->contents)
            return sw_alloc_status();
    }
    if (value->name)
        SW_TRY(sw_value_set_name(copy, value->name));
    if (value->tensor && value->node->op == &sw_op_constant)
        copy->tensor = sw_tensor_retain(value->tensor);
    copying->map[value->id] = copy;
    return SW_OK;
}

/* Only given ones are handed on: defaults come from the row again. */
static sw_status copy_attrs(sw_graph *to, const sw_node *node, sw_node *copy)
{
    sw_attr given[SW_MAX_ATTRS];
    int count = 0;
    for (int i = 0; i < sw_attr_rows_count(node->op); i++)
        if (node->attrs[i].given)
            given[count++] = node->attrs[i];
    return sw_attrs_resolve(to, copy, given, count);
}

/* Whether another assignment of the same state follows. */
static bool is_overwritten(const sw_node *node)
{
    for (const sw_node *later = node->next; later; later = later->next)
        if (later->op == &sw_op_assign && later->state == node->state)
            return true;
    return false;
}

/* True when the copy has nothing to make for this node: a version that it has already, or one that does not last. */
static bool is_settled(struct copying *copying, const sw_node *node, struct held *held)
{
    if (node->op == &sw_op_assign)
        held->current = mapped(copying, node->inputs[0]);
    if (node->op == &sw_op_read && held->current)
        copying->map[node->outputs[0]->id] = held->current;
    return node->op == &sw_op_assign ? is_overwritten(node) : node->op == &sw_op_read && held->current;
}

static sw_status copy_node(struct copying *copying, const sw_node *node)
{
    sw_graph *to = copying->to;
    struct held *held = node->state ? sw_held_find(to, node->state) : NULL;
    if (held && is_settled(copying, node, held))
        return SW_OK;
    sw_node *copy = sw_node_make(to, node->op, node->inputs_count, node->outputs_count);
    if (!copy)
        return sw_alloc_status();
    for (int i = 0; i < node->inputs_count; i++)
        copy->inputs[i] = mapped(copying, node->inputs[i]);
    sw_status status = copy_attrs(to, node, copy);
    for (int i = 0; status == SW_OK && i < node->outputs_count; i++)
        status = copy_value(copying, node->outputs[i], copy->outputs[i]);
    copy->stream = node->stream;
    copy->state = node->state;
    sw_node_link(to, copy);
    if (node->op == &sw_op_read)
        held->current = copy->outputs[0];
    if (status == SW_OK && node->name)
        status = sw_node_set_name(copy, node->name);
    copy->named = node->named;
    return status;
}

static sw_status copy_states(struct copying *copying)
{
    for (size_t i = 0; i < copying->from->states.count; i++) {
        sw_state *state = copying->from->states.items[i].state;
        SW_TRY(sw_vec_push(copying->to->ctx, &copying->to->states, ((struct held){.state = state})));
        sw_state_retain(state);
    }
    return SW_OK;
}

static sw_status copy_lists(struct copying *copying)
{
    sw_graph *to = copying->to;
    const sw_graph *from = copying->from;
    for (size_t i = 0; i < from->inputs.count; i++)
        SW_TRY(sw_vec_push(to->ctx, &to->inputs, mapped(copying, from->inputs.items[i])));
    for (size_t i = 0; i < from->outputs.count; i++)
        SW_TRY(sw_output(to, from->outputs.items[i].name, mapped(copying, from->outputs.items[i].value)));
    for (size_t i = 0; i < from->states.count; i++)
        to->states.items[i].gradient = mapped(copying, from->states.items[i].gradient);
    to->training = mapped(copying, from->training);
    to->random_key = mapped(copying, from->random_key);
    to->key = sw_state_retain(from->key);
    to->training_now = from->training_now;
    to->streams = from->streams;
    return SW_OK;
}

static sw_status copy(struct copying *copying)
{
    SW_TRY(sw_dims_copy(copying->to, copying->from));
    SW_TRY(copy_states(copying));
    for (const sw_node *node = copying->from->first; node; node = node->next)
        SW_TRY(copy_node(copying, node));
    if (copying->from->name)
        sw_graph_set_name(copying->to, copying->from->name);
    SW_TRY(copy_lists(copying));
    return sw_graph_status(copying->to);
}

sw_graph *sw_graph_copy(sw_graph *g, sw_value **map)
{
    if (!sw_ok(g)) {
        if (g)
            sw_error_raise(&g->error);
        return NULL;
    }
    size_t ids = (size_t)g->value_ids;
    struct copying copying = {g, sw_graph_new(g->ctx, 0), map ? map : sw_alloc_array(g->ctx, ids, sizeof *map)};
    sw_status status = copying.to && copying.map ? SW_OK : sw_alloc_status();
    if (status == SW_OK) {
        memset(copying.map, 0, ids * sizeof *map);
        status = copy(&copying);
    }
    if (!map)
        sw_free(g->ctx, copying.map);
    if (status == SW_OK)
        return copying.to;
    sw_graph_free(copying.to);
    return NULL;
}
