/* edit.c: what passes do to a graph: new nodes in the middle, other inputs, other values, nodes that go.
 *
 * Counts of uses are kept true by every call, so that a pass can ask who still needs what. Only sleeping graphs are
 * edited; nothing here checks that the order stays executable: sw_graph_verify does, after the passes. */
#include "graph/inside.h"

sw_node *sw_graph_insert_before(sw_graph *g, sw_node *node)
{
    sw_node *previous = g->before;
    g->before = node;
    return previous;
}

void sw_node_set_input(sw_node *node, int index, sw_value *value)
{
    if (node->inputs[index] != sw_none)
        node->inputs[index]->uses--;
    node->inputs[index] = value;
    if (value != sw_none)
        value->uses++;
}

void sw_value_replace(sw_value *from, sw_value *to)
{
    sw_graph *g = from->graph;
    if (from == to)
        return;
    for (sw_node *node = from->node->next; node && from->uses > 0; node = node->next)
        for (int i = 0; i < node->inputs_count; i++)
            if (node->inputs[i] == from)
                sw_node_set_input(node, i, to);
    for (size_t i = 0; i < g->outputs.count; i++)
        if (g->outputs.items[i].value == from) {
            g->outputs.items[i].value = to;
            from->uses--;
            to->uses++;
        }
    for (size_t i = 0; i < g->states.count; i++) {
        struct held *held = &g->states.items[i];
        held->current = held->current == from ? to : held->current;
        held->gradient = held->gradient == from ? to : held->gradient;
    }
    g->training = g->training == from ? to : g->training;
    g->random_key = g->random_key == from ? to : g->random_key;
}

/* A value that goes is forgotten by whoever remembers it without using it. */
static void forget(sw_graph *g, const sw_value *value)
{
    for (size_t i = 0; i < g->states.count; i++) {
        struct held *held = &g->states.items[i];
        held->current = held->current == value ? NULL : held->current;
        held->gradient = held->gradient == value ? NULL : held->gradient;
    }
    g->training = g->training == value ? NULL : g->training;
    g->random_key = g->random_key == value ? NULL : g->random_key;
    if (value->name)
        sw_names_remove(&g->value_names, value->name);
}

void sw_node_remove(sw_node *node)
{
    sw_graph *g = node->graph;
    sw_node_unlink(node);
    for (int i = 0; i < node->outputs_count; i++)
        forget(g, node->outputs[i]);
    if (node->name)
        sw_names_remove(&g->node_names, node->name);
    sw_node_release(node);
}

int sw_value_users(const sw_value *value, sw_node **users, int max)
{
    int count = 0;
    for (sw_node *node = value->node->next; node; node = node->next)
        for (int i = 0; i < node->inputs_count; i++)
            if (node->inputs[i] == value) {
                if (count < max)
                    users[count] = node;
                count++;
                break;
            }
    return count;
}

sw_status sw_graph_reinfer(sw_graph *g)
{
    for (sw_node *node = g->first; node; node = node->next)
        if (!(node->op->flags & SW_LEAF) && node->op->infer)
            SW_TRY(sw_node_infer(g, node));
    return SW_OK;
}
