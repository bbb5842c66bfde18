/* join.c: tensors put together and taken apart along an axis (Concat, Split), and given a border (Pad).
 *
 * All three copy blocks without computing. The gradient of Concat is Split and the other way round; the gradient of Pad
 * adds a border's share back to the element that it mirrored. */
#include "ops/row.h"
#include "ops/sample.h"

/* Copies the box of `part`'s dims between `part` and the place in `whole` that begins at `offset` along `axis`. */
static void copy_box(const sw_view *whole, int axis, int64_t offset, const sw_view *part, bool into_part)
{
    int64_t at = offset * whole->strides[axis];
    const int64_t *strides[] = {whole->strides, part->strides};
    sw_walk w;
    if (sw_walk_begin(&w, part->rank, part->dims, 2, strides))
        do {
            if (into_part)
                sw_element_copy(part, w.at[1], whole, at + w.at[0]);
            else
                sw_element_copy(whole, at + w.at[0], part, w.at[1]);
        } while (sw_walk_next(&w));
}

/* ---- Concat ---- */
static void concat_contents(sw_infer *infer, int inputs)
{
    sw_dim all[SW_MAX_RANK];
    int total = 0;
    for (int i = 0; i < inputs; i++) {
        const sw_dim *contents;
        int count;
        if (!sw_infer_contents_of(infer, i, &contents, &count) || total + count > SW_MAX_RANK)
            return;
        for (int k = 0; k < count; k++)
            all[total++] = contents[k];
    }
    sw_infer_contents(infer, 0, all, total);
}

static sw_status concat_infer(sw_infer *infer)
{
    int inputs = sw_node_input_count(infer->node), axis;
    const sw_type *first = sw_infer_type(infer, 0);
    if (inputs == 0 || first == NULL)
        return sw_infer_fail(infer, "nothing to concatenate");
    for (int i = 0; i < inputs; i++)
        if (sw_infer_type(infer, i) == NULL || sw_infer_type(infer, i)->rank < 0)
            return sw_infer_unknown(infer);
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), first->rank, &axis));
    sw_dim dims[SW_MAX_RANK];
    for (int k = 0; k < first->rank; k++)
        dims[k] = first->dims[k];
    for (int i = 1; i < inputs; i++) {
        const sw_type *x = sw_infer_type(infer, i);
        if (x->rank != first->rank)
            return sw_infer_fail(infer, "input %d has %d dims, the first has %d", i, x->rank, first->rank);
        for (int k = 0; k < x->rank; k++)
            if (k == axis)
                dims[k] = sw_dim_add(infer->g, dims[k], x->dims[k]);
            else
                SW_TRY(sw_infer_agree(infer, x->dims[k], dims[k], "dims off the axis"));
    }
    sw_infer_dims(infer, 0, first->rank, dims);
    if (first->rank == 1)
        concat_contents(infer, inputs);
    return SW_OK;
}

static sw_status concat_reference(const sw_call *call)
{
    const sw_view *y = &call->outputs[0];
    int axis = sw_axis(sw_attr_int(call->node, "axis"), y->rank);
    int64_t offset = 0;
    for (int i = 0; i < call->inputs_count; i++) {
        copy_box(y, axis, offset, &call->inputs[i], false);
        offset += call->inputs[i].dims[axis];
    }
    return SW_OK;
}

/* Each input takes its slice of dy. The sizes may be symbols, so the slices are given by their ends as values. */
static sw_status concat_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    int inputs = sw_node_input_count(n), rank = sw_value_rank(dy[0]);
    int64_t axis = sw_attr_int(n, "axis");
    if (rank < 0)
        return sw_fail(SW_UNSUPPORTED, "Concat '%s': no gradient while ranks are not known", sw_node_name(n));
    int along = sw_axis(axis, rank);
    sw_value *start = sw_ints(g, 1, (int64_t[]){0}), *axes = sw_ints(g, 1, &axis);
    for (int i = 0; i < inputs && start; i++) {
        sw_value *x = sw_node_input(n, i);
        sw_dim size = sw_value_type(x)->dims[along];
        sw_value *length =
            sw_dim_known(size) ? sw_ints(g, 1, &size) : sw_slice(g, sw_shape_of(g, x), 0, along, along + 1, 1);
        sw_value *stop = sw_add(g, start, length);
        if (sw_grad_wants(g, i))
            dx[i] = sw_row_add(g, "Slice", SW_VALUES(dy[0], start, stop, axes), SW_NO_ATTRS);
        start = stop;
    }
    return sw_graph_status(g);
}

static const sw_sample concat_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {2, 3}}, {2, {4, 3}}}, SW_WITH(SW_SET_INT("axis", 0))},
    {.note = "three along the last axis",
     .inputs_count = 3,
     .dims = {{3, {2, 3, 1}}, {3, {2, 3, 2}}, {3, {2, 3, 3}}},
     SW_WITH(SW_SET_INT("axis", -1))},
    {.note = "one", .inputs_count = 1, .dims = {{2, {2, 3}}}, SW_WITH(SW_SET_INT("axis", 1))},
    {.note = "with nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {2, {2, 3}}}, SW_WITH(SW_SET_INT("axis", 0))},
};
static const sw_op_samples concat_samples = SW_SAMPLES(concat_items);

const sw_op sw_op_concat = {
    SW_ROW,
    .name = "Concat",
    .doc = "The inputs one behind the other along an axis; their other dims are equal.",
    .inputs = {{"x", SW_MOVABLE, .flags = SW_PORT_VARIADIC}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"axis", SW_ATTR_INT, .required = true, .doc = "the axis, from the end when negative"}},
    .infer = concat_infer,
    .grad = {SW_GRAD_RULE, concat_grad},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = concat_reference,
    .samples = &concat_samples,
};

/* ---- Split ---- */
static sw_status split_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    int parts = sw_node_output_count(infer->node), axis;
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    int64_t sizes[SW_MAX_PORTS], sum = 0;
    int count = sw_attr_ints(infer->node, "sizes", sizes, SW_MAX_PORTS);
    if (parts < 1 || parts > SW_MAX_PORTS)
        return sw_infer_fail(infer, "%d parts, from 1 to %d are possible", parts, SW_MAX_PORTS);
    if (count != 0 && count != parts)
        return sw_infer_fail(infer, "%d sizes for %d parts", count, parts);
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 0)
            return sw_infer_fail(infer, "size %d is %lld", i, (long long)sizes[i]);
        sum += sizes[i];
    }
    if (count != 0)
        SW_TRY(sw_infer_agree(infer, sum, x->dims[axis], "the sum of the sizes and the axis"));
    else if (sw_dim_known(x->dims[axis]) && x->dims[axis] % parts != 0)
        return sw_infer_fail(infer, "an axis of %lld does not split into %d equal parts", (long long)x->dims[axis],
                             parts);
    for (int i = 0; i < parts; i++) {
        infer->outputs[i].dtype = x->dtype;
        sw_infer_copy(infer, i, x);
        infer->outputs[i].dims[axis] = count ? sizes[i] : sw_dim_div(infer->g, x->dims[axis], parts);
    }
    return SW_OK;
}

static sw_status split_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0];
    int axis = sw_axis(sw_attr_int(call->node, "axis"), x->rank);
    int64_t offset = 0;
    for (int i = 0; i < call->outputs_count; i++) {
        copy_box(x, axis, offset, &call->outputs[i], true);
        offset += call->outputs[i].dims[axis];
    }
    return SW_OK;
}

static sw_status split_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *parts[SW_MAX_PORTS];
    int count = sw_node_output_count(n);
    for (int i = 0; i < count; i++)
        parts[i] = dy[i] != SW_NONE ? dy[i] : sw_zeros_like(g, sw_node_output(n, i));
    dx[0] = sw_concat(g, parts, count, (int)sw_attr_int(n, "axis"));
    return sw_graph_status(g);
}

static const sw_sample split_items[] = {
    {.note = "by sizes", .inputs_count = 1, .dims = {{2, {6, 3}}}, SW_WITH(SW_SET_INTS("sizes", 1, 3, 2))},
    {.note = "last axis",
     .inputs_count = 1,
     .dims = {{2, {2, 5}}},
     SW_WITH(SW_SET_INT("axis", -1), SW_SET_INTS("sizes", 4, 1))},
};
static const sw_op_samples split_samples = SW_SAMPLES(split_items);

const sw_op sw_op_split = {
    SW_ROW,
    .name = "Split",
    .doc = "x cut along an axis into parts of the given sizes, or into equal ones.",
    .inputs = {{"x", SW_MOVABLE}},
    .outputs = {{"parts", SW_SAME_AS("x"), .flags = SW_PORT_VARIADIC}},
    .attrs = {{"axis", SW_ATTR_INT, .doc = "the axis, from the end when negative"},
              {"sizes", SW_ATTR_INTS, .doc = "one per part; empty: equal parts"}},
    .infer = split_infer,
    .grad = {SW_GRAD_RULE, split_grad},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = split_reference,
    .samples = &split_samples,
};

/* ---- Pad ---- */
enum border { CONSTANT, REFLECT, EDGE };
static enum border border_of(const sw_node *node)
{
    const char *mode = sw_attr_string(node, "mode");
    return mode[0] == 'r' ? REFLECT : mode[0] == 'e' ? EDGE : CONSTANT;
}

/* The dims with borders of x, whose pads are at input `pads_at`. */
static sw_status pad_types(sw_infer *infer, const sw_type *x, int pads_at, sw_type *y)
{
    const sw_dim *pads;
    int count;
    y->rank = x->rank;
    if (!sw_infer_contents_of(infer, pads_at, &pads, &count)) {
        for (int i = 0; i < x->rank; i++)
            y->dims[i] = SW_DIM_UNKNOWN;
        return SW_OK;
    }
    if (count != 2 * x->rank)
        return sw_infer_fail(infer, "%d pads for %d dims, needs %d: before each axis, then after each", count, x->rank,
                             2 * x->rank);
    enum border border = border_of(infer->node);
    for (int i = 0; i < x->rank; i++) {
        sw_dim before = pads[i], after = pads[x->rank + i], size = x->dims[i];
        y->dims[i] = sw_dim_add(infer->g, size, sw_dim_add(infer->g, before, after));
        if (!sw_dim_known(size) || before <= SW_DIM_UNKNOWN || after <= SW_DIM_UNKNOWN)
            continue;
        if (y->dims[i] < 0 || before < -size || after < -size)
            return sw_infer_fail(infer, "axis %d of %lld cannot lose %lld and %lld", i, (long long)size,
                                 (long long)-before, (long long)-after);
        int64_t most = border == REFLECT ? size - 1 : border == EDGE && size == 0 ? 0 : INT64_MAX;
        if (before > (most < 0 ? 0 : most) || after > (most < 0 ? 0 : most))
            return sw_infer_fail(infer, "axis %d of %lld is too small for a border of %lld and %lld taken from it", i,
                                 (long long)size, (long long)before, (long long)after);
    }
    return SW_OK;
}

static sw_status pad_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_scalar(infer, 2));
    return pad_types(infer, x, 1, &infer->outputs[0]);
}

static sw_status pad_grad_infer(sw_infer *infer)
{
    const sw_type *dy = sw_infer_type(infer, 0), *x = sw_infer_type(infer, 1);
    if (x->rank < 0 || dy->rank < 0)
        return sw_infer_unknown(infer);
    sw_type y;
    SW_TRY(pad_types(infer, x, 2, &y));
    SW_TRY(sw_infer_rank(infer, 0, y.rank, y.rank));
    for (int i = 0; i < y.rank; i++)
        SW_TRY(sw_infer_agree(infer, dy->dims[i], y.dims[i], "dims of dy and of the padding"));
    sw_infer_copy(infer, 0, x);
    return SW_OK;
}

/* Which element of x stands at index[] of the padded tensor; -1 for none. */
static int64_t mirrored(const sw_view *x, const int64_t *index, const int64_t *pads, enum border border)
{
    int64_t at = 0;
    for (int i = 0; i < x->rank; i++) {
        int64_t k = index[i] - pads[i], size = x->dims[i];
        if (k < 0 || k >= size) {
            if (border == CONSTANT)
                return -1;
            if (border == EDGE)
                k = k < 0 ? 0 : size - 1;
            else
                k = k < 0 ? -k : 2 * (size - 1) - k;
        }
        at += k * x->strides[i];
    }
    return at;
}

static sw_status pad_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t pads[2 * SW_MAX_RANK], index[SW_MAX_RANK] = {0};
    uint64_t zero = 0;
    sw_view fill = sw_call_given(call, 2) ? call->inputs[2] : (sw_view){.data = &zero, .dtype = x->dtype};
    sw_call_ints(call, 1, pads, 2 * SW_MAX_RANK);
    if (sw_view_count(y) == 0)
        return SW_OK;
    do {
        int64_t from = mirrored(x, index, pads, border_of(call->node));
        sw_element_copy(y, sw_view_at(y, index), from < 0 ? &fill : x, from < 0 ? 0 : from);
    } while (sw_index_next(y->rank, y->dims, index));
    return SW_OK;
}

static sw_status pad_grad_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dy = &call->inputs[0], *dx = &call->outputs[0];
    int64_t pads[2 * SW_MAX_RANK], index[SW_MAX_RANK] = {0};
    sw_view packed = *dx;
    sw_view_pack_strides(&packed);
    double *sums = sw_desk_array(desk, sw_view_count(dx));
    if (sums == NULL)
        return sw_alloc_status();
    sw_call_ints(call, 2, pads, 2 * SW_MAX_RANK);
    if (sw_view_count(dy) > 0)
        do {
            int64_t to = mirrored(&packed, index, pads, border_of(call->node));
            if (to >= 0)
                sums[to] += sw_load_f64(dy->dtype, dy->data, sw_view_at(dy, index));
        } while (sw_index_next(dy->rank, dy->dims, index));
    sw_view_store(dx, sums);
    return SW_OK;
}
static sw_status pad_grad_reference(const sw_call *call) { return sw_on_desk(call, pad_grad_body); }

static sw_status pad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "PadGrad", SW_VALUES(dy[0], sw_node_input(n, 0), sw_node_input(n, 1)),
                       SW_ATTRS(SW_ATTR_S("mode", sw_attr_string(n, "mode"))));
    return sw_graph_status(g);
}

/* The border repeats what PadGrad adds up; a constant border is 0 here. */
static sw_status pad_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "Pad", SW_VALUES(dy[0], sw_node_input(n, 2)),
                       SW_ATTRS(SW_ATTR_S("mode", sw_attr_string(n, "mode"))));
    return sw_graph_status(g);
}

#define PADS .ints = {NULL, SW_I64S(1, 0, 2, 1)}
static const sw_sample pad_items[] = {
    {.note = "zeros", .inputs_count = 2, .dims = {{2, {3, 4}}, {1, {4}}}, PADS},
    {.note = "a value", .inputs_count = 3, .dims = {{2, {3, 4}}, {1, {4}}, {0}}, PADS},
    {.note = "reflected",
     .inputs_count = 2,
     .dims = {{2, {3, 4}}, {1, {4}}},
     PADS,
     SW_WITH(SW_SET_TEXT("mode", "reflect"))},
    {.note = "edge", .inputs_count = 2, .dims = {{2, {3, 4}}, {1, {4}}}, PADS, SW_WITH(SW_SET_TEXT("mode", "edge"))},
    {.note = "cut", .inputs_count = 2, .dims = {{2, {3, 4}}, {1, {4}}}, .ints = {NULL, SW_I64S(-1, 1, 0, -2)}},
};
static const sw_op_samples pad_samples = SW_SAMPLES(pad_items);
#define PADDED                                                                                                         \
    .inputs_count = 3, .dims = {{2, {6, 5}}, {2, {3, 4}}, {1, {4}}}, .ints = {NULL, NULL, SW_I64S(1, 0, 2, 1)}
static const sw_sample pad_grad_items[] = {
    {.note = "zeros", PADDED},
    {.note = "reflected", PADDED, SW_WITH(SW_SET_TEXT("mode", "reflect"))},
    {.note = "edge", PADDED, SW_WITH(SW_SET_TEXT("mode", "edge"))},
};
static const sw_op_samples pad_grad_samples = SW_SAMPLES(pad_grad_items);

/* clang-format off */
#define MODE_ATTR                                                                                                      \
    {"mode", SW_ATTR_STRING, .s = "constant", .choices = "constant|reflect|edge", .doc = "what the border holds"}
/* clang-format on */

const sw_op sw_op_pad = {
    SW_ROW,
    .name = "Pad",
    .doc = "x with a border: pads[i] elements before axis i, pads[rank + i] after it (negative ones cut), holding "
           "`value`, the mirror image "
           "without the edge, or the edge repeated.",
    .inputs = {{"x", SW_MOVABLE},
               {"pads", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE},
               {"value", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL | SW_PORT_NO_GRADIENT}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {MODE_ATTR},
    .infer = pad_infer,
    .grad = {SW_GRAD_RULE, pad_grad, SW_KEEP_INPUT(1)},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC,
    .reference = pad_reference,
    .samples = &pad_samples,
};
const sw_op sw_op_pad_grad = {
    SW_ROW,
    .name = "PadGrad",
    .doc = "The gradient of Pad: dy without the border, whose shares are added to the elements that it mirrored.",
    .inputs = {{"dy", SW_FLOATING},
               {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY},
               {"pads", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {MODE_ATTR},
    .infer = pad_grad_infer,
    .grad = {SW_GRAD_RULE, pad_grad_grad, SW_KEEP_INPUT(2)},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC,
    .reference = pad_grad_reference,
    .samples = &pad_grad_samples,
};

/* ---- builders ---- */
sw_value *sw_concat(sw_graph *g, sw_value *const *x, int count, int axis)
{
    return sw_row_add(g, "Concat", count, x, SW_ATTRS(SW_ATTR_I("axis", axis)));
}

sw_status sw_split(sw_graph *g, sw_value *x, int axis, int count, const int64_t *sizes, sw_value **parts)
{
    sw_attr attrs[] = {SW_ATTR_I("axis", axis), SW_ATTR_IS("sizes", sizes ? count : 0, sizes)};
    for (int i = 0; i < count; i++)
        parts[i] = NULL;
    sw_node_add(g, "Split", &x, 1, attrs, 2, parts, count);
    return sw_graph_status(g);
}

sw_value *sw_pad(sw_graph *g, sw_value *x, const int64_t *before, const int64_t *after, const char *mode, double value)
{
    int rank = sw_value_rank(x);
    int64_t pads[2 * SW_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        pads[i] = before[i];
        pads[rank + i] = after[i];
    }
    sw_value *border = sw_ints(g, rank < 0 ? 0 : 2 * rank, pads),
             *fill = value != 0 ? sw_scalar_like(g, x, value) : SW_NONE;
    return sw_row_add(g, "Pad", SW_VALUES(x, border, fill), SW_ATTRS(SW_ATTR_S("mode", mode)));
}
