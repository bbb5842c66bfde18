/* unary.c: one number in, one number out, by a formula of mathematics: Neg Abs … Erf, Identity, Clip and Cast.
 *
 * A row adds its formula and the formula of its slope; dims, the walk and the cost are shared. Slopes are written in
 * terms of the output where that spares keeping the input. Rows whose integers must stay exact have a body of their
 * own. */
#include "ops/row.h"
#include "ops/sample.h"

#define UNARY_ROW .infer = sw_infer_elementwise, .samples = &unary_samples
#define FLOAT_PORTS .inputs = {{"x", SW_FLOATING}}, .outputs = {{"y", SW_SAME_AS("x")}}
#define NUMERIC_PORTS .inputs = {{"x", SW_NUMERIC}}, .outputs = {{"y", SW_SAME_AS("x")}}
#define UNARY_FLAGS SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST
#define NO_PARAMETERS (void)alpha, (void)beta

static const sw_sample unary_items[] = {
    {.note = "matrix", .inputs_count = 1, .dims = {{2, {3, 7}}}},
    {.note = "scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {4, 0}}}},
};
static const sw_op_samples unary_samples = SW_SAMPLES(unary_items);

static const sw_sample positive_items[] = {
    {.note = "positive", .inputs_count = 1, .dims = {{2, {3, 7}}}, .low = 0.1, .high = 3},
    {.note = "scalar", .inputs_count = 1, .dims = {{0}}, .low = 0.1, .high = 3},
};
static const sw_op_samples positive_samples = SW_SAMPLES(positive_items);

/* ---- exact for integers: Neg Abs Sign ---- */
static sw_status exact_unary(const sw_call *call, double (*f)(double), int64_t (*i)(int64_t), uint64_t (*u)(uint64_t))
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    sw_class class = sw_dtype_class(x->dtype);
    do {
        if (class == SW_CLASS_FLOAT)
            sw_store_f64(y->dtype, y->data, w.at[1], f(sw_load_f64(x->dtype, x->data, w.at[0])));
        else if (class == SW_CLASS_SIGNED)
            sw_store_i64(y->dtype, y->data, w.at[1], i(sw_load_i64(x->dtype, x->data, w.at[0])));
        else
            sw_store_u64(y->dtype, y->data, w.at[1], u(sw_load_u64(x->dtype, x->data, w.at[0])));
    } while (sw_walk_next(&w));
    return SW_OK;
}

#define EXACT_BODY(name)                                                                                               \
    static sw_status name##_reference(const sw_call *call) { return exact_unary(call, name##_f, name##_i, name##_u); }

static double neg_f(double x) { return -x; }
static int64_t neg_i(int64_t x) { return (int64_t)(0 - (uint64_t)x); }
static uint64_t neg_u(uint64_t x) { return 0 - x; }
EXACT_BODY(neg)

static sw_status neg_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    (void)n;
    dx[0] = sw_neg(g, dy[0]);
    return sw_graph_status(g);
}

const sw_op sw_op_neg = {
    SW_ROW,
    .name = "Neg",
    .doc = "-x, elementwise; integers wrap.",
    NUMERIC_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, neg_grad},
    .cost = sw_cost_elementwise,
    .flags = UNARY_FLAGS,
    .reference = neg_reference,
};

static double abs_f(double x) { return fabs(x); }
static int64_t abs_i(int64_t x) { return x < 0 ? neg_i(x) : x; }
static uint64_t abs_u(uint64_t x) { return x; }
EXACT_BODY(abs)

static sw_status abs_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_mul(g, dy[0], sw_sign(g, sw_node_input(n, 0)));
    return sw_graph_status(g);
}

const sw_op sw_op_abs = {
    SW_ROW,
    .name = "Abs",
    .doc = "|x|, elementwise; the slope at 0 is 0.",
    NUMERIC_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, abs_grad, SW_KEEP_INPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = UNARY_FLAGS,
    .reference = abs_reference,
};

static double sign_f(double x) { return isnan(x) ? x : (x > 0) - (x < 0); }
static int64_t sign_i(int64_t x) { return (x > 0) - (x < 0); }
static uint64_t sign_u(uint64_t x) { return x > 0; }
EXACT_BODY(sign)

/* For steps, whose slope is 0 wherever there is one. */
static sw_status step_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    (void)n;
    dx[0] = sw_zeros_like(g, dy[0]);
    return sw_graph_status(g);
}

const sw_op sw_op_sign = {
    SW_ROW,
    .name = "Sign",
    .doc = "-1, 0 or 1 as x is below, at or above 0; NaN stays NaN. Its gradient is 0.",
    NUMERIC_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, step_grad},
    .cost = sw_cost_elementwise,
    .flags = UNARY_FLAGS,
    .reference = sign_reference,
};

/* ---- smooth ---- */
static double exp_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return exp(x);
}
SW_UNARY_BODY(exp, 10)
static sw_status exp_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_mul(g, dy[0], sw_node_output(n, 0));
    return sw_graph_status(g);
}
const sw_op sw_op_exp = {
    SW_ROW,
    .name = "Exp",
    .doc = "e to the power x, elementwise.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, exp_grad, SW_KEEP_OUTPUT(0)},
    .cost = exp_cost,
    .flags = UNARY_FLAGS,
    .reference = exp_reference,
};

static double log_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return log(x);
}
SW_UNARY_BODY(log, 10)
static sw_status log_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_div(g, dy[0], sw_node_input(n, 0));
    return sw_graph_status(g);
}
const sw_op sw_op_log = {
    SW_ROW,
    .name = "Log",
    .doc = "The natural logarithm, elementwise; NaN below 0, -inf at 0.",
    FLOAT_PORTS,
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, log_grad, SW_KEEP_INPUT(0)},
    .cost = log_cost,
    .flags = UNARY_FLAGS,
    .reference = log_reference,
    .samples = &positive_samples,
};

static double sqrt_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return sqrt(x);
}
SW_UNARY_BODY(sqrt, 4)
/* 1 / (2 y) */
static sw_status sqrt_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_div(g, sw_mul_scalar(g, dy[0], 0.5), sw_node_output(n, 0));
    return sw_graph_status(g);
}
const sw_op sw_op_sqrt = {
    SW_ROW,
    .name = "Sqrt",
    .doc = "The square root, elementwise; NaN below 0.",
    FLOAT_PORTS,
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, sqrt_grad, SW_KEEP_OUTPUT(0)},
    .cost = sqrt_cost,
    .flags = UNARY_FLAGS,
    .reference = sqrt_reference,
    .samples = &positive_samples,
};

static double reciprocal_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return 1 / x;
}
SW_UNARY_BODY(reciprocal, 1)
/* -y^2 */
static sw_status reciprocal_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0);
    dx[0] = sw_neg(g, sw_mul(g, dy[0], sw_mul(g, y, y)));
    return sw_graph_status(g);
}
const sw_op sw_op_reciprocal = {
    SW_ROW,
    .name = "Reciprocal",
    .doc = "1 / x, elementwise.",
    FLOAT_PORTS,
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, reciprocal_grad, SW_KEEP_OUTPUT(0)},
    .cost = reciprocal_cost,
    .flags = UNARY_FLAGS,
    .reference = reciprocal_reference,
    .samples = &positive_samples,
};

static double sin_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return sin(x);
}
SW_UNARY_BODY(sin, 10)
static sw_status sin_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_mul(g, dy[0], sw_cos(g, sw_node_input(n, 0)));
    return sw_graph_status(g);
}
const sw_op sw_op_sin = {
    SW_ROW,
    .name = "Sin",
    .doc = "The sine of x in radians, elementwise.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, sin_grad, SW_KEEP_INPUT(0)},
    .cost = sin_cost,
    .flags = UNARY_FLAGS,
    .reference = sin_reference,
};

static double cos_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return cos(x);
}
SW_UNARY_BODY(cos, 10)
static sw_status cos_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_neg(g, sw_mul(g, dy[0], sw_sin(g, sw_node_input(n, 0))));
    return sw_graph_status(g);
}
const sw_op sw_op_cos = {
    SW_ROW,
    .name = "Cos",
    .doc = "The cosine of x in radians, elementwise.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, cos_grad, SW_KEEP_INPUT(0)},
    .cost = cos_cost,
    .flags = UNARY_FLAGS,
    .reference = cos_reference,
};

static double erf_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return erf(x);
}
SW_UNARY_BODY(erf, 20)
/* 2 / sqrt(pi) exp(-x^2) */
static sw_status erf_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0);
    sw_value *slope = sw_mul_scalar(g, sw_exp(g, sw_neg(g, sw_mul(g, x, x))), M_2_SQRTPI);
    dx[0] = sw_mul(g, dy[0], slope);
    return sw_graph_status(g);
}
const sw_op sw_op_erf = {
    SW_ROW,
    .name = "Erf",
    .doc = "The error function 2/sqrt(pi) * integral of exp(-t^2) from 0 to x, elementwise.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, erf_grad, SW_KEEP_INPUT(0)},
    .cost = erf_cost,
    .flags = UNARY_FLAGS,
    .reference = erf_reference,
};

/* ---- steps ---- */
static double floor_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return floor(x);
}
SW_UNARY_BODY(floor, 1)
static double ceil_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return ceil(x);
}
SW_UNARY_BODY(ceil, 1)
static double round_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return nearbyint(x);
}
SW_UNARY_BODY(round, 1)

const sw_op sw_op_floor = {
    SW_ROW,
    .name = "Floor",
    .doc = "The largest integer not above x, elementwise. Its gradient is 0.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, step_grad},
    .cost = floor_cost,
    .flags = UNARY_FLAGS,
    .reference = floor_reference,
};
const sw_op sw_op_ceil = {
    SW_ROW,
    .name = "Ceil",
    .doc = "The smallest integer not below x, elementwise. Its gradient is 0.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, step_grad},
    .cost = ceil_cost,
    .flags = UNARY_FLAGS,
    .reference = ceil_reference,
};
const sw_op sw_op_round = {
    SW_ROW,
    .name = "Round",
    .doc = "The nearest integer, halves to the even one, elementwise. Its gradient is 0.",
    FLOAT_PORTS,
    UNARY_ROW,
    .grad = {SW_GRAD_RULE, step_grad},
    .cost = round_cost,
    .flags = UNARY_FLAGS,
    .reference = round_reference,
};

/* ---- the same again ---- */
static sw_status identity_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    (void)n;
    dx[0] = dy[0];
    return sw_graph_status(g);
}
const sw_op sw_op_identity = {
    SW_ROW,
    .name = "Identity",
    .doc = "x as it is.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = sw_infer_like_first,
    .grad = {SW_GRAD_RULE, identity_grad},
    .cost = sw_cost_move,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_VIEW_OF_FIRST | SW_IN_PLACE_FIRST,
    .reference = sw_reference_copy,
    .samples = &unary_samples,
};

/* ---- between two bounds ---- */
static sw_status clip_infer(sw_infer *infer)
{
    SW_TRY(sw_infer_scalar(infer, 1));
    SW_TRY(sw_infer_scalar(infer, 2));
    sw_infer_copy(infer, 0, sw_infer_type(infer, 0));
    return SW_OK;
}

static sw_status clip_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0], *low = &call->inputs[1], *high = &call->inputs[2];
    bool has_low = sw_call_given(call, 1), has_high = sw_call_given(call, 2);
    sw_dtype dtype = x->dtype;
    sw_class class = sw_dtype_class(dtype);
    const int64_t *strides[] = {x->strides, y->strides};
    sw_walk w;
    if (!sw_walk_begin(&w, y->rank, y->dims, 2, strides))
        return SW_OK;
#define CLIPPED(load, store)                                                                                           \
    do {                                                                                                               \
        __typeof__(load(dtype, x->data, 0)) v = load(dtype, x->data, w.at[0]);                                         \
        v = has_low && v < load(dtype, low->data, 0) ? load(dtype, low->data, 0) : v;                                  \
        v = has_high && v > load(dtype, high->data, 0) ? load(dtype, high->data, 0) : v;                               \
        store(dtype, y->data, w.at[1], v);                                                                             \
    } while (sw_walk_next(&w))
    if (class == SW_CLASS_FLOAT)
        CLIPPED(sw_load_f64, sw_store_f64);
    else if (class == SW_CLASS_SIGNED)
        CLIPPED(sw_load_i64, sw_store_i64);
    else
        CLIPPED(sw_load_u64, sw_store_u64);
#undef CLIPPED
    return SW_OK;
}

/* dy where x lies within the bounds, both included */
static sw_status clip_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *low = sw_node_input(n, 1), *high = sw_node_input(n, 2);
    sw_value *zero = sw_scalar_like(g, x, 0), *d = dy[0];
    if (low != SW_NONE)
        d = sw_where(g, sw_less(g, x, low), zero, d);
    if (high != SW_NONE)
        d = sw_where(g, sw_greater(g, x, high), zero, d);
    dx[0] = sw_sum_to(g, d, x);
    return sw_graph_status(g);
}

static const sw_sample clip_items[] = {
    {.note = "both", .inputs_count = 3, .dims = {{2, {3, 5}}, {0}, {0}}},
    {.note = "low only", .inputs_count = 2, .dims = {{2, {3, 5}}, {0}}},
    {.note = "high only", .inputs_count = 3, .dims = {{2, {3, 5}}, {0}, {0}}, .absent = 2},
    {.note = "neither", .inputs_count = 1, .dims = {{1, {5}}}},
};
static const sw_op_samples clip_samples = SW_SAMPLES(clip_items);

const sw_op sw_op_clip = {
    SW_ROW,
    .name = "Clip",
    .doc = "min(max(x, low), high), elementwise; absent bounds do not bind, NaN stays NaN.",
    .inputs = {{"x", SW_NUMERIC},
               {"low", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL | SW_PORT_NO_GRADIENT},
               {"high", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL | SW_PORT_NO_GRADIENT}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = clip_infer,
    .grad = {SW_GRAD_RULE, clip_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_INPUT(2)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = clip_reference,
    .samples = &clip_samples,
};

/* ---- another element type ---- */
static sw_status cast_infer(sw_infer *infer)
{
    sw_dtype to = (sw_dtype)sw_attr_int(infer->node, "to");
    if (to <= SW_DTYPE_NONE || to >= SW_DTYPE_COUNT || to == SW_STRING)
        return sw_infer_fail(infer, "cannot cast to element type '%s'", sw_dtype_name(to));
    infer->outputs[0].dtype = to;
    return sw_infer_like_first(infer);
}

/* By sw_tensor_copy's rules: floats round to nearest even; to integers they truncate and saturate, NaN gives 0;
 * integers wrap among themselves; to bool is != 0. */
static sw_status cast_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    bool from_float = sw_dtype_class(x->dtype) == SW_CLASS_FLOAT,
         is_unsigned = sw_dtype_class(x->dtype) == SW_CLASS_UNSIGNED;
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    do {
        if (from_float)
            sw_store_f64(y->dtype, y->data, w.at[1], sw_load_f64(x->dtype, x->data, w.at[0]));
        else if (is_unsigned)
            sw_store_u64(y->dtype, y->data, w.at[1], sw_load_u64(x->dtype, x->data, w.at[0]));
        else
            sw_store_i64(y->dtype, y->data, w.at[1], sw_load_i64(x->dtype, x->data, w.at[0]));
    } while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status cast_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_dtype from = sw_value_dtype(sw_node_input(n, 0));
    if (sw_dtype_is_float(from) && sw_dtype_is_float(sw_value_dtype(dy[0])))
        dx[0] = sw_cast(g, dy[0], from);
    return sw_graph_status(g);
}

static const sw_sample cast_items[] = {
    {.note = "f64 to f64",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_F64)),
     .dtype = {SW_F64}},
    {.note = "f32 to i32",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_I32)),
     .dtype = {SW_F32},
     .smooth_off = true},
    {.note = "u8 to f32",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_F32)),
     .dtype = {SW_U8},
     .integer_max = {256},
     .smooth_off = true},
    {.note = "f32 to bool",
     .inputs_count = 1,
     .dims = {{1, {9}}},
     SW_WITH(SW_SET_DTYPE("to", SW_BOOL)),
     .dtype = {SW_F32},
     .smooth_off = true},
    {.note = "f32 to bf16",
     .inputs_count = 1,
     .dims = {{1, {9}}},
     SW_WITH(SW_SET_DTYPE("to", SW_BF16)),
     .dtype = {SW_F32},
     .smooth_off = true},
};
static const sw_op_samples cast_samples = SW_SAMPLES(cast_items);

const sw_op sw_op_cast = {
    SW_ROW,
    .name = "Cast",
    .doc =
        "x converted to element type `to`: floats round to nearest even; to integers they truncate and saturate, NaN "
        "gives 0; to bool is x != 0.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_MOVABLE}},
    .attrs = {{"to", SW_ATTR_DTYPE, .required = true, .doc = "the element type of the result"}},
    .infer = cast_infer,
    .grad = {SW_GRAD_RULE, cast_grad},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = cast_reference,
    .samples = &cast_samples,
};

/* ---- builders ---- */
sw_value *sw_neg(sw_graph *g, sw_value *x) { return sw_unary(g, "Neg", x); }
sw_value *sw_abs(sw_graph *g, sw_value *x) { return sw_unary(g, "Abs", x); }
sw_value *sw_sign(sw_graph *g, sw_value *x) { return sw_unary(g, "Sign", x); }
sw_value *sw_exp(sw_graph *g, sw_value *x) { return sw_unary(g, "Exp", x); }
sw_value *sw_log(sw_graph *g, sw_value *x) { return sw_unary(g, "Log", x); }
sw_value *sw_sqrt(sw_graph *g, sw_value *x) { return sw_unary(g, "Sqrt", x); }
sw_value *sw_reciprocal(sw_graph *g, sw_value *x) { return sw_unary(g, "Reciprocal", x); }
sw_value *sw_sin(sw_graph *g, sw_value *x) { return sw_unary(g, "Sin", x); }
sw_value *sw_cos(sw_graph *g, sw_value *x) { return sw_unary(g, "Cos", x); }
sw_value *sw_erf(sw_graph *g, sw_value *x) { return sw_unary(g, "Erf", x); }
sw_value *sw_floor(sw_graph *g, sw_value *x) { return sw_unary(g, "Floor", x); }
sw_value *sw_ceil(sw_graph *g, sw_value *x) { return sw_unary(g, "Ceil", x); }
sw_value *sw_round(sw_graph *g, sw_value *x) { return sw_unary(g, "Round", x); }
sw_value *sw_clip(sw_graph *g, sw_value *x, sw_value *low, sw_value *high)
{
    return sw_row_add(g, "Clip", SW_VALUES(x, low, high), SW_NO_ATTRS);
}
sw_value *sw_cast(sw_graph *g, sw_value *x, sw_dtype to)
{
    return x && sw_value_dtype(x) == to ? x : sw_row_add(g, "Cast", SW_VALUES(x), SW_ATTRS(SW_ATTR_D("to", to)));
}
