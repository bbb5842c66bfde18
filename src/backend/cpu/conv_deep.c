/* conv_deep.c: the gradient of a large weight over few positions: the last layers of deep networks.
 *
 * There dw has far more elements than dy, and moving it between oneDNN's form and the plain one costs more than the
 * arithmetic. All images' windows together are one short, wide matrix, so dw = dy^T columns is one product that writes
 * the plain form once. Activations may be plain or blocked: gathering them is little work. */
#include <string.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels.h"
#include "base/alloc.h"
#include "ops/window.h"

enum { POSITIONS = 256, WEIGHTS = 1 << 18 };

struct deep {
    int threads;
    sw_geometry g;
    int64_t taps, window, rows; /* kernel elements; C * taps; N * positions */
    sw_layout x_layout, dy_layout;
};

struct task {
    const struct deep *d;
    const float *x, *dy;
    float *columns, *slopes; /* [rows, window], [rows, M] */
};

/* Element [n, c, s] of an activation with `spatial` positions. */
static int64_t element_at(sw_layout layout, int64_t channels, int64_t spatial, int64_t n, int64_t c, int64_t s)
{
    int64_t block = sw_layout_block(layout);
    return block > 1 ? ((n * (channels / block) + c / block) * spatial + s) * block + c % block
                     : (n * channels + c) * spatial + s;
}

/* One position's channels to every `step`-th float of `to`. */
static void gather_channels(sw_layout layout, const float *from, int64_t channels, int64_t spatial, int64_t n,
                            int64_t s, float *to, int64_t step)
{
    int64_t block = sw_layout_block(layout), run = block > 1 ? block : 1;
    for (int64_t c = 0; c < channels; c += run) {
        const float *p = from + element_at(layout, channels, spatial, n, c, s);
        for (int64_t l = 0; l < run; l++)
            to[(c + l) * step] = p[l];
    }
}

/* The place in x of output `o`'s kernel element `t`, -1 in the padding. */
static int64_t place_of(const sw_geometry *g, int64_t o, int64_t t)
{
    int64_t at = 0, out[3], k[3];
    sw_index_of(3, g->out, o, out);
    sw_index_of(3, g->kernel, t, k);
    for (int i = 0; i < 3; i++) {
        int64_t p = out[i] * g->stride[i] - g->begin[i] + k[i] * g->dilation[i];
        if (p < 0 || p >= g->in[i])
            return -1;
        at = at * g->in[i] + p;
    }
    return at;
}

static void gather_rows(void *user, int64_t begin, int64_t end)
{
    const struct task *t = user;
    const struct deep *d = t->d;
    const sw_geometry *g = &d->g;
    int64_t in = g->in[0] * g->in[1] * g->in[2], out = g->out[0] * g->out[1] * g->out[2];
    for (int64_t r = begin; r < end; r++) {
        int64_t n = r / out, o = r % out;
        float *row = t->columns + r * d->window;
        gather_channels(d->dy_layout, t->dy, g->outputs, out, n, o, t->slopes + r * g->outputs, 1);
        for (int64_t k = 0; k < d->taps; k++) {
            int64_t at = place_of(g, o, k);
            if (at >= 0)
                gather_channels(d->x_layout, t->x, g->channels, in, n, at, row + k, d->taps);
            else
                for (int64_t c = 0; c < g->channels; c++)
                    row[c * d->taps + k] = 0;
        }
    }
}

static sw_status read_deep(const sw_site *site, struct deep *d)
{
    const sw_view *dy = &site->inputs[0], *x = &site->inputs[1], *w = &site->outputs[0];
    sw_geometry *g = &d->g;
    int axes = x->rank - 2;
    SW_TRY(sw_geometry_read(site->node, axes, g));
    g->batch = x->dims[0], g->channels = x->dims[1], g->outputs = dy->dims[1];
    for (int i = 0; i < 3; i++)
        g->in[i] = g->out[i] = g->kernel[i] = 1;
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        g->in[k] = x->dims[2 + i], g->kernel[k] = w->dims[2 + i], g->out[k] = dy->dims[2 + i];
    }
    d->threads = site->threads;
    d->taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    d->window = g->channels * d->taps;
    d->rows = g->batch * g->out[0] * g->out[1] * g->out[2];
    d->x_layout = x->layout, d->dy_layout = dy->layout;
    return SW_OK;
}

static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    struct deep *d = sw_alloc_zero(site->ctx, sizeof *d);
    if (!d)
        return sw_alloc_status();
    sw_status status = read_deep(site, d);
    if (status != SW_OK) {
        sw_free(site->ctx, d);
        return status;
    }
    prepared->state = d;
    prepared->scratch_bytes = sizeof(float) * sw_align_up((size_t)(d->rows * (d->window + d->g.outputs)), 16) +
                              sw_gemm_scratch(d->g.outputs, d->window, d->rows, d->threads);
    return SW_OK;
}

static void release(sw_context *ctx, void *state) { sw_free(ctx, state); }

static sw_status run(const sw_call *call)
{
    const struct deep *d = call->prepared;
    struct task t = {.d = d, .dy = call->inputs[0].data, .x = call->inputs[1].data, .columns = call->scratch};
    t.slopes = t.columns + d->rows * d->window;
    sw_cpu_for(call->team, d->rows, (1 << 15) / d->window + 1, gather_rows, &t);
    sw_gemm_call p = {.m = d->g.outputs,
                      .n = d->window,
                      .k = d->rows,
                      .a = t.slopes,
                      .a_row = 1,
                      .a_column = d->g.outputs,
                      .b = t.columns,
                      .b_row = d->window,
                      .b_column = 1,
                      .c = call->outputs[0].data,
                      .c_row = d->window,
                      .alpha = 1,
                      .activation = SW_UNARY_NONE};
    size_t gathered = sizeof(float) * sw_align_up((size_t)(d->rows * (d->window + d->g.outputs)), 16);
    sw_gemm_run(&p, call->team, d->threads, (char *)call->scratch + gathered);
    return SW_OK;
}

static bool gathers(const sw_view *v)
{
    return v->dtype == SW_F32 && (sw_layout_block(v->layout) > 1 || sw_view_is_plain(v));
}

static const char *skips(const sw_site *site)
{
    const sw_view *dy = &site->inputs[0], *x = &site->inputs[1], *w = &site->outputs[0];
    if (!gathers(dy) || !gathers(x) || w->dtype != SW_F32 || !sw_view_is_plain(w))
        return "not f32 in the plain or a blocked layout";
    if (x->rank < 3 || x->rank > 5 || sw_attr_int(site->node, "groups") != 1)
        return "channels are grouped, or not one to three spatial axes";
    int64_t count = sw_view_count(w), positions = dy->dims[1] ? sw_view_count(dy) / dy->dims[1] : 0;
    if (count < WEIGHTS || positions == 0 || positions > POSITIONS)
        return "not a large weight over few positions";
    return NULL;
}

static const sw_kernel kernels[] = {{.name = "deep",
                                     .op = "ConvGradWeight",
                                     .skips = skips,
                                     .prepare = prepare,
                                     .run = run,
                                     .release = release,
                                     .fixed_slices = true}};
const sw_cpu_family sw_cpu_conv_deep = {kernels, 1};
