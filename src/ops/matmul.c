/* matmul.c: products of matrices: MatMul (with batches, as NumPy's) and Gemm.
 *
 * Both rows say which operands are transposed, so that a gradient is again one product without moving a number. Both
 * inner loops are the textbook's: floating point in double, integers in 64 bits, wrapping. */
#include "ops/product.h"
#include "ops/sample.h"

/* One product: [batch…, m, k] x [batch…, k, n], with the places of elements. */
struct product {
    int64_t m, k, n;
    int64_t a_row, a_column, b_row, b_column; /* steps */
};

static struct product product_of(const sw_view *a, bool ta, const sw_view *b, bool tb)
{
    int64_t a_rows = a->rank > 1 ? a->dims[a->rank - 2] : 1, a_columns = a->dims[a->rank - 1];
    int64_t b_rows = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0],
            b_columns = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    return (struct product){
        .m = ta ? a_columns : a_rows,
        .k = ta ? a_rows : a_columns,
        .n = tb ? b_rows : b_columns,
        .a_row = ta ? 1 : a_columns,
        .a_column = ta ? a_columns : 1,
        .b_row = tb ? 1 : b_columns,
        .b_column = tb ? b_columns : 1,
    };
}

static void multiply(const struct product *p, const double *a, const double *b, double *y)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += a[i * p->a_row + k * p->a_column] * b[k * p->b_row + j * p->b_column];
            y[i * p->n + j] = sum;
        }
}

static void multiply_int(const struct product *p, const int64_t *a, const int64_t *b, int64_t *y)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += (uint64_t)a[i * p->a_row + k * p->a_column] * (uint64_t)b[k * p->b_row + j * p->b_column];
            y[i * p->n + j] = (int64_t)sum;
        }
}

/* ---- MatMul ---- */
sw_status sw_matmul_infer(sw_infer *infer)
{
    const sw_type *a = sw_infer_type(infer, 0), *b = sw_infer_type(infer, 1);
    if (a->rank < 0 || b->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 0, 1, SW_MAX_RANK));
    SW_TRY(sw_infer_rank(infer, 1, 1, SW_MAX_RANK));
    bool ta = sw_attr_int(infer->node, "transpose_a"), tb = sw_attr_int(infer->node, "transpose_b");
    if ((ta && a->rank < 2) || (tb && b->rank < 2))
        return sw_infer_fail(infer, "a vector cannot be transposed");
    sw_dim a_inner = a->dims[a->rank - (ta ? 2 : 1)], b_inner = b->dims[b->rank - (b->rank > 1 && !tb ? 2 : 1)];
    SW_TRY(sw_infer_agree(infer, a_inner, b_inner, "the inner dims"));
    int a_batch = a->rank > 2 ? a->rank - 2 : 0, b_batch = b->rank > 2 ? b->rank - 2 : 0;
    int batch = a_batch > b_batch ? a_batch : b_batch, rank = 0;
    sw_dim dims[SW_MAX_RANK];
    for (int i = batch; i > 0; i--) {
        sw_dim left = i <= a_batch ? a->dims[a_batch - i] : 1, right = i <= b_batch ? b->dims[b_batch - i] : 1;
        bool ok = true;
        dims[rank++] = sw_dim_broadcast(infer->g, left, right, &ok);
        if (!ok)
            return sw_infer_fail(infer, "batch dims do not broadcast: %lld and %lld", (long long)left,
                                 (long long)right);
    }
    if (a->rank > 1)
        dims[rank++] = a->dims[a->rank - (ta ? 1 : 2)];
    if (b->rank > 1)
        dims[rank++] = b->dims[b->rank - (tb ? 2 : 1)];
    sw_infer_dims(infer, 0, rank, dims);
    return SW_OK;
}

/* Where the batch-th product's operand begins in its packed array. */
static int64_t batch_offset(const sw_view *x, int batch_rank, const int64_t *index)
{
    int own = x->rank > 2 ? x->rank - 2 : 0;
    int64_t at = 0;
    for (int i = 0; i < own; i++)
        at = at * x->dims[i] + (x->dims[i] == 1 ? 0 : index[batch_rank - own + i]);
    return own ? at * x->dims[x->rank - 2] * x->dims[x->rank - 1] : 0;
}

/* All products of the batch; 8 bytes a number in either class. */
static void *multiply_batch(const sw_call *call, sw_arena *desk, bool floating)
{
    const sw_view *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
    struct product p = product_of(a, sw_attr_int(call->node, "transpose_a"), b, sw_attr_int(call->node, "transpose_b"));
    void *av = floating ? (void *)sw_desk_load(desk, a) : (void *)sw_desk_load_int(desk, a);
    void *bv = floating ? (void *)sw_desk_load(desk, b) : (void *)sw_desk_load_int(desk, b);
    void *yv = sw_desk_array(desk, sw_view_count(y));
    if (av == NULL || bv == NULL || yv == NULL)
        return NULL;
    int batch_rank = y->rank - (a->rank > 1) - (b->rank > 1);
    int64_t index[SW_MAX_RANK] = {0}, done = 0;
    if (sw_view_count(y) > 0)
        do {
            int64_t a_at = batch_offset(a, batch_rank, index), b_at = batch_offset(b, batch_rank, index);
            if (floating)
                multiply(&p, (double *)av + a_at, (double *)bv + b_at, (double *)yv + done);
            else
                multiply_int(&p, (int64_t *)av + a_at, (int64_t *)bv + b_at, (int64_t *)yv + done);
            done += p.m * p.n;
        } while (sw_index_next(batch_rank, y->dims, index));
    return yv;
}

sw_status sw_matmul_compute(const sw_call *call, sw_arena *desk, double **values)
{
    *values = multiply_batch(call, desk, true);
    return *values ? SW_OK : sw_alloc_status();
}

static sw_status matmul_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *y = &call->outputs[0];
    bool floating = sw_dtype_class(y->dtype) == SW_CLASS_FLOAT;
    void *values = multiply_batch(call, desk, floating);
    if (values == NULL)
        return sw_alloc_status();
    if (floating)
        sw_view_store(y, values);
    else
        sw_view_store_int(y, values);
    return SW_OK;
}
static sw_status matmul_reference(const sw_call *call) { return sw_on_desk(call, matmul_body); }

sw_cost sw_matmul_cost(const sw_call *call)
{
    const sw_view *a = &call->inputs[0];
    int64_t inner = a->dims[a->rank - (sw_attr_int(call->node, "transpose_a") ? 2 : 1)];
    return sw_cost_of(call, 2 * (double)inner * sw_cost_elements(&call->outputs[0]));
}

/* [.., m, k] with one matrix on the other side: the batch is just more rows. */
static sw_value *as_matrix(sw_graph *g, sw_value *x)
{
    if (x == NULL)
        return NULL;
    const sw_type *type = sw_value_type(x);
    sw_dim last = type->dims[type->rank - 1];
    if (sw_dim_known(last) && last > 0)
        return sw_reshape(g, x, SW_DIMS(-1, last));
    return sw_flatten(g, x, type->rank - 1);
}

/* With A' and B' the operands as multiplied: dA' = dC B'^T, dB' = A'^T dC. */
static sw_status matmul_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1), *d = dy[0];
    int a_rank = sw_value_rank(a), b_rank = sw_value_rank(b);
    bool ta = sw_attr_int(n, "transpose_a"), tb = sw_attr_int(n, "transpose_b");
    if (a_rank < 0 || b_rank < 0)
        return sw_fail(SW_UNSUPPORTED, "MatMul '%s': no gradient while the ranks are not known", sw_node_name(n));
    if (a_rank > 2 && b_rank == 2 && !ta) {
        if (sw_grad_wants(g, 0))
            dx[0] = sw_matmul_t(g, d, false, b, !tb);
        if (!sw_grad_wants(g, 1))
            return sw_graph_status(g);
        sw_value *rows = as_matrix(g, a), *drows = as_matrix(g, d);
        dx[1] = tb ? sw_matmul_t(g, drows, true, rows, false) : sw_matmul_t(g, rows, true, drows, false);
        return sw_graph_status(g);
    }
    /* a vector is a matrix of one row on the left, of one column on the right */
    sw_value *am = a_rank == 1 ? sw_unsqueeze(g, a, 1, (int64_t[]){0}) : a;
    sw_value *bm = b_rank == 1 ? sw_unsqueeze(g, b, 1, (int64_t[]){1}) : b;
    if (b_rank == 1)
        d = sw_unsqueeze(g, d, 1, (int64_t[]){-1});
    if (a_rank == 1)
        d = sw_unsqueeze(g, d, 1, (int64_t[]){-2});
    if (sw_grad_wants(g, 0)) {
        sw_value *da = sw_sum_to(g, ta ? sw_matmul_t(g, bm, tb, d, true) : sw_matmul_t(g, d, false, bm, !tb), am);
        dx[0] = a_rank == 1 ? sw_squeeze(g, da, 1, (int64_t[]){0}) : da;
    }
    if (sw_grad_wants(g, 1)) {
        sw_value *db = sw_sum_to(g, tb ? sw_matmul_t(g, d, true, am, ta) : sw_matmul_t(g, am, !ta, d, false), bm);
        dx[1] = b_rank == 1 ? sw_squeeze(g, db, 1, (int64_t[]){1}) : db;
    }
    return sw_graph_status(g);
}

#define TA SW_SET_INT("transpose_a", 1)
#define TB SW_SET_INT("transpose_b", 1)

static const sw_sample matmul_items[] = {
    {.note = "matrices", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {5, 4}}}},
    {.note = "a transposed", .inputs_count = 2, .dims = {{2, {5, 3}}, {2, {5, 4}}}, SW_WITH(TA)},
    {.note = "b transposed", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {4, 5}}}, SW_WITH(TB)},
    {.note = "both transposed", .inputs_count = 2, .dims = {{2, {5, 3}}, {2, {4, 5}}}, SW_WITH(TA, TB)},
    {.note = "rows of a batch", .inputs_count = 2, .dims = {{3, {2, 3, 5}}, {2, {5, 4}}}},
    {.note = "rows of a batch, b transposed", .inputs_count = 2, .dims = {{3, {2, 3, 5}}, {2, {4, 5}}}, SW_WITH(TB)},
    {.note = "batches both ways", .inputs_count = 2, .dims = {{4, {2, 1, 3, 4}}, {3, {3, 4, 2}}}},
    {.note = "vectors", .inputs_count = 2, .dims = {{1, {4}}, {1, {4}}}},
    {.note = "vector and batch", .inputs_count = 2, .dims = {{1, {4}}, {3, {2, 4, 3}}}},
    {.note = "batch and vector", .inputs_count = 2, .dims = {{3, {2, 3, 4}}, {1, {4}}}},
    {.note = "integers", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {5, 4}}}, .dtype = {SW_I32, SW_I32}},
    {.note = "nothing inside", .inputs_count = 2, .dims = {{2, {3, 0}}, {2, {0, 4}}}},
};
static const sw_op_samples matmul_samples = SW_SAMPLES(matmul_items);

const sw_op sw_op_matmul = {
    SW_ROW,
    .name = "MatMul",
    .doc = "The matrix product a b of the last two dims, batch dims broadcasting, as NumPy's matmul: a vector counts "
           "as one "
           "row on the left and as one column on the right.",
    .inputs = {{"a", SW_NUMERIC}, {"b", SW_SAME_AS("a")}},
    .outputs = {{"y", SW_SAME_AS("a")}},
    .attrs = {SW_TRANSPOSE_ATTRS},
    .infer = sw_matmul_infer,
    .grad = {SW_GRAD_RULE, matmul_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = sw_matmul_cost,
    .flags = SW_DETERMINISTIC,
    .reference = matmul_reference,
    .samples = &matmul_samples,
};

/* ---- Gemm ---- */
static sw_status gemm_infer(sw_infer *infer)
{
    const sw_type *a = sw_infer_type(infer, 0), *b = sw_infer_type(infer, 1), *c = sw_infer_type(infer, 2);
    if (a->rank < 0 || b->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 0, 2, 2));
    SW_TRY(sw_infer_rank(infer, 1, 2, 2));
    SW_TRY(sw_infer_rank(infer, 2, 0, 2));
    bool ta = sw_attr_int(infer->node, "transpose_a"), tb = sw_attr_int(infer->node, "transpose_b");
    SW_TRY(sw_infer_agree(infer, a->dims[ta ? 0 : 1], b->dims[tb ? 1 : 0], "the inner dims"));
    sw_dim dims[] = {a->dims[ta ? 1 : 0], b->dims[tb ? 0 : 1]};
    for (int i = 1; c != NULL && i <= c->rank; i++)
        if (c->dims[c->rank - i] != 1)
            SW_TRY(sw_infer_agree(infer, c->dims[c->rank - i], dims[2 - i], "the dims of c and of the product"));
    sw_infer_dims(infer, 0, 2, dims);
    return SW_OK;
}

static sw_status gemm_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
    struct product p = product_of(a, sw_attr_int(call->node, "transpose_a"), b, sw_attr_int(call->node, "transpose_b"));
    double alpha = sw_attr_float(call->node, "alpha"), beta = sw_attr_float(call->node, "beta");
    double *av = sw_desk_load(desk, a), *bv = sw_desk_load(desk, b), *yv = sw_desk_array(desk, p.m * p.n);
    if (av == NULL || bv == NULL || yv == NULL)
        return sw_alloc_status();
    multiply(&p, av, bv, yv);
    int64_t c_strides[2] = {0, 0};
    const sw_view *c = sw_call_given(call, 2) ? &call->inputs[2] : NULL;
    if (c)
        sw_view_broadcast_strides(c, 2, y->dims, c_strides);
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < p.n; j++) {
            double bias = c ? sw_load_f64(c->dtype, c->data, i * c_strides[0] + j * c_strides[1]) : 0;
            yv[i * p.n + j] = alpha * yv[i * p.n + j] + beta * bias;
        }
    sw_view_store(y, yv);
    return SW_OK;
}
static sw_status gemm_reference(const sw_call *call) { return sw_on_desk(call, gemm_body); }

static sw_status gemm_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *a = sw_node_input(n, 0), *b = sw_node_input(n, 1), *c = sw_node_input(n, 2), *d = dy[0];
    bool ta = sw_attr_int(n, "transpose_a"), tb = sw_attr_int(n, "transpose_b");
    double alpha = sw_attr_float(n, "alpha"), beta = sw_attr_float(n, "beta");
    if (sw_grad_wants(g, 0))
        dx[0] = ta ? sw_gemm(g, b, tb, d, true, SW_NONE, alpha, 1) : sw_gemm(g, d, false, b, !tb, SW_NONE, alpha, 1);
    if (sw_grad_wants(g, 1))
        dx[1] = tb ? sw_gemm(g, d, true, a, ta, SW_NONE, alpha, 1) : sw_gemm(g, a, !ta, d, false, SW_NONE, alpha, 1);
    if (c != SW_NONE && sw_grad_wants(g, 2))
        dx[2] = sw_sum_to(g, beta == 1 ? d : sw_mul_scalar(g, d, beta), c);
    return sw_graph_status(g);
}

static const sw_sample gemm_items[] = {
    {.note = "with a row", .inputs_count = 3, .dims = {{2, {3, 5}}, {2, {5, 4}}, {1, {4}}}},
    {.note = "without c", .inputs_count = 2, .dims = {{2, {3, 5}}, {2, {5, 4}}}},
    {.note = "a column, scaled",
     .inputs_count = 3,
     .dims = {{2, {3, 5}}, {2, {5, 4}}, {2, {3, 1}}},
     SW_WITH(SW_SET_FLOAT("alpha", 0.5), SW_SET_FLOAT("beta", -2))},
    {.note = "a transposed, scalar", .inputs_count = 3, .dims = {{2, {5, 3}}, {2, {5, 4}}, {0}}, SW_WITH(TA)},
    {.note = "b transposed, whole", .inputs_count = 3, .dims = {{2, {3, 5}}, {2, {4, 5}}, {2, {3, 4}}}, SW_WITH(TB)},
    {.note = "both transposed", .inputs_count = 2, .dims = {{2, {5, 3}}, {2, {4, 5}}}, SW_WITH(TA, TB)},
    {.note = "no rows", .inputs_count = 3, .dims = {{2, {0, 5}}, {2, {5, 4}}, {1, {4}}}},
};
static const sw_op_samples gemm_samples = SW_SAMPLES(gemm_items);

const sw_op sw_op_gemm = {
    SW_ROW,
    .name = "Gemm",
    .doc = "alpha * a b + beta * c for matrices; c broadcasts to the product.",
    .inputs = {{"a", SW_FLOATING}, {"b", SW_SAME_AS("a")}, {"c", SW_SAME_AS("a"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", SW_SAME_AS("a")}},
    .attrs = {{"alpha", SW_ATTR_FLOAT, .f = 1, .doc = "scales the product"},
              {"beta", SW_ATTR_FLOAT, .f = 1, .doc = "scales c"},
              SW_TRANSPOSE_ATTRS},
    .infer = gemm_infer,
    .grad = {SW_GRAD_RULE, gemm_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = sw_matmul_cost,
    .flags = SW_DETERMINISTIC,
    .reference = gemm_reference,
    .samples = &gemm_samples,
};

/* ---- builders ---- */
sw_value *sw_matmul_t(sw_graph *g, sw_value *a, bool transpose_a, sw_value *b, bool transpose_b)
{
    sw_attr attrs[2];
    int count = 0;
    if (transpose_a)
        attrs[count++] = SW_ATTR_I("transpose_a", 1);
    if (transpose_b)
        attrs[count++] = SW_ATTR_I("transpose_b", 1);
    return sw_row_add(g, "MatMul", SW_VALUES(a, b), count, attrs);
}

sw_value *sw_matmul(sw_graph *g, sw_value *a, sw_value *b) { return sw_matmul_t(g, a, false, b, false); }

sw_value *sw_gemm(sw_graph *g, sw_value *a, bool transpose_a, sw_value *b, bool transpose_b, sw_value *c, double alpha,
                  double beta)
{
    return sw_row_add(g, "Gemm", SW_VALUES(a, b, c),
                      SW_ATTRS(SW_ATTR_F("alpha", alpha), SW_ATTR_F("beta", beta),
                               SW_ATTR_I("transpose_a", transpose_a), SW_ATTR_I("transpose_b", transpose_b)));
}
