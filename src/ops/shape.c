/* shape.c: the same elements under other dims: Reshape Squeeze Unsqueeze Flatten, and what reads and uses shapes:
 * Shape, ConstantOfShape.
 *
 * Rows that keep the order of elements are views: a backend may give them their input's storage. Nothing computes, so
 * all element types pass but strings. A shape is a small i64 tensor whose contents inference follows symbol by symbol.
 */
#include "ops/row.h"
#include "ops/sample.h"

#define VIEW_ROW .cost = sw_cost_move, .flags = SW_DETERMINISTIC | SW_VIEW_OF_FIRST, .reference = sw_reference_copy

/* dx has x's dims: undoes any row that keeps the order of elements. */
static sw_status view_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_reshape_like(g, dy[0], sw_node_input(n, 0));
    return sw_graph_status(g);
}

static sw_dim product(sw_graph *g, const sw_dim *dims, int count)
{
    sw_dim all = 1;
    for (int i = 0; i < count; i++)
        all = sw_dim_mul(g, all, dims[i]);
    return all;
}

/* Small integers keep their contents when only their dims change. */
static void keep_contents(sw_infer *infer)
{
    const sw_dim *contents;
    int count;
    if (sw_infer_contents_of(infer, 0, &contents, &count))
        sw_infer_contents(infer, 0, contents, count);
}

/* ---- Reshape ---- */
static sw_status reshape_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0), *shape = sw_infer_type(infer, 1);
    const sw_dim *to;
    int rank;
    SW_TRY(sw_infer_rank(infer, 1, 1, 1));
    if (!sw_infer_contents_of(infer, 1, &to, &rank)) {
        if (shape->rank != 1 || !sw_dim_known(shape->dims[0]) || shape->dims[0] > SW_MAX_RANK)
            return sw_infer_unknown(infer);
        sw_dim dims[SW_MAX_RANK];
        for (int i = 0; i < (int)shape->dims[0]; i++)
            dims[i] = SW_DIM_UNKNOWN;
        sw_infer_dims(infer, 0, (int)shape->dims[0], dims);
        return SW_OK;
    }
    if (rank > SW_MAX_RANK)
        return sw_infer_fail(infer, "a shape of %d dims, at most %d are possible", rank, SW_MAX_RANK);
    sw_dim dims[SW_MAX_RANK], others = 1;
    int open = -1;
    for (int i = 0; i < rank; i++) {
        dims[i] = to[i];
        if (to[i] == -1 && open >= 0)
            return sw_infer_fail(infer, "only one dim may be -1");
        if (to[i] < -1 && to[i] > SW_DIM_UNKNOWN)
            return sw_infer_fail(infer, "dim %d is %lld", i, (long long)to[i]);
        if (to[i] == -1)
            open = i;
        else
            others = sw_dim_mul(infer->g, others, to[i]);
    }
    sw_dim all = x->rank < 0 ? SW_DIM_UNKNOWN : product(infer->g, x->dims, x->rank);
    bool known = sw_dim_known(all) && sw_dim_known(others);
    if (known && (open < 0 ? all != others : others == 0 ? all != 0 : all % others != 0)) {
        char text[128];
        sw_dims wanted = {.rank = rank};
        memcpy(wanted.dim, dims, sizeof(int64_t) * (size_t)rank);
        return sw_infer_fail(infer, "%lld elements do not fill %s", (long long)all,
                             sw_dims_text(wanted, text, sizeof text));
    }
    if (open >= 0)
        dims[open] = others == 0 ? 0 : sw_dim_div(infer->g, all, others);
    sw_infer_dims(infer, 0, rank, dims);
    keep_contents(infer);
    return SW_OK;
}

static const sw_sample reshape_items[] = {
    {.note = "split and merge", .inputs_count = 2, .dims = {{2, {6, 4}}, {1, {3}}}, .ints = {NULL, SW_I64S(2, 3, 4)}},
    {.note = "one dim open", .inputs_count = 2, .dims = {{3, {2, 3, 4}}, {1, {2}}}, .ints = {NULL, SW_I64S(-1, 4)}},
    {.note = "to a scalar", .inputs_count = 2, .dims = {{2, {1, 1}}, {1, {0}}}, .ints = {NULL, SW_I64S(0)}},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {1, {2}}}, .ints = {NULL, SW_I64S(5, 0)}},
};
static const sw_op_samples reshape_samples = SW_SAMPLES(reshape_items);

const sw_op sw_op_reshape = {
    SW_ROW,
    .name = "Reshape",
    .doc = "x with the dims in `shape`, row-major order kept; one dim may be -1 and takes what is left.",
    .inputs = {{"x", SW_MOVABLE}, {"shape", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = reshape_infer,
    .grad = {SW_GRAD_RULE, view_grad},
    VIEW_ROW,
    .samples = &reshape_samples,
};

/* ---- Squeeze, Unsqueeze, Flatten ---- */
static sw_status squeeze_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int64_t axes[SW_MAX_RANK];
    bool marked[SW_MAX_RANK], all = sw_attr_ints(infer->node, "axes", axes, SW_MAX_RANK) == 0;
    if (sw_axes_marked(infer->node, "axes", x->rank, marked) != SW_OK)
        return sw_infer_fail(infer, "axes must be distinct and within %d dims", x->rank);
    sw_dim dims[SW_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (marked[i] && !all && sw_dim_known(x->dims[i]) && x->dims[i] != 1)
            return sw_infer_fail(infer, "axis %d has size %lld, only 1 can be squeezed", i, (long long)x->dims[i]);
        if (all ? x->dims[i] != 1 : !marked[i])
            dims[rank++] = x->dims[i];
    }
    sw_infer_dims(infer, 0, rank, dims);
    keep_contents(infer);
    return SW_OK;
}

static const sw_sample squeeze_items[] = {
    {.note = "named", .inputs_count = 1, .dims = {{4, {1, 3, 1, 2}}}, SW_WITH(SW_SET_INTS("axes", 0, -2))},
    {.note = "all of size 1", .inputs_count = 1, .dims = {{4, {1, 3, 1, 2}}}},
};
static const sw_op_samples squeeze_samples = SW_SAMPLES(squeeze_items);

const sw_op sw_op_squeeze = {
    SW_ROW,
    .name = "Squeeze",
    .doc = "x without the named axes, which have size 1; without names, without all of size 1.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"axes", SW_ATTR_INTS, .doc = "axes to leave out; empty: every one of size 1"}},
    .infer = squeeze_infer,
    .grad = {SW_GRAD_RULE, view_grad},
    VIEW_ROW,
    .samples = &squeeze_samples,
};

static sw_status unsqueeze_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(infer->node, "axes", axes, SW_MAX_RANK), rank = x->rank + count;
    if (rank > SW_MAX_RANK)
        return sw_infer_fail(infer, "the result has %d dims, at most %d are possible", rank, SW_MAX_RANK);
    bool marked[SW_MAX_RANK] = {false};
    if (count > 0 && sw_axes_marked(infer->node, "axes", rank, marked) != SW_OK)
        return sw_infer_fail(infer, "axes must be distinct and within the result's %d dims", rank);
    sw_dim dims[SW_MAX_RANK];
    for (int i = 0, from = 0; i < rank; i++)
        dims[i] = marked[i] ? 1 : x->dims[from++];
    sw_infer_dims(infer, 0, rank, dims);
    keep_contents(infer);
    return SW_OK;
}

static const sw_sample unsqueeze_items[] = {
    {.note = "front and back", .inputs_count = 1, .dims = {{2, {3, 2}}}, SW_WITH(SW_SET_INTS("axes", 0, -1))},
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}, SW_WITH(SW_SET_INTS("axes", 0))},
};
static const sw_op_samples unsqueeze_samples = SW_SAMPLES(unsqueeze_items);

const sw_op sw_op_unsqueeze = {
    SW_ROW,
    .name = "Unsqueeze",
    .doc = "x with axes of size 1 put in, so that the result has them at the places named.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"axes", SW_ATTR_INTS, .required = true, .doc = "places in the result, from the end when negative"}},
    .infer = unsqueeze_infer,
    .grad = {SW_GRAD_RULE, view_grad},
    VIEW_ROW,
    .samples = &unsqueeze_samples,
};

static sw_status flatten_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int64_t axis = sw_attr_int(infer->node, "axis");
    if (axis < -x->rank || axis > x->rank)
        return sw_infer_fail(infer, "axis %lld is outside %d dims", (long long)axis, x->rank);
    int split = sw_axis(axis, x->rank);
    sw_dim dims[] = {product(infer->g, x->dims, split), product(infer->g, x->dims + split, x->rank - split)};
    sw_infer_dims(infer, 0, 2, dims);
    return SW_OK;
}

static const sw_sample flatten_items[] = {
    {.note = "pictures", .inputs_count = 1, .dims = {{4, {2, 3, 2, 2}}}},
    {.note = "from the start", .inputs_count = 1, .dims = {{2, {2, 3}}}, SW_WITH(SW_SET_INT("axis", 0))},
    {.note = "nothing", .inputs_count = 1, .dims = {{3, {0, 3, 2}}}},
};
static const sw_op_samples flatten_samples = SW_SAMPLES(flatten_items);

const sw_op sw_op_flatten = {
    SW_ROW,
    .name = "Flatten",
    .doc = "x as a matrix: the dims before `axis` become the rows, the others the columns.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"axis", SW_ATTR_INT, .i = 1, .doc = "the first axis of the columns"}},
    .infer = flatten_infer,
    .grad = {SW_GRAD_RULE, view_grad},
    VIEW_ROW,
    .samples = &flatten_samples,
};

/* ---- Shape ---- */
static void shape_range(const sw_node *node, int rank, int *start, int *end)
{
    int64_t from = sw_attr_int(node, "start"), to = sw_attr_int(node, "end");
    from = from < 0 ? from + rank : from;
    to = to < 0 ? to + rank : to;
    *start = (int)(from < 0 ? 0 : from > rank ? rank : from);
    *end = (int)(to < *start ? *start : to > rank ? rank : to);
}

static sw_status shape_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    infer->outputs[0].rank = 1;
    infer->outputs[0].dims[0] = SW_DIM_UNKNOWN;
    if (x->rank < 0)
        return SW_OK;
    int start, end;
    shape_range(infer->node, x->rank, &start, &end);
    infer->outputs[0].dims[0] = end - start;
    for (int i = start; i < end; i++)
        if (x->dims[i] == SW_DIM_UNKNOWN)
            return SW_OK;
    sw_infer_contents(infer, 0, x->dims + start, end - start);
    return SW_OK;
}

static sw_status shape_reference(const sw_call *call)
{
    int start, end;
    shape_range(call->node, call->inputs[0].rank, &start, &end);
    for (int i = start; i < end; i++)
        sw_store_i64(SW_I64, call->outputs[0].data, (i - start) * call->outputs[0].strides[0], call->inputs[0].dims[i]);
    return SW_OK;
}

static const sw_sample shape_items[] = {
    {.note = "whole", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}},
    {.note = "part",
     .inputs_count = 1,
     .dims = {{3, {2, 3, 4}}},
     SW_WITH(SW_SET_INT("start", 1), SW_SET_INT("end", -1))},
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}},
};
static const sw_op_samples shape_samples = SW_SAMPLES(shape_items);

const sw_op sw_op_shape = {
    SW_ROW,
    .name = "Shape",
    .doc = "The dims of x from axis `start` to before axis `end`, as i64.",
    .inputs = {{"x", SW_ANY, .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"y", SW_DT(SW_I64)}},
    .attrs = {{"start", SW_ATTR_INT, .doc = "the first axis, from the end when negative"},
              {"end", SW_ATTR_INT, .i = INT64_MAX, .doc = "one past the last axis, from the end when negative"}},
    .infer = shape_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = shape_reference,
    .samples = &shape_samples,
};

/* ---- ConstantOfShape ---- */
static sw_tensor *fill_value(const sw_node *node)
{
    const sw_attr *attr = sw_node_attr(node, "value");
    return attr->given ? attr->tensor : NULL;
}

static sw_status constant_of_shape_infer(sw_infer *infer)
{
    sw_tensor *value = fill_value(infer->node);
    if (value != NULL && sw_tensor_count(value) != 1)
        return sw_infer_fail(infer, "value must be one element");
    infer->outputs[0].dtype = value ? sw_tensor_dtype(value) : SW_F32;
    const sw_dim *dims;
    int rank;
    SW_TRY(sw_infer_rank(infer, 0, 1, 1));
    if (!sw_infer_contents_of(infer, 0, &dims, &rank))
        return sw_infer_unknown(infer);
    if (rank > SW_MAX_RANK)
        return sw_infer_fail(infer, "a shape of %d dims, at most %d are possible", rank, SW_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0 && dims[i] > SW_DIM_UNKNOWN)
            return sw_infer_fail(infer, "dim %d is %lld", i, (long long)dims[i]);
    sw_infer_dims(infer, 0, rank, dims);
    return SW_OK;
}

static sw_status constant_of_shape_reference(const sw_call *call)
{
    const sw_view *y = &call->outputs[0];
    sw_tensor *value = fill_value(call->node);
    float zero = 0;
    sw_view one = value ? sw_view_of(value) : (sw_view){.data = &zero, .dtype = SW_F32};
    const int64_t *strides[] = {y->strides};
    sw_walk w;
    if (sw_walk_begin(&w, y->rank, y->dims, 1, strides))
        do
            sw_element_copy(y, w.at[0], &one, 0);
        while (sw_walk_next(&w));
    return SW_OK;
}

static const sw_sample constant_of_shape_items[] = {
    {.note = "zeros", .inputs_count = 1, .dims = {{1, {2}}}, .ints = {SW_I64S(2, 3)}},
    {.note = "a scalar", .inputs_count = 1, .dims = {{1, {0}}}, .ints = {SW_I64S(0)}},
};
static const sw_op_samples constant_of_shape_samples = SW_SAMPLES(constant_of_shape_items);

const sw_op sw_op_constant_of_shape = {
    SW_ROW,
    .name = "ConstantOfShape",
    .doc = "A tensor of the dims in `shape`, every element the one in `value`.",
    .inputs = {{"shape", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"y", SW_MOVABLE}},
    .attrs = {{"value", SW_ATTR_TENSOR, .doc = "one element, which gives the type too; without it f32 0"}},
    .infer = constant_of_shape_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = constant_of_shape_reference,
    .samples = &constant_of_shape_samples,
};

/* ---- builders ---- */
sw_value *sw_reshape(sw_graph *g, sw_value *x, sw_dims dims)
{
    return sw_reshape_to(g, x, sw_ints(g, dims.rank, dims.dim));
}
sw_value *sw_reshape_to(sw_graph *g, sw_value *x, sw_value *shape)
{
    return sw_row_add(g, "Reshape", SW_VALUES(x, shape), SW_NO_ATTRS);
}
sw_value *sw_flatten(sw_graph *g, sw_value *x, int axis)
{
    return sw_row_add(g, "Flatten", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis)));
}
sw_value *sw_squeeze(sw_graph *g, sw_value *x, int count, const int64_t *axes)
{
    return sw_row_add(g, "Squeeze", SW_VALUES(x), SW_ATTRS(SW_ATTR_IS("axes", count, axes)));
}
sw_value *sw_unsqueeze(sw_graph *g, sw_value *x, int count, const int64_t *axes)
{
    return count == 0 ? x : sw_row_add(g, "Unsqueeze", SW_VALUES(x), SW_ATTRS(SW_ATTR_IS("axes", count, axes)));
}
sw_value *sw_shape_of(sw_graph *g, sw_value *x)
{
    if (x == NULL)
        return NULL;
    const sw_type *type = sw_value_type(x);
    for (int i = 0; i < type->rank; i++)
        if (!sw_dim_known(type->dims[i]))
            return sw_unary(g, "Shape", x);
    return type->rank < 0 ? sw_unary(g, "Shape", x) : sw_ints(g, type->rank, type->dims);
}
