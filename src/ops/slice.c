/* slice.c: parts of a tensor by ranges along its axes: Slice and its gradient.
 *
 * Ranges are values, clamped to the axis as NumPy does, so a slice has no wrong ends; what they give is known at build
 * time when they are constants, or computed from shapes, in which case places and axes may be formulas of symbols. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- Slice ---- */
/* One axis of a slice, with a range that is clamped to the axis as NumPy does. */
static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

static int64_t slice_count(int64_t size, int64_t start, int64_t stop, int64_t step, int64_t *first)
{
    start = start < 0 ? start + size : start;
    stop = stop < 0 ? stop + size : stop;
    *first = step > 0 ? clamp(start, 0, size) : clamp(start, -1, size - 1);
    stop = step > 0 ? clamp(stop, 0, size) : clamp(stop, -1, size - 1);
    int64_t distance = step > 0 ? stop - *first : *first - stop;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    return distance <= 0 ? 0 : (int64_t)(((uint64_t)distance - 1) / stride + 1);
}

/* starts, ends, axes and steps: one entry per sliced axis. While inferring, starts and ends are dims. */
struct ranges {
    int count;
    int64_t start[SW_MAX_RANK], stop[SW_MAX_RANK], axis[SW_MAX_RANK], step[SW_MAX_RANK];
};

static sw_status check_ranges(const struct ranges *r, int rank, const char *name)
{
    bool seen[SW_MAX_RANK] = {false};
    for (int i = 0; i < r->count; i++) {
        if (r->axis[i] < -rank || r->axis[i] >= rank || seen[sw_axis(r->axis[i], rank)])
            return sw_fail(SW_SHAPE, "%s: axis %lld is outside %d dims or named twice", name, (long long)r->axis[i],
                           rank);
        if (r->step[i] == 0)
            return sw_fail(SW_SHAPE, "%s: a step of 0", name);
        seen[sw_axis(r->axis[i], rank)] = true;
    }
    return SW_OK;
}

/* The contents of input `index`, symbolic ones included. False when they are not known yet. */
static bool known_dims(const sw_infer *infer, int index, sw_dim *values, int *count)
{
    const sw_dim *dims;
    if (!sw_infer_contents_of(infer, index, &dims, count) || *count > SW_MAX_RANK)
        return false;
    memcpy(values, dims, sizeof *dims * (size_t)*count);
    return true;
}

static bool known_ints(const sw_infer *infer, int index, int64_t *values, int *count)
{
    if (!known_dims(infer, index, values, count))
        return false;
    for (int i = 0; i < *count; i++)
        if (values[i] <= SW_DIM_UNKNOWN)
            return false;
    return true;
}

/* A place on an axis: from its end when negative, clamped. Not known when its sign is not. */
static sw_dim place_on(sw_graph *g, sw_dim size, sw_dim place)
{
    int64_t low, high;
    sw_dim_range(g, place, &low, &high);
    if (low >= 0)
        return low >= INT32_MAX ? size : sw_dim_min(g, place, size);
    return high < 0 ? sw_dim_max(g, sw_dim_add(g, size, place), 0) : SW_DIM_UNKNOWN;
}

/* The dim of one sliced axis. */
static sw_dim slice_dim(sw_graph *g, sw_dim size, sw_dim start, sw_dim stop, int64_t step)
{
    int64_t first;
    if (sw_dim_known(size) && start > SW_DIM_UNKNOWN && stop > SW_DIM_UNKNOWN)
        return slice_count(size, start, stop, step, &first);
    if (step < 0)
        return SW_DIM_UNKNOWN;
    sw_dim length = sw_dim_sub(g, place_on(g, size, stop), place_on(g, size, start));
    return sw_dim_max(g, sw_dim_ceil_div(g, length, step), 0);
}

/* Takes starts at input `first`, then ends, axes, steps. False when it is not even known which axes they are about;
 * places that are known only at run time are SW_DIM_UNKNOWN. */
static bool infer_ranges(const sw_infer *infer, int first, int rank, struct ranges *r)
{
    const sw_type *starts = sw_infer_type(infer, first);
    int stops, axes, steps;
    if (!known_dims(infer, first, r->start, &r->count)) {
        if (starts->rank != 1 || starts->dims[0] < 0 || starts->dims[0] > SW_MAX_RANK)
            return false;
        r->count = (int)starts->dims[0];
        for (int i = 0; i < r->count; i++)
            r->start[i] = SW_DIM_UNKNOWN;
    }
    if (!known_dims(infer, first + 1, r->stop, &stops))
        for (stops = 0; stops < r->count; stops++)
            r->stop[stops] = SW_DIM_UNKNOWN;
    axes = steps = r->count;
    for (int i = 0; i < r->count; i++)
        r->axis[i] = i, r->step[i] = 1;
    if (sw_infer_type(infer, first + 2) && !known_ints(infer, first + 2, r->axis, &axes))
        return false;
    if (sw_infer_type(infer, first + 3) && !known_ints(infer, first + 3, r->step, &steps))
        return false;
    r->count = stops == r->count && axes == r->count && steps == r->count && r->count <= rank ? r->count : -1;
    return true;
}

static sw_status slice_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    struct ranges r;
    sw_dim dims[SW_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    bool known = infer_ranges(infer, 1, x->rank, &r);
    if (known && r.count < 0)
        return sw_infer_fail(infer, "starts, ends, axes and steps need one entry each per sliced axis");
    if (known && check_ranges(&r, x->rank, "Slice") != SW_OK)
        return sw_infer_fail(infer, "axes must be distinct and within %d dims, steps must not be 0", x->rank);
    for (int i = 0; known && i < r.count; i++) {
        int axis = sw_axis(r.axis[i], x->rank);
        dims[axis] = slice_dim(infer->g, x->dims[axis], r.start[i], r.stop[i], r.step[i]);
    }
    for (int i = 0; !known && i < x->rank; i++)
        dims[i] = SW_DIM_UNKNOWN;
    sw_infer_dims(infer, 0, x->rank, dims);

    const sw_dim *contents;
    int count;
    if (known && x->rank == 1 && r.count == 1 && r.start[0] > SW_DIM_UNKNOWN && r.stop[0] > SW_DIM_UNKNOWN &&
        sw_infer_contents_of(infer, 0, &contents, &count)) {
        sw_dim part[SW_MAX_RANK];
        int64_t from, items = slice_count(count, r.start[0], r.stop[0], r.step[0], &from);
        for (int64_t i = 0; i < items && items <= SW_MAX_RANK; i++)
            part[i] = contents[from + i * r.step[0]];
        if (items <= SW_MAX_RANK)
            sw_infer_contents(infer, 0, part, (int)items);
    }
    return SW_OK;
}

static sw_status slice_grad_infer(sw_infer *infer)
{
    sw_infer_copy(infer, 0, sw_infer_type(infer, 1));
    return SW_OK;
}

/* Where the part begins in the whole, and its strides there. */
static sw_status slice_place(const sw_call *call, int first, const sw_view *whole, int64_t *at, int64_t *strides)
{
    struct ranges r;
    r.count = sw_call_ints(call, first, r.start, SW_MAX_RANK);
    sw_call_ints(call, first + 1, r.stop, SW_MAX_RANK);
    for (int i = 0; i < r.count; i++)
        r.axis[i] = i, r.step[i] = 1;
    sw_call_ints(call, first + 2, r.axis, SW_MAX_RANK);
    sw_call_ints(call, first + 3, r.step, SW_MAX_RANK);
    SW_TRY(check_ranges(&r, whole->rank, sw_node_op(call->node)->name));
    *at = 0;
    for (int i = 0; i < whole->rank; i++)
        strides[i] = whole->strides[i];
    for (int i = 0; i < r.count; i++) {
        int axis = sw_axis(r.axis[i], whole->rank);
        int64_t from;
        slice_count(whole->dims[axis], r.start[i], r.stop[i], r.step[i], &from);
        *at += from * whole->strides[axis];
        strides[axis] = whole->strides[axis] * r.step[i];
    }
    return SW_OK;
}

static sw_status slice_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t at, strides[SW_MAX_RANK];
    SW_TRY(slice_place(call, 1, x, &at, strides));
    const int64_t *all[] = {strides, y->strides};
    sw_walk w;
    if (sw_walk_begin(&w, y->rank, y->dims, 2, all))
        do
            sw_element_copy(y, w.at[1], x, at + w.at[0]);
        while (sw_walk_next(&w));
    return SW_OK;
}

static void fill_zero(const sw_view *view)
{
    const int64_t *all[] = {view->strides};
    sw_walk w;
    if (sw_walk_begin(&w, view->rank, view->dims, 1, all))
        do
            sw_store_f64(view->dtype, view->data, w.at[0], 0);
        while (sw_walk_next(&w));
}

static sw_status slice_grad_reference(const sw_call *call)
{
    const sw_view *dy = &call->inputs[0], *dx = &call->outputs[0];
    int64_t at, strides[SW_MAX_RANK];
    SW_TRY(slice_place(call, 2, dx, &at, strides));
    fill_zero(dx);
    const int64_t *all[] = {strides, dy->strides};
    sw_walk w;
    if (sw_walk_begin(&w, dy->rank, dy->dims, 2, all))
        do
            sw_element_copy(dx, at + w.at[0], dy, w.at[1]);
        while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status slice_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "SliceGrad",
                       SW_VALUES(dy[0], sw_node_input(n, 0), sw_node_input(n, 1), sw_node_input(n, 2),
                                 sw_node_input(n, 3), sw_node_input(n, 4)),
                       SW_NO_ATTRS);
    return sw_graph_status(g);
}

static sw_status slice_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] =
        sw_row_add(g, "Slice",
                   SW_VALUES(dy[0], sw_node_input(n, 2), sw_node_input(n, 3), sw_node_input(n, 4), sw_node_input(n, 5)),
                   SW_NO_ATTRS);
    return sw_graph_status(g);
}

static const sw_sample slice_items[] = {
    {.note = "two axes",
     .inputs_count = 3,
     .dims = {{3, {4, 5, 2}}, {1, {2}}, {1, {2}}},
     .ints = {NULL, SW_I64S(1, -4), SW_I64S(3, 100)}},
    {.note = "named axes with steps",
     .inputs_count = 5,
     .dims = {{3, {4, 5, 2}}, {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}},
     .ints = {NULL, SW_I64S(0, 4), SW_I64S(4, 0), SW_I64S(0, 1), SW_I64S(2, -2)}},
    {.note = "reversed",
     .inputs_count = 5,
     .dims = {{1, {6}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}},
     .ints = {NULL, SW_I64S(-1), SW_I64S(INT64_MIN), SW_I64S(0), SW_I64S(-1)}},
    {.note = "nothing left",
     .inputs_count = 3,
     .dims = {{2, {4, 3}}, {1, {1}}, {1, {1}}},
     .ints = {NULL, SW_I64S(3), SW_I64S(1)}},
};
static const sw_op_samples slice_samples = SW_SAMPLES(slice_items);
static const sw_sample slice_grad_items[] = {
    {.note = "two axes",
     .inputs_count = 4,
     .dims = {{3, {2, 4, 2}}, {3, {4, 5, 2}}, {1, {2}}, {1, {2}}},
     .ints = {NULL, NULL, SW_I64S(1, -4), SW_I64S(3, 100)}},
    {.note = "named axes with steps",
     .inputs_count = 6,
     .dims = {{3, {2, 2, 2}}, {3, {4, 5, 2}}, {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}},
     .ints = {NULL, NULL, SW_I64S(0, 4), SW_I64S(4, 0), SW_I64S(0, 1), SW_I64S(2, -2)}},
};
static const sw_op_samples slice_grad_samples = SW_SAMPLES(slice_grad_items);

/* clang-format off */
#define RANGE_PORTS                                                                                                    \
    {"starts", SW_INDEX, .flags = SW_PORT_SHAPE_VALUE}, {"ends", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE},  \
        {"axes", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE | SW_PORT_OPTIONAL},                               \
        {"steps", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE | SW_PORT_OPTIONAL}
/* clang-format on */

const sw_op sw_op_slice = {
    SW_ROW,
    .name = "Slice",
    .doc = "Elements starts, starts + steps, … before ends along each of `axes` (all in order when absent); negative "
           "places count "
           "from the end, places outside are clamped, as NumPy's x[start:end:step].",
    .inputs = {{"x", SW_MOVABLE}, RANGE_PORTS},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = slice_infer,
    .grad = {SW_GRAD_RULE, slice_grad, SW_KEEP_INPUT(1) | SW_KEEP_INPUT(2) | SW_KEEP_INPUT(3) | SW_KEEP_INPUT(4)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = slice_reference,
    .samples = &slice_samples,
};
const sw_op sw_op_slice_grad = {
    SW_ROW,
    .name = "SliceGrad",
    .doc = "The gradient of Slice: zeros with the dims of x, dy where it was taken from.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}, RANGE_PORTS},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .infer = slice_grad_infer,
    .grad = {SW_GRAD_RULE, slice_grad_grad, SW_KEEP_INPUT(2) | SW_KEEP_INPUT(3) | SW_KEEP_INPUT(4) | SW_KEEP_INPUT(5)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = slice_grad_reference,
    .samples = &slice_grad_samples,
};

/* ---- builder ---- */
sw_value *sw_slice(sw_graph *g, sw_value *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    int64_t axis64 = axis;
    return sw_row_add(
        g, "Slice",
        SW_VALUES(x, sw_ints(g, 1, &start), sw_ints(g, 1, &stop), sw_ints(g, 1, &axis64), sw_ints(g, 1, &step)),
        SW_NO_ATTRS);
}
