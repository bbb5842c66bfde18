/* pass_dead.c: what nobody reads goes.
 *
 * Values are wanted by the graph's outputs and by assignments of state. Walking backwards, a node whose outputs have
 * no uses is removed, which takes uses from what stands before it. Inputs stay: they are the plan's face. */
#include "compile/pass.h"

static bool unused(const sw_node *node)
{
    for (int i = 0; i < node->outputs_count; i++)
        if (node->outputs[i] != sw_none && node->outputs[i]->uses)
            return false;
    return !sw_node_is(node, "Assign") && !sw_node_is(node, "Input");
}

/* Giving a state the value that it has. */
static bool assigns_itself(const sw_node *node)
{
    const sw_value *value = node->inputs_count ? node->inputs[0] : sw_none;
    return sw_node_is(node, "Assign") && value != sw_none && sw_node_is(value->node, "Read") &&
           value->node->state == node->state;
}

static sw_status run(sw_compiling *c)
{
    sw_node *node = sw_graph_first(c->g);
    while (node && node->next)
        node = node->next;
    for (sw_node *before; node; node = before) {
        before = node->previous;
        if (!unused(node) && !assigns_itself(node))
            continue;
        sw_pass_note(c, "%s (%s) is not used", sw_node_name(node), node->op->name);
        sw_node_remove(node);
    }
    return SW_OK;
}

const sw_pass sw_pass_dead = {.name = "dead", .doc = "removes what nobody reads", .run = run};
