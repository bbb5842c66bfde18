/* rows.c: the four rows that the graph itself makes: leaves, and the end of a state's version.
 *
 * They have ports only where something flows, no body, and no gradient: a walk ends at leaves. The type of a leaf's
 * output stands in its value. */
#include "graph/inside.h"

static sw_status infer_nothing(sw_infer *infer)
{
    (void)infer;
    return SW_OK;
}

const sw_op sw_op_input = {
    .struct_size = sizeof(sw_op),
    .name = "Input",
    .doc = "A value fed from outside.",
    .outputs = {{"value", SW_ANY}},
    .grad = {SW_NOT_DIFFERENTIABLE},
    .flags = SW_LEAF,
};

const sw_op sw_op_constant = {
    .struct_size = sizeof(sw_op),
    .name = "Constant",
    .doc = "A value that never changes.",
    .outputs = {{"value", SW_ANY}},
    .grad = {SW_NOT_DIFFERENTIABLE},
    .flags = SW_LEAF | SW_DETERMINISTIC,
};

const sw_op sw_op_read = {
    .struct_size = sizeof(sw_op),
    .name = "Read",
    .doc = "The current version of a named state.",
    .outputs = {{"value", SW_ANY}},
    .grad = {SW_NOT_DIFFERENTIABLE},
    .flags = SW_LEAF | SW_STATEFUL,
};

const sw_op sw_op_assign = {
    .struct_size = sizeof(sw_op),
    .name = "Assign",
    .doc = "Makes its input the next version of a named state.",
    .inputs = {{"value", SW_ANY}},
    .infer = infer_nothing,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .flags = SW_STATEFUL,
};
