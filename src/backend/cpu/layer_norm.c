/* layer_norm.c: LayerNorm and its gradient: each row of n elements by its own mean and deviation.
 *
 * The gradients of scale and bias are sums over rows: slices of a fixed number of rows are summed apart and added in
 * order, so that the team's size does not show in the bits. */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

enum { GRAIN = 1 << 13, SLICE_ROWS = 64 };

struct rows {
    const sw_simd *simd;
    int64_t n, count;
    float epsilon;
    const float *dy, *x, *scale, *bias, *mean, *rstd;
    float *y, *saved_mean, *saved_rstd;
    float *slices; /* per slice: dscale, dbias, and two rows to work in */
};

static int64_t row_length(const sw_node *node, const sw_view *x)
{
    int64_t axis = sw_attr_int(node, "axis"), n = 1;
    for (int64_t i = axis < 0 ? axis + x->rank : axis; i < x->rank; i++)
        n *= x->dims[i];
    return n;
}

static const char *skips(const sw_site *site)
{
    const char *why = sw_site_skips_unless_plain_f32(site);
    return why ? why : sw_view_count(&site->inputs[0]) == 0 ? "no elements" : NULL;
}

/* ---- forward ---- */

static void forward_rows(void *user, int64_t begin, int64_t end)
{
    const struct rows *r = user;
    for (int64_t i = begin; i < end; i++) {
        float mean, square;
        r->simd->moments(r->x + i * r->n, r->n, &mean, &square);
        float rstd = 1.0f / sqrtf(square / (float)r->n + r->epsilon);
        r->simd->normalize(r->x + i * r->n, r->y + i * r->n, r->n, mean, rstd, r->scale, r->bias);
        if (r->saved_mean)
            r->saved_mean[i] = mean;
        if (r->saved_rstd)
            r->saved_rstd[i] = rstd;
    }
}

static float *output_of(const sw_call *call, int index)
{
    return index < call->outputs_count ? call->outputs[index].data : NULL;
}

static const float *input_of(const sw_call *call, int index)
{
    return index < call->inputs_count ? call->inputs[index].data : NULL;
}

static sw_status run_forward(const sw_call *call)
{
    const sw_view *x = &call->inputs[0];
    struct rows r = {.simd = sw_simd_here(),
                     .n = row_length(call->node, x),
                     .epsilon = (float)sw_attr_float(call->node, "epsilon"),
                     .x = x->data,
                     .scale = input_of(call, 1),
                     .bias = input_of(call, 2),
                     .y = call->outputs[0].data,
                     .saved_mean = output_of(call, 1),
                     .saved_rstd = output_of(call, 2)};
    sw_cpu_for(call->team, sw_view_count(x) / r.n, GRAIN / r.n + 1, forward_rows, &r);
    return SW_OK;
}

/* ---- gradient: with g = dy * scale and h = (x - mean) * rstd,
 *   dx = rstd * (g - mean(g) - h * mean(g * h)),  dscale = sum dy * h,  dbias = sum dy ---- */

static void gradient_row(const struct rows *r, int64_t i, float *dscale, float *dbias, float *g, float *h)
{
    const sw_simd *simd = r->simd;
    const float *dy = r->dy + i * r->n, *x = r->x + i * r->n;
    float mean = r->mean[i], rstd = r->rstd[i];
    const float *scaled = dy;
    if (r->scale) {
        simd->binary[SW_BINARY_MUL][SW_VECTOR_VECTOR](dy, r->scale, g, r->n);
        scaled = g;
    }
    float mean_g = simd->sum(scaled, r->n) / (float)r->n;
    float mean_gh = simd->dot_centered(scaled, x, mean, r->n) * rstd / (float)r->n;
    if (dbias)
        simd->binary[SW_BINARY_ADD][SW_VECTOR_VECTOR](dbias, dy, dbias, r->n);
    if (dscale) {
        simd->normalize(x, h, r->n, mean, rstd, NULL, NULL);
        simd->madd(dy, h, dscale, r->n);
    }
    if (r->y) {
        float b = -rstd * rstd * mean_gh, c = -rstd * mean_g - b * mean;
        simd->affine2(scaled, x, r->y + i * r->n, r->n, &rstd, &b, &c, 0);
    }
}

static void gradient_slices(void *user, int part)
{
    const struct rows *r = user;
    float *dscale = r->slices + (int64_t)part * 4 * r->n, *dbias = dscale + r->n, *g = dbias + r->n, *h = g + r->n;
    memset(dscale, 0, sizeof *dscale * 2 * (size_t)r->n);
    int64_t end = (int64_t)(part + 1) * SLICE_ROWS < r->count ? (int64_t)(part + 1) * SLICE_ROWS : r->count;
    for (int64_t i = (int64_t)part * SLICE_ROWS; i < end; i++)
        gradient_row(r, i, dscale, dbias, g, h);
}

static int slices_of(int64_t rows) { return (int)((rows + SLICE_ROWS - 1) / SLICE_ROWS); }

static sw_status prepare_gradient(const sw_site *site, sw_prepared *prepared)
{
    int64_t n = row_length(site->node, &site->inputs[1]);
    prepared->scratch_bytes = sizeof(float) * 4 * (size_t)n * (size_t)slices_of(sw_view_count(&site->inputs[1]) / n);
    return SW_OK;
}

static sw_status run_gradient(const sw_call *call)
{
    const sw_view *x = &call->inputs[1];
    int64_t n = row_length(call->node, x);
    struct rows r = {.simd = sw_simd_here(),
                     .n = n,
                     .count = sw_view_count(x) / n,
                     .dy = call->inputs[0].data,
                     .x = x->data,
                     .scale = call->inputs[2].data,
                     .mean = call->inputs[3].data,
                     .rstd = call->inputs[4].data,
                     .y = output_of(call, 0),
                     .slices = call->scratch};
    int slices = slices_of(r.count);
    sw_team_run(r.count * n >= GRAIN ? call->team : NULL, slices, gradient_slices, &r);
    for (int which = 0; which < 2; which++) {
        float *sum = output_of(call, 1 + which);
        if (!sum)
            continue;
        memcpy(sum, r.slices + which * n, sizeof *sum * (size_t)n);
        for (int s = 1; s < slices; s++)
            r.simd->binary[SW_BINARY_ADD][SW_VECTOR_VECTOR](sum, r.slices + ((int64_t)s * 4 + which) * n, sum, n);
    }
    return SW_OK;
}

static const sw_kernel kernels[] = {
    {.name = "simd", .op = "LayerNorm", .skips = skips, .run = run_forward, .fixed_slices = true},
    {.name = "simd",
     .op = "LayerNormGrad",
     .skips = skips,
     .prepare = prepare_gradient,
     .run = run_gradient,
     .fixed_slices = true},
};
const sw_cpu_family sw_cpu_layer_norm = {kernels, sizeof kernels / sizeof kernels[0]};
