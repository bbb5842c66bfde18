/* product.c: MatMul, FusedMatMul and Gemm by our own matrix product. */
#include <string.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels.h"
#include "base/alloc.h"

enum { SMALL = 1 << 18, SMALL_WEIGHT = 1 << 15 }; /* multiplications; elements */

struct product {
    int threads;
    int64_t batch;
    int64_t batch_dims[SW_MAX_RANK], a_batch[SW_MAX_RANK],
        b_batch[SW_MAX_RANK]; /* strides of batch axes, 0 where broadcast */
    int batch_rank;
    sw_gemm_call gemm;
};

static bool present(int count, const sw_view *views, int index)
{
    return index < count && views[index].dtype != SW_DTYPE_NONE;
}

/* The last two axes as a matrix: a vector is a row on the left, a column on the right. */
static void matrix_of(const sw_view *v, bool transpose, bool left, int64_t *rows, int64_t *columns, int64_t *row,
                      int64_t *column)
{
    bool vector = v->rank == 1;
    int64_t r = vector ? (left ? 1 : v->dims[0]) : v->dims[v->rank - 2],
            c = vector ? (left ? v->dims[0] : 1) : v->dims[v->rank - 1];
    int64_t rs = vector ? (left ? 0 : v->strides[0]) : v->strides[v->rank - 2];
    int64_t cs = vector ? (left ? v->strides[0] : 0) : v->strides[v->rank - 1];
    *rows = transpose ? c : r;
    *columns = transpose ? r : c;
    *row = transpose ? cs : rs;
    *column = transpose ? rs : cs;
}

static void batch_strides(const sw_view *v, int batch_rank, int64_t *strides)
{
    int own = v->rank > 2 ? v->rank - 2 : 0;
    for (int i = 0; i < batch_rank; i++) {
        int axis = i - (batch_rank - own);
        strides[i] = axis < 0 || v->dims[axis] == 1 ? 0 : v->strides[axis];
    }
}

/* [batch…, m, k] of one piece against one matrix is [batch * m, k]. */
static void join_batch(struct product *p, bool transpose_a)
{
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        int64_t next = i == p->batch_rank - 1 ? p->gemm.a_row * p->gemm.m : p->a_batch[i + 1] * p->batch_dims[i + 1];
        if (p->b_batch[i] != 0 || (p->batch_dims[i] != 1 && p->a_batch[i] != next) || transpose_a)
            return;
    }
    p->gemm.m *= p->batch;
    p->batch = 1;
    p->batch_rank = 0;
}

static sw_status read_product(const sw_node *node, int inputs_count, const sw_view *in, const sw_view *y,
                              struct product *p)
{
    bool ta = sw_attr_int(node, "transpose_a") != 0, tb = sw_attr_int(node, "transpose_b") != 0;
    sw_gemm_call *g = &p->gemm;
    int64_t k;
    *g = (sw_gemm_call){.alpha = 1, .activation = SW_UNARY_NONE};
    matrix_of(&in[0], ta, true, &g->m, &g->k, &g->a_row, &g->a_column);
    matrix_of(&in[1], tb, false, &k, &g->n, &g->b_row, &g->b_column);
    g->c_row = g->n;
    p->batch_rank = y->rank - (in[0].rank > 1) - (in[1].rank > 1);
    p->batch = 1;
    for (int i = 0; i < p->batch_rank; i++)
        p->batch *= p->batch_dims[i] = y->dims[i];
    batch_strides(&in[0], p->batch_rank, p->a_batch);
    batch_strides(&in[1], p->batch_rank, p->b_batch);
    bool gemm = strcmp(sw_node_op(node)->name, "Gemm") == 0, fused = strcmp(sw_node_op(node)->name, "FusedMatMul") == 0;
    if (gemm)
        g->alpha = (float)sw_attr_float(node, "alpha");
    if (fused) {
        if (!sw_gemm_activation(sw_attr_string(node, "activation"), &g->activation))
            return sw_fail(SW_UNSUPPORTED, "no such activation");
        g->activation_alpha = (float)sw_attr_float(node, "alpha");
        g->activation_beta = (float)sw_attr_float(node, "beta");
    }
    join_batch(p, ta);
    for (int i = 2; i < inputs_count && i < 4; i++) {
        if (!present(inputs_count, in, i))
            continue;
        if (p->batch_rank > 0 && sw_view_count(&in[i]) != in[i].dims[in[i].rank - 1])
            return sw_fail(SW_UNSUPPORTED, "an added input over a batch");
        int64_t strides[SW_MAX_RANK];
        if (p->batch_rank == 0 && y->rank > 2 && sw_view_count(&in[i]) == sw_view_count(y)) {
            g->terms[i - 2] = (sw_gemm_term){.row = g->n, .column = 1};
        } else {
            sw_view_broadcast_strides(&in[i], y->rank, y->dims, strides);
            if (y->rank > 2 && sw_view_count(&in[i]) != 1 && sw_view_count(&in[i]) != y->dims[y->rank - 1])
                return sw_fail(SW_UNSUPPORTED, "an added input that is broadcast over a batch");
            g->terms[i - 2] = (sw_gemm_term){.row = y->rank > 1 ? strides[y->rank - 2] : 0,
                                             .column = y->rank > 0 ? strides[y->rank - 1] : 0};
        }
        g->terms[i - 2].scale = gemm ? (float)sw_attr_float(node, "beta") : 1;
    }
    return SW_OK;
}

static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    struct product *p = sw_alloc_zero(site->ctx, sizeof *p);
    if (!p)
        return sw_alloc_status();
    p->threads = site->threads;
    sw_status status = read_product(site->node, site->inputs_count, site->inputs, &site->outputs[0], p);
    if (status != SW_OK) {
        sw_free(site->ctx, p);
        return status;
    }
    prepared->state = p;
    prepared->scratch_bytes = sw_gemm_scratch(p->gemm.m, p->gemm.n, p->gemm.k, site->threads);
    return SW_OK;
}

static void release(sw_context *ctx, void *state) { sw_free(ctx, state); }

static sw_status run(const sw_call *call)
{
    const struct product *p = call->prepared;
    sw_gemm_call g = p->gemm;
    g.a = call->inputs[0].data;
    g.b = call->inputs[1].data;
    g.c = call->outputs[0].data;
    for (int i = 2; i < call->inputs_count && i < 4; i++)
        if (present(call->inputs_count, call->inputs, i))
            g.terms[i - 2].data = call->inputs[i].data;
    int64_t index[SW_MAX_RANK] = {0};
    for (int64_t done = 0; done < p->batch; done++) {
        sw_gemm_run(&g, call->team, p->threads, call->scratch);
        g.c += g.m * g.n;
        for (int i = p->batch_rank - 1; i >= 0; i--) {
            bool carry = ++index[i] == p->batch_dims[i];
            g.a += carry ? p->a_batch[i] * (1 - p->batch_dims[i]) : p->a_batch[i];
            g.b += carry ? p->b_batch[i] * (1 - p->batch_dims[i]) : p->b_batch[i];
            if (!carry)
                break;
            index[i] = 0;
        }
    }
    return SW_OK;
}

static const char *skips(const sw_site *site)
{
    if (!sw_site_all(site, SW_F32))
        return "element type is not f32";
    if (!sw_site_unpacked(site))
        return "a weight is packed for another kernel";
    if (!sw_view_is_plain(&site->outputs[0]))
        return "the result is not contiguous";
    for (int i = 0; i < site->inputs_count; i++)
        if (sw_site_given(site, i) &&
            (site->inputs[i].layout != SW_LAYOUT_PLAIN || (i >= 2 && !sw_view_is_dense(&site->inputs[i]))))
            return "an operand is not in the plain layout";
    return sw_view_count(&site->outputs[0]) == 0 ? "no elements" : NULL;
}

/* Where a call of oneDNN costs as much as the work, ours goes first. For a constant weight the answer must not depend
 * on the batch: it is kept in one form for all. */
static const char *skips_small(const sw_site *site)
{
    const char *why = skips(site);
    if (why)
        return why;
    const sw_view *a = &site->inputs[0];
    double k = (double)a->dims[a->rank - (a->rank > 1 && sw_attr_int(site->node, "transpose_a") ? 2 : 1)];
    bool small = site->inputs[1].data ? sw_view_count(&site->inputs[1]) <= SMALL_WEIGHT
                                      : k * (double)sw_view_count(&site->outputs[0]) <= SMALL;
    return small ? NULL : "large enough for oneDNN";
}

#define KERNEL(op_, skips_)                                                                                            \
    {                                                                                                                  \
        .name = "blocked", .op = (op_), .skips = (skips_), .prepare = prepare, .run = run, .release = release,         \
        .fixed_slices = true                                                                                           \
    }
#define SMALL_KERNEL(op_)                                                                                              \
    {                                                                                                                  \
        .name = "small", .op = (op_), .skips = skips_small, .prepare = prepare, .run = run, .release = release,        \
        .fixed_slices = true                                                                                           \
    }
static const sw_kernel small_kernels[] = {SMALL_KERNEL("MatMul"), SMALL_KERNEL("Gemm"), SMALL_KERNEL("FusedMatMul")};
const sw_cpu_family sw_cpu_small_product = {small_kernels, sizeof small_kernels / sizeof small_kernels[0]};
static const sw_kernel kernels[] = {KERNEL("MatMul", skips), KERNEL("Gemm", skips), KERNEL("FusedMatMul", skips)};
const sw_cpu_family sw_cpu_product = {kernels, sizeof kernels / sizeof kernels[0]};
