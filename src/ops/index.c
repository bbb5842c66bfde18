/* index.c: parts of a tensor by place: Slice Gather GatherElements ScatterElements, and the gradients of the first two.
 *
 * Taking elements out copies; the gradient of taking is adding back where they came from, so an element that was taken
 * twice gets both. Indices may count from the end; one that is outside is an error that names it, never a wild read. */
#include "ops/row.h"
#include "ops/sample.h"

#define MOVABLE (SW_ANY & ~SW_DT(SW_STRING))
#define AXIS_ATTR {"axis", SW_ATTR_INT, .doc = "the axis indexed, from the end when negative"}

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

/* starts, ends, axes and steps: one entry per sliced axis. */
struct ranges {
    int count;
    int64_t start[SW_MAX_RANK], stop[SW_MAX_RANK], axis[SW_MAX_RANK], step[SW_MAX_RANK];
};

static sw_status check_ranges(const struct ranges *r, int rank, const char *name)
{
    bool seen[SW_MAX_RANK] = {false};
    for (int i = 0; i < r->count; i++) {
        if (r->axis[i] < -rank || r->axis[i] >= rank || seen[sw_axis(r->axis[i], rank)])
            return sw_fail(SW_SHAPE, "%s: axis %lld is outside %d dims or named twice", name, (long long)r->axis[i], rank);
        if (r->step[i] == 0)
            return sw_fail(SW_SHAPE, "%s: a step of 0", name);
        seen[sw_axis(r->axis[i], rank)] = true;
    }
    return SW_OK;
}

/* Input `index` as plain numbers. False when they are not known yet. */
static bool known_ints(const sw_infer *infer, int index, int64_t *values, int *count)
{
    const sw_dim *dims;
    if (!sw_infer_contents_of(infer, index, &dims, count) || *count > SW_MAX_RANK)
        return false;
    for (int i = 0; i < *count; i++) {
        if (dims[i] <= SW_DIM_UNKNOWN)
            return false;
        values[i] = dims[i];
    }
    return true;
}

/* The dim of one sliced axis; symbolic when the axis is. */
static sw_dim slice_dim(sw_graph *g, sw_dim size, int64_t start, int64_t stop, int64_t step)
{
    int64_t first;
    if (sw_dim_known(size))
        return slice_count(size, start, stop, step, &first);
    if (step < 0 || size == SW_DIM_UNKNOWN)
        return SW_DIM_UNKNOWN;
    sw_dim from = start >= 0 ? sw_dim_min(g, start, size) : sw_dim_max(g, sw_dim_add(g, size, start), 0);
    sw_dim to = stop >= INT32_MAX ? size : stop >= 0 ? sw_dim_min(g, stop, size) : sw_dim_max(g, sw_dim_add(g, size, stop), 0);
    return sw_dim_max(g, sw_dim_ceil_div(g, sw_dim_sub(g, to, from), step), 0);
}

/* Takes starts at input `first`, then ends, axes, steps. False when some are known only at run time. */
static bool infer_ranges(const sw_infer *infer, int first, int rank, struct ranges *r)
{
    int stops, axes, steps;
    if (!known_ints(infer, first, r->start, &r->count) || !known_ints(infer, first + 1, r->stop, &stops))
        return false;
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
    if (known && x->rank == 1 && r.count == 1 && sw_infer_contents_of(infer, 0, &contents, &count)) {
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
    dx[0] = sw_row_add(g, "SliceGrad", SW_VALUES(dy[0], sw_node_input(n, 0), sw_node_input(n, 1), sw_node_input(n, 2),
                                                 sw_node_input(n, 3), sw_node_input(n, 4)), SW_NO_ATTRS);
    return sw_graph_status(g);
}

static sw_status slice_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "Slice", SW_VALUES(dy[0], sw_node_input(n, 2), sw_node_input(n, 3), sw_node_input(n, 4),
                                             sw_node_input(n, 5)), SW_NO_ATTRS);
    return sw_graph_status(g);
}

static const sw_sample slice_items[] = {
    {.note = "two axes", .inputs_count = 3, .dims = {{3, {4, 5, 2}}, {1, {2}}, {1, {2}}}, .ints = {NULL, SW_I64S(1, -4), SW_I64S(3, 100)}},
    {.note = "named axes with steps", .inputs_count = 5, .dims = {{3, {4, 5, 2}}, {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}}, .ints = {NULL, SW_I64S(0, 4), SW_I64S(4, 0), SW_I64S(0, 1), SW_I64S(2, -2)}},
    {.note = "reversed", .inputs_count = 5, .dims = {{1, {6}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}}, .ints = {NULL, SW_I64S(-1), SW_I64S(INT64_MIN), SW_I64S(0), SW_I64S(-1)}},
    {.note = "nothing left", .inputs_count = 3, .dims = {{2, {4, 3}}, {1, {1}}, {1, {1}}}, .ints = {NULL, SW_I64S(3), SW_I64S(1)}},
};
static const sw_op_samples slice_samples = SW_SAMPLES(slice_items);
static const sw_sample slice_grad_items[] = {
    {.note = "two axes", .inputs_count = 4, .dims = {{3, {2, 4, 2}}, {3, {4, 5, 2}}, {1, {2}}, {1, {2}}}, .ints = {NULL, NULL, SW_I64S(1, -4), SW_I64S(3, 100)}},
    {.note = "named axes with steps", .inputs_count = 6, .dims = {{3, {2, 2, 2}}, {3, {4, 5, 2}}, {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}}, .ints = {NULL, NULL, SW_I64S(0, 4), SW_I64S(4, 0), SW_I64S(0, 1), SW_I64S(2, -2)}},
};
static const sw_op_samples slice_grad_samples = SW_SAMPLES(slice_grad_items);

#define RANGE_PORTS                                                                                                    \
    {"starts", SW_INDEX, .flags = SW_PORT_SHAPE_VALUE}, {"ends", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE},  \
        {"axes", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE | SW_PORT_OPTIONAL},                               \
        {"steps", SW_SAME_AS("starts"), .flags = SW_PORT_SHAPE_VALUE | SW_PORT_OPTIONAL}

const sw_op sw_op_slice = {
    SW_ROW,
    .name = "Slice",
    .doc = "Elements starts, starts + steps, … before ends along each of `axes` (all in order when absent); negative places count "
           "from the end, places outside are clamped, as NumPy's x[start:end:step].",
    .inputs = {{"x", MOVABLE}, RANGE_PORTS},
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

/* ---- Gather ---- */
static sw_status gather_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0), *indices = sw_infer_type(infer, 1);
    if (x->rank < 0 || indices->rank < 0)
        return sw_infer_unknown(infer);
    int axis;
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    int rank = x->rank - 1 + indices->rank, to = 0;
    if (rank > SW_MAX_RANK)
        return sw_infer_fail(infer, "the result has %d dims, at most %d are possible", rank, SW_MAX_RANK);
    sw_dim dims[SW_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        if (i != axis)
            dims[to++] = x->dims[i];
        else
            for (int k = 0; k < indices->rank; k++)
                dims[to++] = indices->dims[k];
    sw_infer_dims(infer, 0, rank, dims);

    const sw_dim *from, *places;
    int from_count, count;
    sw_dim taken[SW_MAX_RANK];
    if (x->rank != 1 || indices->rank > 1 || !sw_infer_contents_of(infer, 0, &from, &from_count) ||
        !sw_infer_contents_of(infer, 1, &places, &count) || count > SW_MAX_RANK)
        return SW_OK;
    for (int i = 0; i < count; i++) {
        int64_t place = places[i] < 0 ? places[i] + from_count : places[i];
        if (places[i] <= SW_DIM_UNKNOWN || place < 0 || place >= from_count)
            return SW_OK;
        taken[i] = from[place];
    }
    sw_infer_contents(infer, 0, taken, count);
    return SW_OK;
}

static sw_status gather_grad_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 2);
    int axis;
    if (x->rank >= 0)
        SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    sw_infer_copy(infer, 0, x);
    return SW_OK;
}

/* The index at element `at` of `indices`, counted from the front; SW_INVALID when it is outside. */
static sw_status index_at(const sw_call *call, const sw_view *indices, int64_t at, int64_t size, int64_t *index)
{
    int64_t given = sw_load_i64(indices->dtype, indices->data, at);
    *index = given < 0 ? given + size : given;
    if (*index >= 0 && *index < size)
        return SW_OK;
    return sw_fail(SW_INVALID, "%s '%s': index %lld is outside an axis of %lld", sw_node_op(call->node)->name, sw_node_name(call->node),
                   (long long)given, (long long)size);
}

/* Visits the pairs (element of the whole, element of what is gathered). */
static sw_status gather_walk(const sw_call *call, const sw_view *whole, const sw_view *indices, const sw_view *part,
                             void (*visit)(const sw_view *whole, int64_t at, const sw_view *part, int64_t part_at))
{
    int axis = sw_axis(sw_attr_int(call->node, "axis"), whole->rank);
    int64_t index[SW_MAX_RANK] = {0};
    if (sw_view_count(part) == 0)
        return SW_OK;
    do {
        int64_t at = 0, place;
        SW_TRY(index_at(call, indices, sw_view_at(indices, index + axis), whole->dims[axis], &place));
        for (int i = 0; i < whole->rank; i++) {
            int64_t k = i < axis ? index[i] : i == axis ? place : index[i - 1 + indices->rank];
            at += k * whole->strides[i];
        }
        visit(whole, at, part, sw_view_at(part, index));
    } while (sw_index_next(part->rank, part->dims, index));
    return SW_OK;
}

static void take(const sw_view *whole, int64_t at, const sw_view *part, int64_t part_at)
{
    sw_element_copy(part, part_at, whole, at);
}
static void put_back(const sw_view *whole, int64_t at, const sw_view *part, int64_t part_at)
{
    double sum = sw_load_f64(whole->dtype, whole->data, at) + sw_load_f64(part->dtype, part->data, part_at);
    sw_store_f64(whole->dtype, whole->data, at, sum);
}

static sw_status gather_reference(const sw_call *call)
{
    return gather_walk(call, &call->inputs[0], &call->inputs[1], &call->outputs[0], take);
}

/* Sums in double before rounding once: the view that is added to lies on the desk. */
static sw_status gather_grad_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dx = &call->outputs[0];
    sw_view sums = *dx;
    sums.dtype = SW_F64;
    sums.data = sw_desk_array(desk, sw_view_count(dx));
    if (sums.data == NULL)
        return sw_alloc_status();
    sw_view_pack_strides(&sums);
    SW_TRY(gather_walk(call, &sums, &call->inputs[1], &call->inputs[0], put_back));
    sw_view_store(dx, sums.data);
    return SW_OK;
}
static sw_status gather_grad_reference(const sw_call *call) { return sw_on_desk(call, gather_grad_body); }

static sw_status gather_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "GatherGrad", SW_VALUES(dy[0], sw_node_input(n, 1), sw_node_input(n, 0)),
                       SW_ATTRS(SW_ATTR_I("axis", sw_attr_int(n, "axis"))));
    return sw_graph_status(g);
}
static sw_status gather_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "Gather", SW_VALUES(dy[0], sw_node_input(n, 1)), SW_ATTRS(SW_ATTR_I("axis", sw_attr_int(n, "axis"))));
    return sw_graph_status(g);
}

static const sw_sample gather_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {5, 3}}, {1, {4}}}, .integer_max = {0, 5}},
    {.note = "a matrix of columns", .inputs_count = 2, .dims = {{3, {2, 5, 3}}, {2, {2, 2}}}, .integer_max = {0, 5}, SW_WITH(SW_SET_INT("axis", -2))},
    {.note = "one, from the end", .inputs_count = 2, .dims = {{2, {5, 3}}, {0}}, .ints = {NULL, SW_I64S(-2)}},
    {.note = "none", .inputs_count = 2, .dims = {{2, {5, 3}}, {1, {0}}}},
};
static const sw_op_samples gather_samples = SW_SAMPLES(gather_items);
static const sw_sample gather_grad_items[] = {
    {.note = "rows, some twice", .inputs_count = 3, .dims = {{2, {4, 3}}, {1, {4}}, {2, {3, 3}}}, .integer_max = {0, 3}},
    {.note = "columns", .inputs_count = 3, .dims = {{4, {2, 2, 2, 3}}, {2, {2, 2}}, {3, {2, 5, 3}}}, .integer_max = {0, 5}, SW_WITH(SW_SET_INT("axis", 1))},
};
static const sw_op_samples gather_grad_samples = SW_SAMPLES(gather_grad_items);

const sw_op sw_op_gather = {
    SW_ROW,
    .name = "Gather",
    .doc = "The slices of x at `indices` along an axis, whose dims take that axis's place; negative indices count from the end.",
    .inputs = {{"x", MOVABLE}, {"indices", SW_INDEX}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {AXIS_ATTR},
    .infer = gather_infer,
    .grad = {SW_GRAD_RULE, gather_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = gather_reference,
    .samples = &gather_samples,
};
const sw_op sw_op_gather_grad = {
    SW_ROW,
    .name = "GatherGrad",
    .doc = "The gradient of Gather: zeros with the dims of x, each slice of dy added where it was taken from.",
    .inputs = {{"dy", SW_FLOATING}, {"indices", SW_INDEX}, {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {AXIS_ATTR},
    .infer = gather_grad_infer,
    .grad = {SW_GRAD_RULE, gather_grad_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC,
    .reference = gather_grad_reference,
    .samples = &gather_grad_samples,
};

/* ---- one index per element ---- */
static sw_status elements_infer(sw_infer *infer, int like)
{
    const sw_type *x = sw_infer_type(infer, 0), *indices = sw_infer_type(infer, 1), *updates = sw_infer_type(infer, 2);
    if (x->rank < 0 || indices->rank < 0)
        return sw_infer_unknown(infer);
    int axis;
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    SW_TRY(sw_infer_rank(infer, 1, x->rank, x->rank));
    for (int i = 0; i < x->rank; i++)
        if (i != axis && sw_dim_known(x->dims[i]) && sw_dim_known(indices->dims[i]) && indices->dims[i] > x->dims[i])
            return sw_infer_fail(infer, "indices have %lld along axis %d, x only %lld", (long long)indices->dims[i], i, (long long)x->dims[i]);
    for (int i = 0; updates != NULL && updates->rank == indices->rank && i < indices->rank; i++)
        SW_TRY(sw_infer_agree(infer, updates->dims[i], indices->dims[i], "dims of indices and updates"));
    if (updates != NULL && updates->rank >= 0)
        SW_TRY(sw_infer_rank(infer, 2, x->rank, x->rank));
    sw_infer_copy(infer, 0, like == 0 ? x : indices);
    return SW_OK;
}
static sw_status gather_elements_infer(sw_infer *infer) { return elements_infer(infer, 1); }
static sw_status scatter_elements_infer(sw_infer *infer) { return elements_infer(infer, 0); }

/* The place in `whole` that index[] means, with its axis replaced by the index standing there. */
static sw_status element_place(const sw_call *call, const sw_view *whole, const sw_view *indices, const int64_t *index, int64_t *at)
{
    int axis = sw_axis(sw_attr_int(call->node, "axis"), whole->rank);
    int64_t place;
    SW_TRY(index_at(call, indices, sw_view_at(indices, index), whole->dims[axis], &place));
    *at = sw_view_at(whole, index) + (place - index[axis]) * whole->strides[axis];
    return SW_OK;
}

static sw_status gather_elements_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *indices = &call->inputs[1], *y = &call->outputs[0];
    int64_t index[SW_MAX_RANK] = {0}, at;
    if (sw_view_count(indices) == 0)
        return SW_OK;
    do {
        SW_TRY(element_place(call, x, indices, index, &at));
        sw_element_copy(y, sw_view_at(y, index), x, at);
    } while (sw_index_next(indices->rank, indices->dims, index));
    return SW_OK;
}

/* y[at] with the update folded in; `how` is the reduction. */
static void fold_in(const sw_view *y, int64_t at, const sw_view *updates, int64_t from, const char *how)
{
    bool add = strcmp(how, "add") == 0, mul = strcmp(how, "mul") == 0, least = strcmp(how, "min") == 0;
#define FOLDED(load, store)                                                                                            \
    do {                                                                                                               \
        __typeof__(load(y->dtype, y->data, 0)) a = load(y->dtype, y->data, at), b = load(updates->dtype, updates->data, from);  \
        store(y->dtype, y->data, at, add ? a + b : mul ? a * b : least ? (b < a ? b : a) : b > a ? b : a);             \
    } while (0)
    if (strcmp(how, "none") == 0)
        sw_element_copy(y, at, updates, from);
    else if (sw_dtype_class(y->dtype) == SW_CLASS_FLOAT)
        FOLDED(sw_load_f64, sw_store_f64);
    else if (sw_dtype_class(y->dtype) == SW_CLASS_SIGNED && (add || mul))
        FOLDED(sw_load_u64, sw_store_u64); /* wrapping: two's complement bits are the same */
    else if (sw_dtype_class(y->dtype) == SW_CLASS_SIGNED)
        FOLDED(sw_load_i64, sw_store_i64);
    else
        FOLDED(sw_load_u64, sw_store_u64);
#undef FOLDED
}

static sw_status scatter_into(const sw_call *call, const sw_view *y)
{
    const sw_view *indices = &call->inputs[1], *updates = &call->inputs[2];
    const char *how = sw_attr_string(call->node, "reduction");
    int64_t index[SW_MAX_RANK] = {0}, at;
    if (sw_view_count(indices) == 0)
        return SW_OK;
    do {
        SW_TRY(element_place(call, y, indices, index, &at));
        fold_in(y, at, updates, sw_view_at(updates, index), how);
    } while (sw_index_next(indices->rank, indices->dims, index));
    return SW_OK;
}

/* Folds in double on the desk, so that what meets several updates is rounded once. */
static sw_status scatter_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *y = &call->outputs[0];
    sw_view wide = *y;
    wide.dtype = SW_F64;
    wide.data = sw_desk_load(desk, &call->inputs[0]);
    if (wide.data == NULL)
        return sw_alloc_status();
    sw_view_pack_strides(&wide);
    SW_TRY(scatter_into(call, &wide));
    sw_view_store(y, wide.data);
    return SW_OK;
}

static sw_status scatter_elements_reference(const sw_call *call)
{
    bool folds = strcmp(sw_attr_string(call->node, "reduction"), "none") != 0;
    if (folds && sw_dtype_class(call->outputs[0].dtype) == SW_CLASS_FLOAT)
        return sw_on_desk(call, scatter_body);
    SW_TRY(sw_reference_copy(call));
    return scatter_into(call, &call->outputs[0]);
}

static sw_value *by_elements(sw_graph *g, const sw_node *n, const char *op, sw_value *x, sw_value *updates, const char *how)
{
    int64_t axis = sw_attr_int(n, "axis");
    if (updates == NULL)
        return sw_row_add(g, op, SW_VALUES(x, sw_node_input(n, 1)), SW_ATTRS(SW_ATTR_I("axis", axis)));
    return sw_row_add(g, op, SW_VALUES(x, sw_node_input(n, 1), updates), SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_S("reduction", how)));
}

static sw_status gather_elements_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *zeros = sw_zeros_like(g, sw_node_input(n, 0));
    dx[0] = by_elements(g, n, "ScatterElements", zeros, dy[0], "add");
    return sw_graph_status(g);
}

/* What was replaced has no say; what was added has all of it. */
static sw_status scatter_elements_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    const char *how = sw_attr_string(n, "reduction");
    if (strcmp(how, "add") != 0 && strcmp(how, "none") != 0)
        return sw_fail(SW_UNSUPPORTED, "ScatterElements '%s': no gradient for reduction '%s', only for none and add", sw_node_name(n), how);
    sw_value *updates = sw_node_input(n, 2);
    dx[0] = strcmp(how, "add") == 0 ? dy[0] : by_elements(g, n, "ScatterElements", dy[0], sw_zeros_like(g, updates), "none");
    dx[2] = by_elements(g, n, "GatherElements", dy[0], NULL, NULL);
    return sw_graph_status(g);
}

static const sw_sample gather_elements_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {4, 3}}, {2, {2, 3}}}, .integer_max = {0, 4}},
    {.note = "last axis", .inputs_count = 2, .dims = {{2, {4, 3}}, {2, {4, 5}}}, .integer_max = {0, 3}, SW_WITH(SW_SET_INT("axis", -1))},
};
static const sw_op_samples gather_elements_samples = SW_SAMPLES(gather_elements_items);

#define SCATTER_DIMS .inputs_count = 3, .dims = {{2, {3, 5}}, {2, {3, 2}}, {2, {3, 2}}}
static const sw_sample scatter_elements_items[] = {
    {.note = "replace", SCATTER_DIMS, .ints = {NULL, SW_I64S(0, 3, 1, -1, 4, 2)}, SW_WITH(SW_SET_INT("axis", 1))},
    {.note = "add, some twice", SCATTER_DIMS, .integer_max = {0, 3}, SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "add"))},
    {.note = "multiply", SCATTER_DIMS, .integer_max = {0, 3}, SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "mul")), .smooth_off = true},
    {.note = "largest", SCATTER_DIMS, .integer_max = {0, 3}, SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "max")), .smooth_off = true},
    {.note = "smallest, integers", SCATTER_DIMS, .integer_max = {0, 3, 0}, .dtype = {SW_I32, SW_I64, SW_I32}, SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "min")), .smooth_off = true},
};
static const sw_op_samples scatter_elements_samples = SW_SAMPLES(scatter_elements_items);

const sw_op sw_op_gather_elements = {
    SW_ROW,
    .name = "GatherElements",
    .doc = "y[i, j, …] = x[indices[i, j, …], j, …] for axis 0, and so along any axis: one index per element.",
    .inputs = {{"x", MOVABLE}, {"indices", SW_INDEX}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {AXIS_ATTR},
    .infer = gather_elements_infer,
    .grad = {SW_GRAD_RULE, gather_elements_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = gather_elements_reference,
    .samples = &gather_elements_samples,
};
const sw_op sw_op_scatter_elements = {
    SW_ROW,
    .name = "ScatterElements",
    .doc = "x with x[indices[i, j, …], j, …] (for axis 0) replaced by updates[i, j, …], or combined with it by `reduction`; the order of "
           "updates to one element is row-major.",
    .inputs = {{"x", SW_NUMERIC | SW_DT(SW_BOOL)}, {"indices", SW_INDEX}, {"updates", SW_SAME_AS("x")}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {AXIS_ATTR, {"reduction", SW_ATTR_STRING, .s = "none", .choices = "none|add|mul|min|max", .doc = "how an update meets what is there"}},
    .infer = scatter_elements_infer,
    .grad = {SW_GRAD_RULE, scatter_elements_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = scatter_elements_reference,
    .samples = &scatter_elements_samples,
};

/* ---- builders ---- */
sw_value *sw_slice(sw_graph *g, sw_value *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    int64_t axis64 = axis;
    return sw_row_add(g, "Slice", SW_VALUES(x, sw_ints(g, 1, &start), sw_ints(g, 1, &stop), sw_ints(g, 1, &axis64), sw_ints(g, 1, &step)),
                      SW_NO_ATTRS);
}
sw_value *sw_gather(sw_graph *g, sw_value *x, sw_value *indices, int axis)
{
    return sw_row_add(g, "Gather", SW_VALUES(x, indices), SW_ATTRS(SW_ATTR_I("axis", axis)));
}
sw_value *sw_scatter(sw_graph *g, sw_value *x, sw_value *indices, sw_value *updates, int axis, bool add)
{
    return sw_row_add(g, "ScatterElements", SW_VALUES(x, indices, updates),
                      SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_S("reduction", add ? "add" : "none")));
}
