/* pool.c: the largest element, or the mean, of each window that slides over [N, C, spatial…].
 *
 * One loop visits the windows of a plane; a body says what to do with the elements of each. Padding never wins a
 * maximum and never counts in a mean unless count_include_pad says so. MaxPoolGrad looks for the winner again rather
 * than keep indices: the first in row-major order among equals, NaN before everything, as PyTorch does. */
#include "ops/sample.h"
#include "ops/window.h"

#define POOL_ATTRS                                                                                                     \
    SW_WINDOW_ATTRS, {"kernel", SW_ATTR_INTS, .required = true, .doc = "size of the window, one per spatial axis"},    \
    {                                                                                                                  \
        "ceil_mode", SW_ATTR_INT, .doc = "1: round the output's size up; no window begins in the padding behind"       \
    }
/* clang-format off */
#define COUNT_PAD {"count_include_pad", SW_ATTR_INT, .doc = "1: the mean divides by padding's elements too"}
/* clang-format on */

/* ---- inference ---- */
static sw_status pool_types(sw_infer *infer, const sw_type *x, sw_type *y)
{
    if (x->rank < 3 || x->rank > 5)
        return sw_infer_fail(infer, "x has %d dims, needs 3 to 5: [N, C, spatial…]", x->rank);
    int axes = x->rank - 2;
    int64_t kernel[3];
    sw_geometry g;
    if (sw_attr_ints(infer->node, "kernel", kernel, 3) != axes)
        return sw_infer_fail(infer, "kernel needs %d entries, one per spatial axis", axes);
    SW_TRY(sw_geometry_read(infer->node, axes, &g));
    bool ceil_mode = sw_attr_int(infer->node, "ceil_mode");
    y->rank = x->rank;
    y->dims[0] = x->dims[0], y->dims[1] = x->dims[1];
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        sw_dim in = x->dims[2 + i];
        if (kernel[i] < 1 || kernel[i] > INT32_MAX)
            return sw_infer_fail(infer, "kernel[%d] is %lld, must be at least 1", i, (long long)kernel[i]);
        y->dims[2 + i] =
            sw_geometry_out(infer->g, in, kernel[i], g.stride[k], g.dilation[k], g.begin[k], g.end[k], ceil_mode);
        if (sw_dim_known(in) && y->dims[2 + i] <= 0)
            return sw_infer_fail(infer, "a window of %lld does not fit into axis %d of %lld with its padding",
                                 (long long)kernel[i], 2 + i, (long long)in);
    }
    return SW_OK;
}

static sw_status pool_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    return x->rank < 0 ? sw_infer_unknown(infer) : pool_types(infer, x, &infer->outputs[0]);
}

static sw_status pool_grad_infer(sw_infer *infer)
{
    const sw_type *dy = sw_infer_type(infer, 0), *x = sw_infer_type(infer, 1);
    if (x->rank < 0 || dy->rank < 0)
        return sw_infer_unknown(infer);
    sw_type y;
    SW_TRY(pool_types(infer, x, &y));
    SW_TRY(sw_infer_rank(infer, 0, y.rank, y.rank));
    for (int i = 0; i < y.rank; i++)
        SW_TRY(sw_infer_agree(infer, dy->dims[i], y.dims[i], "dims of dy and of the pooling"));
    sw_infer_copy(infer, 0, x);
    return SW_OK;
}

/* ---- windows ---- */
static sw_status pool_geometry(const sw_call *call, const sw_view *x, const sw_view *y, sw_geometry *g)
{
    int axes = x->rank - 2;
    int64_t kernel[3];
    SW_TRY(sw_geometry_read(call->node, axes, g));
    sw_attr_ints(call->node, "kernel", kernel, 3);
    g->batch = x->dims[0], g->channels = g->outputs = x->dims[1];
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        g->in[k] = x->dims[2 + i], g->kernel[k] = kernel[i], g->out[k] = y->dims[2 + i];
    }
    return SW_OK;
}

/* The window's t-th element as an offset in the plane, -1 when it lies in the padding. *counts says whether it is
 * within the padded plane at all (windows of ceil_mode may reach beyond). */
static int64_t window_at(const sw_geometry *g, const int64_t out[3], int64_t t, bool *counts)
{
    int64_t k[3], at = 0;
    bool inside = true;
    sw_index_of(3, g->kernel, t, k);
    *counts = true;
    for (int i = 0; i < 3; i++) {
        int64_t p = out[i] * g->stride[i] + k[i] * g->dilation[i] - g->begin[i];
        inside = inside && p >= 0 && p < g->in[i];
        *counts = *counts && p < g->in[i] + g->end[i];
        at = at * g->in[i] + p;
    }
    return inside ? at : -1;
}

/* The place of the window's winner in the plane; -1 when all is padding. */
static int64_t window_winner(const sw_geometry *g, const int64_t out[3], const double *plane)
{
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], best = -1;
    bool counts;
    for (int64_t t = 0; t < taps; t++) {
        int64_t at = window_at(g, out, t, &counts);
        if (at >= 0 && (best < 0 || plane[at] > plane[best] || (isnan(plane[at]) && !isnan(plane[best]))))
            best = at;
    }
    return best;
}

/* What each element of a mean is divided by. */
static double window_size(const sw_geometry *g, const int64_t out[3], bool include_pad)
{
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], size = 0;
    for (int64_t t = 0; t < taps; t++) {
        bool counts;
        int64_t at = window_at(g, out, t, &counts);
        size += at >= 0 || (include_pad && counts);
    }
    return size ? (double)size : 1;
}

/* ---- maximum ---- */
static sw_status max_pool_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    sw_geometry g;
    SW_TRY(pool_geometry(call, x, y, &g));
    double *xv = sw_desk_load(desk, x), *yv = sw_desk_array(desk, sw_view_count(y));
    if (xv == NULL || yv == NULL)
        return sw_alloc_status();
    int64_t in = g.in[0] * g.in[1] * g.in[2], out = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < g.batch * g.channels * out; i++) {
        int64_t o[3];
        sw_index_of(3, g.out, i % out, o);
        int64_t best = window_winner(&g, o, xv + i / out * in);
        yv[i] = best >= 0 ? xv[i / out * in + best] : -INFINITY;
    }
    sw_view_store(y, yv);
    return SW_OK;
}
static sw_status max_pool_reference(const sw_call *call) { return sw_on_desk(call, max_pool_body); }

static sw_status max_pool_grad_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dy = &call->inputs[0], *x = &call->inputs[1], *dx = &call->outputs[0];
    sw_geometry g;
    SW_TRY(pool_geometry(call, x, dy, &g));
    double *xv = sw_desk_load(desk, x), *dyv = sw_desk_load(desk, dy), *dxv = sw_desk_array(desk, sw_view_count(dx));
    if (xv == NULL || dyv == NULL || dxv == NULL)
        return sw_alloc_status();
    int64_t in = g.in[0] * g.in[1] * g.in[2], out = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < g.batch * g.channels * out; i++) {
        int64_t o[3];
        sw_index_of(3, g.out, i % out, o);
        int64_t best = window_winner(&g, o, xv + i / out * in);
        if (best >= 0)
            dxv[i / out * in + best] += dyv[i];
    }
    sw_view_store(dx, dxv);
    return SW_OK;
}
static sw_status max_pool_grad_reference(const sw_call *call) { return sw_on_desk(call, max_pool_grad_body); }

/* ---- mean ---- */
/* Adds x to the windows' means, or dy's shares back to the elements. */
static void average(const sw_geometry *g, bool include_pad, bool backward, double *xv, double *yv)
{
    int64_t in = g->in[0] * g->in[1] * g->in[2], out = g->out[0] * g->out[1] * g->out[2];
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    for (int64_t i = 0; i < g->batch * g->channels * out; i++) {
        int64_t o[3];
        sw_index_of(3, g->out, i % out, o);
        double size = window_size(g, o, include_pad), *plane = xv + i / out * in, sum = 0;
        for (int64_t t = 0; t < taps; t++) {
            bool counts;
            int64_t at = window_at(g, o, t, &counts);
            if (at >= 0 && backward)
                plane[at] += yv[i] / size;
            else if (at >= 0)
                sum += plane[at];
        }
        if (!backward)
            yv[i] = sum / size;
    }
}

static sw_status average_pool_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    sw_geometry g;
    SW_TRY(pool_geometry(call, x, y, &g));
    double *xv = sw_desk_load(desk, x), *yv = sw_desk_array(desk, sw_view_count(y));
    if (xv == NULL || yv == NULL)
        return sw_alloc_status();
    average(&g, sw_attr_int(call->node, "count_include_pad"), false, xv, yv);
    sw_view_store(y, yv);
    return SW_OK;
}
static sw_status average_pool_reference(const sw_call *call) { return sw_on_desk(call, average_pool_body); }

static sw_status average_pool_grad_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dy = &call->inputs[0], *dx = &call->outputs[0];
    sw_geometry g;
    SW_TRY(pool_geometry(call, dx, dy, &g));
    double *dyv = sw_desk_load(desk, dy), *dxv = sw_desk_array(desk, sw_view_count(dx));
    if (dyv == NULL || dxv == NULL)
        return sw_alloc_status();
    average(&g, sw_attr_int(call->node, "count_include_pad"), true, dxv, dyv);
    sw_view_store(dx, dxv);
    return SW_OK;
}
static sw_status average_pool_grad_reference(const sw_call *call) { return sw_on_desk(call, average_pool_grad_body); }

/* One operation per element of each window. */
static sw_cost pool_cost_of(const sw_call *call, const sw_view *y)
{
    int64_t kernel[3] = {1, 1, 1};
    sw_attr_ints(call->node, "kernel", kernel, 3);
    return sw_cost_of(call, (double)kernel[0] * (double)kernel[1] * (double)kernel[2] * sw_cost_elements(y));
}
static sw_cost pool_cost(const sw_call *call) { return pool_cost_of(call, &call->outputs[0]); }
static sw_cost pool_grad_cost(const sw_call *call) { return pool_cost_of(call, &call->inputs[0]); }

/* ---- gradients ---- */
static sw_value *grad_row(sw_graph *g, const sw_node *n, const char *op, sw_value *a, sw_value *b)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    return b ? sw_row_add(g, op, SW_VALUES(a, b), count, attrs) : sw_row_add(g, op, SW_VALUES(a), count, attrs);
}
static sw_status max_pool_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = grad_row(g, n, "MaxPoolGrad", dy[0], sw_node_input(n, 0));
    return sw_graph_status(g);
}
static sw_status average_pool_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = grad_row(g, n, "AveragePoolGrad", dy[0], sw_node_input(n, 0));
    return sw_graph_status(g);
}
static sw_status average_pool_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = grad_row(g, n, "AveragePool", dy[0], NULL);
    return sw_graph_status(g);
}

/* ---- samples ---- */
#define CEIL SW_SET_INT("ceil_mode", 1)
#define WITH_PAD SW_SET_INT("count_include_pad", 1)
#define HALVES SW_WITH(SW_SET_INTS("kernel", 2, 2), SW_SET_INTS("strides", 2, 2))
#define OVERLAP SW_WITH(SW_SET_INTS("kernel", 3, 3), SW_SET_INTS("strides", 2, 2), SW_SET_INTS("pads", 1, 1, 1, 1))
#define UP SW_WITH(SW_SET_INTS("kernel", 3, 2), SW_SET_INTS("strides", 2, 3), SW_SET_INTS("pads", 1, 0, 0, 1), CEIL)
#define WIDE SW_WITH(SW_SET_INTS("kernel", 2, 3), SW_SET_INTS("dilations", 2, 2))
#define LINE SW_WITH(SW_SET_INTS("kernel", 3), SW_SET_INTS("strides", 2))
#define SOLID SW_WITH(SW_SET_INTS("kernel", 2, 2, 2))
/* clang-format off */
#define POOL_X {4, {2, 3, 5, 6}}
/* clang-format on */
static const sw_sample pool_items[] = {
    {.note = "halves", .inputs_count = 1, .dims = {POOL_X}, HALVES},
    {.note = "overlapping, padded", .inputs_count = 1, .dims = {POOL_X}, OVERLAP},
    {.note = "rounded up", .inputs_count = 1, .dims = {POOL_X}, UP},
    {.note = "dilated", .inputs_count = 1, .dims = {POOL_X}, WIDE},
    {.note = "one axis", .inputs_count = 1, .dims = {{3, {2, 3, 9}}}, LINE},
    {.note = "three axes", .inputs_count = 1, .dims = {{5, {1, 2, 3, 4, 3}}}, SOLID},
    {.note = "no pictures", .inputs_count = 1, .dims = {{4, {0, 3, 5, 6}}}, HALVES},
};
static const sw_op_samples pool_samples = SW_SAMPLES(pool_items);

static const sw_sample average_pool_items[] = {
    {.note = "halves", .inputs_count = 1, .dims = {POOL_X}, HALVES},
    {.note = "overlapping, padded", .inputs_count = 1, .dims = {POOL_X}, OVERLAP},
    {.note = "padding counts",
     .inputs_count = 1,
     .dims = {POOL_X},
     SW_WITH(SW_SET_INTS("kernel", 3, 3), SW_SET_INTS("strides", 2, 2), SW_SET_INTS("pads", 1, 1, 1, 1), WITH_PAD)},
    {.note = "rounded up, padding counts",
     .inputs_count = 1,
     .dims = {POOL_X},
     SW_WITH(SW_SET_INTS("kernel", 3, 2), SW_SET_INTS("strides", 2, 3), SW_SET_INTS("pads", 1, 0, 0, 1), CEIL,
             WITH_PAD)},
    {.note = "dilated", .inputs_count = 1, .dims = {POOL_X}, WIDE},
    {.note = "one axis", .inputs_count = 1, .dims = {{3, {2, 3, 9}}}, LINE},
    {.note = "three axes", .inputs_count = 1, .dims = {{5, {1, 2, 3, 4, 3}}}, SOLID},
};
static const sw_op_samples average_pool_samples = SW_SAMPLES(average_pool_items);

static const sw_sample pool_grad_items[] = {
    {.note = "halves", .inputs_count = 2, .dims = {{4, {2, 3, 2, 3}}, POOL_X}, HALVES},
    {.note = "overlapping, padded", .inputs_count = 2, .dims = {{4, {2, 3, 3, 3}}, POOL_X}, OVERLAP},
    {.note = "rounded up", .inputs_count = 2, .dims = {{4, {2, 3, 3, 2}}, POOL_X}, UP},
    {.note = "dilated", .inputs_count = 2, .dims = {{4, {2, 3, 3, 2}}, POOL_X}, WIDE},
    {.note = "one axis", .inputs_count = 2, .dims = {{3, {2, 3, 4}}, {3, {2, 3, 9}}}, LINE},
};
static const sw_op_samples pool_grad_samples = SW_SAMPLES(pool_grad_items);

/* ---- rows ---- */
const sw_op sw_op_max_pool = {
    SW_ROW,
    .name = "MaxPool",
    .doc = "The largest element of each window of x [N, C, spatial…]; padding never wins, NaN does.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {POOL_ATTRS},
    .infer = pool_infer,
    .grad = {SW_GRAD_RULE, max_pool_grad, SW_KEEP_INPUT(0)},
    .cost = pool_cost,
    .flags = SW_DETERMINISTIC,
    .reference = max_pool_reference,
    .samples = &pool_samples,
};
const sw_op sw_op_max_pool_grad = {
    SW_ROW,
    .name = "MaxPoolGrad",
    .doc = "The gradient of MaxPool: dy goes to each window's largest element, the first in row-major order among "
           "equals. Second "
           "derivatives stop here.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy")}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {POOL_ATTRS},
    .infer = pool_grad_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = pool_grad_cost,
    .flags = SW_DETERMINISTIC,
    .reference = max_pool_grad_reference,
    .samples = &pool_grad_samples,
};
const sw_op sw_op_average_pool = {
    SW_ROW,
    .name = "AveragePool",
    .doc = "The mean of each window of x [N, C, spatial…] over its elements inside x, or over padding's too.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {POOL_ATTRS, COUNT_PAD},
    .infer = pool_infer,
    .grad = {SW_GRAD_RULE, average_pool_grad},
    .cost = pool_cost,
    .flags = SW_DETERMINISTIC,
    .reference = average_pool_reference,
    .samples = &average_pool_samples,
};
const sw_op sw_op_average_pool_grad = {
    SW_ROW,
    .name = "AveragePoolGrad",
    .doc = "The gradient of AveragePool: dy shared equally among the elements of each window.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {POOL_ATTRS, COUNT_PAD},
    .infer = pool_grad_infer,
    .grad = {SW_GRAD_RULE, average_pool_grad_grad},
    .cost = pool_grad_cost,
    .flags = SW_DETERMINISTIC,
    .reference = average_pool_grad_reference,
    .samples = &pool_grad_samples,
};

/* ---- builders ---- */
sw_value *sw_max_pool(sw_graph *g, sw_value *x, const sw_window *window)
{
    sw_window_attrs attrs;
    sw_window_attrs_of(window, true, &attrs);
    return sw_row_add(g, "MaxPool", SW_VALUES(x), attrs.count, attrs.attrs);
}

sw_value *sw_average_pool(sw_graph *g, sw_value *x, const sw_window *window)
{
    sw_window_attrs attrs;
    sw_window_attrs_of(window, true, &attrs);
    attrs.attrs[attrs.count++] = SW_ATTR_I("count_include_pad", window->count_include_pad);
    return sw_row_add(g, "AveragePool", SW_VALUES(x), attrs.count, attrs.attrs);
}

static sw_value *global_pool(sw_graph *g, sw_value *x,
                             sw_value *(*reduce)(sw_graph *, sw_value *, int, const int64_t *, bool))
{
    int rank = x ? sw_value_rank(x) : 3;
    if (rank < 3 || rank > SW_MAX_RANK) {
        sw_graph_fail(g, sw_fail(SW_SHAPE, "global pooling: x has %d dims, needs at least 3: [N, C, spatial…]", rank));
        return NULL;
    }
    int64_t axes[SW_MAX_RANK];
    for (int i = 2; i < rank; i++)
        axes[i - 2] = i;
    return reduce(g, x, rank - 2, axes, true);
}
sw_value *sw_global_average_pool(sw_graph *g, sw_value *x) { return global_pool(g, x, sw_reduce_mean); }
sw_value *sw_global_max_pool(sw_graph *g, sw_value *x) { return global_pool(g, x, sw_reduce_max); }
