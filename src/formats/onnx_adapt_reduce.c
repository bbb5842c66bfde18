/* onnx_adapt_reduce.c: reductions and arg-extremes.
 *
 * ReduceSum's axes became an input in opset 13, the others' in 18. No axes mean all of them, unless
 * noop_with_empty_axes says that they mean none. */
#include <string.h>

#include "formats/onnx_adapt.h"

static sw_status build(onnx_import *im, const onnx_node *node, sw_value *x, const int64_t *axes, int count,
                       sw_value **outputs)
{
    const sw_attr attrs[] = {SW_ATTR_I("keep_dims", onnx_int(im, node, "keepdims", 1)),
                             SW_ATTR_IS("axes", count, axes)};
    sw_node_add(onnx_graph_of(im), onnx_current(im)->row, &x, 1, attrs, count > 0 ? 2 : 1, outputs, 1);
    return onnx_done(im);
}

static sw_status read_attribute_axes(onnx_import *im, const onnx_node *node, sw_value *const *inputs,
                                     sw_value **outputs)
{
    int64_t axes[SW_MAX_RANK];
    int count;
    SW_TRY(onnx_ints(im, node, "axes", axes, SW_MAX_RANK, &count));
    return build(im, node, inputs[0], axes, count, outputs);
}

static sw_status read_input_axes(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t axes[SW_MAX_RANK];
    int count = -1;
    if (node->input_count > 1)
        SW_TRY(onnx_input_ints(im, node, inputs[1], "axes", axes, SW_MAX_RANK, &count));
    if (count <= 0 && onnx_int(im, node, "noop_with_empty_axes", 0)) {
        outputs[0] = inputs[0];
        return SW_OK;
    }
    return build(im, node, inputs[0], axes, count, outputs);
}

static sw_status write_axes(onnx_export *ex, const sw_node *node)
{
    int64_t axes[SW_MAX_RANK];
    const onnx_adapter *adapter = onnx_writing(ex);
    int count = sw_attr_ints(node, "axes", axes, SW_MAX_RANK);
    bool as_input = adapter->read == read_input_axes;
    onnx_begin(ex, adapter->op, node);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    if (as_input && count > 0)
        onnx_in(ex, onnx_constant_ints(ex, axes, count));
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    if (!as_input && count > 0)
        onnx_put_ints(ex, "axes", axes, count);
    onnx_put_int(ex, "keepdims", sw_attr_int(node, "keep_dims"));
    return onnx_end(ex);
}

#define OLD {{"axes", NULL}, {"keepdims", NULL}}, read_attribute_axes, write_axes
#define NEW {{"noop_with_empty_axes", NULL}, {"keepdims", NULL}}, read_input_axes, write_axes
#define ARG                                                                                                            \
    {                                                                                                                  \
        {"axis", "axis", SW_ATTR_INT, true, .i = 0}, {"keepdims", "keep_dims", SW_ATTR_INT, true, .i = 1},             \
            {"select_last_index", "select_last", SW_ATTR_INT},                                                         \
    }

static const onnx_adapter table[] = {
    {"ReduceSum", 13, 0, "ReduceSum", NEW},
    {"ReduceSum", 1, 12, "ReduceSum", OLD},
    {"ReduceMean", 18, 0, "ReduceMean", NEW},
    {"ReduceMean", 1, 17, "ReduceMean", OLD},
    {"ReduceMax", 18, 0, "ReduceMax", NEW},
    {"ReduceMax", 1, 17, "ReduceMax", OLD},
    {"ReduceMin", 18, 0, "ReduceMin", NEW},
    {"ReduceMin", 1, 17, "ReduceMin", OLD},
    {"ReduceProd", 18, 0, "ReduceProd", NEW},
    {"ReduceProd", 1, 17, "ReduceProd", OLD},
    {"ArgMax", 12, 0, "ArgMax", ARG},
    {"ArgMin", 12, 0, "ArgMin", ARG},
    {"ArgMax", 1, 11, "ArgMax", ARG, .read_only = true},
    {"ArgMin", 1, 11, "ArgMin", ARG, .read_only = true},
};
ONNX_ADAPTERS(onnx_adapt_reduce, table);
