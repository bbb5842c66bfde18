/* compare.c: questions about numbers and what follows from the answer: Equal Less … And Or Xor Not Where IsNaN.
 *
 * Answers are bools, one byte, 0 or 1. Integers are compared exactly in 64 bits; a comparison with NaN is false. Where
 * chooses elements without computing with them, so it serves every dtype. */
#include "ops/row.h"
#include "ops/sample.h"

#define RELATION(name, operator_)                                                                                      \
    static bool name##_f(double a, double b) { return a operator_ b; }                                                 \
    static bool name##_i(int64_t a, int64_t b) { return a operator_ b; }                                               \
    static bool name##_u(uint64_t a, uint64_t b) { return a operator_ b; }                                             \
    static sw_status name##_reference(const sw_call *call)                                                             \
    {                                                                                                                  \
        static const sw_relation relation = {name##_f, name##_i, name##_u};                                            \
        return sw_reference_relation(call, &relation);                                                                 \
    }
RELATION(equal, ==)
RELATION(less, <)
RELATION(less_equal, <=)
RELATION(greater, >)
RELATION(greater_equal, >=)

static const sw_sample relation_items[] = {
    {.note = "equal dims", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {3, 5}}}},
    {.note = "both ways", .inputs_count = 2, .dims = {{3, {2, 1, 4}}, {2, {3, 1}}}},
    {.note = "integers",
     .inputs_count = 2,
     .dims = {{2, {4, 5}}, {1, {5}}},
     .dtype = {SW_I32, SW_I32},
     .integer_max = {4, 4}},
    {.note = "scalar", .inputs_count = 2, .dims = {{0}, {2, {2, 3}}}},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {1, {3}}}},
};
static const sw_op_samples relation_samples = SW_SAMPLES(relation_items);

#define ORDERED_PORTS .inputs = {{"a", SW_NUMERIC}, {"b", SW_SAME_AS("a")}}, .outputs = {{"y", SW_DT(SW_BOOL)}}
#define RELATION_ROW                                                                                                   \
    .infer = sw_infer_elementwise, .grad = {SW_NOT_DIFFERENTIABLE}, .cost = sw_cost_elementwise,                       \
    .samples = &relation_samples

const sw_op sw_op_equal = {
    SW_ROW,
    .name = "Equal",
    .doc = "Whether a = b, elementwise with broadcasting; NaN equals nothing.",
    .inputs = {{"a", SW_NUMERIC | SW_DT(SW_BOOL) | SW_DT(SW_STRING)}, {"b", SW_SAME_AS("a")}},
    .outputs = {{"y", SW_DT(SW_BOOL)}},
    RELATION_ROW,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_COMMUTATIVE,
    .reference = equal_reference,
};
const sw_op sw_op_less = {
    SW_ROW,
    .name = "Less",
    .doc = "Whether a < b, elementwise with broadcasting.",
    ORDERED_PORTS,
    RELATION_ROW,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = less_reference,
};
const sw_op sw_op_less_equal = {
    SW_ROW,
    .name = "LessEqual",
    .doc = "Whether a <= b, elementwise with broadcasting.",
    ORDERED_PORTS,
    RELATION_ROW,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = less_equal_reference,
};
const sw_op sw_op_greater = {
    SW_ROW,
    .name = "Greater",
    .doc = "Whether a > b, elementwise with broadcasting.",
    ORDERED_PORTS,
    RELATION_ROW,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = greater_reference,
};
const sw_op sw_op_greater_equal = {
    SW_ROW,
    .name = "GreaterEqual",
    .doc = "Whether a >= b, elementwise with broadcasting.",
    ORDERED_PORTS,
    RELATION_ROW,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = greater_equal_reference,
};

/* ---- logic ---- */
static uint64_t and_u(uint64_t a, uint64_t b) { return a & b; }
static uint64_t or_u(uint64_t a, uint64_t b) { return a | b; }
static uint64_t xor_u(uint64_t a, uint64_t b) { return a ^ b; }
#define LOGIC_BODY(name)                                                                                               \
    static sw_status name##_reference(const sw_call *call)                                                             \
    {                                                                                                                  \
        static const sw_binary formula = {.u = name##_u};                                                              \
        return sw_reference_binary(call, &formula);                                                                    \
    }
LOGIC_BODY(and)
LOGIC_BODY(or)
LOGIC_BODY(xor)

#define LOGIC_ROW                                                                                                      \
    .inputs = {{"a", SW_DT(SW_BOOL)}, {"b", SW_DT(SW_BOOL)}}, .outputs = {{"y", SW_DT(SW_BOOL)}},                      \
    .infer = sw_infer_elementwise, .grad = {SW_NOT_DIFFERENTIABLE}, .cost = sw_cost_elementwise,                       \
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_COMMUTATIVE | SW_IN_PLACE_FIRST, .samples = &logic_samples

static const sw_sample logic_items[] = {
    {.note = "equal dims", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {3, 5}}}},
    {.note = "both ways", .inputs_count = 2, .dims = {{3, {2, 1, 4}}, {2, {3, 1}}}},
    {.note = "scalar", .inputs_count = 2, .dims = {{0}, {2, {2, 3}}}},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {1, {3}}}},
};
static const sw_op_samples logic_samples = SW_SAMPLES(logic_items);

const sw_op sw_op_and = {
    SW_ROW,
    .name = "And",
    .doc = "Whether both are true, elementwise with broadcasting.",
    LOGIC_ROW,
    .reference = and_reference,
};
const sw_op sw_op_or = {
    SW_ROW,
    .name = "Or",
    .doc = "Whether one or both are true, elementwise with broadcasting.",
    LOGIC_ROW,
    .reference = or_reference,
};
const sw_op sw_op_xor = {
    SW_ROW,
    .name = "Xor",
    .doc = "Whether exactly one is true, elementwise with broadcasting.",
    LOGIC_ROW,
    .reference = xor_reference,
};

/* ---- one in, a bool out ---- */
static const sw_sample bool_items[] = {
    {.note = "matrix", .inputs_count = 1, .dims = {{2, {3, 5}}}},
    {.note = "scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "nothing", .inputs_count = 1, .dims = {{1, {0}}}},
};
static const sw_op_samples bool_samples = SW_SAMPLES(bool_items);

static double not_at(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return x == 0;
}
SW_UNARY_BODY(not, 1)
const sw_op sw_op_not = {
    SW_ROW,
    .name = "Not",
    .doc = "Whether x is false, elementwise.",
    .inputs = {{"x", SW_DT(SW_BOOL)}},
    .outputs = {{"y", SW_DT(SW_BOOL)}},
    .infer = sw_infer_elementwise,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = not_cost,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = not_reference,
    .samples = &bool_samples,
};

static double is_nan_at(double x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return isnan(x);
}
SW_UNARY_BODY(is_nan, 1)
const sw_op sw_op_is_nan = {
    SW_ROW,
    .name = "IsNaN",
    .doc = "Whether x is not a number, elementwise.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", SW_DT(SW_BOOL)}},
    .infer = sw_infer_elementwise,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = is_nan_cost,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = is_nan_reference,
    .samples = &bool_samples,
};

/* ---- choice ---- */
static sw_status where_reference(const sw_call *call)
{
    const bool *condition = call->inputs[0].data;
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    do {
        bool yes = condition[w.at[0]];
        sw_element_copy(&call->outputs[0], w.at[3], &call->inputs[yes ? 1 : 2], w.at[yes ? 1 : 2]);
    } while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status where_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *condition = sw_node_input(n, 0), *zero = sw_scalar_like(g, dy[0], 0);
    dx[1] = sw_sum_to(g, sw_where(g, condition, dy[0], zero), sw_node_input(n, 1));
    dx[2] = sw_sum_to(g, sw_where(g, condition, zero, dy[0]), sw_node_input(n, 2));
    return sw_graph_status(g);
}

static const sw_sample where_items[] = {
    {.note = "nothing", .inputs_count = 3, .dims = {{1, {1}}, {2, {0, 3}}, {1, {3}}}},
    {.note = "equal dims", .inputs_count = 3, .dims = {{2, {3, 5}}, {2, {3, 5}}, {2, {3, 5}}}},
    {.note = "all ways", .inputs_count = 3, .dims = {{2, {3, 1}}, {1, {4}}, {3, {2, 1, 1}}}},
    {.note = "scalar condition", .inputs_count = 3, .dims = {{0}, {2, {2, 3}}, {2, {2, 3}}}},
    {.note = "integers", .inputs_count = 3, .dims = {{1, {7}}, {1, {7}}, {1, {7}}}, .dtype = {SW_BOOL, SW_I64, SW_I64}},
};
static const sw_op_samples where_samples = SW_SAMPLES(where_items);

const sw_op sw_op_where = {
    SW_ROW,
    .name = "Where",
    .doc = "`yes` where the condition is true, else `no`; all three broadcast.",
    .inputs = {{"condition", SW_DT(SW_BOOL)}, {"yes", SW_MOVABLE}, {"no", SW_SAME_AS("yes")}},
    .outputs = {{"y", SW_SAME_AS("yes")}},
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, where_grad, SW_KEEP_INPUT(0)},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = where_reference,
    .samples = &where_samples,
};

/* ---- builders ---- */
sw_value *sw_equal(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Equal", a, b); }
sw_value *sw_less(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Less", a, b); }
sw_value *sw_less_equal(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "LessEqual", a, b); }
sw_value *sw_greater(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Greater", a, b); }
sw_value *sw_greater_equal(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "GreaterEqual", a, b); }
sw_value *sw_and(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "And", a, b); }
sw_value *sw_or(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Or", a, b); }
sw_value *sw_xor(sw_graph *g, sw_value *a, sw_value *b) { return sw_binary_of(g, "Xor", a, b); }
sw_value *sw_not(sw_graph *g, sw_value *x) { return sw_unary(g, "Not", x); }
sw_value *sw_where(sw_graph *g, sw_value *condition, sw_value *yes, sw_value *no)
{
    return sw_row_add(g, "Where", SW_VALUES(condition, yes, no), SW_NO_ATTRS);
}
