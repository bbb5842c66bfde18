/* batch_norm.c: BatchNorm and its gradient over [N, C, spatial…] in any layout.
 *
 * Channels are taken in groups that lie side by side (16 or 8 in blocked tensors, one in plain ones), and a group is
 * finished by one member of the team: its sums, then its elements, while they are still in cache. So no sum is ever
 * split, and the bits do not depend on the team. Channels-last tensors are summed in groups of 16 columns and then
 * written row by row. */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

enum { LANES = 16, ROWS = 512 };

/* How one group of channels lies in memory. */
struct plane {
    int64_t images, spatial, channels;
    int64_t lanes, groups;     /* channels of a group; groups */
    int64_t image, group, row; /* strides between images, groups, and positions */
    bool last;                 /* channels-last */
};

static struct plane plane_of(const sw_view *x)
{
    struct plane p = {.images = x->dims[0], .channels = x->dims[1], .spatial = 1};
    for (int i = 2; i < x->rank; i++)
        p.spatial *= x->dims[i];
    int64_t block = sw_layout_block(x->layout);
    p.last = x->layout == SW_LAYOUT_CHANNELS_LAST || (x->rank == 2 && x->layout == SW_LAYOUT_PLAIN) || p.spatial == 1;
    p.lanes = p.last ? LANES : block;
    p.groups = (p.channels + p.lanes - 1) / p.lanes;
    p.image = p.channels * p.spatial;
    p.group = p.last ? p.lanes : p.spatial * p.lanes;
    p.row = p.last ? p.channels : p.lanes;
    return p;
}

struct work {
    const sw_simd *simd;
    struct plane p;
    bool training;
    float epsilon, momentum;
    const float *x, *dy, *scale, *bias, *mean, *variance; /* gradient: mean and rstd as saved */
    const float *rstd;
    float *y, *new_mean, *new_variance, *saved_mean, *saved_rstd, *dscale, *dbias;
    float *factors; /* channels-last: a, b, c of y = a u + b v + c, C each */
};

static int64_t lanes_of(const struct plane *p, int64_t group)
{
    int64_t left = p->channels - group * p->lanes;
    return left < p->lanes ? left : p->lanes;
}

/* Mean and variance of each of the group's channels. */
static void group_moments(const struct work *w, int64_t group, int64_t lanes, float *mean, float *variance)
{
    const struct plane *p = &w->p;
    double total[LANES] = {0}, square[LANES] = {0}, count = (double)(p->images * p->spatial);
    float piece[LANES];
    for (int64_t n = 0; n < p->images; n++) {
        const float *x = w->x + n * p->image + group * p->group;
        if (p->lanes == 1) {
            total[0] += w->simd->sum(x, p->spatial);
            continue;
        }
        for (int64_t r = 0; r < p->spatial; r += ROWS) {
            memset(piece, 0, sizeof piece);
            w->simd->column_sums(x + r * p->row, p->spatial - r < ROWS ? p->spatial - r : ROWS, lanes, p->row, piece);
            for (int64_t l = 0; l < lanes; l++)
                total[l] += piece[l];
        }
    }
    for (int64_t l = 0; l < lanes; l++)
        mean[l] = (float)(total[l] / count);
    for (int64_t n = 0; n < p->images; n++) {
        const float *x = w->x + n * p->image + group * p->group;
        if (p->lanes == 1) {
            square[0] += w->simd->square_deviation(x, p->spatial, mean[0]);
            continue;
        }
        for (int64_t r = 0; r < p->spatial; r += ROWS) {
            memset(piece, 0, sizeof piece);
            w->simd->column_squares(x + r * p->row, p->spatial - r < ROWS ? p->spatial - r : ROWS, lanes, p->row, mean,
                                    piece);
            for (int64_t l = 0; l < lanes; l++)
                square[l] += piece[l];
        }
    }
    for (int64_t l = 0; l < lanes; l++)
        variance[l] = (float)(square[l] / count);
}

/* y = x * a + b for one group, unless its rows are shared with others. */
static void group_affine(const struct work *w, int64_t group, const float *a, const float *b)
{
    const struct plane *p = &w->p;
    for (int64_t n = 0; n < p->images; n++) {
        int64_t at = n * p->image + group * p->group;
        w->simd->affine(w->x + at, w->y + at, p->spatial * p->lanes, a, b, p->lanes == 1 ? 0 : p->lanes);
    }
}

static void forward_groups(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const struct plane *p = &w->p;
    for (int64_t g = begin; g < end; g++) {
        int64_t lanes = lanes_of(p, g), first = g * p->lanes;
        float mean[LANES], variance[LANES], a[LANES], b[LANES];
        if (w->training)
            group_moments(w, g, lanes, mean, variance);
        for (int64_t l = 0; l < lanes; l++) {
            int64_t c = first + l;
            if (!w->training) {
                mean[l] = w->mean[c];
                variance[l] = w->variance[c];
            }
            float rstd = 1.0f / sqrtf(variance[l] + w->epsilon);
            a[l] = w->scale[c] * rstd;
            b[l] = w->bias[c] - mean[l] * a[l];
            if (w->new_mean)
                w->new_mean[c] = w->training ? w->momentum * w->mean[c] + (1 - w->momentum) * mean[l] : w->mean[c];
            if (w->new_variance)
                w->new_variance[c] =
                    w->training ? w->momentum * w->variance[c] + (1 - w->momentum) * variance[l] : w->variance[c];
            if (w->saved_mean)
                w->saved_mean[c] = mean[l];
            if (w->saved_rstd)
                w->saved_rstd[c] = rstd;
        }
        if (p->last) {
            memcpy(w->factors + first, a, sizeof *a * (size_t)lanes);
            memcpy(w->factors + p->channels + first, b, sizeof *b * (size_t)lanes);
        } else
            group_affine(w, g, a, b);
    }
}

static void forward_rows(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    int64_t c = w->p.channels;
    w->simd->affine(w->x + begin * c, w->y + begin * c, (end - begin) * c, w->factors, w->factors + c, c);
}

/* Pieces that pay for waking a team, of `elements` each. */
static int64_t grain_of(int64_t elements) { return (1 << 14) / (elements + 1) + 1; }

static float *output_of(const sw_call *call, int index)
{
    return index < call->outputs_count ? call->outputs[index].data : NULL;
}

static bool is_training(const sw_call *call, int input)
{
    const sw_view *flag = &call->inputs[input];
    return flag->data && *(const uint8_t *)flag->data != 0;
}

static sw_status run_forward(const sw_call *call)
{
    const sw_view *in = call->inputs;
    struct work w = {.simd = sw_simd_here(),
                     .p = plane_of(&in[0]),
                     .training = is_training(call, 5),
                     .epsilon = (float)sw_attr_float(call->node, "epsilon"),
                     .momentum = (float)sw_attr_float(call->node, "momentum"),
                     .x = in[0].data,
                     .scale = in[1].data,
                     .bias = in[2].data,
                     .mean = in[3].data,
                     .variance = in[4].data,
                     .y = output_of(call, 0),
                     .new_mean = output_of(call, 1),
                     .new_variance = output_of(call, 2),
                     .saved_mean = output_of(call, 3),
                     .saved_rstd = output_of(call, 4),
                     .factors = call->scratch};
    int64_t rows = w.p.images * w.p.spatial;
    sw_cpu_for(call->team, w.p.groups, grain_of(rows * w.p.lanes), forward_groups, &w);
    if (w.p.last)
        sw_cpu_for(call->team, rows, grain_of(w.p.channels), forward_rows, &w);
    return SW_OK;
}

/* ---- gradient: with h = (x - mean) * rstd and m = N * spatial,
 *   dbias = sum dy, dscale = sum dy h, dx = scale rstd (dy - dbias / m - h dscale / m); running statistics: scale rstd
 * dy ---- */

static void group_slopes(const struct work *w, int64_t group, int64_t lanes, const float *mean, double *total,
                         double *product)
{
    const struct plane *p = &w->p;
    float sums[LANES], dots[LANES];
    for (int64_t n = 0; n < p->images; n++) {
        int64_t at = n * p->image + group * p->group;
        if (p->lanes == 1) {
            total[0] += w->simd->sum(w->dy + at, p->spatial);
            product[0] += w->simd->dot_centered(w->dy + at, w->x + at, mean[0], p->spatial);
            continue;
        }
        for (int64_t r = 0; r < p->spatial; r += ROWS) {
            memset(sums, 0, sizeof sums);
            memset(dots, 0, sizeof dots);
            w->simd->column_dots(w->dy + at + r * p->row, w->x + at + r * p->row,
                                 p->spatial - r < ROWS ? p->spatial - r : ROWS, lanes, p->row, mean, sums, dots);
            for (int64_t l = 0; l < lanes; l++) {
                total[l] += sums[l];
                product[l] += dots[l];
            }
        }
    }
}

static void backward_groups(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const struct plane *p = &w->p;
    double m = (double)(p->images * p->spatial);
    for (int64_t g = begin; g < end; g++) {
        int64_t lanes = lanes_of(p, g), first = g * p->lanes;
        double total[LANES] = {0}, product[LANES] = {0};
        float a[LANES], b[LANES] = {0}, c[LANES] = {0};
        group_slopes(w, g, lanes, w->mean + first, total, product);
        for (int64_t l = 0; l < lanes; l++) {
            int64_t k = first + l;
            double rstd = w->rstd[k], dscale = product[l] * rstd;
            if (w->dscale)
                w->dscale[k] = (float)dscale;
            if (w->dbias)
                w->dbias[k] = (float)total[l];
            a[l] = (float)(w->scale[k] * rstd);
            if (w->training) {
                double slope = -w->scale[k] * rstd * rstd * dscale / m;
                b[l] = (float)slope;
                c[l] = (float)(-w->scale[k] * rstd * total[l] / m - slope * w->mean[k]);
            }
        }
        if (!w->y)
            continue;
        if (p->last) {
            memcpy(w->factors + first, a, sizeof *a * (size_t)lanes);
            memcpy(w->factors + p->channels + first, b, sizeof *b * (size_t)lanes);
            memcpy(w->factors + 2 * p->channels + first, c, sizeof *c * (size_t)lanes);
            continue;
        }
        for (int64_t n = 0; n < p->images; n++) {
            int64_t at = n * p->image + g * p->group;
            w->simd->affine2(w->dy + at, w->x + at, w->y + at, p->spatial * p->lanes, a, b, c,
                             p->lanes == 1 ? 0 : p->lanes);
        }
    }
}

static void backward_rows(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    int64_t c = w->p.channels, at = begin * c;
    w->simd->affine2(w->dy + at, w->x + at, w->y + at, (end - begin) * c, w->factors, w->factors + c,
                     w->factors + 2 * c, c);
}

static sw_status run_backward(const sw_call *call)
{
    const sw_view *in = call->inputs;
    struct work w = {.simd = sw_simd_here(),
                     .p = plane_of(&in[1]),
                     .training = is_training(call, 5),
                     .dy = in[0].data,
                     .x = in[1].data,
                     .scale = in[2].data,
                     .mean = in[3].data,
                     .rstd = in[4].data,
                     .y = output_of(call, 0),
                     .dscale = output_of(call, 1),
                     .dbias = output_of(call, 2),
                     .factors = call->scratch};
    int64_t rows = w.p.images * w.p.spatial;
    sw_cpu_for(call->team, w.p.groups, grain_of(rows * w.p.lanes), backward_groups, &w);
    if (w.p.last && w.y)
        sw_cpu_for(call->team, rows, grain_of(w.p.channels), backward_rows, &w);
    return SW_OK;
}

static const char *skips_at(const sw_site *site, int x)
{
    for (int i = 0; i < site->inputs_count - 1; i++)
        if (site->inputs[i].dtype != SW_F32)
            return "element type is not f32";
    for (int i = 0; i <= x; i++)
        if (site->inputs[i].layout != site->outputs[0].layout || !sw_view_is_dense(&site->inputs[i]))
            return "tensors lie in different layouts";
    for (int i = x + 1; i < site->inputs_count; i++)
        if (!sw_view_is_plain(&site->inputs[i]))
            return "statistics are not contiguous";
    if (!sw_view_is_dense(&site->outputs[0]))
        return "the result is not contiguous";
    if (site->inputs[x].rank < 2 || sw_view_count(&site->inputs[x]) == 0)
        return "no channels, or no elements";
    return NULL;
}

static const char *skips_forward(const sw_site *site) { return skips_at(site, 0); }

static const char *skips_backward(const sw_site *site) { return skips_at(site, 1); }

static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    prepared->scratch_bytes = sizeof(float) * 3 * (size_t)site->inputs[0].dims[1];
    return SW_OK;
}

static const sw_kernel kernels[] = {
    {.name = "simd",
     .op = "BatchNorm",
     .skips = skips_forward,
     .prepare = prepare,
     .run = run_forward,
     .fixed_slices = true},
    {.name = "simd",
     .op = "BatchNormGrad",
     .skips = skips_backward,
     .prepare = prepare,
     .run = run_backward,
     .fixed_slices = true},
};
const sw_cpu_family sw_cpu_batch_norm = {kernels, sizeof kernels / sizeof kernels[0]};
