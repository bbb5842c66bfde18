/* convert.c: the same elements as they are, within bounds, or of another type: Identity, Clip, Cast.
 *
 * Every numeric class is handled in its own widest type, so that no integer is lost on the way through a double. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- the same again ---- */
static sw_status identity_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    (void)n;
    dx[0] = dy[0];
    return sw_graph_status(g);
}
static const sw_sample identity_items[] = {
    {.note = "matrix", .inputs_count = 1, .dims = {{2, {3, 7}}}},
    {.note = "scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {4, 0}}}},
};
static const sw_op_samples identity_samples = SW_SAMPLES(identity_items);

const sw_op sw_op_identity = {
    SW_ROW,
    .name = "Identity",
    .doc = "x as it is.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = sw_infer_like_first,
    .grad = {SW_GRAD_RULE, identity_grad},
    .cost = sw_cost_move,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_VIEW_OF_FIRST | SW_IN_PLACE_FIRST,
    .reference = sw_reference_copy,
    .samples = &identity_samples,
};

/* ---- between two bounds ---- */
static sw_status clip_infer(sw_infer *infer)
{
    SW_TRY(sw_infer_scalar(infer, 1));
    SW_TRY(sw_infer_scalar(infer, 2));
    sw_infer_copy(infer, 0, sw_infer_type(infer, 0));
    return SW_OK;
}

static sw_status clip_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0], *low = &call->inputs[1], *high = &call->inputs[2];
    bool has_low = sw_call_given(call, 1), has_high = sw_call_given(call, 2);
    sw_dtype dtype = x->dtype;
    sw_class class = sw_dtype_class(dtype);
    const int64_t *strides[] = {x->strides, y->strides};
    sw_walk w;
    if (!sw_walk_begin(&w, y->rank, y->dims, 2, strides))
        return SW_OK;
#define CLIPPED(load, store)                                                                                           \
    do {                                                                                                               \
        __typeof__(load(dtype, x->data, 0)) v = load(dtype, x->data, w.at[0]);                                         \
        v = has_low && v < load(dtype, low->data, 0) ? load(dtype, low->data, 0) : v;                                  \
        v = has_high && v > load(dtype, high->data, 0) ? load(dtype, high->data, 0) : v;                               \
        store(dtype, y->data, w.at[1], v);                                                                             \
    } while (sw_walk_next(&w))
    if (class == SW_CLASS_FLOAT)
        CLIPPED(sw_load_f64, sw_store_f64);
    else if (class == SW_CLASS_SIGNED)
        CLIPPED(sw_load_i64, sw_store_i64);
    else
        CLIPPED(sw_load_u64, sw_store_u64);
#undef CLIPPED
    return SW_OK;
}

/* dy where x lies within the bounds, both included */
static sw_status clip_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *low = sw_node_input(n, 1), *high = sw_node_input(n, 2);
    sw_value *zero = sw_scalar_like(g, x, 0), *d = dy[0];
    if (low != SW_NONE)
        d = sw_where(g, sw_less(g, x, low), zero, d);
    if (high != SW_NONE)
        d = sw_where(g, sw_greater(g, x, high), zero, d);
    dx[0] = sw_sum_to(g, d, x);
    return sw_graph_status(g);
}

static const sw_sample clip_items[] = {
    {.note = "both", .inputs_count = 3, .dims = {{2, {3, 5}}, {0}, {0}}},
    {.note = "low only", .inputs_count = 2, .dims = {{2, {3, 5}}, {0}}},
    {.note = "high only", .inputs_count = 3, .dims = {{2, {3, 5}}, {0}, {0}}, .absent = 2},
    {.note = "neither", .inputs_count = 1, .dims = {{1, {5}}}},
};
static const sw_op_samples clip_samples = SW_SAMPLES(clip_items);

const sw_op sw_op_clip = {
    SW_ROW,
    .name = "Clip",
    .doc = "min(max(x, low), high), elementwise; absent bounds do not bind, NaN stays NaN.",
    .inputs = {{"x", SW_NUMERIC},
               {"low", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL | SW_PORT_NO_GRADIENT},
               {"high", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL | SW_PORT_NO_GRADIENT}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = clip_infer,
    .grad = {SW_GRAD_RULE, clip_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_INPUT(2)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = clip_reference,
    .samples = &clip_samples,
};

/* ---- another element type ---- */
static sw_status cast_infer(sw_infer *infer)
{
    sw_dtype to = (sw_dtype)sw_attr_int(infer->node, "to");
    if (to <= SW_DTYPE_NONE || to >= SW_DTYPE_COUNT || to == SW_STRING)
        return sw_infer_fail(infer, "cannot cast to element type '%s'", sw_dtype_name(to));
    infer->outputs[0].dtype = to;
    return sw_infer_like_first(infer);
}

/* One piece of a row, by sw_tensor_copy's rules: floats round to nearest even; to integers they truncate and saturate,
 * NaN gives 0; integers wrap among themselves; to bool is != 0. */
static void cast_piece(const sw_view *x, int64_t from, int64_t from_step, const sw_view *y, int64_t to, int64_t to_step,
                       int64_t n)
{
    union {
        double f[256];
        int64_t i[256];
        uint64_t u[256];
    } piece;
    switch (sw_dtype_class(x->dtype)) {
    case SW_CLASS_FLOAT:
        sw_load_row_f64(x->dtype, x->data, from, from_step, n, piece.f);
        sw_store_row_f64(y->dtype, y->data, to, to_step, n, piece.f);
        break;
    case SW_CLASS_SIGNED:
        sw_load_row_i64(x->dtype, x->data, from, from_step, n, piece.i);
        sw_store_row_i64(y->dtype, y->data, to, to_step, n, piece.i);
        break;
    default:
        sw_load_row_u64(x->dtype, x->data, from, from_step, n, piece.u);
        sw_store_row_u64(y->dtype, y->data, to, to_step, n, piece.u);
    }
}

static sw_status cast_reference(const sw_call *call)
{
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    int64_t row = sw_walk_rows(&w), in = w.strides[0][0], out = w.strides[1][0];
    do
        for (int64_t i = 0; i < row; i += 256)
            cast_piece(&call->inputs[0], w.at[0] + i * in, in, &call->outputs[0], w.at[1] + i * out, out,
                       row - i < 256 ? row - i : 256);
    while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status cast_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_dtype from = sw_value_dtype(sw_node_input(n, 0));
    if (sw_dtype_is_float(from) && sw_dtype_is_float(sw_value_dtype(dy[0])))
        dx[0] = sw_cast(g, dy[0], from);
    return sw_graph_status(g);
}

static const sw_sample cast_items[] = {
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}, SW_WITH(SW_SET_DTYPE("to", SW_F64)), .dtype = {SW_F64}},
    {.note = "nothing",
     .inputs_count = 1,
     .dims = {{2, {0, 3}}},
     SW_WITH(SW_SET_DTYPE("to", SW_I8)),
     .dtype = {SW_F32},
     .smooth_off = true},
    {.note = "f64 to f64",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_F64)),
     .dtype = {SW_F64}},
    {.note = "f32 to i32",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_I32)),
     .dtype = {SW_F32},
     .smooth_off = true},
    {.note = "u8 to f32",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_DTYPE("to", SW_F32)),
     .dtype = {SW_U8},
     .integer_max = {256},
     .smooth_off = true},
    {.note = "f32 to bool",
     .inputs_count = 1,
     .dims = {{1, {9}}},
     SW_WITH(SW_SET_DTYPE("to", SW_BOOL)),
     .dtype = {SW_F32},
     .smooth_off = true},
    {.note = "f32 to bf16",
     .inputs_count = 1,
     .dims = {{1, {9}}},
     SW_WITH(SW_SET_DTYPE("to", SW_BF16)),
     .dtype = {SW_F32},
     .smooth_off = true},
};
static const sw_op_samples cast_samples = SW_SAMPLES(cast_items);

const sw_op sw_op_cast = {
    SW_ROW,
    .name = "Cast",
    .doc =
        "x converted to element type `to`: floats round to nearest even; to integers they truncate and saturate, NaN "
        "gives 0; to bool is x != 0.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_MOVABLE}},
    .attrs = {{"to", SW_ATTR_DTYPE, .required = true, .doc = "the element type of the result"}},
    .infer = cast_infer,
    .grad = {SW_GRAD_RULE, cast_grad},
    .cost = sw_cost_elementwise,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC,
    .reference = cast_reference,
    .samples = &cast_samples,
};

/* ---- builders ---- */
sw_value *sw_clip(sw_graph *g, sw_value *x, sw_value *low, sw_value *high)
{
    return sw_row_add(g, "Clip", SW_VALUES(x, low, high), SW_NO_ATTRS);
}
sw_value *sw_cast(sw_graph *g, sw_value *x, sw_dtype to)
{
    return x && sw_value_dtype(x) == to ? x : sw_row_add(g, "Cast", SW_VALUES(x), SW_ATTRS(SW_ATTR_D("to", to)));
}
