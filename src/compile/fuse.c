/* fuse.c: a Conv, MatMul or Gemm becomes the fused row that also adds and activates. */
#include "compile/fuse.h"
#include "graph/dim.h"

static bool is_product(const sw_node *node)
{
    return sw_node_is(node, "MatMul") || sw_node_is(node, "FusedMatMul") || sw_node_is(node, "Gemm");
}

/* A Gemm that scales nothing and adds at most one value per column. */
static bool is_plain_gemm(const sw_node *node, const sw_value *c)
{
    if (sw_attr_float(node, "alpha") != 1)
        return false;
    const sw_type *y = &node->outputs[0]->type;
    return c == sw_none || (sw_attr_float(node, "beta") == 1 && c->type.rank == 1 && y->rank == 2 &&
                            sw_dim_always_equal(node->graph, c->type.dims[0], y->dims[1]));
}

bool sw_fusing_of(const sw_node *node, sw_fusing *fusing)
{
    bool conv = sw_node_is(node, "Conv") || sw_node_is(node, "FusedConv");
    if (!conv && !is_product(node))
        return false;
    *fusing = (sw_fusing){.op = conv ? "FusedConv" : "FusedMatMul", .activation = "none"};
    for (int i = 0; i < SW_FUSED_INPUTS; i++)
        fusing->inputs[i] = sw_node_input(node, i);
    if (node->op->flags & SW_FUSED_ROW) {
        fusing->activation = sw_attr_string(node, "activation");
        fusing->alpha = sw_attr_float(node, "alpha");
        fusing->beta = sw_attr_float(node, "beta");
    }
    return !sw_node_is(node, "Gemm") || is_plain_gemm(node, fusing->inputs[SW_FUSED_BIAS]);
}

bool sw_fusing_allowed(const sw_compiling *c, const sw_fusing *fusing, const char *activation)
{
    return c->backend->fuses && strcmp(fusing->activation, "none") == 0 &&
           c->backend->fuses(c->ctx, fusing->op, activation);
}

/* The plain row's attributes, and those of fusion. */
static int collect(const sw_node *node, const sw_op *fused, const sw_fusing *fusing, sw_attr *attrs)
{
    int count = 0;
    for (const sw_attr_row *row = fused->attrs; row->name; row++) {
        if (strcmp(row->name, "activation") == 0)
            attrs[count++] = SW_ATTR_S("activation", fusing->activation);
        else if (strcmp(row->name, "alpha") == 0)
            attrs[count++] = SW_ATTR_F("alpha", fusing->alpha);
        else if (strcmp(row->name, "beta") == 0)
            attrs[count++] = SW_ATTR_F("beta", fusing->beta);
        else
            attrs[count++] = *sw_node_attr(node, row->name);
    }
    return count;
}

static int inputs_of(const sw_op *fused)
{
    int count = 0;
    while (fused->inputs[count].name)
        count++;
    return count;
}

sw_status sw_fuse(sw_compiling *c, sw_node *node, sw_node *last, const sw_fusing *fusing)
{
    const sw_op *fused = sw_op_find(c->ctx, fusing->op);
    if (!fused)
        return sw_fail(SW_INTERNAL, "there is no row '%s'", fusing->op);
    sw_attr attrs[SW_MAX_ATTRS];
    int count = collect(node, fused, fusing, attrs), inputs = inputs_of(fused);
    sw_value *made = sw_pass_node(c, last, fusing->op, fusing->inputs,
                                  inputs < SW_FUSED_INPUTS ? inputs : SW_FUSED_INPUTS, attrs, count);
    if (!made)
        return sw_graph_status(c->g);
    sw_pass_note(c, "%s (%s) takes %s (%s)", sw_node_name(node), node->op->name, sw_node_name(last), last->op->name);
    sw_pass_replace(last, made);
    if (!node->outputs[0]->uses)
        sw_node_remove(node);
    return SW_OK;
}
