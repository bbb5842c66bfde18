/* arrange.c: the same elements in another order or several times: Transpose, Expand, Tile.
 *
 * Nothing computes, so all element types pass but strings; the gradient of repeating is a sum. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- Transpose ---- */
/* The permutation of a node, reversed when none is given. False when it is none of `rank` axes. */
static bool permutation_of(const sw_node *node, int rank, int64_t *permutation)
{
    int count = sw_attr_ints(node, "permutation", permutation, SW_MAX_RANK);
    bool seen[SW_MAX_RANK] = {false};
    if (count == 0)
        for (int i = 0; i < rank; i++)
            permutation[i] = rank - 1 - i;
    else if (count != rank)
        return false;
    for (int i = 0; i < rank; i++) {
        if (permutation[i] < 0 || permutation[i] >= rank || seen[permutation[i]])
            return false;
        seen[permutation[i]] = true;
    }
    return true;
}

static sw_status transpose_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int64_t permutation[SW_MAX_RANK];
    if (!permutation_of(infer->node, x->rank, permutation))
        return sw_infer_fail(infer, "permutation must name each of %d axes once", x->rank);
    sw_dim dims[SW_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[permutation[i]];
    sw_infer_dims(infer, 0, x->rank, dims);
    return SW_OK;
}

static sw_status transpose_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t permutation[SW_MAX_RANK], from[SW_MAX_RANK];
    permutation_of(call->node, x->rank, permutation);
    for (int i = 0; i < x->rank; i++)
        from[i] = x->strides[permutation[i]];
    const int64_t *strides[] = {from, y->strides};
    sw_walk w;
    if (sw_walk_begin(&w, y->rank, y->dims, 2, strides))
        do
            sw_element_copy(y, w.at[1], x, w.at[0]);
        while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status transpose_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    int rank = sw_value_rank(sw_node_input(n, 0));
    int64_t permutation[SW_MAX_RANK], back[SW_MAX_RANK];
    if (rank < 0)
        return sw_fail(SW_UNSUPPORTED, "Transpose '%s': no gradient while ranks are not known", sw_node_name(n));
    if (permutation_of(n, rank, permutation)) {
        for (int i = 0; i < rank; i++)
            back[permutation[i]] = i;
        dx[0] = sw_transpose(g, dy[0], rank, back);
    }
    return sw_graph_status(g);
}

static const sw_sample transpose_items[] = {
    {.note = "reversed", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}},
    {.note = "channels last",
     .inputs_count = 1,
     .dims = {{4, {2, 3, 4, 5}}},
     SW_WITH(SW_SET_INTS("permutation", 0, 2, 3, 1))},
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "nothing", .inputs_count = 1, .dims = {{2, {0, 3}}}},
};
static const sw_op_samples transpose_samples = SW_SAMPLES(transpose_items);

const sw_op sw_op_transpose = {
    SW_ROW,
    .name = "Transpose",
    .doc = "Axis i of the result is axis permutation[i] of x; without a permutation the axes are reversed.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"permutation", SW_ATTR_INTS, .doc = "an axis of x for each axis of the result; empty: reversed"}},
    .infer = transpose_infer,
    .grad = {SW_GRAD_RULE, transpose_grad},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = transpose_reference,
    .samples = &transpose_samples,
};

/* ---- Expand ---- */
static sw_status expand_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    const sw_dim *to;
    int count;
    SW_TRY(sw_infer_rank(infer, 1, 1, 1));
    if (x->rank < 0 || !sw_infer_contents_of(infer, 1, &to, &count) || count > SW_MAX_RANK)
        return sw_infer_unknown(infer);
    int rank = x->rank > count ? x->rank : count;
    sw_dim dims[SW_MAX_RANK];
    for (int i = 1; i <= rank; i++) {
        bool ok = true;
        sw_dim own = i <= x->rank ? x->dims[x->rank - i] : 1, wanted = i <= count ? to[count - i] : 1;
        if (wanted < 0 && wanted > SW_DIM_UNKNOWN)
            return sw_infer_fail(infer, "dim %d is %lld", count - i, (long long)wanted);
        dims[rank - i] = own == 1 ? wanted : sw_dim_broadcast(infer->g, own, wanted, &ok);
        if (!ok)
            return sw_infer_fail(infer, "size %lld does not broadcast to %lld", (long long)own, (long long)wanted);
    }
    sw_infer_dims(infer, 0, rank, dims);
    return SW_OK;
}

static sw_status expand_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t from[SW_MAX_RANK];
    sw_view_broadcast_strides(x, y->rank, y->dims, from);
    const int64_t *strides[] = {from, y->strides};
    sw_walk w;
    if (sw_walk_begin(&w, y->rank, y->dims, 2, strides))
        do
            sw_element_copy(y, w.at[1], x, w.at[0]);
        while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status sum_back_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_sum_to(g, dy[0], sw_node_input(n, 0));
    return sw_graph_status(g);
}

static const sw_sample expand_items[] = {
    {.note = "new and old axes", .inputs_count = 2, .dims = {{2, {3, 1}}, {1, {3}}}, .ints = {NULL, SW_I64S(2, 3, 4)}},
    {.note = "a scalar", .inputs_count = 2, .dims = {{0}, {1, {2}}}, .ints = {NULL, SW_I64S(2, 3)}},
    {.note = "x is wider", .inputs_count = 2, .dims = {{2, {3, 4}}, {1, {1}}}, .ints = {NULL, SW_I64S(1)}},
    {.note = "nothing", .inputs_count = 2, .dims = {{1, {1}}, {1, {2}}}, .ints = {NULL, SW_I64S(0, 2)}},
};
static const sw_op_samples expand_samples = SW_SAMPLES(expand_items);

const sw_op sw_op_expand = {
    SW_ROW,
    .name = "Expand",
    .doc = "x broadcast with `shape`: repeated along axes where x has size 1 or none.",
    .inputs = {{"x", SW_MOVABLE}, {"shape", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = expand_infer,
    .grad = {SW_GRAD_RULE, sum_back_grad},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = expand_reference,
    .samples = &expand_samples,
};

/* ---- Tile ---- */
static sw_status tile_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    const sw_dim *repeats;
    int count;
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    sw_dim dims[SW_MAX_RANK];
    bool known = sw_infer_contents_of(infer, 1, &repeats, &count);
    if (known && count != x->rank)
        return sw_infer_fail(infer, "%d repeats for %d dims", count, x->rank);
    for (int i = 0; i < x->rank; i++)
        dims[i] = known ? sw_dim_mul(infer->g, x->dims[i], repeats[i]) : SW_DIM_UNKNOWN;
    sw_infer_dims(infer, 0, x->rank, dims);
    return SW_OK;
}

static sw_status tile_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t index[SW_MAX_RANK] = {0}, from[SW_MAX_RANK];
    if (sw_view_count(y) == 0)
        return SW_OK;
    do {
        for (int i = 0; i < x->rank; i++)
            from[i] = index[i] % x->dims[i];
        sw_element_copy(y, sw_view_at(y, index), x, sw_view_at(x, from));
    } while (sw_index_next(y->rank, y->dims, index));
    return SW_OK;
}

/* dy as [repeat, size] per axis, summed over the repeats. */
static sw_status tile_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *repeats = sw_node_input(n, 1);
    int rank = sw_value_rank(x);
    if (rank < 0 || 2 * rank > SW_MAX_RANK)
        return sw_fail(SW_UNSUPPORTED, "Tile '%s': no gradient for %d dims, at most %d", sw_node_name(n), rank,
                       SW_MAX_RANK / 2);
    if (rank == 0) {
        dx[0] = dy[0];
        return sw_graph_status(g);
    }
    sw_value *pairs = sw_concat(g,
                                (sw_value *[]){sw_unsqueeze(g, repeats, 1, (int64_t[]){1}),
                                               sw_unsqueeze(g, sw_shape_of(g, x), 1, (int64_t[]){1})},
                                2, 1);
    int64_t axes[SW_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = 2 * i;
    sw_value *split = sw_reshape_to(g, dy[0], sw_reshape(g, pairs, SW_DIMS(2 * rank)));
    dx[0] = sw_reduce_sum(g, split, rank, axes, false);
    return sw_graph_status(g);
}

static const sw_sample tile_items[] = {
    {.note = "matrix", .inputs_count = 2, .dims = {{2, {2, 3}}, {1, {2}}}, .ints = {NULL, SW_I64S(3, 2)}},
    {.note = "nothing", .inputs_count = 2, .dims = {{1, {2}}, {1, {1}}}, .ints = {NULL, SW_I64S(0)}},
};
static const sw_op_samples tile_samples = SW_SAMPLES(tile_items);

const sw_op sw_op_tile = {
    SW_ROW,
    .name = "Tile",
    .doc = "x laid side by side, repeats[i] times along axis i.",
    .inputs = {{"x", SW_MOVABLE}, {"repeats", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .infer = tile_infer,
    .grad = {SW_GRAD_RULE, tile_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = tile_reference,
    .samples = &tile_samples,
};

/* ---- builders ---- */
sw_value *sw_transpose(sw_graph *g, sw_value *x, int count, const int64_t *permutation)
{
    return sw_row_add(g, "Transpose", SW_VALUES(x), SW_ATTRS(SW_ATTR_IS("permutation", count, permutation)));
}
sw_value *sw_expand(sw_graph *g, sw_value *x, sw_value *shape)
{
    return sw_row_add(g, "Expand", SW_VALUES(x, shape), SW_NO_ATTRS);
}
