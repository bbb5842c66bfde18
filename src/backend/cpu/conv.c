/* conv.c: convolution and both its gradients by unfolding windows into columns and multiplying, for builds without
 * oneDNN and for what it declines.
 *
 * One image's windows become a matrix [C/groups * kernel, positions]; then y = w columns, columns' = w^T dy (folded
 * back by adding), dw += dy columns^T. Images are shared out to the team where each has a result of its own; the
 * gradient of the weight adds images in order, its team works inside the product. */
#include <string.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels.h"
#include "base/alloc.h"
#include "ops/window.h"

enum side { FORWARD, DATA, WEIGHT };

struct conv {
    enum side side;
    int threads;
    sw_geometry g;
    int64_t window, positions, in_plane; /* C/groups * kernel; outputs of a plane; elements of an input plane */
    bool direct;                         /* 1 x 1, no stride, no padding: the image is its own unfolding */
    size_t columns_floats, gemm_bytes;
    sw_unary_kind activation;
    float alpha, beta;
};

struct task {
    const struct conv *c;
    const sw_simd *simd;
    const float *x, *w, *dy, *bias, *residual;
    float *y, *dx, *dw;
    char *scratch;
    int parts;
    sw_team *team;
};

/* ---- unfolding ---- */

/* Calls for each row of the unfolded matrix: kernel element k of channel c, at input positions o * stride + shift. */
static void unfold_row(const sw_geometry *g, const int64_t k[3], const float *plane, float *row)
{
    int64_t w_shift = k[2] * g->dilation[2] - g->begin[2], step = g->stride[2];
    for (int64_t od = 0; od < g->out[0]; od++)
        for (int64_t oh = 0; oh < g->out[1]; oh++, row += g->out[2]) {
            int64_t d = od * g->stride[0] - g->begin[0] + k[0] * g->dilation[0];
            int64_t h = oh * g->stride[1] - g->begin[1] + k[1] * g->dilation[1];
            if (d < 0 || d >= g->in[0] || h < 0 || h >= g->in[1]) {
                memset(row, 0, sizeof *row * (size_t)g->out[2]);
                continue;
            }
            const float *from = plane + (d * g->in[1] + h) * g->in[2];
            for (int64_t ow = 0; ow < g->out[2]; ow++) {
                int64_t v = ow * step + w_shift;
                row[ow] = v >= 0 && v < g->in[2] ? from[v] : 0.0f;
            }
        }
}

static void fold_row(const sw_geometry *g, const int64_t k[3], const float *row, float *plane)
{
    int64_t w_shift = k[2] * g->dilation[2] - g->begin[2], step = g->stride[2];
    for (int64_t od = 0; od < g->out[0]; od++)
        for (int64_t oh = 0; oh < g->out[1]; oh++, row += g->out[2]) {
            int64_t d = od * g->stride[0] - g->begin[0] + k[0] * g->dilation[0];
            int64_t h = oh * g->stride[1] - g->begin[1] + k[1] * g->dilation[1];
            if (d < 0 || d >= g->in[0] || h < 0 || h >= g->in[1])
                continue;
            float *to = plane + (d * g->in[1] + h) * g->in[2];
            for (int64_t ow = 0; ow < g->out[2]; ow++) {
                int64_t v = ow * step + w_shift;
                if (v >= 0 && v < g->in[2])
                    to[v] += row[ow];
            }
        }
}

static void each_row(const struct conv *c, float *columns, float *image, bool fold)
{
    const sw_geometry *g = &c->g;
    int64_t k[3];
    float *row = columns;
    for (int64_t channel = 0; channel < g->channels / g->groups; channel++)
        for (k[0] = 0; k[0] < g->kernel[0]; k[0]++)
            for (k[1] = 0; k[1] < g->kernel[1]; k[1]++)
                for (k[2] = 0; k[2] < g->kernel[2]; k[2]++, row += c->positions)
                    if (fold)
                        fold_row(g, k, row, image + channel * c->in_plane);
                    else
                        unfold_row(g, k, image + channel * c->in_plane, row);
}

/* ---- one image, one group ---- */

static void convolve(const struct task *t, int64_t image, int64_t group, float *columns, void *gemm_scratch,
                     sw_team *team)
{
    const struct conv *c = t->c;
    int64_t outputs = c->g.outputs / c->g.groups,
            x_at = (image * c->g.channels + group * (c->g.channels / c->g.groups)) * c->in_plane;
    int64_t y_at = (image * c->g.outputs + group * outputs) * c->positions, w_at = group * outputs * c->window;
    sw_gemm_call p = {.alpha = 1, .activation = SW_UNARY_NONE};
    if (c->side != DATA && !c->direct)
        each_row(c, columns, (float *)t->x + x_at, false);
    const float *unfolded = c->direct ? t->x + x_at : columns;
    if (c->side == FORWARD) {
        p.m = outputs, p.n = c->positions, p.k = c->window;
        p.a = t->w + w_at, p.a_row = c->window, p.a_column = 1;
        p.b = unfolded, p.b_row = c->positions, p.b_column = 1;
        p.c = t->y + y_at, p.c_row = c->positions;
        if (t->bias)
            p.terms[0] = (sw_gemm_term){.data = t->bias + group * outputs, .row = 1, .scale = 1};
        if (t->residual)
            p.terms[1] = (sw_gemm_term){.data = t->residual + y_at, .row = c->positions, .column = 1, .scale = 1};
        p.activation = c->activation, p.activation_alpha = c->alpha, p.activation_beta = c->beta;
    } else if (c->side == DATA) {
        p.m = c->window, p.n = c->positions, p.k = outputs;
        p.a = t->w + w_at, p.a_row = 1, p.a_column = c->window;
        p.b = t->dy + y_at, p.b_row = c->positions, p.b_column = 1;
        p.c = c->direct ? t->dx + x_at : columns, p.c_row = c->positions;
    } else {
        p.m = outputs, p.n = c->window, p.k = c->positions;
        p.a = t->dy + y_at, p.a_row = c->positions, p.a_column = 1;
        p.b = unfolded, p.b_row = 1, p.b_column = c->positions;
        p.c = image == 0 ? t->dw + w_at : columns + c->columns_floats - outputs * c->window, p.c_row = c->window;
    }
    sw_gemm_run(&p, team, team ? c->threads : 1, gemm_scratch);
    if (c->side == DATA && !c->direct) {
        memset(t->dx + x_at, 0, sizeof(float) * (size_t)(c->g.channels / c->g.groups * c->in_plane));
        each_row(c, columns, t->dx + x_at, true);
    }
    if (c->side == WEIGHT && image > 0)
        t->simd->binary[SW_BINARY_ADD][SW_VECTOR_VECTOR](t->dw + w_at, p.c, t->dw + w_at, outputs * c->window);
}

static void images(void *user, int part)
{
    const struct task *t = user;
    const struct conv *c = t->c;
    int64_t units = c->g.batch * c->g.groups;
    char *own = t->scratch + (size_t)part * (sizeof(float) * c->columns_floats + c->gemm_bytes);
    for (int64_t i = units * part / t->parts; i < units * (part + 1) / t->parts; i++)
        convolve(t, i / c->g.groups, i % c->g.groups, (float *)own, own + sizeof(float) * c->columns_floats, t->team);
}

/* ---- the kernel ---- */

static enum side side_of(const sw_node *node)
{
    const char *op = sw_node_op(node)->name;
    return strcmp(op, "ConvGradData") == 0 ? DATA : strcmp(op, "ConvGradWeight") == 0 ? WEIGHT : FORWARD;
}

static sw_status read_conv(const sw_site *site, struct conv *c)
{
    c->side = side_of(site->node);
    const sw_view *x = c->side == FORWARD ? &site->inputs[0] : c->side == DATA ? &site->outputs[0] : &site->inputs[1];
    const sw_view *w = c->side == WEIGHT ? &site->outputs[0] : &site->inputs[1];
    const sw_view *y = c->side == FORWARD ? &site->outputs[0] : &site->inputs[0];
    int axes = x->rank - 2;
    SW_TRY(sw_geometry_read(site->node, axes, &c->g));
    sw_geometry *g = &c->g;
    g->batch = x->dims[0], g->channels = x->dims[1], g->outputs = y->dims[1],
    g->groups = sw_attr_int(site->node, "groups");
    for (int i = 0; i < 3; i++)
        g->in[i] = g->out[i] = g->kernel[i] = 1;
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        g->in[k] = x->dims[2 + i], g->kernel[k] = w->dims[2 + i], g->out[k] = y->dims[2 + i];
    }
    c->threads = site->threads;
    c->positions = g->out[0] * g->out[1] * g->out[2];
    c->in_plane = g->in[0] * g->in[1] * g->in[2];
    c->window = g->channels / g->groups * g->kernel[0] * g->kernel[1] * g->kernel[2];
    c->direct = true;
    for (int i = 0; i < 3; i++)
        c->direct &= g->kernel[i] == 1 && g->stride[i] == 1 && g->begin[i] == 0 && g->end[i] == 0;
    c->activation = SW_UNARY_NONE;
    if (strcmp(sw_node_op(site->node)->name, "FusedConv") == 0) {
        if (!sw_gemm_activation(sw_attr_string(site->node, "activation"), &c->activation))
            return sw_fail(SW_UNSUPPORTED, "no such activation");
        c->alpha = (float)sw_attr_float(site->node, "alpha");
        c->beta = (float)sw_attr_float(site->node, "beta");
    }
    return SW_OK;
}

static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    struct conv *c = sw_alloc_zero(site->ctx, sizeof *c);
    if (!c)
        return sw_alloc_status();
    sw_status status = read_conv(site, c);
    if (status != SW_OK) {
        sw_free(site->ctx, c);
        return status;
    }
    int64_t outputs = c->g.outputs / c->g.groups;
    int64_t m = c->side == DATA ? c->window : outputs, n = c->side == WEIGHT ? c->window : c->positions;
    int64_t k = c->side == FORWARD ? c->window : c->side == DATA ? outputs : c->positions;
    size_t unfolded = c->direct ? 0 : (size_t)(c->window * c->positions),
           sum = c->side == WEIGHT ? (size_t)(outputs * c->window) : 0;
    c->columns_floats = sw_align_up(unfolded + sum, 16);
    c->gemm_bytes = sw_align_up(sw_gemm_scratch(m, n, k, c->threads), SW_TENSOR_ALIGNMENT);
    prepared->state = c;
    prepared->scratch_bytes =
        (sizeof(float) * c->columns_floats + c->gemm_bytes) * (size_t)(c->side == WEIGHT ? 1 : c->threads);
    return SW_OK;
}

static void release(sw_context *ctx, void *state) { sw_free(ctx, state); }

static const float *input_of(const sw_call *call, int index)
{
    return index < call->inputs_count ? call->inputs[index].data : NULL;
}

static sw_status run(const sw_call *call)
{
    const struct conv *c = call->prepared;
    struct task t = {.c = c, .simd = sw_simd_here(), .scratch = call->scratch, .y = call->outputs[0].data, .parts = 1};
    t.dx = t.dw = t.y;
    t.x = c->side == WEIGHT ? input_of(call, 1) : input_of(call, 0);
    t.w = input_of(call, 1);
    t.dy = input_of(call, 0);
    if (c->side == FORWARD) {
        t.bias = input_of(call, 2);
        t.residual = input_of(call, 3);
    }
    int size = sw_team_size(call->team) < c->threads ? sw_team_size(call->team) : c->threads;
    if (c->side != WEIGHT && c->g.batch * c->g.groups >= size)
        t.parts = size;
    else
        t.team = call->team;
    sw_team_run(call->team, t.parts, images, &t);
    return SW_OK;
}

static const char *skips(const sw_site *site)
{
    enum side side = side_of(site->node);
    int used = side == FORWARD ? site->inputs_count : 2;
    for (int i = 0; i < used; i++)
        if (sw_site_given(site, i) && (site->inputs[i].dtype != SW_F32 || !sw_view_is_plain(&site->inputs[i])))
            return "an operand is not f32, contiguous and plain";
    if (site->outputs[0].dtype != SW_F32 || !sw_view_is_plain(&site->outputs[0]))
        return "the result is not f32, contiguous and plain";
    if (!sw_site_unpacked(site))
        return "a weight is packed for another kernel";
    if (sw_view_count(&site->outputs[0]) == 0 || sw_view_count(&site->inputs[0]) == 0 ||
        sw_view_count(&site->inputs[1]) == 0)
        return "no elements";
    return NULL;
}

#define KERNEL(op_)                                                                                                    \
    {                                                                                                                  \
        .name = "columns", .op = (op_), .skips = skips, .prepare = prepare, .run = run, .release = release,            \
        .fixed_slices = true                                                                                           \
    }
static const sw_kernel kernels[] = {KERNEL("Conv"), KERNEL("FusedConv"), KERNEL("ConvGradData"),
                                    KERNEL("ConvGradWeight")};
const sw_cpu_family sw_cpu_conv = {kernels, sizeof kernels / sizeof kernels[0]};
