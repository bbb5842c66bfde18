/* onnx_adapt_nn.c: products, convolution, pooling, normalisation, softmax, dropout.
 *
 * auto_pad is worked out here, where the dims are: rows only know explicit pads. Softmax before opset 13 worked on the
 * matrix that its axis cuts; that is the row between two reshapes. */
#include <string.h>

#include "formats/onnx_adapt.h"

/* ---- windows ---- */

/* Beyond this no window is meant, and sums of a few of them cannot overflow. */
#define MOST_STEPS ((int64_t)INT32_MAX)

/* Pads so that out = ceil(in / stride); the odd one goes behind (UPPER) or before (LOWER). */
static sw_status same_pads(onnx_import *im, const onnx_node *node, const sw_type *x, int axes, const int64_t *kernel,
                           const int64_t *strides, const int64_t *dilations, bool upper, int64_t *pads)
{
    for (int i = 0; i < axes; i++) {
        sw_dim in = x->dims[2 + i];
        int64_t window = (kernel[i] - 1) * dilations[i] + 1;
        /* With stride 1 the size does not matter. */
        if ((!sw_dim_known(in) || in > MOST_STEPS) && strides[i] != 1)
            return onnx_fail(im, node, SW_UNSUPPORTED, "auto_pad with stride %lld needs spatial dims that are known",
                             (long long)strides[i]);
        int64_t out = strides[i] == 1 ? in : (in + strides[i] - 1) / strides[i];
        int64_t all = strides[i] == 1 ? window - 1 : (out - 1) * strides[i] + window - in;
        all = all < 0 ? 0 : all;
        pads[i] = upper ? all / 2 : all - all / 2;
        pads[axes + i] = all - pads[i];
    }
    return SW_OK;
}

struct window {
    int axes;
    int64_t kernel[3], strides[3], dilations[3], pads[6];
};

static sw_status window_list(onnx_import *im, const onnx_node *node, const char *name, int wanted, int64_t *list,
                             int64_t otherwise)
{
    int64_t given[6];
    int count;
    SW_TRY(onnx_ints(im, node, name, given, 6, &count));
    if (count >= 0 && count != wanted)
        return onnx_fail(im, node, SW_SHAPE, "'%s' has %d numbers, needs %d", name, count, wanted);
    for (int i = 0; i < wanted; i++) {
        list[i] = count < 0 ? otherwise : given[i];
        if (list[i] > MOST_STEPS || list[i] < (otherwise ? 1 : -MOST_STEPS))
            return onnx_fail(im, node, SW_INVALID, "'%s' holds %lld", name, (long long)list[i]);
    }
    return SW_OK;
}

/* Reads the window's attributes; `kernel` is set beforehand when the weight says it (axes > 0). */
static sw_status read_window(onnx_import *im, const onnx_node *node, sw_value *x, struct window *w)
{
    const sw_type *type = sw_value_type(x);
    int axes = type->rank - 2;
    if (axes < 1 || axes > 3)
        return onnx_fail(im, node, type->rank < 0 ? SW_UNSUPPORTED : SW_SHAPE, "its input has %d dims, needs 3 to 5",
                         type->rank);
    w->axes = axes;
    SW_TRY(window_list(im, node, "strides", axes, w->strides, 1));
    SW_TRY(window_list(im, node, "dilations", axes, w->dilations, 1));
    SW_TRY(window_list(im, node, "pads", 2 * axes, w->pads, 0));
    const char *auto_pad = onnx_string(im, node, "auto_pad", "NOTSET");
    if (strcmp(auto_pad, "SAME_UPPER") == 0 || strcmp(auto_pad, "SAME_LOWER") == 0)
        return same_pads(im, node, type, axes, w->kernel, w->strides, w->dilations, auto_pad[5] == 'U', w->pads);
    if (strcmp(auto_pad, "VALID") == 0)
        memset(w->pads, 0, sizeof w->pads);
    else if (strcmp(auto_pad, "NOTSET") != 0 && *auto_pad)
        return onnx_fail(im, node, SW_INVALID, "auto_pad '%s' is not known", auto_pad);
    return SW_OK;
}

static sw_status read_conv(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    struct window w = {0};
    const sw_type *weight = sw_value_type(inputs[1]);
    if (weight->rank < 3 || weight->rank > 5)
        return onnx_fail(im, node, SW_UNSUPPORTED, "its weight has %d dims, needs 3 to 5", weight->rank);
    for (int i = 0; i < weight->rank - 2; i++) {
        if (!sw_dim_known(weight->dims[2 + i]) || weight->dims[2 + i] > MOST_STEPS)
            return onnx_fail(im, node, SW_UNSUPPORTED, "its kernel's size is not known");
        w.kernel[i] = weight->dims[2 + i];
    }
    SW_TRY(read_window(im, node, inputs[0], &w));
    int64_t given[3];
    SW_TRY(window_list(im, node, "kernel_shape", w.axes, given, 0));
    for (int i = 0; i < w.axes; i++)
        if (onnx_find_attr(im, node, "kernel_shape") && given[i] != w.kernel[i])
            return onnx_fail(im, node, SW_SHAPE, "kernel_shape says %lld where the weight has %lld",
                             (long long)given[i], (long long)w.kernel[i]);
    const sw_attr attrs[] = {SW_ATTR_IS("strides", w.axes, w.strides), SW_ATTR_IS("dilations", w.axes, w.dilations),
                             SW_ATTR_IS("pads", 2 * w.axes, w.pads),
                             SW_ATTR_I("groups", onnx_int(im, node, "group", 1))};
    sw_node_add(onnx_graph_of(im), "Conv", inputs, node->input_count, attrs, 4, outputs, 1);
    return onnx_done(im);
}

static sw_status read_pool(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    struct window w = {0};
    bool average = strcmp(node->op, "AveragePool") == 0;
    int count;
    SW_TRY(onnx_ints(im, node, "kernel_shape", w.kernel, 3, &count));
    for (int i = 0; i < count; i++)
        if (w.kernel[i] < 1 || w.kernel[i] > MOST_STEPS)
            return onnx_fail(im, node, SW_INVALID, "kernel_shape holds %lld", (long long)w.kernel[i]);
    if (count < 1)
        return onnx_fail(im, node, SW_INVALID, "has no kernel_shape");
    SW_TRY(read_window(im, node, inputs[0], &w));
    if (count != w.axes)
        return onnx_fail(im, node, SW_SHAPE, "kernel_shape has %d numbers, needs %d", count, w.axes);
    if (node->output_count > 1 && *node->outputs[1])
        return onnx_fail(im, node, SW_UNSUPPORTED, "its second output (Indices) is not made");
    if (onnx_int(im, node, "storage_order", 0) != 0 && node->output_count > 1)
        return onnx_fail(im, node, SW_UNSUPPORTED, "storage_order 1");
    const sw_attr attrs[] = {SW_ATTR_IS("kernel", w.axes, w.kernel),
                             SW_ATTR_IS("strides", w.axes, w.strides),
                             SW_ATTR_IS("dilations", w.axes, w.dilations),
                             SW_ATTR_IS("pads", 2 * w.axes, w.pads),
                             SW_ATTR_I("ceil_mode", onnx_int(im, node, "ceil_mode", 0)),
                             SW_ATTR_I("count_include_pad", onnx_int(im, node, "count_include_pad", 0))};
    /* The largest of small integers is found exactly in f32. */
    sw_graph *g = onnx_graph_of(im);
    sw_dtype dtype = sw_value_type(inputs[0])->dtype;
    bool cast = !average && sw_dtype_is_integer(dtype) && sw_dtype_bits(dtype) <= 16;
    sw_value *x = cast ? sw_cast(g, inputs[0], SW_F32) : inputs[0];
    sw_node_add(g, average ? "AveragePool" : "MaxPool", &x, 1, attrs, average ? 6 : 5, outputs, 1);
    if (cast)
        outputs[0] = sw_cast(g, outputs[0], dtype);
    return onnx_done(im);
}

static void put_list(onnx_export *ex, const sw_node *node, const char *row, const char *onnx)
{
    int64_t list[6];
    int count = sw_attr_ints(node, row, list, 6);
    if (count > 0)
        onnx_put_ints(ex, onnx, list, count);
}

static sw_status write_conv(onnx_export *ex, const sw_node *node)
{
    const sw_type *weight = sw_value_type(sw_node_input(node, 1));
    onnx_begin(ex, "Conv", node);
    onnx_put_ports(ex, node);
    if (weight->rank > 2)
        onnx_put_ints(ex, "kernel_shape", weight->dims + 2, weight->rank - 2);
    put_list(ex, node, "strides", "strides");
    put_list(ex, node, "dilations", "dilations");
    put_list(ex, node, "pads", "pads");
    onnx_put_int(ex, "group", sw_attr_int(node, "groups"));
    return onnx_end(ex);
}

static sw_status write_pool(onnx_export *ex, const sw_node *node)
{
    bool average = onnx_writing(ex)->op[0] == 'A';
    int64_t dilations[3];
    int count = sw_attr_ints(node, "dilations", dilations, 3);
    bool dilated = false;
    for (int i = 0; i < count; i++)
        dilated |= dilations[i] != 1;
    onnx_begin(ex, onnx_writing(ex)->op, node);
    onnx_put_ports(ex, node);
    put_list(ex, node, "kernel", "kernel_shape");
    put_list(ex, node, "strides", "strides");
    put_list(ex, node, "pads", "pads");
    if (dilated)
        onnx_put_ints(ex, "dilations", dilations, count);
    if (sw_attr_int(node, "ceil_mode"))
        onnx_put_int(ex, "ceil_mode", 1);
    if (average)
        onnx_put_int(ex, "count_include_pad", sw_attr_int(node, "count_include_pad"));
    return onnx_end(ex);
}

static sw_status read_global_average(onnx_import *im, const onnx_node *node, sw_value *const *inputs,
                                     sw_value **outputs)
{
    (void)node;
    outputs[0] = sw_global_average_pool(onnx_graph_of(im), inputs[0]);
    return onnx_done(im);
}

static sw_status read_global_max(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    (void)node;
    outputs[0] = sw_global_max_pool(onnx_graph_of(im), inputs[0]);
    return onnx_done(im);
}

/* ---- products ---- */

/* MatMul has no transposes in ONNX: they become nodes of their own. */
static const char *transposed(onnx_export *ex, const sw_value *value, bool swap)
{
    int64_t axes[SW_MAX_RANK];
    int rank = sw_value_type(value)->rank;
    const char *name = onnx_name(ex, value);
    if (!swap || rank < 2)
        return name;
    for (int i = 0; i < rank; i++)
        axes[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    const char *out = onnx_temporary(ex);
    onnx_begin(ex, "Transpose", NULL);
    onnx_in(ex, name);
    onnx_out(ex, out);
    onnx_put_ints(ex, "perm", axes, rank);
    onnx_end(ex);
    return out;
}

static sw_status write_matmul(onnx_export *ex, const sw_node *node)
{
    const char *a = transposed(ex, sw_node_input(node, 0), sw_attr_int(node, "transpose_a") != 0);
    const char *b = transposed(ex, sw_node_input(node, 1), sw_attr_int(node, "transpose_b") != 0);
    onnx_begin(ex, "MatMul", node);
    onnx_in(ex, a);
    onnx_in(ex, b);
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    return onnx_end(ex);
}

/* ---- softmax ---- */

static sw_status read_softmax_1(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    int rank = sw_value_type(inputs[0])->rank;
    int64_t axis = onnx_int(im, node, "axis", 1);
    bool logarithm = node->op[0] == 'L';
    axis = axis < 0 && rank >= 0 ? axis + rank : axis;
    bool last = rank >= 0 && axis == rank - 1;
    sw_value *flat = last ? inputs[0] : sw_flatten(g, inputs[0], (int)axis);
    sw_value *y = logarithm ? sw_log_softmax(g, flat, -1) : sw_softmax(g, flat, -1);
    outputs[0] = last ? y : sw_reshape_to(g, y, sw_shape_of(g, inputs[0]));
    return onnx_done(im);
}

/* ---- normalisation and dropout ---- */

/* What a model does in inference; a training_mode of true is not read. Before opset 7 is_test should say that it is
 * inference; exporters forgot it, so one output alone means it too. */
static sw_status read_batch_norm(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    if (onnx_int(im, node, "training_mode", 0) != 0 || onnx_int(im, node, "spatial", 1) != 1)
        return onnx_fail(im, node, SW_UNSUPPORTED, "only the form for inference is read");
    for (int i = 1; i < node->output_count; i++)
        if (*node->outputs[i])
            return onnx_fail(im, node, SW_UNSUPPORTED, "only its first output is made");
    sw_value *ports[] = {inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], sw_scalar(g, SW_BOOL, 0)}, *made[5];
    const sw_attr attr = SW_ATTR_F("epsilon", onnx_float(im, node, "epsilon", 1e-5));
    outputs[0] = sw_node_add(g, "BatchNorm", ports, 6, &attr, 1, made, 5);
    return onnx_done(im);
}

static sw_status write_batch_norm(onnx_export *ex, const sw_node *node)
{
    onnx_begin(ex, "BatchNormalization", node);
    for (int i = 0; i < 5; i++)
        onnx_in(ex, onnx_name(ex, sw_node_input(node, i)));
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    onnx_put_float(ex, "epsilon", sw_attr_float(node, "epsilon"));
    onnx_put_float(ex, "momentum", sw_attr_float(node, "momentum"));
    return onnx_end(ex);
}

/* Dropout in inference is nothing. */
static sw_status read_dropout(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t training[1];
    int count = -1;
    if (node->input_count > 2)
        SW_TRY(onnx_input_ints(im, node, inputs[2], "training_mode", training, 1, &count));
    if ((count > 0 && training[0]) || (node->output_count > 1 && *node->outputs[1]))
        return onnx_fail(im, node, SW_UNSUPPORTED, "only the form for inference is read");
    outputs[0] = inputs[0];
    return SW_OK;
}

static sw_status write_dropout(onnx_export *ex, const sw_node *node)
{
    onnx_begin(ex, "Identity", node);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    return onnx_end(ex);
}

static sw_status read_layer_norm(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    for (int i = 1; i < node->output_count; i++)
        if (*node->outputs[i])
            return onnx_fail(im, node, SW_UNSUPPORTED, "only its first output is made");
    outputs[0] = sw_layer_norm(onnx_graph_of(im), inputs[0], inputs[1], node->input_count > 2 ? inputs[2] : SW_NONE,
                               (int)onnx_int(im, node, "axis", -1), onnx_float(im, node, "epsilon", 1e-5));
    return onnx_done(im);
}

static sw_status write_layer_norm(onnx_export *ex, const sw_node *node)
{
    onnx_begin(ex, "LayerNormalization", node);
    for (int i = 0; i < sw_node_input_count(node) && sw_node_input(node, i) != SW_NONE; i++)
        onnx_in(ex, onnx_name(ex, sw_node_input(node, i)));
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    onnx_put_int(ex, "axis", sw_attr_int(node, "axis"));
    onnx_put_float(ex, "epsilon", sw_attr_float(node, "epsilon"));
    return onnx_end(ex);
}

/* Dilated averages came with opset 19. */
static int average_needs(const sw_node *node)
{
    int64_t dilations[3];
    int count = sw_attr_ints(node, "dilations", dilations, 3);
    for (int i = 0; i < count && i < 3; i++)
        if (dilations[i] != 1)
            return 19;
    return 17;
}

#define WINDOW                                                                                                         \
    {"strides"}, {"dilations"}, {"pads"}, {"auto_pad"}, { "kernel_shape" }
#define GEMM                                                                                                           \
    {                                                                                                                  \
        {"alpha", "alpha", SW_ATTR_FLOAT, true, .f = 1}, {"beta", "beta", SW_ATTR_FLOAT, true, .f = 1},                \
            {"transA", "transpose_a", SW_ATTR_INT}, {"transB", "transpose_b", SW_ATTR_INT},                            \
    }
#define OLD_GEMM                                                                                                       \
    {                                                                                                                  \
        {"alpha", "alpha", SW_ATTR_FLOAT, true, .f = 1}, {"beta", "beta", SW_ATTR_FLOAT, true, .f = 1},                \
            {"transA", "transpose_a", SW_ATTR_INT}, {"transB", "transpose_b", SW_ATTR_INT}, {"broadcast"},             \
    }
#define LAST_AXIS                                                                                                      \
    {                                                                                                                  \
        {                                                                                                              \
            "axis", "axis", SW_ATTR_INT, true, .i = -1                                                                 \
        }                                                                                                              \
    }

static const onnx_adapter table[] = {
    {"MatMul", 1, 0, "MatMul", .write = write_matmul},
    {"Gemm", 7, 0, "Gemm", GEMM},
    {"Gemm", 1, 6, "Gemm", OLD_GEMM, .read_only = true},
    {"Conv", 1, 0, "Conv", {WINDOW, {"group"}}, read_conv, write_conv},
    {"MaxPool", 1, 0, "MaxPool", {WINDOW, {"ceil_mode"}, {"storage_order"}}, read_pool, write_pool},
    {"AveragePool",
     1,
     0,
     "AveragePool",
     {WINDOW, {"ceil_mode"}, {"count_include_pad"}},
     read_pool,
     write_pool,
     average_needs},
    {"GlobalAveragePool", 1, 0, NULL, .read = read_global_average},
    {"GlobalMaxPool", 1, 0, NULL, .read = read_global_max},
    {"Softmax", 13, 0, "Softmax", LAST_AXIS},
    {"Softmax", 1, 12, NULL, {{"axis"}}, .read = read_softmax_1},
    {"LogSoftmax", 13, 0, "LogSoftmax", LAST_AXIS},
    {"LogSoftmax", 1, 12, NULL, {{"axis"}}, .read = read_softmax_1},
    {"BatchNormalization",
     7,
     0,
     "BatchNorm",
     {{"epsilon"}, {"momentum"}, {"training_mode"}, {"spatial"}},
     read_batch_norm,
     write_batch_norm},
    {"BatchNormalization",
     1,
     6,
     NULL,
     {{"epsilon"}, {"momentum"}, {"is_test"}, {"spatial"}, {"consumed_inputs"}},
     .read = read_batch_norm},
    {"LayerNormalization",
     17,
     0,
     "LayerNorm",
     {{"axis"}, {"epsilon"}, {"stash_type"}},
     read_layer_norm,
     write_layer_norm},
    {"Dropout", 7, 0, "Dropout", {{"seed"}, {"ratio"}}, read_dropout, write_dropout},
};
ONNX_ADAPTERS(onnx_adapt_nn, table);
