/* gather.c: elements of a tensor by index: Gather and its gradient, GatherElements, ScatterElements.
 *
 * Taking elements out copies; the gradient of taking is adding back where they came from, so an element that was taken
 * twice gets both. Indices may count from the end; one that is outside is an error that names it, never a wild read. */
#include "ops/row.h"
#include "ops/sample.h"

/* clang-format off */
#define AXIS_ATTR {"axis", SW_ATTR_INT, .doc = "the axis indexed, from the end when negative"}
/* clang-format on */

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
    return sw_fail(SW_INVALID, "%s '%s': index %lld is outside an axis of %lld", sw_node_op(call->node)->name,
                   sw_node_name(call->node), (long long)given, (long long)size);
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
    dx[0] = sw_row_add(g, "Gather", SW_VALUES(dy[0], sw_node_input(n, 1)),
                       SW_ATTRS(SW_ATTR_I("axis", sw_attr_int(n, "axis"))));
    return sw_graph_status(g);
}

static const sw_sample gather_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {5, 3}}, {1, {4}}}, .integer_max = {0, 5}},
    {.note = "a matrix of columns",
     .inputs_count = 2,
     .dims = {{3, {2, 5, 3}}, {2, {2, 2}}},
     .integer_max = {0, 5},
     SW_WITH(SW_SET_INT("axis", -2))},
    {.note = "one, from the end", .inputs_count = 2, .dims = {{2, {5, 3}}, {0}}, .ints = {NULL, SW_I64S(-2)}},
    {.note = "none", .inputs_count = 2, .dims = {{2, {5, 3}}, {1, {0}}}},
};
static const sw_op_samples gather_samples = SW_SAMPLES(gather_items);
static const sw_sample gather_grad_items[] = {
    {.note = "rows, some twice",
     .inputs_count = 3,
     .dims = {{2, {4, 3}}, {1, {4}}, {2, {3, 3}}},
     .integer_max = {0, 3}},
    {.note = "columns",
     .inputs_count = 3,
     .dims = {{4, {2, 2, 2, 3}}, {2, {2, 2}}, {3, {2, 5, 3}}},
     .integer_max = {0, 5},
     SW_WITH(SW_SET_INT("axis", 1))},
};
static const sw_op_samples gather_grad_samples = SW_SAMPLES(gather_grad_items);

const sw_op sw_op_gather = {
    SW_ROW,
    .name = "Gather",
    .doc = "The slices of x at `indices` along an axis, whose dims take that axis's place; negative indices count from "
           "the end.",
    .inputs = {{"x", SW_MOVABLE}, {"indices", SW_INDEX}},
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
            return sw_infer_fail(infer, "indices have %lld along axis %d, x only %lld", (long long)indices->dims[i], i,
                                 (long long)x->dims[i]);
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
static sw_status element_place(const sw_call *call, const sw_view *whole, const sw_view *indices, const int64_t *index,
                               int64_t *at)
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
        __typeof__(load(y->dtype, y->data, 0)) a = load(y->dtype, y->data, at),                                        \
                                               b = load(updates->dtype, updates->data, from);                          \
        store(y->dtype, y->data, at, add ? a + b : mul ? a *b : least ? (b < a ? b : a) : b > a ? b : a);              \
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

static sw_value *by_elements(sw_graph *g, const sw_node *n, const char *op, sw_value *x, sw_value *updates,
                             const char *how)
{
    int64_t axis = sw_attr_int(n, "axis");
    if (updates == NULL)
        return sw_row_add(g, op, SW_VALUES(x, sw_node_input(n, 1)), SW_ATTRS(SW_ATTR_I("axis", axis)));
    return sw_row_add(g, op, SW_VALUES(x, sw_node_input(n, 1), updates),
                      SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_S("reduction", how)));
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
        return sw_fail(SW_UNSUPPORTED, "ScatterElements '%s': no gradient for reduction '%s', only for none and add",
                       sw_node_name(n), how);
    sw_value *updates = sw_node_input(n, 2);
    dx[0] = strcmp(how, "add") == 0 ? dy[0]
                                    : by_elements(g, n, "ScatterElements", dy[0], sw_zeros_like(g, updates), "none");
    dx[2] = by_elements(g, n, "GatherElements", dy[0], NULL, NULL);
    return sw_graph_status(g);
}

static const sw_sample gather_elements_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {4, 3}}, {2, {2, 3}}}, .integer_max = {0, 4}},
    {.note = "last axis",
     .inputs_count = 2,
     .dims = {{2, {4, 3}}, {2, {4, 5}}},
     .integer_max = {0, 3},
     SW_WITH(SW_SET_INT("axis", -1))},
};
static const sw_op_samples gather_elements_samples = SW_SAMPLES(gather_elements_items);

#define SCATTER_DIMS .inputs_count = 3, .dims = {{2, {3, 5}}, {2, {3, 2}}, {2, {3, 2}}}
static const sw_sample scatter_elements_items[] = {
    {.note = "replace", SCATTER_DIMS, .ints = {NULL, SW_I64S(0, 3, 1, -1, 4, 2)}, SW_WITH(SW_SET_INT("axis", 1))},
    {.note = "add, some twice",
     SCATTER_DIMS,
     .integer_max = {0, 3},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "add"))},
    {.note = "multiply",
     SCATTER_DIMS,
     .integer_max = {0, 3},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "mul")),
     .smooth_off = true},
    {.note = "largest",
     SCATTER_DIMS,
     .integer_max = {0, 3},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "max")),
     .smooth_off = true},
    {.note = "smallest, integers",
     SCATTER_DIMS,
     .integer_max = {0, 3, 0},
     .dtype = {SW_I32, SW_I64, SW_I32},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_TEXT("reduction", "min")),
     .smooth_off = true},
};
static const sw_op_samples scatter_elements_samples = SW_SAMPLES(scatter_elements_items);

const sw_op sw_op_gather_elements = {
    SW_ROW,
    .name = "GatherElements",
    .doc = "y[i, j, …] = x[indices[i, j, …], j, …] for axis 0, and so along any axis: one index per element.",
    .inputs = {{"x", SW_MOVABLE}, {"indices", SW_INDEX}},
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
    .doc = "x with x[indices[i, j, …], j, …] (for axis 0) replaced by updates[i, j, …], or combined with it by "
           "`reduction`; the order of "
           "updates to one element is row-major.",
    .inputs = {{"x", SW_NUMERIC | SW_DT(SW_BOOL)}, {"indices", SW_INDEX}, {"updates", SW_SAME_AS("x")}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {AXIS_ATTR,
              {"reduction", SW_ATTR_STRING, .s = "none", .choices = "none|add|mul|min|max",
               .doc = "how an update meets what is there"}},
    .infer = scatter_elements_infer,
    .grad = {SW_GRAD_RULE, scatter_elements_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = scatter_elements_reference,
    .samples = &scatter_elements_samples,
};

/* ---- builders ---- */
sw_value *sw_gather(sw_graph *g, sw_value *x, sw_value *indices, int axis)
{
    return sw_row_add(g, "Gather", SW_VALUES(x, indices), SW_ATTRS(SW_ATTR_I("axis", axis)));
}
sw_value *sw_scatter(sw_graph *g, sw_value *x, sw_value *indices, sw_value *updates, int axis, bool add)
{
    return sw_row_add(g, "ScatterElements", SW_VALUES(x, indices, updates),
                      SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_S("reduction", add ? "add" : "none")));
}
