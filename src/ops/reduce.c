/* reduce.c: many numbers along some axes become one: sums, means, products, extremes and where the extremes are.
 *
 * x is packed and each output element walks the elements that fall on it, in row-major order: so a sum has one order,
 * whatever the strides. Sums of floating point run in double; integers are exact and wrap. The mean or extreme of
 * nothing is what the formula's start says: 0 for a sum, 1 for a product, NaN for a mean, the type's lowest or highest
 * for an extreme. */
#include "ops/row.h"
#include "ops/sample.h"

/* clang-format off */
#define REDUCE_ATTRS                                                                                                   \
    {"axes", SW_ATTR_INTS, .doc = "axes to reduce, from the end when negative; empty: all"},                           \
        {"keep_dims", SW_ATTR_INT, .i = 1, .doc = "1: reduced axes stay, of size 1"}
/* clang-format on */

/* ---- inference ---- */
static sw_status marked_axes(sw_infer *infer, int rank, bool *marked)
{
    if (sw_axes_marked(infer->node, "axes", rank, marked) != SW_OK)
        return sw_infer_fail(infer, "axes must be distinct and within %d dims", rank);
    return SW_OK;
}

static void reduced_dims(sw_infer *infer, const sw_type *x, const bool *marked)
{
    bool keep = sw_attr_int(infer->node, "keep_dims");
    sw_dim dims[SW_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (!marked[i])
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    sw_infer_dims(infer, 0, rank, dims);
}

static sw_status reduce_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    bool marked[SW_MAX_RANK];
    SW_TRY(marked_axes(infer, x->rank, marked));
    reduced_dims(infer, x, marked);
    return SW_OK;
}

/* The product of a shape's dims is a count of elements that may be known. */
static sw_status reduce_prod_infer(sw_infer *infer)
{
    SW_TRY(reduce_infer(infer));
    const sw_dim *dims;
    int count;
    if (infer->outputs[0].rank > 1 || !sw_infer_contents_of(infer, 0, &dims, &count))
        return SW_OK;
    sw_dim product = 1;
    for (int i = 0; i < count; i++)
        product = sw_dim_mul(infer->g, product, dims[i]);
    if (sw_infer_type(infer, 0)->rank == 1)
        sw_infer_contents(infer, 0, &product, 1);
    return SW_OK;
}

/* ---- which input elements fall on which output element ---- */
struct groups {
    int64_t outer, inner; /* output elements; input elements of each */
    int outer_rank, inner_rank;
    int64_t outer_dims[SW_MAX_RANK], outer_strides[SW_MAX_RANK];
    int64_t inner_dims[SW_MAX_RANK], inner_strides[SW_MAX_RANK];
};

static void groups_of(const sw_view *x, const bool *marked, struct groups *s)
{
    *s = (struct groups){.outer = 1, .inner = 1};
    for (int i = 0; i < x->rank; i++)
        if (marked[i]) {
            s->inner_dims[s->inner_rank] = x->dims[i];
            s->inner_strides[s->inner_rank++] = x->strides[i];
            s->inner *= x->dims[i];
        } else {
            s->outer_dims[s->outer_rank] = x->dims[i];
            s->outer_strides[s->outer_rank++] = x->strides[i];
            s->outer *= x->dims[i];
        }
}

static int64_t outer_at(const struct groups *s, int64_t k)
{
    int64_t index[SW_MAX_RANK], at = 0;
    sw_index_of(s->outer_rank, s->outer_dims, k, index);
    for (int i = 0; i < s->outer_rank; i++)
        at += index[i] * s->outer_strides[i];
    return at;
}

/* What is folded, element by element; `count` is how many there were. */
struct fold {
    double start, (*f)(double y, double x), (*end)(double y, double count);
    int64_t start_i, (*i)(int64_t y, int64_t x), (*end_i)(int64_t y, int64_t count);
    uint64_t start_u, (*u)(uint64_t y, uint64_t x), (*end_u)(uint64_t y, uint64_t count);
};

static void fold_group(const struct fold *fold, const struct groups *s, const sw_view *x, int64_t at, const sw_view *y,
                       int64_t to)
{
    const int64_t *strides[] = {s->inner_strides};
    sw_class class = sw_dtype_class(x->dtype);
    double f = fold->start;
    int64_t i = fold->start_i;
    uint64_t u = fold->start_u;
    sw_walk w;
    if (sw_walk_begin(&w, s->inner_rank, s->inner_dims, 1, strides))
        do {
            if (class == SW_CLASS_FLOAT)
                f = fold->f(f, sw_load_f64(x->dtype, x->data, at + w.at[0]));
            else if (class == SW_CLASS_SIGNED)
                i = fold->i(i, sw_load_i64(x->dtype, x->data, at + w.at[0]));
            else
                u = fold->u(u, sw_load_u64(x->dtype, x->data, at + w.at[0]));
        } while (sw_walk_next(&w));
    if (class == SW_CLASS_FLOAT)
        sw_store_f64(y->dtype, y->data, to, fold->end ? fold->end(f, (double)s->inner) : f);
    else if (class == SW_CLASS_SIGNED)
        sw_store_i64(y->dtype, y->data, to, fold->end_i ? fold->end_i(i, s->inner) : i);
    else
        sw_store_u64(y->dtype, y->data, to, fold->end_u ? fold->end_u(u, (uint64_t)s->inner) : u);
}

/* The place of the k-th element, row-major, of a view. */
static int64_t nth(const sw_view *view, int64_t k)
{
    int64_t index[SW_MAX_RANK];
    sw_index_of(view->rank, view->dims, k, index);
    return sw_view_at(view, index);
}

static sw_status reduce(const sw_call *call, const struct fold *fold)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    bool marked[SW_MAX_RANK];
    SW_TRY(sw_axes_marked(call->node, "axes", x->rank, marked));
    struct groups s;
    groups_of(x, marked, &s);
    for (int64_t k = 0; k < s.outer; k++)
        fold_group(fold, &s, x, outer_at(&s, k), y, nth(y, k));
    return SW_OK;
}

/* ---- what is folded ---- */
static double sum_f(double y, double x) { return y + x; }
static int64_t sum_i(int64_t y, int64_t x) { return (int64_t)((uint64_t)y + (uint64_t)x); }
static uint64_t sum_u(uint64_t y, uint64_t x) { return y + x; }
static double mean_f(double y, double count) { return y / count; }
static int64_t mean_i(int64_t y, int64_t count) { return count ? y / count : 0; }
static uint64_t mean_u(uint64_t y, uint64_t count) { return count ? y / count : 0; }
static double prod_f(double y, double x) { return y * x; }
static int64_t prod_i(int64_t y, int64_t x) { return (int64_t)((uint64_t)y * (uint64_t)x); }
static uint64_t prod_u(uint64_t y, uint64_t x) { return y * x; }
static double max_f(double y, double x) { return isnan(y) || y > x ? y : x; }
static int64_t max_i(int64_t y, int64_t x) { return y > x ? y : x; }
static uint64_t max_u(uint64_t y, uint64_t x) { return y > x ? y : x; }
static double min_f(double y, double x) { return isnan(y) || y < x ? y : x; }
static int64_t min_i(int64_t y, int64_t x) { return y < x ? y : x; }
static uint64_t min_u(uint64_t y, uint64_t x) { return y < x ? y : x; }

static sw_status reduce_sum_reference(const sw_call *call)
{
    return reduce(call, &(struct fold){.f = sum_f, .i = sum_i, .u = sum_u});
}
static sw_status reduce_mean_reference(const sw_call *call)
{
    return reduce(call,
                  &(struct fold){.f = sum_f, .end = mean_f, .i = sum_i, .end_i = mean_i, .u = sum_u, .end_u = mean_u});
}
static sw_status reduce_prod_reference(const sw_call *call)
{
    return reduce(call, &(struct fold){.start = 1, .f = prod_f, .start_i = 1, .i = prod_i, .start_u = 1, .u = prod_u});
}

/* Bits of an integer type as its highest and lowest number. */
static int64_t highest(sw_dtype dtype) { return INT64_MAX >> (64 - sw_dtype_bits(dtype)); }
static uint64_t highest_unsigned(sw_dtype dtype) { return UINT64_MAX >> (64 - sw_dtype_bits(dtype)); }

static sw_status reduce_max_reference(const sw_call *call)
{
    return reduce(
        call,
        &(struct fold){
            .start = -INFINITY, .f = max_f, .start_i = -highest(call->inputs[0].dtype) - 1, .i = max_i, .u = max_u});
}
static sw_status reduce_min_reference(const sw_call *call)
{
    sw_dtype dtype = call->inputs[0].dtype;
    return reduce(call, &(struct fold){.start = INFINITY,
                                       .f = min_f,
                                       .start_i = highest(dtype),
                                       .i = min_i,
                                       .start_u = highest_unsigned(dtype),
                                       .u = min_u});
}

/* ---- gradients ---- */
/* `v`, a result of reducing x, with the reduced axes back as 1. */
static sw_value *with_axes(sw_graph *g, const sw_node *n, sw_value *x, sw_value *v)
{
    if (sw_attr_int(n, "keep_dims") || v == NULL || sw_value_rank(x) < 0)
        return v;
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(n, "axes", axes, SW_MAX_RANK);
    for (int i = 0; count == 0 && i < sw_value_rank(x); i++)
        axes[i] = i;
    return sw_unsqueeze(g, v, count ? count : sw_value_rank(x), axes);
}

static sw_value *spread(sw_graph *g, const sw_node *n, sw_value *x, sw_value *v)
{
    return sw_expand(g, with_axes(g, n, x, v), sw_shape_of(g, x));
}

static sw_status reduce_sum_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0);
    dx[0] = spread(g, n, x, dy[0]);
    return sw_graph_status(g);
}

/* dy / count; the count is a number when the reduced dims are. */
static sw_status reduce_mean_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0);
    const sw_type *type = sw_value_type(x);
    if (type->rank < 0)
        return sw_fail(SW_UNSUPPORTED, "ReduceMean '%s': no gradient while the rank is not known", sw_node_name(n));
    bool marked[SW_MAX_RANK];
    SW_TRY(sw_axes_marked(n, "axes", type->rank, marked));
    sw_dim count = 1;
    for (int i = 0; i < type->rank; i++)
        count = marked[i] ? sw_dim_mul(g, count, type->dims[i]) : count;
    if (sw_dim_known(count)) {
        dx[0] = spread(g, n, x, sw_mul_scalar(g, dy[0], 1 / (double)count));
        return sw_graph_status(g);
    }
    sw_value *size = sw_scalar(g, SW_I64, 1), *shape = sw_shape_of(g, x);
    for (int i = 0; i < type->rank; i++)
        if (marked[i])
            size = sw_mul(g, size, sw_squeeze(g, sw_slice(g, shape, 0, i, i + 1, 1), 1, (int64_t[]){0}));
    dx[0] = spread(g, n, x, sw_div(g, dy[0], sw_cast(g, size, type->dtype)));
    return sw_graph_status(g);
}

/* Equal winners share dy. */
static sw_status reduce_extreme_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0);
    sw_value *won = sw_cast(g, sw_equal(g, x, with_axes(g, n, x, sw_node_output(n, 0))), sw_value_dtype(x));
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(n, "axes", axes, SW_MAX_RANK);
    sw_value *winners = sw_reduce_sum(g, won, count, axes, true);
    dx[0] = sw_mul(g, won, sw_div(g, with_axes(g, n, x, dy[0]), winners));
    return sw_graph_status(g);
}

static sw_status reduce_prod_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    dx[0] = sw_row_add(g, "ReduceProdGrad", SW_VALUES(dy[0], sw_node_input(n, 0)), count, attrs);
    return sw_graph_status(g);
}

/* ---- the gradient of a product: dy times the product of the others ---- */
static sw_status reduce_prod_grad_infer(sw_infer *infer)
{
    sw_infer_copy(infer, 0, sw_infer_type(infer, 1));
    return SW_OK;
}

static double product_without(const struct groups *s, const sw_view *x, int64_t at, int64_t without)
{
    const int64_t *strides[] = {s->inner_strides};
    double product = 1;
    sw_walk w;
    if (sw_walk_begin(&w, s->inner_rank, s->inner_dims, 1, strides))
        do
            if (w.at[0] != without)
                product *= sw_load_f64(x->dtype, x->data, at + w.at[0]);
        while (sw_walk_next(&w));
    return product;
}

static sw_status reduce_prod_grad_reference(const sw_call *call)
{
    const sw_view *dy = &call->inputs[0], *x = &call->inputs[1], *dx = &call->outputs[0];
    bool marked[SW_MAX_RANK];
    SW_TRY(sw_axes_marked(call->node, "axes", x->rank, marked));
    struct groups in, out;
    groups_of(x, marked, &in);
    groups_of(dx, marked, &out);
    for (int64_t k = 0; k < in.outer; k++) {
        double d = sw_load_f64(dy->dtype, dy->data, nth(dy, k));
        int64_t from = outer_at(&in, k), to = outer_at(&out, k);
        const int64_t *strides[] = {in.inner_strides, out.inner_strides};
        sw_walk w;
        if (sw_walk_begin(&w, in.inner_rank, in.inner_dims, 2, strides))
            do
                sw_store_f64(dx->dtype, dx->data, to + w.at[1], d * product_without(&in, x, from, w.at[0]));
            while (sw_walk_next(&w));
    }
    return SW_OK;
}

/* ---- where the extreme is ---- */
static sw_status arg_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    int axis;
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, &axis));
    if (x->dims[axis] == 0)
        return sw_infer_fail(infer, "axis %d has no elements to choose from", axis);
    bool marked[SW_MAX_RANK] = {false};
    marked[axis] = true;
    reduced_dims(infer, x, marked);
    return SW_OK;
}

static bool better(const sw_view *x, int64_t a, int64_t b, bool largest, bool or_equal)
{
    if (sw_dtype_class(x->dtype) == SW_CLASS_FLOAT) {
        double p = sw_load_f64(x->dtype, x->data, a), q = sw_load_f64(x->dtype, x->data, b);
        if (isnan(p) || isnan(q))
            return isnan(p) && (!isnan(q) || or_equal);
        return largest ? p > q || (or_equal && p == q) : p < q || (or_equal && p == q);
    }
    if (sw_dtype_class(x->dtype) == SW_CLASS_SIGNED) {
        int64_t p = sw_load_i64(x->dtype, x->data, a), q = sw_load_i64(x->dtype, x->data, b);
        return (or_equal && p == q) || (largest ? p > q : p < q);
    }
    uint64_t p = sw_load_u64(x->dtype, x->data, a), q = sw_load_u64(x->dtype, x->data, b);
    return (or_equal && p == q) || (largest ? p > q : p < q);
}

static sw_status arg(const sw_call *call, bool largest)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int axis = sw_axis(sw_attr_int(call->node, "axis"), x->rank);
    bool last = sw_attr_int(call->node, "select_last"), marked[SW_MAX_RANK] = {false};
    marked[axis] = true;
    struct groups s;
    groups_of(x, marked, &s);
    for (int64_t k = 0; k < s.outer; k++) {
        int64_t at = outer_at(&s, k), best = 0;
        for (int64_t i = 1; i < x->dims[axis]; i++)
            if (better(x, at + i * x->strides[axis], at + best * x->strides[axis], largest, last))
                best = i;
        sw_store_i64(y->dtype, y->data, nth(y, k), best);
    }
    return SW_OK;
}
static sw_status arg_max_reference(const sw_call *call) { return arg(call, true); }
static sw_status arg_min_reference(const sw_call *call) { return arg(call, false); }

/* ---- samples ---- */
#define DROP SW_SET_INT("keep_dims", 0)
static const sw_sample reduce_items[] = {
    {.note = "all", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}},
    {.note = "all, dropped", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}, SW_WITH(DROP)},
    {.note = "last", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}, SW_WITH(SW_SET_INTS("axes", -1))},
    {.note = "all but channels",
     .inputs_count = 1,
     .dims = {{4, {2, 3, 4, 2}}},
     SW_WITH(SW_SET_INTS("axes", 0, 2, 3), DROP)},
    {.note = "first and last", .inputs_count = 1, .dims = {{3, {2, 3, 4}}}, SW_WITH(SW_SET_INTS("axes", 0, 2))},
    {.note = "a scalar", .inputs_count = 1, .dims = {{0}}},
    {.note = "integers",
     .inputs_count = 1,
     .dims = {{2, {3, 5}}},
     SW_WITH(SW_SET_INTS("axes", 1), DROP),
     .dtype = {SW_I32}},
    {.note = "of nothing",
     .inputs_count = 1,
     .dims = {{2, {3, 0}}},
     SW_WITH(SW_SET_INTS("axes", 1)),
     .smooth_off = true},
    {.note = "into nothing", .inputs_count = 1, .dims = {{2, {0, 3}}}, SW_WITH(SW_SET_INTS("axes", 1))},
};
static const sw_op_samples reduce_samples = SW_SAMPLES(reduce_items);

static const sw_sample prod_grad_items[] = {
    {.note = "last", .inputs_count = 2, .dims = {{2, {3, 1}}, {2, {3, 4}}}, SW_WITH(SW_SET_INTS("axes", 1))},
    {.note = "all, dropped", .inputs_count = 2, .dims = {{0}, {2, {2, 3}}}, SW_WITH(DROP)},
};
static const sw_op_samples prod_grad_samples = SW_SAMPLES(prod_grad_items);

static const sw_sample arg_items[] = {
    {.note = "last", .inputs_count = 1, .dims = {{3, {2, 3, 5}}}, SW_WITH(SW_SET_INT("axis", -1))},
    {.note = "middle, dropped", .inputs_count = 1, .dims = {{3, {2, 3, 5}}}, SW_WITH(SW_SET_INT("axis", 1), DROP)},
    {.note = "ties, the last",
     .inputs_count = 1,
     .dims = {{2, {4, 9}}},
     SW_WITH(SW_SET_INT("axis", 1), SW_SET_INT("select_last", 1)),
     .dtype = {SW_I32},
     .integer_max = {3}},
    {.note = "ties, the first",
     .inputs_count = 1,
     .dims = {{2, {4, 9}}},
     SW_WITH(SW_SET_INT("axis", 1)),
     .dtype = {SW_I32},
     .integer_max = {3}},
};
static const sw_op_samples arg_samples = SW_SAMPLES(arg_items);

/* ---- rows ---- */
#define REDUCE_PORTS .inputs = {{"x", SW_NUMERIC}}, .outputs = {{"y", SW_SAME_AS("x")}}, .attrs = {REDUCE_ATTRS}
#define REDUCE_ROW .cost = sw_cost_per_input, .flags = SW_DETERMINISTIC, .samples = &reduce_samples

const sw_op sw_op_reduce_sum = {
    SW_ROW,
    .name = "ReduceSum",
    .doc = "The sum over the axes; integers wrap.",
    REDUCE_PORTS,
    .infer = reduce_infer,
    .grad = {SW_GRAD_RULE, reduce_sum_grad},
    .reference = reduce_sum_reference,
    REDUCE_ROW,
};
const sw_op sw_op_reduce_mean = {
    SW_ROW,
    .name = "ReduceMean",
    .doc = "The mean over the axes; NaN of no elements. Integers truncate toward zero.",
    REDUCE_PORTS,
    .infer = reduce_infer,
    .grad = {SW_GRAD_RULE, reduce_mean_grad},
    .reference = reduce_mean_reference,
    REDUCE_ROW,
};
const sw_op sw_op_reduce_max = {
    SW_ROW,
    .name = "ReduceMax",
    .doc = "The largest over the axes; NaN when any is. Equal ones share the gradient.",
    REDUCE_PORTS,
    .infer = reduce_infer,
    .grad = {SW_GRAD_RULE, reduce_extreme_grad, SW_KEEP_INPUT(0) | SW_KEEP_OUTPUT(0)},
    .reference = reduce_max_reference,
    REDUCE_ROW,
};
const sw_op sw_op_reduce_min = {
    SW_ROW,
    .name = "ReduceMin",
    .doc = "The smallest over the axes; NaN when any is. Equal ones share the gradient.",
    REDUCE_PORTS,
    .infer = reduce_infer,
    .grad = {SW_GRAD_RULE, reduce_extreme_grad, SW_KEEP_INPUT(0) | SW_KEEP_OUTPUT(0)},
    .reference = reduce_min_reference,
    REDUCE_ROW,
};
const sw_op sw_op_reduce_prod = {
    SW_ROW,
    .name = "ReduceProd",
    .doc = "The product over the axes; integers wrap.",
    REDUCE_PORTS,
    .infer = reduce_prod_infer,
    .grad = {SW_GRAD_RULE, reduce_prod_grad, SW_KEEP_INPUT(0)},
    .reference = reduce_prod_reference,
    REDUCE_ROW,
};
const sw_op sw_op_reduce_prod_grad = {
    SW_ROW,
    .name = "ReduceProdGrad",
    .doc = "The gradient of ReduceProd: dy times the product of the other elements, right for zeros too. Second "
           "derivatives stop here.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy")}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {REDUCE_ATTRS},
    .infer = reduce_prod_grad_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_cost_elementwise,
    .flags = SW_DETERMINISTIC,
    .reference = reduce_prod_grad_reference,
    .samples = &prod_grad_samples,
};

#define ARG_ROW                                                                                                        \
    .inputs = {{"x", SW_NUMERIC}}, .outputs = {{"y", SW_DT(SW_I64)}},                                                  \
    .attrs = {{"axis", SW_ATTR_INT, .doc = "the axis searched, from the end when negative"},                           \
              {"keep_dims", SW_ATTR_INT, .i = 1, .doc = "1: that axis stays, of size 1"},                              \
              {"select_last", SW_ATTR_INT, .doc = "1: the last of equals instead of the first"}},                      \
    .infer = arg_infer, .grad = {SW_NOT_DIFFERENTIABLE}, .cost = sw_cost_per_input, .flags = SW_DETERMINISTIC,         \
    .samples = &arg_samples
const sw_op sw_op_arg_max = {
    SW_ROW,
    .name = "ArgMax",
    .doc = "The index of the largest element along an axis, the first of equals; NaN counts as the largest.",
    ARG_ROW,
    .reference = arg_max_reference,
};
const sw_op sw_op_arg_min = {
    SW_ROW,
    .name = "ArgMin",
    .doc = "The index of the smallest element along an axis, the first of equals; NaN counts as the smallest.",
    ARG_ROW,
    .reference = arg_min_reference,
};

/* ---- builders ---- */
static sw_value *build(sw_graph *g, const char *op, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return sw_row_add(g, op, SW_VALUES(x),
                      SW_ATTRS(SW_ATTR_IS("axes", count, axes), SW_ATTR_I("keep_dims", keep_dims)));
}
sw_value *sw_reduce_sum(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return build(g, "ReduceSum", x, count, axes, keep_dims);
}
sw_value *sw_reduce_mean(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return build(g, "ReduceMean", x, count, axes, keep_dims);
}
sw_value *sw_reduce_max(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return build(g, "ReduceMax", x, count, axes, keep_dims);
}
sw_value *sw_reduce_min(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return build(g, "ReduceMin", x, count, axes, keep_dims);
}
sw_value *sw_reduce_prod(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims)
{
    return build(g, "ReduceProd", x, count, axes, keep_dims);
}
sw_value *sw_argmax(sw_graph *g, sw_value *x, int axis, bool keep_dims)
{
    return sw_row_add(g, "ArgMax", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_I("keep_dims", keep_dims)));
}
sw_value *sw_argmin(sw_graph *g, sw_value *x, int axis, bool keep_dims)
{
    return sw_row_add(g, "ArgMin", SW_VALUES(x), SW_ATTRS(SW_ATTR_I("axis", axis), SW_ATTR_I("keep_dims", keep_dims)));
}
