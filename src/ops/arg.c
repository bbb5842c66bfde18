/* arg.c: where the extremes are: ArgMax, ArgMin.
 *
 * Integers are compared exactly in 64 bits; a NaN counts as the extreme, so that it is found. */
#include "ops/groups.h"
#include "ops/sample.h"

static sw_status arg_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int axis;
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    if (x->dims[axis] == 0)
        return sw_infer_fail(infer, "axis %d has no elements to choose from", axis);
    bool marked[SW_MAX_RANK] = {false};
    marked[axis] = true;
    sw_infer_reduced(infer, x, marked);
    return SW_OK;
}

static bool better(const sw_view *x, int64_t a, int64_t b, bool largest, bool or_equal)
{
    if (sw_dtype_class(x->dtype) == SW_CLASS_FLOAT) {
        double p = sw_load_f64(x->dtype, x->data, a), q = sw_load_f64(x->dtype, x->data, b);
        if (isnan(p) || isnan(q))
            return isnan(p) && (!isnan(q) || or_equal);
        return largest ? p > q || (or_equal && p == q) : p < q || (or_equal && p == q);
    }
    if (sw_dtype_class(x->dtype) == SW_CLASS_SIGNED) {
        int64_t p = sw_load_i64(x->dtype, x->data, a), q = sw_load_i64(x->dtype, x->data, b);
        return (or_equal && p == q) || (largest ? p > q : p < q);
    }
    uint64_t p = sw_load_u64(x->dtype, x->data, a), q = sw_load_u64(x->dtype, x->data, b);
    return (or_equal && p == q) || (largest ? p > q : p < q);
}

static sw_status arg(const sw_call *call, bool largest)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int axis = sw_axis(sw_attr_int(call->node, "axis"), x->rank);
    bool last = sw_attr_int(call->node, "select_last"), marked[SW_MAX_RANK] = {false};
    marked[axis] = true;
    sw_groups s;
    sw_groups_of(x, marked, &s);
    for (int64_t k = 0; k < s.outer; k++) {
        int64_t at = sw_groups_at(&s, k), best = 0;
        for (int64_t i = 1; i < x->dims[axis]; i++)
            if (better(x, at + i * x->strides[axis], at + best * x->strides[axis], largest, last))
                best = i;
        sw_store_i64(y->dtype, y->data, sw_view_nth(y, k), best);
    }
    return SW_OK;
}
static sw_status arg_max_reference(const sw_call *call) { return arg(call, true); }
static sw_status arg_min_reference(const sw_call *call) { return arg(call, false); }

static const sw_sample arg_items[] = {
    {.note = "last", .inputs_count = 1, .dims = {{3, {2, 3, 5}}}, SW_WITH(SW_SET_INT("axis", -1))},
    {.note = "middle, dropped",
     .inputs_count = 1,
     .dims = {{3, {2, 3, 5}}},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_INT("keep_dims", 0))},
    {.note = "ties, the last",
     .inputs_count = 1,
     .dims = {{2, {4, 9}}},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_INT("select_last", 1)),
     .dtype = {SW_I32},
     .integer_max = {3}},
    {.note = "ties, the first",
     .inputs_count = 1,
     .dims = {{2, {4, 9}}},
     SW_WITH(SW_SET_INT("axis", 1)),
     .dtype = {SW_I32},
     .integer_max = {3}},
};
static const sw_op_samples arg_samples = SW_SAMPLES(arg_items);

#define ARG_ROW                                                                                                        \
    .inputs = {{"x", SW_NUMERIC}}, .outputs = {{"y", SW_DT(SW_I64)}},                                                  \
    .attrs = {{"axis", SW_ATTR_INT, .doc = "the axis searched, from the end when negative"},                           \
              {"keep_dims", SW_ATTR_INT, .i = 1, .doc = "1: that axis stays, of size 1"},                              \
              {"select_last", SW_ATTR_INT, .doc = "1: the last of equals instead of the first"}},                      \
    .infer = arg_infer, .grad = {SW_NOT_DIFFERENTIABLE}, .cost = sw_cost_per_input, .flags = SW_DETERMINISTIC,         \
    .samples = &arg_samples
const sw_op sw_op_arg_max = {
    SW_ROW,
    .name = "ArgMax",
    .doc = "The index of the largest element along an axis, the first of equals; NaN counts as the largest.",
    ARG_ROW,
    .reference = arg_max_reference,
};
const sw_op sw_op_arg_min = {
    SW_ROW,
    .name = "ArgMin",
    .doc = "The index of the smallest element along an axis, the first of equals; NaN counts as the smallest.",
    ARG_ROW,
    .reference = arg_min_reference,
};

/* ---- builders ---- */
sw_value *sw_argmax(sw_graph *g, sw_value *x, int axis, bool keep_dims)
{
    return sw_row_add(g, "ArgMax", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_I("keep_dims", keep_dims)));
}
sw_value *sw_argmin(sw_graph *g, sw_value *x, int axis, bool keep_dims)
{
    return sw_row_add(g, "ArgMin", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_I("keep_dims", keep_dims)));
}
