/* pool.c: MaxPool, AveragePool and their gradients in any layout.
 *
 * A row of outputs shares its taps (offsets of the window's elements) wherever the window lies inside the row; at the
 * edges each output has taps of its own. Channels that lie side by side go together. A plane (or a block of channels of
 * one image) is finished by one member of the team, so that gradients, which add where windows overlap, have one order.
 */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"
#include "ops/window.h"

enum { TAPS = 512 };
enum kind { MAX, MEAN, MAX_GRAD, MEAN_GRAD };

struct work {
    const sw_simd *simd;
    enum kind kind;
    sw_geometry g;
    bool include_pad, alone;         /* alone: windows neither overlap nor leave gaps or reach into padding */
    int64_t lanes, units, per_image; /* channels that go together; units of work; units of an image */
    int64_t step;                    /* elements between neighbouring positions */
    int64_t in_image, in_unit, out_image, out_unit;
    const float *x, *dy;
    float *y, *dx;
};

static enum kind kind_of(const sw_node *node)
{
    const char *op = sw_node_op(node)->name;
    return strcmp(op, "MaxPool") == 0       ? MAX
           : strcmp(op, "AveragePool") == 0 ? MEAN
           : strcmp(op, "MaxPoolGrad") == 0 ? MAX_GRAD
                                            : MEAN_GRAD;
}

static sw_status geometry(const sw_node *node, const sw_view *x, const sw_view *y, sw_geometry *g)
{
    int axes = x->rank - 2;
    int64_t kernel[3];
    *g = (sw_geometry){0};
    SW_TRY(sw_geometry_read(node, axes, g));
    sw_attr_ints(node, "kernel", kernel, 3);
    for (int i = 0; i < 3; i++)
        g->in[i] = g->out[i] = g->kernel[i] = 1;
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        g->in[k] = x->dims[2 + i], g->kernel[k] = kernel[i], g->out[k] = y->dims[2 + i];
    }
    return SW_OK;
}

/* The kernel elements first..last - 1 of axis k that lie inside for output o, and how many count in a padded mean. */
static void span(const sw_geometry *g, int k, int64_t o, int64_t *first, int64_t *last, int64_t *padded)
{
    int64_t at = o * g->stride[k] - g->begin[k], d = g->dilation[k];
    *first = at < 0 ? (-at + d - 1) / d : 0;
    *last = at < g->in[k] ? (g->in[k] - 1 - at) / d + 1 : 0;
    *last = *last < g->kernel[k] ? *last : g->kernel[k];
    if (*first > *last)
        *first = *last;
    int64_t inside = (g->in[k] + g->end[k] - 1 - at) / d + 1;
    *padded = inside < g->kernel[k] ? inside : g->kernel[k];
}

struct row {
    int64_t first[3], last[3], padded[3];
};

/* Offsets from the plane's start of the window's elements, for the row's depth and height and one output's width. */
static int gather_taps(const struct work *w, const struct row *row, const int64_t out[3], int64_t *taps)
{
    const sw_geometry *g = &w->g;
    int count = 0;
    for (int64_t kd = row->first[0]; kd < row->last[0]; kd++)
        for (int64_t kh = row->first[1]; kh < row->last[1]; kh++)
            for (int64_t kw = row->first[2]; kw < row->last[2]; kw++) {
                int64_t d = out[0] * g->stride[0] - g->begin[0] + kd * g->dilation[0];
                int64_t h = out[1] * g->stride[1] - g->begin[1] + kh * g->dilation[1];
                int64_t v = out[2] * g->stride[2] - g->begin[2] + kw * g->dilation[2];
                taps[count++] = ((d * g->in[1] + h) * g->in[2] + v) * w->step;
            }
    return count;
}

/* Outputs o .. o + n - 1 of the row, which share their taps but for a shift. */
static void pool_row(const struct work *w, const struct row *row, const int64_t out[3], int64_t n, int64_t in_at,
                     int64_t out_at)
{
    const sw_geometry *g = &w->g;
    int64_t taps[TAPS], x_step = g->stride[2] * w->step;
    int count = gather_taps(w, row, out, taps);
    int64_t size = w->include_pad ? row->padded[0] * row->padded[1] * row->padded[2] : count;
    float factor = size > 0 ? 1.0f / (float)size : 1.0f;
    switch (w->kind) {
    case MAX:
        w->simd->pool_max(w->x + in_at, taps, count, w->y + out_at, w->lanes, n, x_step, w->step);
        break;
    case MEAN:
        w->simd->pool_sum(w->x + in_at, taps, count, w->y + out_at, w->lanes, n, x_step, w->step, factor);
        break;
    case MAX_GRAD:
        if (count > 0)
            w->simd->pool_max_grad(w->x + in_at, w->dy + out_at, taps, count, w->dx + in_at, w->lanes, n, x_step,
                                   w->step, w->alone);
        break;
    case MEAN_GRAD:
        w->simd->pool_sum_grad(w->dy + out_at, taps, count, w->dx + in_at, w->lanes, n, x_step, w->step, factor);
        break;
    }
}

static bool whole(const sw_geometry *g, const struct row *row, int k)
{
    return row->first[k] == 0 && row->last[k] == g->kernel[k];
}

static void pool_plane(const struct work *w, int64_t in_at, int64_t out_at)
{
    const sw_geometry *g = &w->g;
    struct row row;
    int64_t out[3];
    for (out[0] = 0; out[0] < g->out[0]; out[0]++) {
        span(g, 0, out[0], &row.first[0], &row.last[0], &row.padded[0]);
        for (out[1] = 0; out[1] < g->out[1]; out[1]++) {
            span(g, 1, out[1], &row.first[1], &row.last[1], &row.padded[1]);
            for (out[2] = 0; out[2] < g->out[2];) {
                span(g, 2, out[2], &row.first[2], &row.last[2], &row.padded[2]);
                int64_t n = 1;
                if (whole(g, &row, 2)) { /* as far as windows still fit */
                    int64_t reach = g->in[2] - 1 + g->begin[2] - (g->kernel[2] - 1) * g->dilation[2];
                    int64_t end = reach / g->stride[2] + 1;
                    end = end < g->out[2] ? end : g->out[2];
                    n = end - out[2];
                }
                pool_row(w, &row, out, n, in_at,
                         out_at + ((out[0] * g->out[1] + out[1]) * g->out[2] + out[2]) * w->step);
                out[2] += n;
            }
        }
    }
}

static void units(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const sw_geometry *g = &w->g;
    for (int64_t i = begin; i < end; i++) {
        int64_t in_at = i / w->per_image * w->in_image + i % w->per_image * w->in_unit;
        int64_t out_at = i / w->per_image * w->out_image + i % w->per_image * w->out_unit;
        if ((w->kind == MAX_GRAD && !w->alone) || w->kind == MEAN_GRAD)
            memset(w->dx + in_at, 0, sizeof *w->dx * (size_t)(w->lanes * g->in[0] * g->in[1] * g->in[2]));
        pool_plane(w, in_at, out_at);
    }
}

static void place(struct work *w, const sw_view *x)
{
    int64_t block = sw_layout_block(x->layout), channels = x->dims[1];
    int64_t in = w->g.in[0] * w->g.in[1] * w->g.in[2], out = w->g.out[0] * w->g.out[1] * w->g.out[2];
    w->lanes = x->layout == SW_LAYOUT_CHANNELS_LAST ? channels : block;
    w->step = w->lanes;
    w->per_image = channels / w->lanes;
    w->units = x->dims[0] * w->per_image;
    w->in_image = channels * in;
    w->out_image = channels * out;
    w->in_unit = w->lanes * in;
    w->out_unit = w->lanes * out;
}

static sw_status run(const sw_call *call)
{
    enum kind kind = kind_of(call->node);
    bool gradient = kind == MAX_GRAD || kind == MEAN_GRAD;
    const sw_view *x = kind == MAX_GRAD ? &call->inputs[1] : gradient ? &call->outputs[0] : &call->inputs[0];
    const sw_view *y = gradient ? &call->inputs[0] : &call->outputs[0];
    struct work w = {
        .simd = sw_simd_here(), .kind = kind, .x = x->data, .dy = y->data, .y = y->data, .dx = call->outputs[0].data};
    SW_TRY(geometry(call->node, x, y, &w.g));
    w.include_pad = (kind == MEAN || kind == MEAN_GRAD) && sw_attr_int(call->node, "count_include_pad");
    w.alone = true;
    for (int i = 0; i < 3; i++)
        w.alone &= w.g.kernel[i] == w.g.stride[i] && w.g.dilation[i] == 1 && w.g.begin[i] == 0 &&
                   w.g.in[i] == w.g.out[i] * w.g.stride[i];
    place(&w, x);
    sw_cpu_for(call->team, w.units, (1 << 14) / (w.in_unit + 1) + 1, units, &w);
    return SW_OK;
}

static const char *skips(const sw_site *site)
{
    int used = kind_of(site->node) == MAX_GRAD ? 2 : 1;
    const sw_view *y = &site->outputs[0];
    if (y->rank < 3 || y->rank > 5)
        return "not one to three spatial axes";
    if (y->dtype != SW_F32 || !sw_view_is_dense(y) || sw_view_count(y) == 0)
        return "the result is not f32, not contiguous or empty";
    for (int i = 0; i < used; i++) {
        if (site->inputs[i].dtype != SW_F32 || !sw_view_is_dense(&site->inputs[i]) ||
            sw_view_count(&site->inputs[i]) == 0)
            return "an operand is not f32, not contiguous or empty";
        if (site->inputs[i].layout != y->layout)
            return "tensors lie in different layouts";
    }
    int64_t kernel[3] = {1, 1, 1};
    sw_attr_ints(site->node, "kernel", kernel, 3);
    return kernel[0] * kernel[1] * kernel[2] <= TAPS ? NULL : "a window of more than 512 elements";
}

#define KERNEL(op_)                                                                                                    \
    {                                                                                                                  \
        .name = "simd", .op = (op_), .skips = skips, .run = run, .fixed_slices = true                                  \
    }
static const sw_kernel kernels[] = {KERNEL("MaxPool"), KERNEL("AveragePool"), KERNEL("MaxPoolGrad"),
                                    KERNEL("AveragePoolGrad")};
const sw_cpu_family sw_cpu_pool = {kernels, sizeof kernels / sizeof kernels[0]};
