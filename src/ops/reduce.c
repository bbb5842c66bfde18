/* reduce.c: many numbers along some axes become one: sums, means, products and extremes.
 *
 * Each output element walks the elements that fall on it in row-major order: so a sum has one order, whatever the
 * strides. Sums of floating point run in double; integers are exact and wrap. The result for no elements is what the
 * formula starts from: 0 for a sum, 1 for a product, NaN for a mean, the type's lowest or highest for an extreme. */
#include "ops/groups.h"
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

static sw_status reduce_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    bool marked[SW_MAX_RANK];
    SW_TRY(marked_axes(infer, x->rank, marked));
    sw_infer_reduced(infer, x, marked);
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

/* What is folded, element by element; `count` is how many there were. */
struct fold {
    double start, (*f)(double y, double x), (*end)(double y, double count);
    int64_t start_i, (*i)(int64_t y, int64_t x), (*end_i)(int64_t y, int64_t count);
    uint64_t start_u, (*u)(uint64_t y, uint64_t x), (*end_u)(uint64_t y, uint64_t count);
};

static void fold_group(const struct fold *fold, const sw_groups *s, const sw_view *x, int64_t at, const sw_view *y,
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

static sw_status reduce(const sw_call *call, const struct fold *fold)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    bool marked[SW_MAX_RANK];
    SW_TRY(sw_axes_marked(call->node, "axes", x->rank, marked));
    sw_groups s;
    sw_groups_of(x, marked, &s);
    for (int64_t k = 0; k < s.outer; k++)
        fold_group(fold, &s, x, sw_groups_at(&s, k), y, sw_view_nth(y, k));
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

static double product_without(const sw_groups *s, const sw_view *x, int64_t at, int64_t without)
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
    sw_groups in, out;
    sw_groups_of(x, marked, &in);
    sw_groups_of(dx, marked, &out);
    for (int64_t k = 0; k < in.outer; k++) {
        double d = sw_load_f64(dy->dtype, dy->data, sw_view_nth(dy, k));
        int64_t from = sw_groups_at(&in, k), to = sw_groups_at(&out, k);
        const int64_t *strides[] = {in.inner_strides, out.inner_strides};
        sw_walk w;
        if (sw_walk_begin(&w, in.inner_rank, in.inner_dims, 2, strides))
            do
                sw_store_f64(dx->dtype, dx->data, to + w.at[1], d * product_without(&in, x, from, w.at[0]));
            while (sw_walk_next(&w));
    }
    return SW_OK;
}

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
