/* arithmetic.c: two numbers in, one out: Add Sub Mul Div Pow Min Max Mod.
 *
 * Operands broadcast as NumPy's do and have one element type. Each formula is given for floating point (in double),
 * signed and unsigned integers; integers wrap, a division by zero gives 0, so that no input can trap. Gradients are
 * summed over the axes that were broadcast. Dims arithmetic on shapes follows: Add of two shapes is known when they
 * are. */
#include "ops/row.h"
#include "ops/sample.h"

#define BINARY_PORTS .inputs = {{"a", SW_NUMERIC}, {"b", SW_SAME_AS("a")}}, .outputs = {{"y", SW_SAME_AS("a")}}

/* Samples that every binary row is walked with: equal dims, both kinds of broadcasting, scalars, nothing. */
static const sw_sample binary_items[] = {
    {.note = "equal dims", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {3, 5}}}, .low = 0.4, .high = 2.5},
    {.note = "row", .inputs_count = 2, .dims = {{3, {2, 3, 4}}, {1, {4}}}, .low = 0.4, .high = 2.5},
    {.note = "both ways", .inputs_count = 2, .dims = {{3, {2, 1, 4}}, {2, {3, 1}}}, .low = 0.4, .high = 2.5},
    {.note = "scalar", .inputs_count = 2, .dims = {{0}, {2, {2, 3}}}, .low = 0.4, .high = 2.5},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {1, {3}}}},
};
static const sw_op_samples binary_samples = SW_SAMPLES(binary_items);

#define BINARY_BODY(name)                                                                                              \
    static sw_status name##_reference(const sw_call *call)                                                             \
    {                                                                                                                  \
        static const sw_binary formula = {name##_f, name##_i, name##_u};                                               \
        return sw_reference_binary(call, &formula);                                                                    \
    }

/* Broadcasting, and contents when shapes are computed. */
#define BINARY_INFER(name, dim_of)                                                                                     \
    static sw_status name##_infer(sw_infer *infer)                                                                     \
    {                                                                                                                  \
        SW_TRY(sw_infer_elementwise(infer));                                                                           \
        sw_infer_binary_contents(infer, dim_of);                                                                       \
        return SW_OK;                                                                                                  \
    }

/* ---- sum and difference ---- */
static double add_f(double a, double b) { return a + b; }
static int64_t add_i(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static uint64_t add_u(uint64_t a, uint64_t b) { return a + b; }
BINARY_BODY(add)
BINARY_INFER(add, sw_dim_add)

static sw_status add_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    for (int i = 0; i < 2; i++)
        if (sw_grad_wants(g, i))
            dx[i] = sw_sum_to(g, dy[0], sw_node_input(n, i));
    return sw_graph_status(g);
}

const sw_op sw_op_add = {
    SW_ROW,
    .name = "Add",
    .doc = "a + b, elementwise with broadcasting; integers wrap.",
    BINARY_PORTS,
    .infer = add_infer,
    .grad = {SW_GRAD_RULE, add_grad},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_COMMUTATIVE | SW_IN_PLACE_FIRST,
    .reference = add_reference,
    .samples = &binary_samples,
};

static double sub_f(double a, double b) { return a - b; }
static int64_t sub_i(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static uint64_t sub_u(uint64_t a, uint64_t b) { return a - b; }
BINARY_BODY(sub)
BINARY_INFER(sub, sw_dim_sub)

static sw_status sub_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    if (sw_grad_wants(g, 0))
        dx[0] = sw_sum_to(g, dy[0], sw_node_input(n, 0));
    if (sw_grad_wants(g, 1))
        dx[1] = sw_sum_to(g, sw_neg(g, dy[0]), sw_node_input(n, 1));
    return sw_graph_status(g);
}

const sw_op sw_op_sub = {
    SW_ROW,
    .name = "Sub",
    .doc = "a - b, elementwise with broadcasting; integers wrap.",
    BINARY_PORTS,
    .infer = sub_infer,
    .grad = {SW_GRAD_RULE, sub_grad},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = sub_reference,
    .samples = &binary_samples,
};

/* ---- product and quotient ---- */
static double mul_f(double a, double b) { return a * b; }
static int64_t mul_i(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static uint64_t mul_u(uint64_t a, uint64_t b) { return a * b; }
BINARY_BODY(mul)
BINARY_INFER(mul, sw_dim_mul)

static sw_status mul_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1);
    if (sw_grad_wants(g, 0))
        dx[0] = sw_sum_to(g, sw_mul(g, dy[0], b), a);
    if (sw_grad_wants(g, 1))
        dx[1] = sw_sum_to(g, sw_mul(g, dy[0], a), b);
    return sw_graph_status(g);
}

const sw_op sw_op_mul = {
    SW_ROW,
    .name = "Mul",
    .doc = "a * b, elementwise with broadcasting; integers wrap.",
    BINARY_PORTS,
    .infer = mul_infer,
    .grad = {SW_GRAD_RULE, mul_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_COMMUTATIVE | SW_IN_PLACE_FIRST,
    .reference = mul_reference,
    .samples = &binary_samples,
};

static double div_f(double a, double b) { return a / b; }
static int64_t div_i(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? sub_i(0, a) : a / b; }
static uint64_t div_u(uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }
BINARY_BODY(div)

/* Dims divide by flooring, which is truncation where neither is negative; others are left to run time. */
static sw_dim dim_div(sw_graph *g, sw_dim a, sw_dim b)
{
    bool negative = (a < 0 && a > SW_DIM_UNKNOWN) || (b <= 0 && b > SW_DIM_UNKNOWN);
    return negative ? SW_DIM_UNKNOWN : sw_dim_div(g, a, b);
}
BINARY_INFER(div, dim_div)

/* d(a / b) = da / b - (a / b) db / b */
static sw_status div_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1), *y = sw_node_output(n, 0);
    sw_value *da = sw_div(g, dy[0], b);
    if (sw_grad_wants(g, 0))
        dx[0] = sw_sum_to(g, da, a);
    if (sw_grad_wants(g, 1))
        dx[1] = sw_sum_to(g, sw_neg(g, sw_mul(g, da, y)), b);
    return sw_graph_status(g);
}

const sw_op sw_op_div = {
    SW_ROW,
    .name = "Div",
    .doc = "a / b, elementwise with broadcasting; integers truncate toward zero and give 0 for b = 0.",
    BINARY_PORTS,
    .infer = div_infer,
    .grad = {SW_GRAD_RULE, div_grad, SW_KEEP_INPUT(1) | SW_KEEP_OUTPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = div_reference,
    .samples = &binary_samples,
};

/* ---- power ---- */
static double pow_f(double a, double b) { return pow(a, b); }
static uint64_t pow_u(uint64_t a, uint64_t b)
{
    uint64_t y = 1;
    for (; b; b >>= 1, a *= a)
        if (b & 1)
            y *= a;
    return y;
}
/* a^-n is 1/a^n truncated: 0 but for a = 1 and a = -1. */
static int64_t pow_i(int64_t a, int64_t b)
{
    if (b >= 0)
        return (int64_t)pow_u((uint64_t)a, (uint64_t)b);
    return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
}
BINARY_BODY(pow)

/* d(a^b) = b a^(b-1) da + log(a) a^b db; where a = 0 the second term is taken as 0, as its limit for b > 0. */
static sw_status pow_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1), *y = sw_node_output(n, 0);
    if (sw_grad_wants(g, 0)) {
        sw_value *slope = sw_mul(g, b, sw_pow(g, a, sw_add_scalar(g, b, -1)));
        dx[0] = sw_sum_to(g, sw_mul(g, dy[0], slope), a);
    }
    if (sw_grad_wants(g, 1)) {
        sw_value *zero = sw_scalar_like(g, a, 0);
        sw_value *logs = sw_where(g, sw_equal(g, a, zero), zero, sw_mul(g, sw_log(g, a), y));
        dx[1] = sw_sum_to(g, sw_mul(g, dy[0], logs), b);
    }
    return sw_graph_status(g);
}

const sw_op sw_op_pow = {
    SW_ROW,
    .name = "Pow",
    .doc = "a to the power b, elementwise with broadcasting; integers wrap and truncate.",
    BINARY_PORTS,
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, pow_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_OUTPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = pow_reference,
    .samples = &binary_samples,
};

/* ---- the smaller and the larger: a NaN on either side gives NaN ---- */
static double min_f(double a, double b) { return isnan(a) || a < b ? a : b; }
static int64_t min_i(int64_t a, int64_t b) { return a < b ? a : b; }
static uint64_t min_u(uint64_t a, uint64_t b) { return a < b ? a : b; }
BINARY_BODY(min)
BINARY_INFER(min, sw_dim_min)

static double max_f(double a, double b) { return isnan(a) || a > b ? a : b; }
static int64_t max_i(int64_t a, int64_t b) { return a > b ? a : b; }
static uint64_t max_u(uint64_t a, uint64_t b) { return a > b ? a : b; }
BINARY_BODY(max)
BINARY_INFER(max, sw_dim_max)

/* The chosen operand takes dy; equal ones take half each. */
static sw_status choice_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1), *y = sw_node_output(n, 0);
    sw_value *zero = sw_scalar_like(g, y, 0), *half = sw_mul_scalar(g, dy[0], 0.5);
    sw_value *whole = sw_where(g, sw_equal(g, a, b), half, dy[0]);
    dx[0] = sw_sum_to(g, sw_where(g, sw_equal(g, a, y), whole, zero), a);
    dx[1] = sw_sum_to(g, sw_where(g, sw_equal(g, b, y), whole, zero), b);
    return sw_graph_status(g);
}

const sw_op sw_op_min = {
    SW_ROW,
    .name = "Min",
    .doc = "The smaller of a and b, elementwise with broadcasting; NaN when either is. Equal ones share the gradient.",
    BINARY_PORTS,
    .infer = min_infer,
    .grad = {SW_GRAD_RULE, choice_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_OUTPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = min_reference,
    .samples = &binary_samples,
};

const sw_op sw_op_max = {
    SW_ROW,
    .name = "Max",
    .doc = "The larger of a and b, elementwise with broadcasting; NaN when either is. Equal ones share the gradient.",
    BINARY_PORTS,
    .infer = max_infer,
    .grad = {SW_GRAD_RULE, choice_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_OUTPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = max_reference,
    .samples = &binary_samples,
};

/* ---- remainder: a - b * floor(a / b), of b's sign ---- */
static double mod_f(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t mod_i(int64_t a, int64_t b)
{
    int64_t r = b == 0 || b == -1 ? 0 : a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static uint64_t mod_u(uint64_t a, uint64_t b) { return b == 0 ? 0 : a % b; }
BINARY_BODY(mod)

/* d(a mod b) = da - floor(a / b) db, away from the jumps */
static sw_status mod_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1);
    dx[0] = sw_sum_to(g, dy[0], a);
    dx[1] = sw_sum_to(g, sw_neg(g, sw_mul(g, dy[0], sw_floor(g, sw_div(g, a, b)))), b);
    return sw_graph_status(g);
}

const sw_op sw_op_mod = {
    SW_ROW,
    .name = "Mod",
    .doc = "The remainder of a / b with the sign of b (Python's %), elementwise with broadcasting; integers give 0 for "
           "b = 0.",
    BINARY_PORTS,
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, mod_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = mod_reference,
    .samples = &binary_samples,
};

/* ---- a whole summed down to what was broadcast to it ---- */
static sw_status sum_to_infer(sw_infer *infer)
{
    sw_infer_copy(infer, 0, sw_infer_type(infer, 1));
    return SW_OK;
}

static sw_status sum_to_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    double *values = sw_desk_load(desk, x), *sums = sw_desk_array(desk, sw_view_count(y));
    if (values == NULL || sums == NULL)
        return sw_alloc_status();
    sw_view packed = *y;
    sw_view_pack_strides(&packed);
    int64_t strides[SW_MAX_RANK];
    sw_view_broadcast_strides(&packed, x->rank, x->dims, strides);
    const int64_t *all[] = {strides};
    sw_walk w;
    int64_t k = 0;
    if (sw_walk_begin(&w, x->rank, x->dims, 1, all))
        do
            sums[w.at[0]] += values[k++];
        while (sw_walk_next(&w));
    sw_view_store(y, sums);
    return SW_OK;
}

static sw_status sum_to_reference(const sw_call *call) { return sw_on_desk(call, sum_to_body); }

static sw_status sum_to_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_expand(g, dy[0], sw_shape_of(g, sw_node_input(n, 0)));
    return sw_graph_status(g);
}

static const sw_sample sum_to_items[] = {
    {.note = "leading and inner axes", .inputs_count = 2, .dims = {{3, {2, 3, 4}}, {2, {1, 4}}}},
    {.note = "to a scalar", .inputs_count = 2, .dims = {{2, {2, 3}}, {0}}},
    {.note = "nothing to sum", .inputs_count = 2, .dims = {{2, {2, 3}}, {2, {2, 3}}}},
};
static const sw_op_samples sum_to_samples = SW_SAMPLES(sum_to_items);

const sw_op sw_op_sum_to = {
    SW_ROW,
    .name = "SumTo",
    .doc = "x summed over the axes along which `like` would be broadcast to it: the gradient of broadcasting.",
    .inputs = {{"x", SW_FLOATING}, {"like", SW_SAME_AS("x"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = sum_to_infer,
    .grad = {SW_GRAD_RULE, sum_to_grad},
    .cost = sw_cost_per_input,
    .flags = SW_DETERMINISTIC,
    .reference = sum_to_reference,
    .samples = &sum_to_samples,
};

/* ---- builders ---- */
sw_value *sw_add(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Add", a, b); }
sw_value *sw_sub(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Sub", a, b); }
sw_value *sw_mul(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Mul", a, b); }
sw_value *sw_div(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Div", a, b); }
sw_value *sw_pow(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Pow", a, b); }
sw_value *sw_min(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Min", a, b); }
sw_value *sw_max(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Max", a, b); }
sw_value *sw_mod(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Mod", a, b); }
sw_value *sw_add_scalar(sw_graph *g, sw_value *x, double c) { return sw_add(g, x, sw_scalar_like(g, x, c)); }
sw_value *sw_mul_scalar(sw_graph *g, sw_value *x, double c) { return sw_mul(g, x, sw_scalar_like(g, x, c)); }
sw_value *sw_one_minus(sw_graph *g, sw_value *x) { return sw_sub(g, sw_scalar_like(g, x, 1), x); }
