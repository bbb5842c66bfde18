/* unary.c: one number in, one number out, by a formula of mathematics: Neg Abs Sign Exp Log … Erf Floor Ceil Round.
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
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {4, 0}}}},
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
