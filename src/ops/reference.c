/* reference.c: how reference bodies walk over elements.
 *
 * Each numeric class computes in its widest type: floating point in double, signed integers in int64 (wrapping),
 * unsigned ones and bools in uint64. A dtype is only a load and a round-and-store, so a body written once is right for
 * all of them. Plain first: the fast bodies live in the backends and are tested against these. */
#include "ops/row.h"

sw_class sw_dtype_class(sw_dtype dtype)
{
    if (dtype == SW_STRING)
        return SW_CLASS_OPAQUE;
    if (sw_dtype_is_float(dtype))
        return SW_CLASS_FLOAT;
    return sw_dtype_is_integer(dtype) && sw_dtype_is_signed(dtype) ? SW_CLASS_SIGNED : SW_CLASS_UNSIGNED;
}

bool sw_call_walk(const sw_call *call, sw_walk *walk)
{
    const sw_view *y = &call->outputs[0];
    int64_t strides[SW_WALK_MAX][SW_MAX_RANK];
    const int64_t *all[SW_WALK_MAX];
    int n = 0;
    for (; n < call->inputs_count && n < SW_WALK_MAX - 1; n++) {
        sw_view_broadcast_strides(&call->inputs[n], y->rank, y->dims, strides[n]);
        all[n] = strides[n];
    }
    all[n] = y->strides;
    return sw_walk_begin(walk, y->rank, y->dims, n + 1, all);
}

/* Rows are worked on in pieces that stay in the nearest cache. */
enum { PIECE = 256 };

#define BINARY_ROW(type, load, store, formula)                                                                         \
    do {                                                                                                               \
        type p[PIECE], q[PIECE];                                                                                       \
        load(dtype, a->data, i, w->strides[0][0], n, p);                                                               \
        load(dtype, b->data, j, w->strides[1][0], n, q);                                                               \
        for (int64_t e = 0; e < n; e++)                                                                                \
            p[e] = (formula)(p[e], q[e]);                                                                              \
        store(dtype, y->data, k, w->strides[2][0], n, p);                                                              \
    } while (0)

static void binary_piece(const sw_call *call, const sw_binary *formula, const sw_walk *w, int64_t first, int64_t n)
{
    const sw_view *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
    sw_dtype dtype = y->dtype;
    int64_t i = w->at[0] + first * w->strides[0][0], j = w->at[1] + first * w->strides[1][0],
            k = w->at[2] + first * w->strides[2][0];
    if (sw_dtype_class(dtype) == SW_CLASS_FLOAT)
        BINARY_ROW(double, sw_load_row_f64, sw_store_row_f64, formula->f);
    else if (sw_dtype_class(dtype) == SW_CLASS_SIGNED)
        BINARY_ROW(int64_t, sw_load_row_i64, sw_store_row_i64, formula->i);
    else
        BINARY_ROW(uint64_t, sw_load_row_u64, sw_store_row_u64, formula->u);
}

sw_status sw_reference_binary(const sw_call *call, const sw_binary *formula)
{
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    int64_t row = sw_walk_rows(&w);
    do
        for (int64_t i = 0; i < row; i += PIECE)
            binary_piece(call, formula, &w, i, row - i < PIECE ? row - i : PIECE);
    while (sw_walk_next(&w));
    return SW_OK;
}

static bool related(const sw_relation *relation, const sw_view *a, int64_t i, const sw_view *b, int64_t k)
{
    sw_dtype dtype = a->dtype;
    switch (sw_dtype_class(dtype)) {
    case SW_CLASS_FLOAT:
        return relation->f(sw_load_f64(dtype, a->data, i), sw_load_f64(dtype, b->data, k));
    case SW_CLASS_SIGNED:
        return relation->i(sw_load_i64(dtype, a->data, i), sw_load_i64(dtype, b->data, k));
    case SW_CLASS_UNSIGNED:
        return relation->u(sw_load_u64(dtype, a->data, i), sw_load_u64(dtype, b->data, k));
    default: { /* strings by their bytes, as a sign compared with 0 */
        int order = strcmp(((char *const *)a->data)[i], ((char *const *)b->data)[k]);
        return relation->i(order, 0);
    }
    }
}

sw_status sw_reference_relation(const sw_call *call, const sw_relation *relation)
{
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    bool *y = call->outputs[0].data;
    do
        y[w.at[2]] = related(relation, &call->inputs[0], w.at[0], &call->inputs[1], w.at[1]);
    while (sw_walk_next(&w));
    return SW_OK;
}

static double attr_or_zero(const sw_node *node, const char *name)
{
    const sw_attr_row *rows = sw_node_op(node)->attrs;
    for (int i = 0; i < SW_MAX_ATTRS && rows[i].name; i++)
        if (strcmp(rows[i].name, name) == 0)
            return sw_attr_float(node, name);
    return 0;
}

sw_status sw_reference_unary(const sw_call *call, sw_formula f)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    double alpha = attr_or_zero(call->node, "alpha"), beta = attr_or_zero(call->node, "beta");
    sw_walk w;
    if (!sw_call_walk(call, &w))
        return SW_OK;
    int64_t row = sw_walk_rows(&w), in = w.strides[0][0], out = w.strides[1][0];
    do
        for (int64_t i = 0; i < row; i += PIECE) {
            int64_t n = row - i < PIECE ? row - i : PIECE;
            double piece[PIECE];
            sw_load_row_f64(x->dtype, x->data, w.at[0] + i * in, in, n, piece);
            for (int64_t k = 0; k < n; k++)
                piece[k] = f(piece[k], alpha, beta);
            sw_store_row_f64(y->dtype, y->data, w.at[1] + i * out, out, n, piece);
        }
    while (sw_walk_next(&w));
    return SW_OK;
}

void sw_element_copy(const sw_view *to, int64_t to_at, const sw_view *from, int64_t from_at)
{
    switch (sw_dtype_bits(to->dtype)) {
    case 8:
        ((uint8_t *)to->data)[to_at] = ((const uint8_t *)from->data)[from_at];
        break;
    case 16:
        ((uint16_t *)to->data)[to_at] = ((const uint16_t *)from->data)[from_at];
        break;
    case 32:
        ((uint32_t *)to->data)[to_at] = ((const uint32_t *)from->data)[from_at];
        break;
    case 64:
        ((uint64_t *)to->data)[to_at] = ((const uint64_t *)from->data)[from_at];
        break;
    default:
        sw_store_i64(to->dtype, to->data, to_at, sw_load_i64(from->dtype, from->data, from_at));
    }
}

bool sw_index_next(int rank, const int64_t *dims, int64_t *index)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++index[i] < dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

void sw_index_of(int rank, const int64_t *dims, int64_t k, int64_t *index)
{
    for (int i = rank - 1; i >= 0; i--) {
        index[i] = k % dims[i];
        k /= dims[i];
    }
}

/* A walk over one view in row-major order. */
static bool walk_alone(const sw_view *view, sw_walk *walk)
{
    const int64_t *strides[] = {view->strides};
    return sw_walk_begin(walk, view->rank, view->dims, 1, strides);
}

sw_status sw_reference_copy(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    sw_walk from, to;
    if (!walk_alone(x, &from) || !walk_alone(y, &to))
        return SW_OK;
    do
        sw_element_copy(y, to.at[0], x, from.at[0]);
    while (sw_walk_next(&from) && sw_walk_next(&to));
    return SW_OK;
}

double *sw_desk_array(sw_arena *desk, int64_t count)
{
    return sw_arena_array(desk, (size_t)(count > 0 ? count : 1), sizeof(double));
}

double *sw_desk_load(sw_arena *desk, const sw_view *view)
{
    double *values = sw_desk_array(desk, sw_view_count(view)), *to = values;
    sw_walk w;
    if (values == NULL || !walk_alone(view, &w))
        return values;
    int64_t row = sw_walk_rows(&w);
    do {
        sw_load_row_f64(view->dtype, view->data, w.at[0], w.strides[0][0], row, to);
        to += row;
    } while (sw_walk_next(&w));
    return values;
}

int64_t *sw_desk_load_int(sw_arena *desk, const sw_view *view)
{
    int64_t count = sw_view_count(view);
    int64_t *values = sw_arena_array(desk, (size_t)(count > 0 ? count : 1), sizeof(int64_t)), *to = values;
    sw_walk w;
    if (values == NULL || !walk_alone(view, &w))
        return values;
    int64_t row = sw_walk_rows(&w);
    do {
        sw_load_row_i64(view->dtype, view->data, w.at[0], w.strides[0][0], row, to);
        to += row;
    } while (sw_walk_next(&w));
    return values;
}

void sw_view_store(const sw_view *view, const double *values)
{
    sw_walk w;
    if (!walk_alone(view, &w))
        return;
    int64_t row = sw_walk_rows(&w);
    do {
        sw_store_row_f64(view->dtype, view->data, w.at[0], w.strides[0][0], row, values);
        values += row;
    } while (sw_walk_next(&w));
}

void sw_view_store_int(const sw_view *view, const int64_t *values)
{
    sw_walk w;
    if (!walk_alone(view, &w))
        return;
    int64_t row = sw_walk_rows(&w);
    do {
        sw_store_row_i64(view->dtype, view->data, w.at[0], w.strides[0][0], row, values);
        values += row;
    } while (sw_walk_next(&w));
}

sw_status sw_on_desk(const sw_call *call, sw_status (*body)(const sw_call *call, sw_arena *desk))
{
    sw_arena *desk = sw_arena_new(call->ctx);
    if (desk == NULL)
        return sw_alloc_status();
    sw_status status = body(call, desk);
    sw_arena_free(desk);
    return status;
}

bool sw_call_given(const sw_call *call, int input)
{
    return input < call->inputs_count && call->inputs[input].dtype != SW_DTYPE_NONE;
}

int sw_call_ints(const sw_call *call, int input, int64_t *values, int max)
{
    const sw_view *view = &call->inputs[input];
    int count = 0;
    sw_walk w;
    if (!sw_call_given(call, input) || !walk_alone(view, &w))
        return 0;
    do
        values[count++] = sw_load_i64(view->dtype, view->data, w.at[0]);
    while (count < max && sw_walk_next(&w));
    return count;
}

double sw_call_scalar(const sw_call *call, int input)
{
    return sw_load_f64(call->inputs[input].dtype, call->inputs[input].data, 0);
}
