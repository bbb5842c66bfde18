/* pass_decompose.c: a row that no kernel computes is taken apart into rows that have one. */
#include "compile/pass.h"

static sw_status decompose(sw_compiling *c, sw_node *node)
{
    sw_value *values[SW_MAX_PORTS] = {NULL};
    sw_node *before = sw_graph_insert_before(c->g, node);
    sw_status status = node->op->decompose(c->g, node, values);
    sw_graph_insert_before(c->g, before);
    SW_TRY(status);
    sw_pass_note(c, "%s (%s) is taken apart", sw_node_name(node), node->op->name);
    for (int i = 0; i < node->outputs_count; i++)
        if (node->outputs[i] != sw_none && node->outputs[i]->uses && values[i] && values[i] != sw_none)
            sw_value_replace(node->outputs[i], values[i]);
    sw_node_remove(node);
    return sw_graph_status(c->g);
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if (node->op->decompose && !sw_backend_computes(c->backend, node->op))
            SW_TRY(decompose(c, node));
    }
    return SW_OK;
}

const sw_pass sw_pass_decompose = {.name = "decompose", .doc = "takes rows without a body apart", .run = run};
