/* activation.c: y = f(x), one number in, one number out.
 *
 * Every row here is elementwise, so they share shape inference, the walk over elements and the cost model; a row adds
 * only its formula and the formula of its slope. The slope is written in terms of the input or the output, whichever is
 * cheaper to keep for the backward pass. The formulas are also known by name, for rows that apply one to their result.
 * This file knows nothing of vector instructions: fast versions live in the backends. */
#include "ops/activation.h"
#include "ops/row.h"
#include "ops/sample.h"

#define FLOAT_PORTS .inputs = {{"x", SW_FLOATING}}, .outputs = {{"y", SW_SAME_AS("x")}}
#define ACTIVATION .infer = sw_infer_elementwise, .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST
#define NO_PARAMETERS (void)alpha, (void)beta
#define NO_BETA (void)beta

static const sw_sample activation_items[] = {
    {.note = "matrix", .inputs_count = 1, .dims = {{2, {3, 7}}}, .low = -4, .high = 4},
    {.note = "scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {4, 0}}}},
};
static const sw_op_samples activation_samples = SW_SAMPLES(activation_items);

/* ---- Relu ---- */
static double none_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return x;
}
static double relu_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return x > 0 || isnan(x) ? x : 0;
}
SW_UNARY_BODY(relu, 1)

static sw_status relu_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_binary_of(g, "ReluGrad", dy[0], sw_node_output(n, 0));
    return sw_graph_status(g);
}

const sw_op sw_op_relu = {
    SW_ROW,
    .name = "Relu",
    .doc = "max(x, 0), elementwise; the slope at 0 is 0.",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, relu_grad, SW_KEEP_OUTPUT(0)},
    .cost = relu_cost,
    .reference = relu_reference,
    .samples = &activation_samples,
};

/* One slope for each y: nothing broadcasts here. */
static sw_status relu_grad_infer(sw_infer *infer)
{
    const sw_type *dy = sw_infer_type(infer, 0), *y = sw_infer_type(infer, 1);
    if (dy->rank < 0 || y->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 0, y->rank, y->rank));
    for (int i = 0; i < y->rank; i++)
        SW_TRY(sw_infer_agree(infer, dy->dims[i], y->dims[i], "dims of dy and y"));
    sw_infer_copy(infer, 0, y);
    return SW_OK;
}

static double relu_slope(double dy, double y) { return y > 0 ? dy : 0; }
static sw_status relu_grad_reference(const sw_call *call)
{
    static const sw_binary formula = {.f = relu_slope};
    return sw_reference_binary(call, &formula);
}
static sw_status relu_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_binary_of(g, "ReluGrad", dy[0], sw_node_input(n, 1));
    return sw_graph_status(g);
}
static const sw_sample relu_grad_items[] = {
    {.note = "matrix", .inputs_count = 2, .dims = {{2, {3, 7}}, {2, {3, 7}}}},
    {.note = "scalar", .inputs_count = 2, .dims = {{0}, {0}}},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {3, 0}}, {2, {3, 0}}}},
};
static const sw_op_samples relu_grad_samples = SW_SAMPLES(relu_grad_items);

const sw_op sw_op_relu_grad = {
    SW_ROW,
    .name = "ReluGrad",
    .doc = "dy where y > 0, else 0: the gradient of Relu by its output.",
    .inputs = {{"dy", SW_FLOATING}, {"y", SW_SAME_AS("dy"), .flags = SW_PORT_NO_GRADIENT}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .infer = relu_grad_infer,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .grad = {SW_GRAD_RULE, relu_grad_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .reference = relu_grad_reference,
    .samples = &relu_grad_samples,
};

/* ---- Tanh, Sigmoid ---- */
static double tanh_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return tanh(x);
}
SW_UNARY_BODY(tanh, 12)

/* 1 - y^2 */
static sw_status tanh_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0);
    dx[0] = sw_mul(g, dy[0], sw_one_minus(g, sw_mul(g, y, y)));
    return sw_graph_status(g);
}

const sw_op sw_op_tanh = {
    SW_ROW,
    .name = "Tanh",
    .doc = "The hyperbolic tangent, elementwise.",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, tanh_grad, SW_KEEP_OUTPUT(0)},
    .cost = tanh_cost,
    .reference = tanh_reference,
    .samples = &activation_samples,
};

static double sigmoid_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    double e = exp(-fabs(x)); /* never overflows */
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
SW_UNARY_BODY(sigmoid, 12)

/* y (1 - y) */
static sw_status sigmoid_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0);
    dx[0] = sw_mul(g, dy[0], sw_mul(g, y, sw_one_minus(g, y)));
    return sw_graph_status(g);
}

const sw_op sw_op_sigmoid = {
    SW_ROW,
    .name = "Sigmoid",
    .doc = "1 / (1 + exp(-x)), elementwise.",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, sigmoid_grad, SW_KEEP_OUTPUT(0)},
    .cost = sigmoid_cost,
    .reference = sigmoid_reference,
    .samples = &activation_samples,
};

/* ---- LeakyRelu, Elu ---- */
static double leaky_relu_at(double x, double alpha, double beta)
{
    NO_BETA;
    return x >= 0 ? x : alpha * x;
}
SW_UNARY_BODY(leaky_relu, 2)

static sw_status leaky_relu_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *d = dy[0];
    sw_value *below = sw_less(g, x, sw_scalar_like(g, x, 0));
    dx[0] = sw_where(g, below, sw_mul_scalar(g, d, sw_attr_float(n, "alpha")), d);
    return sw_graph_status(g);
}

const sw_op sw_op_leaky_relu = {
    SW_ROW,
    .name = "LeakyRelu",
    .doc = "x where x >= 0, else alpha * x, elementwise.",
    FLOAT_PORTS,
    .attrs = {{"alpha", SW_ATTR_FLOAT, .f = 0.01, .doc = "the slope below 0"}},
    ACTIVATION,
    .grad = {SW_GRAD_RULE, leaky_relu_grad, SW_KEEP_INPUT(0)},
    .cost = leaky_relu_cost,
    .reference = leaky_relu_reference,
    .samples = &activation_samples,
};

static double elu_at(double x, double alpha, double beta)
{
    NO_BETA;
    return x >= 0 ? x : alpha * expm1(x);
}
SW_UNARY_BODY(elu, 10)

/* below 0: alpha exp(x) = y + alpha */
static sw_status elu_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *y = sw_node_output(n, 0);
    sw_value *slope = sw_add_scalar(g, y, sw_attr_float(n, "alpha"));
    dx[0] = sw_where(g, sw_less(g, x, sw_scalar_like(g, x, 0)), sw_mul(g, dy[0], slope), dy[0]);
    return sw_graph_status(g);
}

const sw_op sw_op_elu = {
    SW_ROW,
    .name = "Elu",
    .doc = "x where x >= 0, else alpha * (exp(x) - 1), elementwise.",
    FLOAT_PORTS,
    .attrs = {{"alpha", SW_ATTR_FLOAT, .f = 1, .doc = "the limit below 0 is -alpha"}},
    ACTIVATION,
    .grad = {SW_GRAD_RULE, elu_grad, SW_KEEP_INPUT(0) | SW_KEEP_OUTPUT(0)},
    .cost = elu_cost,
    .reference = elu_reference,
    .samples = &activation_samples,
};

/* ---- Gelu: x times the normal distribution function ---- */
#define GELU_CUBE 0.044715
static double gelu_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}
static double gelu_tanh_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + GELU_CUBE * x * x * x)));
}

static bool gelu_by_tanh(const sw_node *n) { return strcmp(sw_attr_string(n, "approximate"), "tanh") == 0; }

static sw_status gelu_reference(const sw_call *call)
{
    return sw_reference_unary(call, gelu_by_tanh(call->node) ? gelu_tanh_at : gelu_at);
}
static sw_cost gelu_cost(const sw_call *call) { return sw_cost_of(call, 25 * sw_cost_elements(&call->outputs[0])); }

/* d/dx x P(x) = P(x) + x p(x), p the normal density exp(-x^2 / 2) / sqrt(2 pi) */
static sw_value *gelu_slope(sw_graph *g, sw_value *x)
{
    sw_value *p = sw_mul_scalar(g, sw_exp(g, sw_mul_scalar(g, sw_mul(g, x, x), -0.5)), 0.5 * M_2_SQRTPI * M_SQRT1_2);
    sw_value *P = sw_mul_scalar(g, sw_add_scalar(g, sw_erf(g, sw_mul_scalar(g, x, M_SQRT1_2)), 1), 0.5);
    return sw_add(g, P, sw_mul(g, x, p));
}

/* y = x (1 + t) / 2 with t = tanh(u), u = c (x + k x^3): (1 + t) / 2 + x (1 - t^2) c (1 + 3 k x^2) / 2 */
static sw_value *gelu_tanh_slope(sw_graph *g, sw_value *x)
{
    const double c = M_2_SQRTPI * M_SQRT1_2;
    sw_value *square = sw_mul(g, x, x);
    sw_value *u = sw_mul(g, sw_mul_scalar(g, x, c), sw_add_scalar(g, sw_mul_scalar(g, square, GELU_CUBE), 1));
    sw_value *t = sw_tanh(g, u), *du = sw_add_scalar(g, sw_mul_scalar(g, square, 3 * GELU_CUBE * c), c);
    sw_value *half = sw_mul_scalar(g, sw_add_scalar(g, t, 1), 0.5);
    sw_value *bend = sw_mul(g, sw_mul_scalar(g, x, 0.5), sw_mul(g, sw_one_minus(g, sw_mul(g, t, t)), du));
    return sw_add(g, half, bend);
}

static sw_status gelu_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0);
    dx[0] = sw_mul(g, dy[0], gelu_by_tanh(n) ? gelu_tanh_slope(g, x) : gelu_slope(g, x));
    return sw_graph_status(g);
}

static const sw_sample gelu_items[] = {
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "exact", .inputs_count = 1, .dims = {{2, {3, 7}}}, .low = -4, .high = 4},
    {.note = "by tanh",
     .inputs_count = 1,
     .dims = {{2, {3, 7}}},
     SW_WITH(SW_SET_TEXT("approximate", "tanh")),
     .low = -4,
     .high = 4},
    {.note = "nothing", .inputs_count = 1, .dims = {{1, {0}}}},
};
static const sw_op_samples gelu_samples = SW_SAMPLES(gelu_items);

const sw_op sw_op_gelu = {
    SW_ROW,
    .name = "Gelu",
    .doc = "x * P(x), P the standard normal distribution function: x/2 * (1 + erf(x / sqrt(2))); with approximate "
           "\"tanh\" "
           "x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).",
    FLOAT_PORTS,
    .attrs = {{"approximate", SW_ATTR_STRING, .s = "none", .choices = "none|tanh", .doc = "the formula for P"}},
    ACTIVATION,
    .grad = {SW_GRAD_RULE, gelu_grad, SW_KEEP_INPUT(0)},
    .cost = gelu_cost,
    .reference = gelu_reference,
    .samples = &gelu_samples,
};

/* ---- Silu, Softplus ---- */
static double silu_at(double x, double alpha, double beta) { return x * sigmoid_at(x, alpha, beta); }
SW_UNARY_BODY(silu, 13)

/* d/dx x s(x) = s(x) (1 + x (1 - s(x))), s = logistic */
static sw_status silu_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *s = sw_sigmoid(g, x);
    sw_value *slope = sw_mul(g, s, sw_add_scalar(g, sw_mul(g, x, sw_one_minus(g, s)), 1));
    dx[0] = sw_mul(g, dy[0], slope);
    return sw_graph_status(g);
}

const sw_op sw_op_silu = {
    SW_ROW,
    .name = "Silu",
    .doc = "x * sigmoid(x), elementwise (also called swish).",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, silu_grad, SW_KEEP_INPUT(0)},
    .cost = silu_cost,
    .reference = silu_reference,
    .samples = &activation_samples,
};

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow */
static double softplus_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
}
SW_UNARY_BODY(softplus, 20)

static sw_status softplus_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_mul(g, dy[0], sw_sigmoid(g, sw_node_input(n, 0)));
    return sw_graph_status(g);
}

const sw_op sw_op_softplus = {
    SW_ROW,
    .name = "Softplus",
    .doc = "log(1 + exp(x)), elementwise.",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, softplus_grad, SW_KEEP_INPUT(0)},
    .cost = softplus_cost,
    .reference = softplus_reference,
    .samples = &activation_samples,
};

/* ---- piecewise stand-ins for the logistic ---- */
static double hard_sigmoid_at(double x, double alpha, double beta)
{
    double y = alpha * x + beta;
    return y < 0 ? 0 : y > 1 ? 1 : y;
}
SW_UNARY_BODY(hard_sigmoid, 3)

/* alpha where 0 < y < 1 */
static sw_status hard_sigmoid_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0), *zero = sw_scalar_like(g, y, 0), *one = sw_scalar_like(g, y, 1);
    sw_value *inside = sw_and(g, sw_greater(g, y, zero), sw_less(g, y, one));
    dx[0] = sw_where(g, inside, sw_mul_scalar(g, dy[0], sw_attr_float(n, "alpha")), zero);
    return sw_graph_status(g);
}

const sw_op sw_op_hard_sigmoid = {
    SW_ROW,
    .name = "HardSigmoid",
    .doc = "alpha * x + beta, clipped to 0..1, elementwise.",
    FLOAT_PORTS,
    .attrs = {{"alpha", SW_ATTR_FLOAT, .f = 0.2, .doc = "the slope"},
              {"beta", SW_ATTR_FLOAT, .f = 0.5, .doc = "the value at 0"}},
    ACTIVATION,
    .grad = {SW_GRAD_RULE, hard_sigmoid_grad, SW_KEEP_OUTPUT(0)},
    .cost = hard_sigmoid_cost,
    .reference = hard_sigmoid_reference,
    .samples = &activation_samples,
};

static double hard_swish_at(double x, double alpha, double beta)
{
    NO_PARAMETERS;
    return x * hard_sigmoid_at(x, 1.0 / 6, 0.5);
}
SW_UNARY_BODY(hard_swish, 4)

/* 0 below -3, 1 above 3, x / 3 + 1/2 between */
static sw_status hard_swish_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *d = dy[0];
    sw_value *bend = sw_mul(g, d, sw_add_scalar(g, sw_mul_scalar(g, x, 1.0 / 3), 0.5));
    sw_value *low = sw_where(g, sw_less_equal(g, x, sw_scalar_like(g, x, -3)), sw_scalar_like(g, x, 0), bend);
    dx[0] = sw_where(g, sw_greater_equal(g, x, sw_scalar_like(g, x, 3)), d, low);
    return sw_graph_status(g);
}

const sw_op sw_op_hard_swish = {
    SW_ROW,
    .name = "HardSwish",
    .doc = "x * clip(x / 6 + 1/2, 0, 1), elementwise.",
    FLOAT_PORTS,
    ACTIVATION,
    .grad = {SW_GRAD_RULE, hard_swish_grad, SW_KEEP_INPUT(0)},
    .cost = hard_swish_cost,
    .reference = hard_swish_reference,
    .samples = &activation_samples,
};

/* ---- by name ---- */
static double clip_at(double x, double alpha, double beta) { return x < alpha ? alpha : x > beta ? beta : x; }

static const struct {
    const char *name, *op;
    sw_activation f;
} activations[] = {
    {"none", NULL, none_at},
    {"relu", "Relu", relu_at},
    {"leaky_relu", "LeakyRelu", leaky_relu_at},
    {"elu", "Elu", elu_at},
    {"sigmoid", "Sigmoid", sigmoid_at},
    {"tanh", "Tanh", tanh_at},
    {"gelu", "Gelu", gelu_at},
    {"gelu_tanh", NULL, gelu_tanh_at},
    {"silu", "Silu", silu_at},
    {"softplus", "Softplus", softplus_at},
    {"hard_sigmoid", "HardSigmoid", hard_sigmoid_at},
    {"hard_swish", "HardSwish", hard_swish_at},
    {"clip", NULL, clip_at},
};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

sw_activation sw_activation_find(const char *name)
{
    for (int i = 0; i < ACTIVATIONS; i++)
        if (strcmp(activations[i].name, name) == 0)
            return activations[i].f;
    return NULL;
}

/* A bound of a Clip node that is a constant; false when it is not. */
static bool constant_bound(const sw_node *node, int input, double *bound)
{
    const sw_value *value = sw_node_input(node, input);
    if (value == SW_NONE)
        return true;
    if (value->node == NULL || strcmp(value->node->op->name, "Constant") != 0 || value->tensor == NULL)
        return false;
    *bound = sw_tensor_get(value->tensor, 0);
    return true;
}

const char *sw_activation_of(const sw_node *node, double *alpha, double *beta)
{
    const sw_op *op = sw_node_op(node);
    *alpha = *beta = 0;
    if (strcmp(op->name, "Clip") == 0) {
        *alpha = -INFINITY, *beta = INFINITY;
        return constant_bound(node, 1, alpha) && constant_bound(node, 2, beta) ? "clip" : NULL;
    }
    if (strcmp(op->name, "Gelu") == 0)
        return gelu_by_tanh(node) ? "gelu_tanh" : "gelu";
    for (int i = 0; i < ACTIVATIONS; i++)
        if (activations[i].op && strcmp(activations[i].op, op->name) == 0) {
            if (op->attrs[0].name)
                *alpha = sw_attr_float(node, "alpha");
            if (op->attrs[0].name && op->attrs[1].name)
                *beta = sw_attr_float(node, "beta");
            return activations[i].name;
        }
    return NULL;
}

/* ---- builders ---- */
sw_value *sw_tanh(sw_graph *g, sw_value *x) { return sw_unary(g, "Tanh", x); }
sw_value *sw_sigmoid(sw_graph *g, sw_value *x) { return sw_unary(g, "Sigmoid", x); }
sw_value *sw_relu(sw_graph *g, sw_value *x) { return sw_unary(g, "Relu", x); }
sw_value *sw_leaky_relu(sw_graph *g, sw_value *x, double alpha)
{
    return sw_row_add(g, "LeakyRelu", SW_VALUES(x), SW_ATTRS(SW_ATTR_F("alpha", alpha)));
}
sw_value *sw_elu(sw_graph *g, sw_value *x, double alpha)
{
    return sw_row_add(g, "Elu", SW_VALUES(x), SW_ATTRS(SW_ATTR_F("alpha", alpha)));
}
sw_value *sw_gelu(sw_graph *g, sw_value *x, bool tanh_approximation)
{
    return sw_row_add(g, "Gelu", SW_VALUES(x),
                      SW_ATTRS(SW_ATTR_S("approximate", tanh_approximation ? "tanh" : "none")));
}
sw_value *sw_silu(sw_graph *g, sw_value *x) { return sw_unary(g, "Silu", x); }
sw_value *sw_softplus(sw_graph *g, sw_value *x) { return sw_unary(g, "Softplus", x); }
sw_value *sw_hard_sigmoid(sw_graph *g, sw_value *x, double alpha, double beta)
{
    return sw_row_add(g, "HardSigmoid", SW_VALUES(x), SW_ATTRS(SW_ATTR_F("alpha", alpha), SW_ATTR_F("beta", beta)));
}
sw_value *sw_hard_swish(sw_graph *g, sw_value *x) { return sw_unary(g, "HardSwish", x); }
