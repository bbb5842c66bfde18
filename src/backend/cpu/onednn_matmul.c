/* onednn_matmul.c: MatMul, FusedMatMul and Gemm.
 *
 * A transposed operand is the same memory with two strides swapped; broadcast batch dims are dims of 1; a batch of
 * left matrices against one right matrix is one tall product. A constant right operand may be kept in the
 * primitive's own form. */
#include <string.h>

#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_inside.h"

struct operand {
    int rank;
    int64_t dims[SW_MAX_RANK], strides[SW_MAX_RANK];
};

/* `view` with its last two axes swapped if asked, and leading ones up to `rank`. */
static struct operand operand_of(const sw_view *view, bool transpose, int rank)
{
    struct operand o = {.rank = rank};
    int lead = rank - view->rank;
    for (int i = 0; i < rank; i++) {
        o.dims[i] = i < lead ? 1 : view->dims[i - lead];
        o.strides[i] = i < lead ? 0 : view->strides[i - lead];
    }
    if (transpose) {
        int64_t d = o.dims[rank - 1], s = o.strides[rank - 1];
        o.dims[rank - 1] = o.dims[rank - 2];
        o.strides[rank - 1] = o.strides[rank - 2];
        o.dims[rank - 2] = d;
        o.strides[rank - 2] = s;
    }
    int64_t size = 1; /* axes of one element get the stride that a packed form would have: oneDNN checks strides */
    for (int i = rank - 1; i >= 0; i--) {
        if (o.dims[i] == 1)
            o.strides[i] = size;
        int64_t span = o.dims[i] * o.strides[i];
        size = span > size ? span : size;
    }
    return o;
}

/* [batch…, M, K] in one piece as [batch * M, K]. */
static bool flatten(struct operand *o)
{
    for (int i = o->rank - 3; i >= 0; i--)
        if (o->dims[i] != 1 && o->strides[i] != o->strides[i + 1] * o->dims[i + 1])
            return false;
    int64_t rows = 1;
    for (int i = 0; i <= o->rank - 2; i++)
        rows *= o->dims[i];
    o->dims[0] = rows;
    o->strides[0] = o->strides[o->rank - 2];
    o->dims[1] = o->dims[o->rank - 1];
    o->strides[1] = o->strides[o->rank - 1];
    o->rank = 2;
    return true;
}

struct product {
    struct operand a, b, y;
};

static void read_product(const sw_site *site, struct product *p)
{
    const sw_view *a = &site->inputs[0], *b = &site->inputs[1], *y = &site->outputs[0];
    bool ta = sw_attr_int(site->node, "transpose_a") != 0, tb = sw_attr_int(site->node, "transpose_b") != 0;
    int rank = y->rank;
    p->a = operand_of(a, ta, rank);
    p->b = operand_of(b, tb, rank);
    p->y = operand_of(y, false, rank);
    struct operand flat_a = p->a, flat_y = p->y;
    if (rank > 2 && b->rank == 2 && flatten(&flat_a) && flatten(&flat_y)) {
        p->a = flat_a;
        p->y = flat_y;
        p->b = operand_of(b, tb, 2);
    }
}

static sw_status port(sw_dnnl_build *b, int arg, bool output, int index, dnnl_query_t query, const struct operand *o)
{
    return sw_dnnl_port_strided(b, arg, output, index, query, o->rank, o->dims, o->strides, false);
}

static sw_md_ref wanted(sw_dnnl_build *b, int arg)
{
    sw_dnnl_port *p = sw_dnnl_find(b, arg);
    return p ? sw_md_of(&p->wanted) : NULL;
}

static sw_status describe(sw_dnnl_build *b)
{
    SW_TRY(sw_dnnl_check(dnnl_primitive_attr_set_post_ops(b->attr, b->post_ops), "post-ops"));
    sw_md_ref src = wanted(b, DNNL_ARG_SRC), weights = wanted(b, DNNL_ARG_WEIGHTS), bias = wanted(b, DNNL_ARG_BIAS),
              dst = wanted(b, DNNL_ARG_DST);
#if SW_DNNL_V3
    return sw_dnnl_check(dnnl_matmul_primitive_desc_create(&b->desc, b->engine, src, weights, bias, dst, b->attr),
                         "product");
#else
    dnnl_matmul_desc_t op;
    SW_TRY(sw_dnnl_check(dnnl_matmul_desc_init(&op, src, weights, bias, dst), "product"));
    return sw_dnnl_check(dnnl_primitive_desc_create(&b->desc, &op, b->attr, b->engine, NULL), "product");
#endif
}

static sw_status make(sw_dnnl_build *b)
{
    sw_status status = describe(b);
    if (status == SW_UNSUPPORTED && sw_dnnl_relax(b))
        status = describe(b);
    return status;
}

/* y += input `index`, broadcast: as the product's own bias where it is one row, else as a post-op. */
static sw_status add_input(sw_dnnl_build *b, const struct product *p, int index)
{
    const sw_view *view = &b->site->inputs[index];
    const sw_view *y = &b->site->outputs[0];
    if (view->rank > y->rank)
        return sw_fail(SW_UNSUPPORTED, "an added input of higher rank than the product");
    struct operand o = operand_of(view, false, y->rank > 1 ? y->rank : 2);
    if (p->y.rank != o.rank) { /* the batch was flattened */
        if (sw_view_count(view) == view->dims[view->rank - 1]) {
            o = (struct operand){.rank = 2,
                                 .dims = {1, view->dims[view->rank - 1]},
                                 .strides = {view->dims[view->rank - 1], view->strides[view->rank - 1]}};
        } else if (sw_view_count(view) != sw_view_count(y) || !flatten(&o))
            return sw_fail(SW_UNSUPPORTED, "an added input that is broadcast over a flattened batch");
    }
    bool row = true;
    for (int i = 0; i < o.rank - 1; i++)
        row &= o.dims[i] == 1;
    if (row && o.dims[o.rank - 1] == p->y.dims[p->y.rank - 1] && !sw_dnnl_find(b, DNNL_ARG_BIAS))
        return port(b, DNNL_ARG_BIAS, false, index, dnnl_query_undef, &o);
    return sw_dnnl_append_add(b, index, o.rank, o.dims, o.strides);
}

static bool present(const sw_site *site, int index)
{
    return index < site->inputs_count && site->inputs[index].dtype != SW_DTYPE_NONE;
}

static sw_status build_product(sw_dnnl_build *b, bool fused)
{
    const sw_site *site = b->site;
    struct product p;
    read_product(site, &p);
    SW_TRY(port(b, DNNL_ARG_SRC, false, 0, dnnl_query_src_md, &p.a));
    SW_TRY(port(b, DNNL_ARG_WEIGHTS, false, 1, dnnl_query_weights_md, &p.b));
    bool constant = site->inputs[1].data || (site->packed && site->packed[1]);
    if (constant && p.b.rank == 2)
        SW_TRY(sw_dnnl_port_weight(b, &b->ports[b->ports_count - 1], p.b.dims, p.b.rank));
    SW_TRY(port(b, DNNL_ARG_DST, true, 0, dnnl_query_dst_md, &p.y));
    for (int i = 2; i < site->inputs_count; i++)
        if (present(site, i))
            SW_TRY(add_input(b, &p, i));
    if (fused)
        SW_TRY(sw_dnnl_append_activation(b, sw_attr_string(site->node, "activation"),
                                         sw_attr_float(site->node, "alpha"), sw_attr_float(site->node, "beta")));
    return make(b);
}

static sw_status prepare(const sw_site *site, bool fused, sw_prepared *prepared)
{
    sw_dnnl_build b;
    sw_status status = sw_dnnl_build_begin(&b, site);
    if (status == SW_OK)
        status = build_product(&b, fused);
    if (status == SW_OK)
        status = sw_dnnl_finish(&b, prepared);
    sw_dnnl_build_end(&b);
    return status;
}

static sw_status prepare_matmul(const sw_site *site, sw_prepared *prepared) { return prepare(site, false, prepared); }

static sw_status prepare_fused(const sw_site *site, sw_prepared *prepared) { return prepare(site, true, prepared); }

static const char *skips_matmul(const sw_site *site)
{
    if (site->inputs[0].rank < 2 || site->inputs[1].rank < 2)
        return "an operand is a vector";
    for (int i = 0; i < site->inputs_count; i++)
        for (int k = 0; k < site->inputs[i].rank; k++)
            if (site->inputs[i].strides[k] <= 0 && site->inputs[i].dims[k] > 1)
                return "an operand is spread over repeated memory";
    return sw_dnnl_skips(site);
}

static const char *skips_gemm(const sw_site *site)
{
    bool scaled_c = present(site, 2) && sw_attr_float(site->node, "beta") != 1.0;
    if (sw_attr_float(site->node, "alpha") != 1.0 || scaled_c)
        return "alpha or beta is not 1";
    return skips_matmul(site);
}

#define KERNEL(op_, skips_, prepare_)                                                                                  \
    {                                                                                                                  \
        .name = "onednn", .op = (op_), .skips = (skips_), .prepare = (prepare_), .pack = sw_dnnl_pack,                 \
        .run = sw_dnnl_run, .release = sw_dnnl_release                                                                 \
    }
const sw_kernel sw_onednn_product[SW_ONEDNN_PRODUCT] = {KERNEL("MatMul", skips_matmul, prepare_matmul),
                                                        KERNEL("FusedMatMul", skips_matmul, prepare_fused),
                                                        KERNEL("Gemm", skips_gemm, prepare_matmul)};
