/* onnx_adapt_elementwise.c: one number in, one number out, and broadcasting pairs.
 *
 * Before opset 7 pairs broadcast only when told to, along an axis of the caller's choice.
 * Min, Max, Sum and Mean take any number of values and become chains of pairs. */
#include <string.h>

#include "formats/onnx_adapt.h"

static sw_status fold(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs,
                      sw_value *(*pair)(sw_graph *g, sw_value *a, sw_value *b))
{
    if (node->input_count < 1)
        return onnx_fail(im, node, SW_INVALID, "has no inputs");
    outputs[0] = inputs[0];
    for (int i = 1; i < node->input_count; i++)
        outputs[0] = pair(onnx_graph_of(im), outputs[0], inputs[i]);
    return onnx_done(im);
}

static sw_status read_min(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    return fold(im, node, inputs, outputs, sw_min);
}

static sw_status read_max(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    return fold(im, node, inputs, outputs, sw_max);
}

static sw_status read_sum(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    return fold(im, node, inputs, outputs, sw_add);
}

static sw_status read_mean(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    SW_TRY(fold(im, node, inputs, outputs, sw_add));
    outputs[0] = sw_mul_scalar(onnx_graph_of(im), outputs[0], 1.0 / node->input_count);
    return onnx_done(im);
}

/* Before opset 7 the second value broadcasts when `broadcast` says so, aligned at `axis` of the first (its last dims
 * when there is no axis): it gets the dims behind it as 1. */
static sw_status read_pair_1(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    static const struct {
        const char *op;
        sw_value *(*build)(sw_graph *g, sw_value *a, sw_value *b);
    } ops[] = {{"Add", sw_add}, {"Sub", sw_sub}, {"Mul", sw_mul}, {"Div", sw_div}, {"Pow", sw_pow}};
    sw_graph *g = onnx_graph_of(im);
    sw_value *b = inputs[1];
    int rank = sw_value_type(inputs[0])->rank, own = sw_value_type(b)->rank;
    if (onnx_int(im, node, "broadcast", 0) && onnx_find_attr(im, node, "axis")) {
        int64_t axis = onnx_int(im, node, "axis", 0), behind[SW_MAX_RANK];
        int count = 0;
        axis = axis < 0 ? axis + rank : axis;
        if (rank < 0 || own < 0 || axis < 0 || axis + own > rank)
            return onnx_fail(im, node, SW_SHAPE, "axis %lld does not fit %d and %d dims", (long long)axis, rank, own);
        for (int64_t i = axis + own; i < rank; i++, count++)
            behind[count] = own + count;
        b = sw_unsqueeze(g, b, count, behind);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i].op) == 0)
            outputs[0] = ops[i].build(g, inputs[0], b);
    return onnx_done(im);
}

/* Clip before opset 11 has its bounds as attributes. */
static sw_status read_clip_6(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    static const char *const names[] = {"min", "max"};
    sw_value *bounds[2] = {SW_NONE, SW_NONE};
    sw_graph *g = onnx_graph_of(im);
    for (int i = 0; i < 2; i++)
        if (onnx_find_attr(im, node, names[i]))
            bounds[i] = sw_scalar(g, sw_value_type(inputs[0])->dtype, onnx_float(im, node, names[i], 0));
    outputs[0] = sw_clip(g, inputs[0], bounds[0], bounds[1]);
    return onnx_done(im);
}

/* Gelu is an op from opset 20 on; before, it is its formula. */
static sw_status write_gelu(onnx_export *ex, const sw_node *node)
{
    const char *x = onnx_name(ex, sw_node_input(node, 0)), *y = onnx_name(ex, sw_node_output(node, 0));
    sw_dtype dtype = sw_value_type(sw_node_input(node, 0))->dtype;
    bool tanh_form = strcmp(sw_attr_string(node, "approximate"), "tanh") == 0;
    const char *inner = onnx_temporary(ex), *curve = onnx_temporary(ex), *one_more = onnx_temporary(ex),
               *half = onnx_temporary(ex);
    const char *argument = x;
    if (tanh_form) { /* tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) */
        const char *cube = onnx_temporary(ex), *small = onnx_temporary(ex), *sum = onnx_temporary(ex);
        const struct {
            const char *op, *a, *b, *out;
        } steps[] = {{"Pow", x, onnx_constant_scalar(ex, dtype, 3), cube},
                     {"Mul", cube, onnx_constant_scalar(ex, dtype, 0.044715), small},
                     {"Add", x, small, sum}};
        for (int i = 0; i < 3; i++) {
            onnx_begin(ex, steps[i].op, NULL);
            onnx_in(ex, steps[i].a);
            onnx_in(ex, steps[i].b);
            onnx_out(ex, steps[i].out);
            SW_TRY(onnx_end(ex));
        }
        argument = sum;
    }
    const struct {
        const char *op, *a, *b, *out;
    } steps[] = {{"Mul", argument,
                  onnx_constant_scalar(ex, dtype, tanh_form ? 0.79788456080286535588 : 0.70710678118654752440), inner},
                 {tanh_form ? "Tanh" : "Erf", inner, NULL, curve},
                 {"Add", curve, onnx_constant_scalar(ex, dtype, 1), one_more},
                 {"Mul", x, onnx_constant_scalar(ex, dtype, 0.5), half},
                 {"Mul", half, one_more, y}};
    for (int i = 0; i < 5; i++) {
        onnx_begin(ex, steps[i].op, i == 4 ? node : NULL);
        onnx_in(ex, steps[i].a);
        if (steps[i].b)
            onnx_in(ex, steps[i].b);
        onnx_out(ex, steps[i].out);
        SW_TRY(onnx_end(ex));
    }
    return SW_OK;
}

/* Swish is an op from opset 24 on; before, it is x * Sigmoid(x). */
static sw_status write_silu(onnx_export *ex, const sw_node *node)
{
    const char *x = onnx_name(ex, sw_node_input(node, 0)), *gate = onnx_temporary(ex);
    onnx_begin(ex, "Sigmoid", NULL);
    onnx_in(ex, x);
    onnx_out(ex, gate);
    SW_TRY(onnx_end(ex));
    onnx_begin(ex, "Mul", node);
    onnx_in(ex, x);
    onnx_in(ex, gate);
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    return onnx_end(ex);
}

/* log(sum of exp) forms aside, these have no quirks. fmod 1 is C's fmod; 0 takes the divisor's sign. */
static sw_status read_mod(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    if (onnx_int(im, node, "fmod", 0) == 0) {
        outputs[0] = sw_mod(g, inputs[0], inputs[1]);
        return onnx_done(im);
    }
    return onnx_fail(im, node, SW_UNSUPPORTED, "fmod 1 is not supported");
}

/* The exponent may be of another type: the sum is done in the floating one of the two, the result is the base's. */
static sw_status read_pow(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    (void)node;
    sw_graph *g = onnx_graph_of(im);
    sw_dtype base = sw_value_type(inputs[0])->dtype, exponent = sw_value_type(inputs[1])->dtype;
    sw_dtype wide = !sw_dtype_is_float(base) && sw_dtype_is_float(exponent) ? exponent : base;
    sw_value *a = base == wide ? inputs[0] : sw_cast(g, inputs[0], wide);
    sw_value *b = exponent == wide ? inputs[1] : sw_cast(g, inputs[1], wide);
    outputs[0] = sw_pow(g, a, b);
    if (wide != base)
        outputs[0] = sw_cast(g, outputs[0], base);
    return onnx_done(im);
}

/* Our casts saturate; ONNX's to 4 bits cut bits off, and its 8-bit floats can be told not to. */
static sw_status cast_to(onnx_import *im, const onnx_node *node, sw_value *x, sw_dtype to, sw_value **output)
{
    sw_graph *g = onnx_graph_of(im);
    if (to == SW_STRING || sw_value_type(x)->dtype == SW_STRING)
        return onnx_fail(im, node, SW_UNSUPPORTED, "text is not converted");
    bool eight = sw_dtype_is_float(to) && sw_dtype_bits(to) == 8;
    if (eight && onnx_int(im, node, "saturate", 1) == 0)
        return onnx_fail(im, node, SW_UNSUPPORTED, "saturate 0 is not supported");
    if (sw_dtype_bits(to) == 4 && sw_dtype_is_float(sw_value_type(x)->dtype))
        x = sw_cast(g, x, SW_I32);
    *output = sw_cast(g, x, to);
    return onnx_done(im);
}

static sw_status read_cast(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t type = onnx_int(im, node, "to", 0);
    if (onnx_dtype(type) == SW_DTYPE_NONE)
        return onnx_fail(im, node, SW_UNSUPPORTED, "elements of type %s", onnx_data_type_name(type));
    return cast_to(im, node, inputs[0], onnx_dtype(type), outputs);
}

static sw_status read_cast_like(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    return cast_to(im, node, inputs[0], sw_value_type(inputs[1])->dtype, outputs);
}

#define OLD_PAIR {{"broadcast"}, {"axis"}, {"consumed_inputs"}}, .read = read_pair_1

static const onnx_adapter table[] = {
    {"Add", 7, 0, "Add"},
    {"Sub", 7, 0, "Sub"},
    {"Mul", 7, 0, "Mul"},
    {"Div", 7, 0, "Div"},
    {"Pow", 7, 0, "Pow", .read = read_pow},
    {"Add", 1, 6, NULL, OLD_PAIR},
    {"Sub", 1, 6, NULL, OLD_PAIR},
    {"Mul", 1, 6, NULL, OLD_PAIR},
    {"Div", 1, 6, NULL, OLD_PAIR},
    {"Pow", 1, 6, NULL, OLD_PAIR},
    {"Min", 6, 0, "Min", .read = read_min},
    {"Max", 6, 0, "Max", .read = read_max},
    {"Sum", 6, 0, NULL, .read = read_sum},
    {"Mean", 6, 0, NULL, .read = read_mean},
    {"Mod", 10, 0, "Mod", {{"fmod", NULL}}, .read = read_mod},
    {"Equal", 7, 0, "Equal"},
    {"Less", 7, 0, "Less"},
    {"LessOrEqual", 12, 0, "LessEqual"},
    {"Greater", 7, 0, "Greater"},
    {"GreaterOrEqual", 12, 0, "GreaterEqual"},
    {"And", 7, 0, "And"},
    {"Or", 7, 0, "Or"},
    {"Xor", 7, 0, "Xor"},
    {"Not", 1, 0, "Not"},
    {"IsNaN", 9, 0, "IsNaN"},
    {"Where", 9, 0, "Where"},
    {"Neg", 6, 0, "Neg"},
    {"Abs", 6, 0, "Abs"},
    {"Sign", 9, 0, "Sign"},
    {"Exp", 6, 0, "Exp"},
    {"Log", 6, 0, "Log"},
    {"Sqrt", 6, 0, "Sqrt"},
    {"Reciprocal", 6, 0, "Reciprocal"},
    {"Sin", 7, 0, "Sin"},
    {"Cos", 7, 0, "Cos"},
    {"Erf", 9, 0, "Erf"},
    {"Floor", 6, 0, "Floor"},
    {"Ceil", 6, 0, "Ceil"},
    {"Round", 11, 0, "Round"},
    {"Identity", 1, 0, "Identity"},
    {"Relu", 6, 0, "Relu"},
    {"Tanh", 6, 0, "Tanh"},
    {"Sigmoid", 6, 0, "Sigmoid"},
    {"Softplus", 1, 0, "Softplus"},
    {"HardSwish", 14, 0, "HardSwish"},
    {"LeakyRelu", 6, 0, "LeakyRelu", {{"alpha", "alpha", SW_ATTR_FLOAT, true, .f = 0.01}}},
    {"Elu", 6, 0, "Elu", {{"alpha", "alpha", SW_ATTR_FLOAT, true, .f = 1}}},
    {"HardSigmoid",
     6,
     0,
     "HardSigmoid",
     {{"alpha", "alpha", SW_ATTR_FLOAT, true, .f = 0.2}, {"beta", "beta", SW_ATTR_FLOAT, true, .f = 0.5}}},
    {"Gelu", 20, 0, "Gelu", {{"approximate", "approximate", SW_ATTR_STRING, true, .s = "none"}}},
    {"Gelu", 1, 19, "Gelu", .write = write_gelu, .domain = "ai.slipway"},
    {"Silu", 1, 0, "Silu", .write = write_silu, .domain = "ai.slipway"},
    {"Clip", 11, 0, "Clip"},
    {"Clip", 6, 10, NULL, {{"min", NULL}, {"max", NULL}}, .read = read_clip_6},
    {"Cast", 9, 0, "Cast", {{"to", "to", SW_ATTR_DTYPE}, {"saturate"}, {"round_mode"}}, .read = read_cast},
    {"CastLike", 15, 0, NULL, {{"saturate"}, {"round_mode"}}, .read = read_cast_like},
};
ONNX_ADAPTERS(onnx_adapt_elementwise, table);
