/* onnx_adapt_index.c: parts of tensors: Slice, Gather, Scatter, Pad.
 *
 * Slice had attributes until opset 9, Pad until 10. ONNX's Expand broadcasts both ways, as our row does. */
#include <string.h>

#include "formats/onnx_adapt.h"

static sw_status read_slice_1(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t starts[SW_MAX_RANK], ends[SW_MAX_RANK], axes[SW_MAX_RANK];
    int count, end_count, axis_count;
    sw_graph *g = onnx_graph_of(im);
    SW_TRY(onnx_ints(im, node, "starts", starts, SW_MAX_RANK, &count));
    SW_TRY(onnx_ints(im, node, "ends", ends, SW_MAX_RANK, &end_count));
    SW_TRY(onnx_ints(im, node, "axes", axes, SW_MAX_RANK, &axis_count));
    if (count < 0 || end_count != count || (axis_count >= 0 && axis_count != count))
        return onnx_fail(im, node, SW_INVALID, "starts, ends and axes differ in length");
    sw_value *ports[] = {inputs[0], sw_ints(g, count, starts), sw_ints(g, count, ends),
                         axis_count < 0 ? SW_NONE : sw_ints(g, count, axes)};
    sw_node_add(g, "Slice", ports, 4, NULL, 0, outputs, 1);
    return onnx_done(im);
}

static sw_status pad(onnx_import *im, const onnx_node *node, sw_value *x, const int64_t *pads, int count,
                     sw_value *fill, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    const char *mode = onnx_string(im, node, "mode", "constant");
    sw_attr attr = SW_ATTR_S("mode", mode);
    sw_value *ports[] = {x, sw_ints(g, count, pads), fill};
    sw_node_add(g, "Pad", ports, 3, &attr, 1, outputs, 1);
    return onnx_done(im);
}

/* From opset 18 on only the axes named are padded. */
static sw_status read_pad(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t given[2 * SW_MAX_RANK], axes[SW_MAX_RANK], pads[2 * SW_MAX_RANK] = {0};
    int count, axis_count = -1, rank = sw_value_type(inputs[0])->rank;
    sw_value *fill = node->input_count > 2 ? inputs[2] : SW_NONE;
    if (strcmp(onnx_string(im, node, "mode", "constant"), "wrap") == 0)
        return onnx_fail(im, node, SW_UNSUPPORTED, "mode 'wrap' is not supported");
    if (node->input_count < 4 || inputs[3] == SW_NONE) { /* the row's own form; pads may come from data */
        sw_value *ports[] = {inputs[0], inputs[1], fill};
        const sw_attr attr = SW_ATTR_S("mode", onnx_string(im, node, "mode", "constant"));
        sw_node_add(onnx_graph_of(im), "Pad", ports, 3, &attr, 1, outputs, 1);
        return onnx_done(im);
    }
    SW_TRY(onnx_input_ints(im, node, inputs[1], "pads", given, 2 * SW_MAX_RANK, &count));
    if (node->input_count > 3)
        SW_TRY(onnx_input_ints(im, node, inputs[3], "axes", axes, SW_MAX_RANK, &axis_count));
    if (count != 2 * axis_count || rank < 0)
        return onnx_fail(im, node, SW_INVALID, "has %d pads for %d axes", count, axis_count);
    for (int i = 0; i < axis_count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank)
            return onnx_fail(im, node, SW_INVALID, "axis %lld of %d dims", (long long)axes[i], rank);
        pads[axis] = given[i];
        pads[rank + axis] = given[axis_count + i];
    }
    return pad(im, node, inputs[0], pads, 2 * rank, fill, outputs);
}

static sw_status read_pad_2(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t pads[2 * SW_MAX_RANK];
    int count;
    double value = onnx_float(im, node, "value", 0);
    SW_TRY(onnx_ints(im, node, "pads", pads, 2 * SW_MAX_RANK, &count));
    if (count < 0)
        return onnx_fail(im, node, SW_INVALID, "has no pads");
    sw_value *fill = value != 0 ? sw_scalar(onnx_graph_of(im), sw_value_type(inputs[0])->dtype, value) : SW_NONE;
    return pad(im, node, inputs[0], pads, count, fill, outputs);
}

#define AXIS                                                                                                           \
    {                                                                                                                  \
        "axis", "axis", SW_ATTR_INT, true, .i = 0                                                                      \
    }

static const onnx_adapter table[] = {
    {"Slice", 10, 0, "Slice"},
    {"Slice", 1, 9, NULL, {{"starts"}, {"ends"}, {"axes"}}, .read = read_slice_1},
    {"Gather", 1, 0, "Gather", {AXIS}},
    {"GatherElements", 11, 0, "GatherElements", {AXIS}},
    {"ScatterElements",
     11,
     0,
     "ScatterElements",
     {AXIS, {"reduction", "reduction", SW_ATTR_STRING, true, .s = "none"}}},
    {"Pad", 11, 0, "Pad", {{"mode", "mode", SW_ATTR_STRING, true, .s = "constant"}}, .read = read_pad},
    {"Pad", 2, 10, NULL, {{"mode"}, {"pads"}, {"value"}}, .read = read_pad_2},
};
ONNX_ADAPTERS(onnx_adapt_index, table);
