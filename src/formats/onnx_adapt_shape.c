/* onnx_adapt_shape.c: the same elements under other dims, and tensors made of shapes.
 *
 * Squeeze and Unsqueeze took their axes as an attribute until opset 12, Split its sizes; here they are attributes
 * again. In Reshape a 0 means "this dim of x" unless allowzero says that it means 0, as it does in our row. */
#include "formats/onnx_adapt.h"
#include "formats/onnx_tensor.h"
#include "graph/dim.h"
#include "tensor/dtype.h"

/* ---- Constant ---- */

static sw_status constant_of(onnx_import *im, sw_dtype dtype, sw_dims dims, const void *data, sw_value **output)
{
    sw_graph *g = onnx_graph_of(im);
    sw_tensor *tensor = sw_tensor_from(sw_graph_context(g), dtype, dims, data);
    if (!tensor)
        return sw_alloc_status();
    *output = sw_constant(g, tensor);
    sw_tensor_release(tensor);
    return onnx_done(im);
}

static sw_status floats_constant(onnx_import *im, const onnx_attr *attr, sw_value **output)
{
    sw_graph *g = onnx_graph_of(im);
    sw_tensor *tensor = sw_tensor_new(sw_graph_context(g), SW_F32, SW_DIMS(attr->count));
    if (!tensor)
        return sw_alloc_status();
    for (int i = 0; i < attr->count; i++)
        ((float *)sw_tensor_data(tensor))[i] = (float)attr->floats[i];
    *output = sw_constant(g, tensor);
    sw_tensor_release(tensor);
    return onnx_done(im);
}

static sw_status read_constant(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    (void)inputs;
    const onnx_attr *attr;
    if ((attr = onnx_find_attr(im, node, "value")) && attr->t) {
        sw_tensor *tensor;
        SW_TRY(onnx_tensor_read(onnx_mapping_of(im), onnx_folder_of(im), attr->t, &tensor));
        outputs[0] = sw_constant(onnx_graph_of(im), tensor);
        sw_tensor_release(tensor);
        return onnx_done(im);
    }
    if ((attr = onnx_find_attr(im, node, "value_int")))
        return constant_of(im, SW_I64, SW_SCALAR, &attr->i, outputs);
    if ((attr = onnx_find_attr(im, node, "value_float")))
        return constant_of(im, SW_F32, SW_SCALAR, &(float){(float)attr->f}, outputs);
    if ((attr = onnx_find_attr(im, node, "value_ints")))
        return constant_of(im, SW_I64, SW_DIMS(attr->count), attr->ints, outputs);
    if ((attr = onnx_find_attr(im, node, "value_floats")))
        return floats_constant(im, attr, outputs);
    if ((attr = onnx_find_attr(im, node, "value_string")))
        return constant_of(im, SW_STRING, SW_SCALAR, &attr->s, outputs);
    if ((attr = onnx_find_attr(im, node, "value_strings")))
        return constant_of(im, SW_STRING, SW_DIMS(attr->count), attr->strings, outputs);
    return onnx_fail(im, node, SW_UNSUPPORTED, "has no value of a kind that is read");
}

/* Of a known shape it is a constant, whose contents inference can follow. */
static bool fold_constant_of_shape(onnx_import *im, sw_value *shape, const sw_tensor *value, sw_tensor **folded)
{
    enum { MOST = 4096 };
    sw_graph *g = onnx_graph_of(im);
    const sw_dim *contents;
    sw_dims dims = {0};
    int64_t count;
    if (!sw_value_contents(g, shape, &contents, &dims.rank) || dims.rank > SW_MAX_RANK)
        return false;
    for (int i = 0; i < dims.rank; i++) {
        if (!sw_dim_known(contents[i]))
            return false;
        dims.dim[i] = contents[i];
    }
    if (sw_dims_count(dims, &count) != SW_OK || count > MOST)
        return false;
    sw_dtype dtype = value ? sw_tensor_dtype(value) : SW_F32;
    *folded = dtype == SW_STRING ? NULL : sw_tensor_zeros(sw_graph_context(g), dtype, dims);
    for (int64_t i = 0; *folded && value && i < count; i++) {
        if (sw_dtype_is_float(dtype))
            sw_tensor_set(*folded, i, sw_tensor_get(value, 0));
        else
            sw_store_u64(dtype, sw_tensor_data(*folded), i, sw_load_u64(dtype, sw_tensor_data(value), 0));
    }
    return *folded != NULL;
}

static sw_status read_constant_of_shape(onnx_import *im, const onnx_node *node, sw_value *const *inputs,
                                        sw_value **outputs)
{
    const onnx_attr *value = onnx_find_attr(im, node, "value");
    sw_tensor *tensor = NULL, *folded;
    if (value && value->t)
        SW_TRY(onnx_tensor_read(onnx_mapping_of(im), onnx_folder_of(im), value->t, &tensor));
    if (tensor && sw_tensor_count(tensor) != 1) {
        sw_tensor_release(tensor);
        return onnx_fail(im, node, SW_SHAPE, "its value must be one element");
    }
    if (fold_constant_of_shape(im, inputs[0], tensor, &folded)) {
        outputs[0] = sw_constant(onnx_graph_of(im), folded);
        sw_tensor_release(folded);
    } else {
        sw_attr attr = {.name = "value", .kind = SW_ATTR_TENSOR, .given = true, .tensor = tensor};
        sw_node_add(onnx_graph_of(im), "ConstantOfShape", inputs, 1, &attr, tensor ? 1 : 0, outputs, 1);
    }
    sw_tensor_release(tensor);
    return onnx_done(im);
}

static sw_status write_constant_of_shape(onnx_export *ex, const sw_node *node)
{
    const sw_attr *value = sw_node_attr(node, "value");
    onnx_begin(ex, "ConstantOfShape", node);
    onnx_put_ports(ex, node);
    if (value && value->given && value->tensor)
        onnx_put_tensor(ex, "value", value->tensor);
    return onnx_end(ex);
}

/* ---- Reshape ---- */

/* The shape with every 0 replaced by that dim of x. */
static sw_status fill_zeros(onnx_import *im, const onnx_node *node, sw_value *x, const sw_dim *to, int rank,
                            sw_value **shape)
{
    sw_graph *g = onnx_graph_of(im);
    const sw_type *type = sw_value_type(x);
    sw_value *parts[SW_MAX_RANK];
    int64_t plain[SW_MAX_RANK];
    bool all_known = true;
    if (rank > SW_MAX_RANK || type->rank < 0)
        return onnx_fail(im, node, SW_UNSUPPORTED, "copies dims of an input whose rank is not known");
    for (int i = 0; i < rank; i++) {
        if (to[i] == 0 && i >= type->rank)
            return onnx_fail(im, node, SW_SHAPE, "dim %d is 0 (copied), its input has %d dims", i, type->rank);
        plain[i] = to[i] == 0 ? type->dims[i] : to[i];
        all_known &= plain[i] > SW_DIM_UNKNOWN && (sw_dim_known(plain[i]) || plain[i] == -1);
    }
    if (all_known) {
        *shape = sw_ints(g, rank, plain);
        return onnx_done(im);
    }
    sw_value *dims = sw_shape_of(g, x);
    for (int i = 0; i < rank; i++)
        parts[i] = sw_slice(g, to[i] == 0 ? dims : *shape, 0, i, i + 1, 1);
    *shape = sw_concat(g, parts, rank, 0);
    return onnx_done(im);
}

static sw_status reshape_to(onnx_import *im, const onnx_node *node, sw_value *x, sw_value *shape, sw_value **outputs)
{
    const sw_dim *to;
    int rank;
    bool zeros = false;
    if (onnx_int(im, node, "allowzero", 0) == 0 && sw_value_contents(onnx_graph_of(im), shape, &to, &rank)) {
        for (int i = 0; i < rank; i++)
            zeros |= to[i] == 0;
        if (zeros)
            SW_TRY(fill_zeros(im, node, x, to, rank, &shape));
    }
    outputs[0] = sw_reshape_to(onnx_graph_of(im), x, shape);
    return onnx_done(im);
}

static sw_status read_reshape(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    return reshape_to(im, node, inputs[0], inputs[1], outputs);
}

static sw_status read_reshape_1(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t shape[SW_MAX_RANK];
    int count;
    SW_TRY(onnx_ints(im, node, "shape", shape, SW_MAX_RANK, &count));
    return reshape_to(im, node, inputs[0], sw_ints(onnx_graph_of(im), count < 0 ? 0 : count, shape), outputs);
}

static sw_status write_reshape(onnx_export *ex, const sw_node *node)
{
    const sw_dim *to;
    int rank;
    bool zeros = false;
    if (sw_value_contents(node->graph, sw_node_input(node, 1), &to, &rank))
        for (int i = 0; i < rank; i++)
            zeros |= to[i] == 0;
    onnx_begin(ex, "Reshape", node);
    onnx_put_ports(ex, node);
    if (zeros)
        onnx_put_int(ex, "allowzero", 1);
    return onnx_end(ex);
}

/* ---- axes and sizes: attributes once, inputs later ---- */

static sw_status axes_of(onnx_import *im, const onnx_node *node, sw_value *const *inputs, const char *name,
                         int64_t *list, int *count)
{
    *count = -1;
    if (onnx_find_attr(im, node, name))
        return onnx_ints(im, node, name, list, SW_MAX_RANK, count);
    if (node->input_count > 1)
        return onnx_input_ints(im, node, inputs[1], name, list, SW_MAX_RANK, count);
    return SW_OK;
}

static sw_status read_squeeze(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t axes[SW_MAX_RANK];
    int count;
    SW_TRY(axes_of(im, node, inputs, "axes", axes, &count));
    outputs[0] = sw_squeeze(onnx_graph_of(im), inputs[0], count < 0 ? 0 : count, axes);
    return onnx_done(im);
}

static sw_status read_unsqueeze(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t axes[SW_MAX_RANK];
    int count;
    SW_TRY(axes_of(im, node, inputs, "axes", axes, &count));
    if (count < 0)
        return onnx_fail(im, node, SW_INVALID, "has no axes");
    outputs[0] = sw_unsqueeze(onnx_graph_of(im), inputs[0], count, axes);
    return onnx_done(im);
}

static sw_status write_axes(onnx_export *ex, const sw_node *node)
{
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(node, "axes", axes, SW_MAX_RANK);
    onnx_begin(ex, onnx_writing(ex)->op, node);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    if (count > 0)
        onnx_in(ex, onnx_constant_ints(ex, axes, count));
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    return onnx_end(ex);
}

/* Without sizes the axis is cut into as many equal parts as there are outputs (the last may be smaller from 18 on). */
static sw_status equal_sizes(onnx_import *im, const onnx_node *node, sw_value *x, int64_t axis, int64_t *sizes,
                             int parts)
{
    const sw_type *type = sw_value_type(x);
    int64_t at = axis < 0 ? axis + type->rank : axis;
    if (type->rank < 0 || at < 0 || at >= type->rank || !sw_dim_known(type->dims[at]))
        return onnx_fail(im, node, SW_UNSUPPORTED, "cuts an axis whose size is not known");
    int64_t size = type->dims[at], part = size / parts + (size % parts != 0);
    for (int i = 0; i < parts; i++, size -= part)
        sizes[i] = size < part ? size < 0 ? 0 : size : part;
    return SW_OK;
}

static sw_status read_split(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t sizes[ONNX_MAX_PORTS], axis = onnx_int(im, node, "axis", 0);
    int count = -1;
    if (onnx_find_attr(im, node, "split"))
        SW_TRY(onnx_ints(im, node, "split", sizes, ONNX_MAX_PORTS, &count));
    else if (node->input_count > 1)
        SW_TRY(onnx_input_ints(im, node, inputs[1], "split", sizes, ONNX_MAX_PORTS, &count));
    if (count < 0)
        SW_TRY(equal_sizes(im, node, inputs[0], axis, sizes, count = node->output_count));
    if (count != node->output_count)
        return onnx_fail(im, node, SW_SHAPE, "has %d sizes and %d outputs", count, node->output_count);
    sw_split(onnx_graph_of(im), inputs[0], (int)axis, count, sizes, outputs);
    return onnx_done(im);
}

static sw_status write_split(onnx_export *ex, const sw_node *node)
{
    int64_t sizes[ONNX_MAX_PORTS];
    int count = sw_attr_ints(node, "sizes", sizes, ONNX_MAX_PORTS);
    if (count > ONNX_MAX_PORTS)
        return sw_fail(SW_UNSUPPORTED, "Split '%s' has %d parts, at most %d are written", sw_node_name(node), count,
                       ONNX_MAX_PORTS);
    onnx_begin(ex, "Split", node);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    onnx_in(ex, onnx_constant_ints(ex, sizes, count));
    for (int i = 0; i < sw_node_output_count(node); i++)
        onnx_out(ex, onnx_name(ex, sw_node_output(node, i)));
    onnx_put_int(ex, "axis", sw_attr_int(node, "axis"));
    return onnx_end(ex);
}

#define START_END                                                                                                      \
    {                                                                                                                  \
        {"start", "start", SW_ATTR_INT}, { "end", "end", SW_ATTR_INT }                                                 \
    }

/* Shape's end is left out where it is the row's "to the last". */
static sw_status write_shape(onnx_export *ex, const sw_node *node)
{
    int64_t start = sw_attr_int(node, "start"), end = sw_attr_int(node, "end");
    onnx_begin(ex, "Shape", node);
    onnx_put_ports(ex, node);
    if (start != 0)
        onnx_put_int(ex, "start", start);
    if (end != INT64_MAX)
        onnx_put_int(ex, "end", end);
    return onnx_end(ex);
}

static sw_status write_transpose(onnx_export *ex, const sw_node *node)
{
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(node, "permutation", axes, SW_MAX_RANK);
    onnx_begin(ex, "Transpose", node);
    onnx_put_ports(ex, node);
    if (count > 0)
        onnx_put_ints(ex, "perm", axes, count);
    return onnx_end(ex);
}

static const onnx_adapter table[] = {
    {"Constant",
     1,
     0,
     NULL,
     {{"value"}, {"value_int"}, {"value_float"}, {"value_ints"}, {"value_floats"}, {"value_string"}, {"value_strings"}},
     .read = read_constant},
    {"ConstantOfShape", 9, 0, "ConstantOfShape", {{"value"}}, read_constant_of_shape, write_constant_of_shape},
    {"Reshape", 5, 0, "Reshape", {{"allowzero"}}, read_reshape, write_reshape},
    {"Reshape", 1, 4, NULL, {{"shape"}, {"consumed_inputs"}}, .read = read_reshape_1},
    {"Squeeze", 13, 0, "Squeeze", .read = read_squeeze, .write = write_axes},
    {"Squeeze", 1, 12, NULL, {{"axes"}}, .read = read_squeeze},
    {"Unsqueeze", 13, 0, "Unsqueeze", .read = read_unsqueeze, .write = write_axes},
    {"Unsqueeze", 1, 12, NULL, {{"axes"}}, .read = read_unsqueeze},
    {"Flatten", 1, 0, "Flatten", {{"axis", "axis", SW_ATTR_INT, true, .i = 1}}},
    {"Transpose", 1, 0, "Transpose", {{"perm", "permutation", SW_ATTR_INTS}}, .write = write_transpose},
    {"Expand", 8, 0, "Expand"},
    {"Tile", 6, 0, "Tile"},
    {"Shape", 15, 0, "Shape", START_END, .write = write_shape},
    {"Shape", 1, 14, "Shape", .read_only = true},
    {"Concat", 4, 0, "Concat", {{"axis", "axis", SW_ATTR_INT}}},
    {"Split", 13, 0, "Split", {{"axis"}, {"num_outputs"}}, read_split, write_split},
    {"Split", 2, 12, NULL, {{"axis"}, {"split"}}, .read = read_split},
};
ONNX_ADAPTERS(onnx_adapt_shape, table);
