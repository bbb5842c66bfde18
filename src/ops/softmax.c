/* softmax.c: Softmax and LogSoftmax along one axis.
 *
 * The largest element is taken away before the exponential, so that nothing overflows and a row of equal numbers is
 * exact. Gradients are written in the output, which the forward pass has anyway. */
#include "ops/row.h"
#include "ops/sample.h"

static sw_status softmax_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int axis;
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    return sw_infer_like_first(infer);
}

/* One row: n elements, `xs` and `ys` apart. */
static void softmax_row(const sw_view *x, int64_t x_at, int64_t xs, const sw_view *y, int64_t y_at, int64_t ys,
                        int64_t n, bool logs)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = sw_load_f64(x->dtype, x->data, x_at + i * xs);
        largest = v > largest || isnan(v) ? v : largest;
    }
    for (int64_t i = 0; i < n; i++)
        sum += exp(sw_load_f64(x->dtype, x->data, x_at + i * xs) - largest);
    for (int64_t i = 0; i < n; i++) {
        double v = sw_load_f64(x->dtype, x->data, x_at + i * xs) - largest;
        sw_store_f64(y->dtype, y->data, y_at + i * ys, logs ? v - log(sum) : exp(v) / sum);
    }
}

static sw_status softmax(const sw_call *call, bool logs)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int axis = sw_axis(sw_attr_int(call->node, "axis"), x->rank);
    int64_t n = x->dims[axis], dims[SW_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? 1 : x->dims[i];
    const int64_t *strides[] = {x->strides, y->strides};
    sw_walk w;
    if (n > 0 && sw_walk_begin(&w, x->rank, dims, 2, strides))
        do
            softmax_row(x, w.at[0], x->strides[axis], y, w.at[1], y->strides[axis], n, logs);
        while (sw_walk_next(&w));
    return SW_OK;
}
static sw_status softmax_reference(const sw_call *call) { return softmax(call, false); }
static sw_status log_softmax_reference(const sw_call *call) { return softmax(call, true); }

static sw_cost softmax_cost(const sw_call *call) { return sw_cost_of(call, 14 * sw_cost_elements(&call->inputs[0])); }

static sw_value *sum_along(sw_graph *g, const sw_node *n, sw_value *v)
{
    int64_t axis = sw_attr_int(n, "axis");
    return sw_reduce_sum(g, v, 1, &axis, true);
}

/* dx = y (dy - sum(y dy)) */
static sw_status softmax_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0);
    dx[0] = sw_mul(g, y, sw_sub(g, dy[0], sum_along(g, n, sw_mul(g, y, dy[0]))));
    return sw_graph_status(g);
}

/* dx = dy - exp(y) sum(dy) */
static sw_status log_softmax_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *y = sw_node_output(n, 0);
    dx[0] = sw_sub(g, dy[0], sw_mul(g, sw_exp(g, y), sum_along(g, n, dy[0])));
    return sw_graph_status(g);
}

static const sw_sample softmax_items[] = {
    {.note = "last", .inputs_count = 1, .dims = {{2, {3, 5}}}},
    {.note = "middle", .inputs_count = 1, .dims = {{3, {2, 4, 3}}}, SW_WITH(SW_SET_INT("axis", 1))},
    {.note = "large numbers", .inputs_count = 1, .dims = {{2, {2, 5}}}, .low = 500, .high = 510},
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {0, 5}}}},
};
static const sw_op_samples softmax_samples = SW_SAMPLES(softmax_items);

#define SOFTMAX_ROW                                                                                                    \
    .inputs = {{"x", SW_FLOATING}}, .outputs = {{"y", SW_SAME_AS("x")}},                                               \
    .attrs = {{"axis", SW_ATTR_INT, .i = -1, .doc = "the axis along which the results sum to 1"}},                     \
    .infer = softmax_infer, .cost = softmax_cost, .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,                       \
    .samples = &softmax_samples

const sw_op sw_op_softmax = {
    SW_ROW,
    .name = "Softmax",
    .doc = "exp(x) / sum of exp(x) along an axis.",
    SOFTMAX_ROW,
    .grad = {SW_GRAD_RULE, softmax_grad, SW_KEEP_OUTPUT(0)},
    .reference = softmax_reference,
};
const sw_op sw_op_log_softmax = {
    SW_ROW,
    .name = "LogSoftmax",
    .doc = "x - log(sum of exp(x)) along an axis.",
    SOFTMAX_ROW,
    .grad = {SW_GRAD_RULE, log_softmax_grad, SW_KEEP_OUTPUT(0)},
    .reference = log_softmax_reference,
};

sw_value *sw_softmax(sw_graph *g, sw_value *x, int axis)
{
    return sw_row_add(g, "Softmax", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis)));
}
sw_value *sw_log_softmax(sw_graph *g, sw_value *x, int axis)
{
    return sw_row_add(g, "LogSoftmax", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis)));
}
