/* onednn_conv.c: Conv, FusedConv and both gradients of a convolution.
 *
 * All three are one shape seen from three sides: (x, w, y). A weight [M, C/groups, kernel…] becomes oneDNN's
 * [groups, M/groups, C/groups, kernel…] by strides alone. Activations that the plan keeps blocked or channels-last
 * stay as they are; plain ones leave the choice to the primitive, with reorders where it differs. */
#include <string.h>

#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_inside.h"

enum { MAX_SPATIAL = 3 };

/* The three tensors, where they stand in the node, and the window. */
struct conv {
    const sw_view *x, *w, *y;
    int spatial, groups;
    dnnl_dims_t strides, dilates, pads_begin, pads_end;
    int w_rank;
    int64_t w_dims[SW_MAX_RANK], w_strides[SW_MAX_RANK];
};

static const char *read_conv(const sw_node *node, const sw_view *x, const sw_view *w, const sw_view *y, struct conv *c)
{
    int n = x->rank - 2;
    if (n < 1 || n > MAX_SPATIAL)
        return "oneDNN convolves over one to three axes";
    *c = (struct conv){.x = x, .w = w, .y = y, .spatial = n, .groups = (int)sw_attr_int(node, "groups")};
    int64_t strides[MAX_SPATIAL] = {1, 1, 1}, dilations[MAX_SPATIAL] = {1, 1, 1}, pads[2 * MAX_SPATIAL] = {0};
    sw_attr_ints(node, "strides", strides, MAX_SPATIAL);
    sw_attr_ints(node, "dilations", dilations, MAX_SPATIAL);
    sw_attr_ints(node, "pads", pads, 2 * MAX_SPATIAL);
    for (int i = 0; i < n; i++) {
        c->strides[i] = strides[i];
        c->dilates[i] = dilations[i] - 1;
        c->pads_begin[i] = pads[i];
        c->pads_end[i] = pads[n + i];
        if (pads[i] < 0 || pads[n + i] < 0)
            return "negative padding";
    }
    int at = 0;
    if (c->groups > 1) {
        c->w_dims[at] = c->groups;
        c->w_strides[at++] = w->strides[0] * (w->dims[0] / c->groups);
    }
    for (int i = 0; i < w->rank; i++) {
        c->w_dims[at] = i == 0 ? w->dims[0] / c->groups : w->dims[i];
        c->w_strides[at++] = w->strides[i];
    }
    c->w_rank = at;
    return NULL;
}

static sw_status weight_port(sw_dnnl_build *build, const struct conv *c, int arg, bool output, int index,
                             dnnl_query_t query)
{
    SW_TRY(sw_dnnl_port_strided(build, arg, output, index, query, c->w_rank, c->w_dims, c->w_strides, true));
    if (output)
        return SW_OK;
    return sw_dnnl_port_weight(build, &build->ports[build->ports_count - 1], c->w_dims, c->w_rank);
}

static sw_md_ref wanted(sw_dnnl_build *build, int arg)
{
    sw_dnnl_port *port = sw_dnnl_find(build, arg);
    return port ? sw_md_of(&port->wanted) : NULL;
}

/* ---- forward ---- */

static dnnl_status_t describe_forward(sw_dnnl_build *b, const struct conv *c, dnnl_prop_kind_t kind, sw_md_ref x,
                                      sw_md_ref w, sw_md_ref bias, sw_md_ref y, dnnl_primitive_attr_t attr,
                                      dnnl_primitive_desc_t *desc)
{
#if SW_DNNL_V3
    return dnnl_convolution_forward_primitive_desc_create(desc, b->engine, kind, dnnl_convolution_direct, x, w, bias, y,
                                                          c->strides, c->dilates, c->pads_begin, c->pads_end, attr);
#else
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &op, kind, dnnl_convolution_direct, x, w, bias, y, c->strides, c->dilates, c->pads_begin, c->pads_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &op, attr, b->engine, NULL) : status;
#endif
}

static sw_status make_forward(sw_dnnl_build *b, const struct conv *c)
{
    SW_TRY(sw_dnnl_check(dnnl_primitive_attr_set_post_ops(b->attr, b->post_ops), "post-ops"));
    do {
        dnnl_status_t status =
            describe_forward(b, c, dnnl_forward_inference, wanted(b, DNNL_ARG_SRC), wanted(b, DNNL_ARG_WEIGHTS),
                             wanted(b, DNNL_ARG_BIAS), wanted(b, DNNL_ARG_DST), b->attr, &b->desc);
        if (status != dnnl_unimplemented || !sw_dnnl_relax(b))
            return sw_dnnl_check(status, "convolution");
    } while (true);
}

enum residual { NO_RESIDUAL, ADDED, SUMMED };

static sw_status build_forward(sw_dnnl_build *b, const struct conv *c, bool fused, enum residual residual)
{
    const sw_site *site = b->site;
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_SRC, false, 0, dnnl_query_src_md, true));
    SW_TRY(weight_port(b, c, DNNL_ARG_WEIGHTS, false, 1, dnnl_query_weights_md));
    if (site->inputs_count > 2 && site->inputs[2].dtype != SW_DTYPE_NONE)
        SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_BIAS, false, 2, dnnl_query_undef, false));
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_DST, true, 0, dnnl_query_dst_md, residual != ADDED));
    if (residual == ADDED)
        SW_TRY(sw_dnnl_append_add_view(b, 3));
    if (residual == SUMMED)
        SW_TRY(sw_dnnl_append_sum(b, 3));
    if (fused)
        SW_TRY(sw_dnnl_append_activation(b, sw_attr_string(site->node, "activation"),
                                         sw_attr_float(site->node, "alpha"), sw_attr_float(site->node, "beta")));
    return make_forward(b, c);
}

static sw_status try_forward(const sw_site *site, bool fused, enum residual residual, sw_prepared *prepared)
{
    struct conv c;
    const char *why = read_conv(site->node, &site->inputs[0], &site->inputs[1], &site->outputs[0], &c);
    if (why)
        return sw_fail(SW_UNSUPPORTED, "%s", why);
    sw_dnnl_build b;
    sw_status status = sw_dnnl_build_begin(&b, site);
    if (status == SW_OK)
        status = build_forward(&b, &c, fused, residual);
    if (status == SW_OK)
        status = sw_dnnl_finish(&b, prepared);
    sw_dnnl_build_end(&b);
    return status;
}

static sw_status prepare_conv(const sw_site *site, sw_prepared *prepared)
{
    return try_forward(site, false, NO_RESIDUAL, prepared);
}

static sw_status prepare_fused(const sw_site *site, sw_prepared *prepared)
{
    if (site->inputs_count < 4 || site->inputs[3].dtype == SW_DTYPE_NONE)
        return try_forward(site, true, NO_RESIDUAL, prepared);
    /* A binary post-op reads the residual where it is; where no fast kernel takes it, a sum over a copy does. Plain
     * outputs would be reordered, which a binary post-op in plain form only hinders; in channels-last ones version
     * 2.6.3 adds the wrong elements on processors without AVX2. */
    sw_layout layout = site->outputs[0].layout;
    if ((layout == SW_LAYOUT_BLOCKED8 || layout == SW_LAYOUT_BLOCKED16) && site->inputs[3].layout == layout &&
        try_forward(site, true, ADDED, prepared) == SW_OK)
        return SW_OK;
    return try_forward(site, true, SUMMED, prepared);
}

/* ---- gradients ---- */

/* The forward descriptor that gradients want as a hint. */
static sw_status make_hint(sw_dnnl_build *b, const struct conv *c, sw_md_ref x, sw_md_ref w, sw_md_ref y)
{
    return sw_dnnl_check(describe_forward(b, c, dnnl_forward_training, x, w, NULL, y, NULL, &b->hint), "convolution");
}

static dnnl_status_t describe_data(sw_dnnl_build *b, const struct conv *c, sw_md_ref dx, sw_md_ref w, sw_md_ref dy)
{
#if SW_DNNL_V3
    return dnnl_convolution_backward_data_primitive_desc_create(&b->desc, b->engine, dnnl_convolution_direct, dx, w, dy,
                                                                c->strides, c->dilates, c->pads_begin, c->pads_end,
                                                                b->hint, b->attr);
#else
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &op, dnnl_convolution_direct, dx, w, dy, c->strides, c->dilates, c->pads_begin, c->pads_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(&b->desc, &op, b->attr, b->engine, b->hint) : status;
#endif
}

static sw_status build_grad_data(sw_dnnl_build *b, const struct conv *c)
{
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_DIFF_DST, false, 0, dnnl_query_diff_dst_md, true));
    SW_TRY(weight_port(b, c, DNNL_ARG_WEIGHTS, false, 1, dnnl_query_weights_md));
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_DIFF_SRC, true, 0, dnnl_query_diff_src_md, true));
    do {
        sw_md_ref dx = wanted(b, DNNL_ARG_DIFF_SRC), w = wanted(b, DNNL_ARG_WEIGHTS), dy = wanted(b, DNNL_ARG_DIFF_DST);
        if (b->hint)
            dnnl_primitive_desc_destroy(b->hint);
        b->hint = NULL;
        sw_md any = {0};
        SW_TRY(sw_md_any(&any, c->w_rank, c->w_dims, c->w->dtype));
        sw_status status = make_hint(b, c, dx, sw_md_of(&any), dy);
        sw_md_release(&any);
        SW_TRY(status);
        dnnl_status_t made = describe_data(b, c, dx, w, dy);
        if (made != dnnl_unimplemented || !sw_dnnl_relax(b))
            return sw_dnnl_check(made, "gradient of a convolution's input");
    } while (true);
}

static dnnl_status_t describe_weight(sw_dnnl_build *b, const struct conv *c, sw_md_ref x, sw_md_ref dw, sw_md_ref dy)
{
#if SW_DNNL_V3
    return dnnl_convolution_backward_weights_primitive_desc_create(&b->desc, b->engine, dnnl_convolution_direct, x, dw,
                                                                   NULL, dy, c->strides, c->dilates, c->pads_begin,
                                                                   c->pads_end, b->hint, b->attr);
#else
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &op, dnnl_convolution_direct, x, dw, NULL, dy, c->strides, c->dilates, c->pads_begin, c->pads_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(&b->desc, &op, b->attr, b->engine, b->hint) : status;
#endif
}

static sw_status build_grad_weight(sw_dnnl_build *b, const struct conv *c)
{
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_DIFF_DST, false, 0, dnnl_query_diff_dst_md, true));
    SW_TRY(sw_dnnl_port_view(b, DNNL_ARG_SRC, false, 1, dnnl_query_src_md, true));
    SW_TRY(weight_port(b, c, DNNL_ARG_DIFF_WEIGHTS, true, 0, dnnl_query_diff_weights_md));
    sw_md_ref x = wanted(b, DNNL_ARG_SRC), dw = wanted(b, DNNL_ARG_DIFF_WEIGHTS), dy = wanted(b, DNNL_ARG_DIFF_DST);
    SW_TRY(make_hint(b, c, x, dw, dy));
    return sw_dnnl_check(describe_weight(b, c, x, dw, dy), "gradient of a convolution's weight");
}

static sw_status prepare_gradient(const sw_site *site, bool weight, sw_prepared *prepared)
{
    struct conv c;
    const sw_view *dy = &site->inputs[0];
    const sw_view *x = weight ? &site->inputs[1] : &site->outputs[0],
                  *w = weight ? &site->outputs[0] : &site->inputs[1];
    const char *why = read_conv(site->node, x, w, dy, &c);
    if (why)
        return sw_fail(SW_UNSUPPORTED, "%s", why);
    sw_dnnl_build b;
    sw_status status = sw_dnnl_build_begin(&b, site);
    if (status == SW_OK)
        status = weight ? build_grad_weight(&b, &c) : build_grad_data(&b, &c);
    if (status == SW_OK)
        status = sw_dnnl_finish(&b, prepared);
    sw_dnnl_build_end(&b);
    return status;
}

static sw_status prepare_grad_data(const sw_site *site, sw_prepared *prepared)
{
    return prepare_gradient(site, false, prepared);
}

static sw_status prepare_grad_weight(const sw_site *site, sw_prepared *prepared)
{
    return prepare_gradient(site, true, prepared);
}

#define KERNEL(op_, prepare_)                                                                                          \
    {                                                                                                                  \
        .name = "onednn", .op = (op_), .skips = sw_dnnl_skips, .prepare = (prepare_), .pack = sw_dnnl_pack,            \
        .run = sw_dnnl_run, .release = sw_dnnl_release                                                                 \
    }
const sw_kernel sw_onednn_conv[SW_ONEDNN_CONV] = {KERNEL("Conv", prepare_conv), KERNEL("FusedConv", prepare_fused),
                                                  KERNEL("ConvGradData", prepare_grad_data),
                                                  KERNEL("ConvGradWeight", prepare_grad_weight)};
