/* onnx_adapt_composed.c: ONNX ops that are a formula of rows. Each is the formula; none is written.
 *
 * A formula is good where the ops of the middle are cheap or rare; what deserves a kernel of its own gets a row. */
#include <math.h>
#include <string.h>

#include "formats/onnx_adapt.h"
#include "graph/dim.h"

static sw_dtype dtype_of(const sw_value *value) { return value ? sw_value_type(value)->dtype : SW_F32; }

static sw_value *number(sw_graph *g, const sw_value *like, double value) { return sw_scalar(g, dtype_of(like), value); }

/* One number per channel as dims that broadcast over [N, C, …]. */
static sw_value *per_channel(sw_graph *g, sw_value *v, int rank)
{
    int64_t axes[SW_MAX_RANK];
    for (int i = 0; i < rank - 2; i++)
        axes[i] = i + 1;
    return sw_unsqueeze(g, v, rank - 2, axes);
}

/* ---- curves ---- */

static sw_value *curve(onnx_import *im, const onnx_node *node, sw_value *x)
{
    sw_graph *g = onnx_graph_of(im);
    const char *op = node->op;
    double alpha = onnx_float(im, node, "alpha", strcmp(op, "Selu") == 0 ? 1.67326319217681884765625 : 1);
    sw_value *zero = number(g, x, 0), *one = number(g, x, 1);
    if (strcmp(op, "Softsign") == 0)
        return sw_div(g, x, sw_add(g, sw_abs(g, x), one));
    if (strcmp(op, "ThresholdedRelu") == 0)
        return sw_where(g, sw_greater(g, x, number(g, x, alpha)), x, zero);
    if (strcmp(op, "Mish") == 0)
        return sw_mul(g, x, sw_tanh(g, sw_softplus(g, x)));
    if (strcmp(op, "Selu") == 0) {
        double gamma = onnx_float(im, node, "gamma", 1.05070102214813232421875);
        return sw_mul_scalar(g, sw_elu(g, x, alpha), gamma);
    }
    if (strcmp(op, "Celu") == 0) /* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) */
        return sw_add(g, sw_relu(g, x),
                      sw_min(g, zero, sw_mul_scalar(g, sw_elu(g, sw_mul_scalar(g, x, 1 / alpha), 1), alpha)));
    /* Shrink */
    double lambd = onnx_float(im, node, "lambd", 0.5), bias = onnx_float(im, node, "bias", 0);
    sw_value *high = sw_where(g, sw_greater(g, x, number(g, x, lambd)), sw_sub(g, x, number(g, x, bias)), zero);
    return sw_where(g, sw_less(g, x, number(g, x, -lambd)), sw_add(g, x, number(g, x, bias)), high);
}

static sw_status read_curve(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    outputs[0] = curve(im, node, inputs[0]);
    return onnx_done(im);
}

/* x * sigmoid(alpha x) */
static sw_status read_swish(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    double alpha = onnx_float(im, node, "alpha", 1);
    outputs[0] =
        alpha == 1 ? sw_silu(g, inputs[0]) : sw_mul(g, inputs[0], sw_sigmoid(g, sw_mul_scalar(g, inputs[0], alpha)));
    return onnx_done(im);
}

static sw_status read_prelu(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    sw_value *x = inputs[0], *slope = inputs[1], *zero = number(g, x, 0);
    const sw_type *type = sw_value_type(x), *own = sw_value_type(slope);
    if (onnx_current(im)->until && own->rank == 1 && own->dims[0] != 1 && type->rank > 2) /* once per channel */
        slope = per_channel(g, slope, type->rank);
    outputs[0] = sw_where(g, sw_less(g, x, zero), sw_mul(g, x, slope), x);
    (void)node;
    return onnx_done(im);
}

/* Through exponentials; ln((1 + x) / (1 - x)) / 2 and its kin. */
static sw_value *hyperbolic(sw_graph *g, const char *op, sw_value *x)
{
    sw_value *one = number(g, x, 1);
    if (strcmp(op, "Tan") == 0)
        return sw_div(g, sw_sin(g, x), sw_cos(g, x));
    if (strcmp(op, "Sinh") == 0)
        return sw_mul_scalar(g, sw_sub(g, sw_exp(g, x), sw_exp(g, sw_neg(g, x))), 0.5);
    if (strcmp(op, "Cosh") == 0)
        return sw_mul_scalar(g, sw_add(g, sw_exp(g, x), sw_exp(g, sw_neg(g, x))), 0.5);
    if (strcmp(op, "Atanh") == 0)
        return sw_mul_scalar(g, sw_log(g, sw_div(g, sw_add(g, one, x), sw_sub(g, one, x))), 0.5);
    if (strcmp(op, "Acosh") == 0)
        return sw_log(g, sw_add(g, x, sw_sqrt(g, sw_sub(g, sw_mul(g, x, x), one))));
    /* Asinh: of |x|, so that large negative x do not cancel */
    sw_value *size = sw_abs(g, x);
    return sw_mul(g, sw_sign(g, x), sw_log(g, sw_add(g, size, sw_sqrt(g, sw_add(g, sw_mul(g, x, x), one)))));
}

static sw_status read_hyperbolic(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    outputs[0] = hyperbolic(onnx_graph_of(im), node->op, inputs[0]);
    return onnx_done(im);
}

static sw_status read_is_inf(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    bool negative = onnx_int(im, node, "detect_negative", 1) != 0,
         positive = onnx_int(im, node, "detect_positive", 1) != 0;
    sw_value *x = inputs[0], *infinity = number(g, x, (double)INFINITY);
    if (negative && positive)
        outputs[0] = sw_equal(g, sw_abs(g, x), infinity);
    else if (positive || negative)
        outputs[0] = sw_equal(g, x, positive ? infinity : number(g, x, -(double)INFINITY));
    else
        outputs[0] = sw_and(g, sw_equal(g, x, infinity), sw_scalar(g, SW_BOOL, 0));
    return onnx_done(im);
}

/* ---- reductions ---- */

/* Axes as attribute or input; none: all. */
static sw_status axes_of(onnx_import *im, const onnx_node *node, sw_value *const *inputs, int64_t *axes, int *count,
                         bool *nothing)
{
    *nothing = false;
    if (onnx_find_attr(im, node, "axes"))
        SW_TRY(onnx_ints(im, node, "axes", axes, SW_MAX_RANK, count));
    else if (node->input_count > 1)
        SW_TRY(onnx_input_ints(im, node, inputs[1], "axes", axes, SW_MAX_RANK, count));
    else
        *count = -1;
    *nothing = *count <= 0 && onnx_int(im, node, "noop_with_empty_axes", 0) != 0;
    *count = *count < 0 ? 0 : *count;
    return SW_OK;
}

static sw_status read_reduction(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    sw_value *x = inputs[0];
    int64_t axes[SW_MAX_RANK];
    int count;
    bool nothing, keep = onnx_int(im, node, "keepdims", 1) != 0;
    const char *what = node->op + strlen("Reduce");
    SW_TRY(axes_of(im, node, inputs, axes, &count, &nothing));
    if (nothing)
        return onnx_fail(im, node, SW_UNSUPPORTED, "noop_with_empty_axes is not supported");
    if (strcmp(what, "LogSumExp") == 0) { /* less the greatest, so that nothing overflows */
        sw_value *top = sw_reduce_max(g, x, count, axes, true);
        top = sw_where(g, sw_equal(g, sw_abs(g, top), number(g, x, (double)INFINITY)), number(g, x, 0), top);
        sw_value *sum = sw_log(g, sw_reduce_sum(g, sw_exp(g, sw_sub(g, x, top)), count, axes, true));
        sum = sw_add(g, sum, top);
        outputs[0] = keep ? sum : sw_reduce_sum(g, sum, count, axes, false);
    } else if (strcmp(what, "LogSum") == 0) {
        outputs[0] = sw_log(g, sw_reduce_sum(g, x, count, axes, keep));
    } else if (strcmp(what, "L1") == 0) {
        outputs[0] = sw_reduce_sum(g, sw_abs(g, x), count, axes, keep);
    } else {
        sw_value *sum = sw_reduce_sum(g, sw_mul(g, x, x), count, axes, keep);
        outputs[0] = strcmp(what, "L2") == 0 ? sw_sqrt(g, sum) : sum;
    }
    return onnx_done(im);
}

static sw_status read_lp_normalization(onnx_import *im, const onnx_node *node, sw_value *const *inputs,
                                       sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    int64_t axis = onnx_int(im, node, "axis", -1), p = onnx_int(im, node, "p", 2);
    sw_value *x = inputs[0], *norm = p == 1 ? sw_reduce_sum(g, sw_abs(g, x), 1, &axis, true)
                                            : sw_sqrt(g, sw_reduce_sum(g, sw_mul(g, x, x), 1, &axis, true));
    sw_value *zero = number(g, x, 0); /* a row of zeros stays one */
    outputs[0] = sw_where(g, sw_equal(g, norm, zero), zero, sw_div(g, x, norm));
    return onnx_done(im);
}

/* The number of elements: of dims that are known a constant. */
static sw_status read_size(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    (void)node;
    sw_graph *g = onnx_graph_of(im);
    const sw_type *type = sw_value_type(inputs[0]);
    int64_t product = 1;
    bool known = type->rank >= 0;
    for (int i = 0; i < type->rank; i++)
        if (!sw_dim_known(type->dims[i]) || __builtin_mul_overflow(product, type->dims[i], &product))
            known = false;
    outputs[0] = known ? sw_reshape(g, sw_ints(g, 1, &product), SW_SCALAR)
                       : sw_reduce_prod(g, sw_shape_of(g, inputs[0]), 0, NULL, false);
    return onnx_done(im);
}

/* ---- norms ---- */

/* (x - mean) / sqrt(variance + epsilon) over the axes. */
static sw_value *standardised(sw_graph *g, sw_value *x, int count, const int64_t *axes, double epsilon)
{
    sw_value *centred = sw_sub(g, x, sw_reduce_mean(g, x, count, axes, true));
    sw_value *variance = sw_reduce_mean(g, sw_mul(g, centred, centred), count, axes, true);
    return sw_div(g, centred, sw_sqrt(g, sw_add_scalar(g, variance, epsilon)));
}

static sw_status read_instance_norm(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    int rank = sw_value_type(inputs[0])->rank;
    int64_t axes[SW_MAX_RANK];
    if (rank < 3)
        return onnx_fail(im, node, SW_UNSUPPORTED, "its input has %d dims, needs 3 or more", rank);
    for (int i = 2; i < rank; i++)
        axes[i - 2] = i;
    sw_value *y = standardised(g, inputs[0], rank - 2, axes, onnx_float(im, node, "epsilon", 1e-5));
    outputs[0] = sw_add(g, sw_mul(g, y, per_channel(g, inputs[1], rank)), per_channel(g, inputs[2], rank));
    return onnx_done(im);
}

static sw_status read_group_norm(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    const sw_type *type = sw_value_type(inputs[0]);
    int64_t groups = onnx_int(im, node, "num_groups", 0), axis = 2;
    if (type->rank < 3 || groups < 1 || !sw_dim_known(type->dims[1]))
        return onnx_fail(im, node, SW_UNSUPPORTED, "needs [N, C, …] with a known C and num_groups");
    sw_value *shape[] = {sw_slice(g, sw_shape_of(g, inputs[0]), 0, 0, 1, 1), sw_ints(g, 2, (int64_t[]){groups, -1})};
    sw_value *flat = sw_reshape_to(g, inputs[0], sw_concat(g, shape, 2, 0));
    sw_value *y = standardised(g, flat, 1, &axis, onnx_float(im, node, "epsilon", 1e-5));
    y = sw_reshape_to(g, y, sw_shape_of(g, inputs[0]));
    outputs[0] = sw_add(g, sw_mul(g, y, per_channel(g, inputs[1], type->rank)), per_channel(g, inputs[2], type->rank));
    return onnx_done(im);
}

static sw_status read_mean_variance(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    int64_t axes[SW_MAX_RANK] = {0, 2, 3};
    int count;
    SW_TRY(onnx_ints(im, node, "axes", axes, SW_MAX_RANK, &count));
    outputs[0] = standardised(onnx_graph_of(im), inputs[0], count < 0 ? 3 : count, axes, 1e-9);
    return onnx_done(im);
}

static sw_status read_rms_norm(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    sw_value *x = inputs[0];
    int rank = sw_value_type(x)->rank, first = (int)onnx_int(im, node, "axis", -1), count = 0;
    int64_t axes[SW_MAX_RANK];
    if (rank < 0)
        return onnx_fail(im, node, SW_UNSUPPORTED, "its input's rank is not known");
    for (int i = first < 0 ? first + rank : first; i < rank; i++)
        axes[count++] = i;
    sw_value *square = sw_reduce_mean(g, sw_mul(g, x, x), count, axes, true);
    square = sw_add_scalar(g, square, onnx_float(im, node, "epsilon", 1e-5));
    outputs[0] = sw_mul(g, sw_div(g, x, sw_sqrt(g, square)), inputs[1]);
    return onnx_done(im);
}

/* ---- pixels and channels ---- */

/* [N, C, H, W] with C cut into or made of blocks: a reshape, a transpose, a reshape. */
static sw_status read_depth_space(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    const sw_type *x = sw_value_type(inputs[0]);
    int64_t b = onnx_int(im, node, "blocksize", 0);
    bool to_space = node->op[0] == 'D', crd = strcmp(onnx_string(im, node, "mode", "DCR"), "CRD") == 0;
    if (x->rank != 4 || b < 1 || b > 4096 || !sw_dim_known(x->dims[1]) || !sw_dim_known(x->dims[2]) ||
        !sw_dim_known(x->dims[3]))
        return onnx_fail(im, node, SW_UNSUPPORTED, "needs [N, C, H, W] with known C, H and W");
    int64_t c = x->dims[1], h = x->dims[2], w = x->dims[3];
    if (c > INT32_MAX || h > INT32_MAX || w > INT32_MAX)
        return onnx_fail(im, node, SW_SHAPE, "its dims are larger than any picture");
    sw_value *y = inputs[0];
    if (to_space && c % (b * b) == 0) {
        int64_t d = c / (b * b);
        y = sw_reshape(g, y, crd ? SW_DIMS(-1, d, b, b, h, w) : SW_DIMS(-1, b, b, d, h, w));
        y = sw_transpose(g, y, 6, crd ? (int64_t[]){0, 1, 4, 2, 5, 3} : (int64_t[]){0, 3, 4, 1, 5, 2});
        outputs[0] = sw_reshape(g, y, SW_DIMS(-1, d, h * b, w * b));
    } else if (!to_space && h % b == 0 && w % b == 0) {
        y = sw_reshape(g, y, SW_DIMS(-1, c, h / b, b, w / b, b));
        y = sw_transpose(g, y, 6, (int64_t[]){0, 3, 5, 1, 2, 4});
        outputs[0] = sw_reshape(g, y, SW_DIMS(-1, c * b * b, h / b, w / b));
    } else {
        return onnx_fail(im, node, SW_SHAPE, "its dims are no multiples of blocksize %lld", (long long)b);
    }
    return onnx_done(im);
}

/* ---- masks ---- */

enum { MOST_MASK = 1 << 22 };

/* The upper or lower triangle of the last two dims, which must be known. */
static sw_status read_trilu(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    const sw_type *x = sw_value_type(inputs[0]);
    int64_t k = 0;
    int count = -1;
    if (node->input_count > 1)
        SW_TRY(onnx_input_ints(im, node, inputs[1], "k", &k, 1, &count));
    if (x->rank < 2 || !sw_dim_known(x->dims[x->rank - 2]) || !sw_dim_known(x->dims[x->rank - 1]))
        return onnx_fail(im, node, SW_UNSUPPORTED, "needs last dims that are known");
    int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1], all;
    if (__builtin_mul_overflow(rows, columns, &all) || all > MOST_MASK)
        return onnx_fail(im, node, SW_UNSUPPORTED, "a triangle of more than %d elements", MOST_MASK);
    sw_tensor *mask = sw_tensor_new(sw_graph_context(g), SW_BOOL, SW_DIMS(rows, columns));
    if (!mask)
        return sw_alloc_status();
    bool upper = onnx_int(im, node, "upper", 1) != 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            ((uint8_t *)sw_tensor_data(mask))[r * columns + c] = upper ? c - r >= k : c - r <= k;
    sw_value *keep = sw_constant(g, mask);
    sw_tensor_release(mask);
    outputs[0] = sw_where(g, keep, inputs[0], number(g, inputs[0], 0));
    return onnx_done(im);
}

/* A constant of counting numbers, when its bounds are known. */
static sw_status read_range(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    sw_graph *g = onnx_graph_of(im);
    sw_dtype dtype = dtype_of(inputs[0]);
    double bounds[3];
    for (int i = 0; i < 3; i++) {
        int64_t whole;
        int count;
        sw_tensor *tensor = inputs[i]->tensor;
        if (tensor && sw_tensor_count(tensor) == 1) {
            bounds[i] = sw_tensor_get(tensor, 0);
            continue;
        }
        SW_TRY(onnx_input_ints(im, node, inputs[i], "bounds", &whole, 1, &count));
        bounds[i] = (double)whole;
    }
    double length = bounds[2] != 0 ? ceil((bounds[1] - bounds[0]) / bounds[2]) : -1;
    if (!(length <= MOST_MASK) || bounds[2] == 0)
        return onnx_fail(im, node, SW_UNSUPPORTED, "a range of %g elements", length);
    sw_tensor *range = sw_tensor_new(sw_graph_context(g), dtype, SW_DIMS(length < 0 ? 0 : (int64_t)length));
    if (!range)
        return sw_alloc_status();
    for (int64_t i = 0; i < sw_tensor_count(range); i++)
        sw_tensor_set(range, i, bounds[0] + (double)i * bounds[2]);
    outputs[0] = sw_constant(g, range);
    sw_tensor_release(range);
    return onnx_done(im);
}

#define ALPHA                                                                                                          \
    {                                                                                                                  \
        "alpha"                                                                                                        \
    }
#define REDUCE {{"axes"}, {"keepdims"}, {"noop_with_empty_axes"}}, .read = read_reduction

static const onnx_adapter table[] = {
    {"Softsign", 1, 0, NULL, .read = read_curve},
    {"ThresholdedRelu", 10, 0, NULL, {ALPHA}, .read = read_curve},
    {"Mish", 18, 0, NULL, .read = read_curve},
    {"Selu", 6, 0, NULL, {ALPHA, {"gamma"}}, .read = read_curve},
    {"Celu", 12, 0, NULL, {ALPHA}, .read = read_curve},
    {"Shrink", 9, 0, NULL, {{"lambd"}, {"bias"}}, .read = read_curve},
    {"Swish", 24, 0, NULL, {ALPHA}, .read = read_swish},
    {"PRelu", 7, 0, NULL, .read = read_prelu},
    {"PRelu", 1, 6, NULL, {{"consumed_inputs"}}, .read = read_prelu},
    {"Tan", 7, 0, NULL, .read = read_hyperbolic},
    {"Sinh", 9, 0, NULL, .read = read_hyperbolic},
    {"Cosh", 9, 0, NULL, .read = read_hyperbolic},
    {"Asinh", 9, 0, NULL, .read = read_hyperbolic},
    {"Acosh", 9, 0, NULL, .read = read_hyperbolic},
    {"Atanh", 9, 0, NULL, .read = read_hyperbolic},
    {"IsInf", 10, 0, NULL, {{"detect_negative"}, {"detect_positive"}}, .read = read_is_inf},
    {"ReduceL1", 1, 0, NULL, REDUCE},
    {"ReduceL2", 1, 0, NULL, REDUCE},
    {"ReduceLogSum", 1, 0, NULL, REDUCE},
    {"ReduceLogSumExp", 1, 0, NULL, REDUCE},
    {"ReduceSumSquare", 1, 0, NULL, REDUCE},
    {"LpNormalization", 1, 0, NULL, {{"axis"}, {"p"}}, .read = read_lp_normalization},
    {"Size", 1, 0, NULL, .read = read_size},
    {"InstanceNormalization", 6, 0, NULL, {{"epsilon"}}, .read = read_instance_norm},
    {"GroupNormalization", 21, 0, NULL, {{"epsilon"}, {"num_groups"}, {"stash_type"}}, .read = read_group_norm},
    {"MeanVarianceNormalization", 9, 0, NULL, {{"axes"}}, .read = read_mean_variance},
    {"RMSNormalization", 23, 0, NULL, {{"axis"}, {"epsilon"}, {"stash_type"}}, .read = read_rms_norm},
    {"DepthToSpace", 1, 0, NULL, {{"blocksize"}, {"mode"}}, .read = read_depth_space},
    {"SpaceToDepth", 1, 0, NULL, {{"blocksize"}}, .read = read_depth_space},
    {"Trilu", 14, 0, NULL, {{"upper"}}, .read = read_trilu},
    {"Range", 11, 0, NULL, {{"stash_type"}}, .read = read_range},
};
ONNX_ADAPTERS(onnx_adapt_composed, table);
