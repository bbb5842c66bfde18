/* pass_residual.c: a convolution whose result is added to a value of equal type adds it itself. */
#include "compile/fuse.h"

static sw_value *residual_of(const sw_compiling *c, const sw_node *add, const sw_value *y)
{
    sw_value *other = add->inputs[add->inputs[0] == y];
    return other != y && sw_types_equal(c->g, &other->type, &y->type) &&
                   sw_types_equal(c->g, &add->outputs[0]->type, &y->type)
               ? other
               : NULL;
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        sw_fusing f;
        if (!sw_fusing_of(node, &f) || strcmp(f.op, "FusedConv") != 0 || f.inputs[SW_FUSED_RESIDUAL] != sw_none)
            continue;
        sw_node *add = sw_value_only_user(node->outputs[0]);
        if (!sw_node_is(add, "Add") || !sw_fusing_allowed(c, &f, "none"))
            continue;
        f.inputs[SW_FUSED_RESIDUAL] = residual_of(c, add, node->outputs[0]);
        if (!f.inputs[SW_FUSED_RESIDUAL])
            continue;
        if (next == add)
            next = add->next;
        SW_TRY(sw_fuse(c, node, add, &f));
    }
    return SW_OK;
}

const sw_pass sw_pass_residual = {
    .name = "residual", .doc = "adds a residual inside a convolution", .rounds = true, .run = run};
