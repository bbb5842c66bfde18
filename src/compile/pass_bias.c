/* pass_bias.c: a product followed by the addition of a row vector is one row. */
#include "compile/fuse.h"
#include "graph/dim.h"

/* The operand of the Add that is not the product, when it is one value per column (or channel) of it. */
static sw_value *bias_of(const sw_compiling *c, const sw_node *add, const sw_value *product)
{
    sw_value *other = add->inputs[add->inputs[0] == product];
    const sw_type *y = &product->type, *b = &other->type;
    if (other == product || y->rank < 1 || b->rank != 1 || b->dtype != y->dtype ||
        !sw_dim_always_equal(c->g, b->dims[0], y->dims[y->rank - 1]) ||
        !sw_types_equal(c->g, y, &add->outputs[0]->type))
        return NULL;
    return other;
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        sw_fusing f;
        if (!sw_fusing_of(node, &f) || strcmp(f.op, "FusedMatMul") != 0 || f.inputs[SW_FUSED_BIAS] != sw_none)
            continue;
        sw_node *add = sw_value_only_user(node->outputs[0]);
        if (!sw_node_is(add, "Add") || !sw_fusing_allowed(c, &f, "none"))
            continue;
        f.inputs[SW_FUSED_BIAS] = bias_of(c, add, node->outputs[0]);
        if (!f.inputs[SW_FUSED_BIAS])
            continue;
        if (next == add)
            next = add->next;
        SW_TRY(sw_fuse(c, node, add, &f));
    }
    return SW_OK;
}

const sw_pass sw_pass_bias = {.name = "bias", .doc = "adds a bias inside a product", .rounds = true, .run = run};
