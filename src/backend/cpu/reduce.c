/* reduce.c: sums, means, extremes and products over axes, and SumTo.
 *
 * After merging neighbours, axes that are kept and axes that go alternate; everything in use has the form
 * [k0, r1, k1, r2] with some of them 1. Where the last axis goes, runs are reduced; where it stays, rows are added up.
 * Blocked and channels-last tensors are reduced over all axes but the channels, or over the spatial ones. Every
 * result's order of additions follows from the dims: the team only shares out results, or slices of fixed size. */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

enum { SLICE = 1 << 16, ROWS = 512 };
enum reduction { SUM, MEAN, MAX, MIN, PROD };

struct form {
    int64_t k0, r1, k1, r2;
};

/* ---- which axes go ---- */

static bool mark_axes(const sw_node *node, const sw_view *x, const sw_view *y, bool *gone)
{
    if (strcmp(sw_node_op(node)->name, "SumTo") == 0) {
        for (int i = 0; i < x->rank; i++) {
            int at = i - (x->rank - y->rank);
            gone[i] = at < 0 || (y->dims[at] == 1 && x->dims[i] != 1);
        }
        return y->rank <= x->rank;
    }
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(node, "axes", axes, SW_MAX_RANK);
    for (int i = 0; i < x->rank; i++)
        gone[i] = count == 0;
    for (int i = 0; i < count; i++)
        gone[axes[i] < 0 ? axes[i] + x->rank : axes[i]] = true;
    return true;
}

static bool find_form(const sw_view *x, const bool *gone, struct form *f)
{
    int64_t sizes[4] = {1, 1, 1, 1}; /* k0, r1, k1, r2 */
    int at = 0;
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] == 1)
            continue;
        if ((at & 1) != (gone[i] ? 1 : 0))
            at++;
        if (at > 3)
            return false;
        sizes[at] *= x->dims[i];
    }
    *f = (struct form){sizes[0], sizes[1], sizes[2], sizes[3]};
    if (at == 1) /* [k0, r1]: the last axis goes */
        *f = (struct form){sizes[0], 1, 1, sizes[1]};
    return true;
}

/* Which of [N, C, spatial…] go, for the layouts that keep channels together. */
enum scope { NOT_SO, SPATIAL, ALL_BUT_CHANNELS };
static enum scope find_scope(const sw_view *x, const bool *gone)
{
    if (x->rank < 3 || gone[1])
        return NOT_SO;
    for (int i = 2; i < x->rank; i++)
        if (!gone[i] && x->dims[i] != 1)
            return NOT_SO;
    return gone[0] || x->dims[0] == 1 ? ALL_BUT_CHANNELS : SPATIAL;
}

static enum reduction kind_of(const sw_node *node)
{
    const char *op = sw_node_op(node)->name;
    return strcmp(op, "ReduceMean") == 0   ? MEAN
           : strcmp(op, "ReduceMax") == 0  ? MAX
           : strcmp(op, "ReduceMin") == 0  ? MIN
           : strcmp(op, "ReduceProd") == 0 ? PROD
                                           : SUM;
}

static const char *skips(const sw_site *site)
{
    const sw_view *x = &site->inputs[0], *y = &site->outputs[0];
    bool gone[SW_MAX_RANK];
    struct form form;
    if (x->dtype != SW_F32 || y->dtype != SW_F32)
        return "element type is not f32";
    if (sw_view_count(x) == 0 || sw_view_count(y) == 0)
        return "no elements";
    if (!sw_view_is_dense(x) || !sw_view_is_dense(y))
        return "not contiguous";
    if (!mark_axes(site->node, x, y, gone))
        return "ranks do not fit";
    if (x->layout == SW_LAYOUT_PLAIN)
        return find_form(x, gone, &form) ? NULL : "axes that go alternate more than twice";
    enum reduction kind = kind_of(site->node);
    if (kind != SUM && kind != MEAN)
        return "only sums and means know layouts";
    return find_scope(x, gone) != NOT_SO ? NULL : "not a reduction that this layout allows";
}

static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    prepared->scratch_bytes = sizeof(float) * (size_t)(sw_view_count(&site->inputs[0]) / SLICE + 1);
    return SW_OK;
}

/* ---- runs ---- */

struct work {
    const sw_simd *simd;
    enum reduction kind;
    struct form form;
    const float *x;
    float *y, *partial;
    float factor;
};

static float reduce_run(const struct work *w, const float *x, int64_t n)
{
    switch (w->kind) {
    case MAX:
        return w->simd->max(x, n);
    case MIN:
        return w->simd->min(x, n);
    case PROD:
        return w->simd->prod(x, n);
    default:
        return w->simd->sum(x, n);
    }
}

static float first_of(enum reduction kind)
{
    return kind == MAX ? -INFINITY : kind == MIN ? INFINITY : kind == PROD ? 1.0f : 0.0f;
}

static double join(enum reduction kind, double a, double b)
{
    switch (kind) {
    case MAX:
        return b > a || isnan(b) ? b : a;
    case MIN:
        return b < a || isnan(b) ? b : a;
    case PROD:
        return a * b;
    default:
        return a + b;
    }
}

static void slices(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * SLICE, n = w->form.r2 - at < SLICE ? w->form.r2 - at : SLICE;
        w->partial[i] = reduce_run(w, w->x + at, n);
    }
}

/* Results k0 * k1 + …, each from r1 runs of r2. */
static void runs(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const struct form *f = &w->form;
    for (int64_t i = begin; i < end; i++) {
        int64_t outer = i / f->k1, inner = i % f->k1;
        double all = first_of(w->kind);
        for (int64_t r = 0; r < f->r1; r++)
            all = join(w->kind, all, reduce_run(w, w->x + ((outer * f->r1 + r) * f->k1 + inner) * f->r2, f->r2));
        w->y[i] = (float)(all * w->factor);
    }
}

/* ---- rows: pieces of 64 columns ---- */
enum { COLUMNS = 64 };

static void rows(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const struct form *f = &w->form;
    int64_t pieces = (f->k1 + COLUMNS - 1) / COLUMNS;
    for (int64_t i = begin; i < end; i++) {
        int64_t outer = i / pieces, column = i % pieces * COLUMNS,
                n = f->k1 - column < COLUMNS ? f->k1 - column : COLUMNS;
        const float *x = w->x + outer * f->r1 * f->k1 + column;
        float *y = w->y + outer * f->k1 + column;
        if (w->kind == SUM || w->kind == MEAN) {
            memset(y, 0, sizeof *y * (size_t)n);
            for (int64_t r = 0; r < f->r1; r += ROWS)
                w->simd->column_sums(x + r * f->k1, f->r1 - r < ROWS ? f->r1 - r : ROWS, n, f->k1, y);
            if (w->factor != 1.0f)
                w->simd->binary[SW_BINARY_MUL][SW_VECTOR_SCALAR](y, &w->factor, y, n);
        } else {
            sw_binary_kind pick = w->kind == MAX ? SW_BINARY_MAX : w->kind == MIN ? SW_BINARY_MIN : SW_BINARY_MUL;
            memcpy(y, x, sizeof *y * (size_t)n);
            for (int64_t r = 1; r < f->r1; r++)
                w->simd->binary[pick][SW_VECTOR_VECTOR](x + r * f->k1, y, y, n);
        }
    }
}

static void reduce_plain(const sw_call *call, struct work *w)
{
    const struct form *f = &w->form;
    if (f->r2 == 1 && f->k1 > 1) {
        int64_t pieces = (f->k1 + COLUMNS - 1) / COLUMNS * f->k0;
        sw_cpu_for(call->team, pieces, (1 << 15) / (f->r1 * COLUMNS) + 1, rows, w);
    } else if (f->k0 * f->r1 * f->k1 == 1 && f->r2 > SLICE) {
        int64_t count = (f->r2 + SLICE - 1) / SLICE;
        sw_cpu_for(call->team, count, 1, slices, w);
        double all = first_of(w->kind);
        for (int64_t i = 0; i < count; i++)
            all = join(w->kind, all, w->partial[i]);
        *w->y = (float)(all * w->factor);
    } else
        sw_cpu_for(call->team, f->k0 * f->k1, (1 << 15) / (f->r1 * f->r2) + 1, runs, w);
}

/* ---- tensors that keep channels together ---- */

struct channels {
    const sw_simd *simd;
    const float *x;
    float *y;
    int64_t images, spatial, lanes, groups, row, image, group; /* strides in elements */
    int64_t joined;                                            /* images added into one result */
    float factor;
};

/* Result i: group i % groups of image i / groups (all images when joined). */
static void channel_groups(void *user, int64_t begin, int64_t end)
{
    const struct channels *c = user;
    for (int64_t i = begin; i < end; i++) {
        float *y = c->y + i * c->lanes;
        memset(y, 0, sizeof *y * (size_t)c->lanes);
        for (int64_t n = 0; n < c->joined; n++) {
            const float *x = c->x + (i / c->groups + n) * c->image + i % c->groups * c->group;
            for (int64_t r = 0; r < c->spatial; r += ROWS)
                c->simd->column_sums(x + r * c->row, c->spatial - r < ROWS ? c->spatial - r : ROWS, c->lanes, c->row,
                                     y);
        }
        c->simd->binary[SW_BINARY_MUL][SW_VECTOR_SCALAR](y, &c->factor, y, c->lanes);
    }
}

static void reduce_channels(const sw_call *call, const bool *gone, bool mean)
{
    const sw_view *x = &call->inputs[0];
    int64_t spatial = 1, channels = x->dims[1], block = sw_layout_block(x->layout);
    for (int i = 2; i < x->rank; i++)
        spatial *= x->dims[i];
    struct channels c = {.simd = sw_simd_here(),
                         .x = x->data,
                         .y = call->outputs[0].data,
                         .images = x->dims[0],
                         .spatial = spatial,
                         .image = channels * spatial,
                         .factor = 1.0f};
    bool blocked = block > 1;
    c.lanes = blocked ? block : channels % 16 == 0 ? 16 : channels;
    c.groups = channels / c.lanes;
    c.row = blocked ? block : channels;
    c.group = blocked ? spatial * block : c.lanes;
    bool all = find_scope(x, gone) == ALL_BUT_CHANNELS;
    c.joined = all ? c.images : 1;
    if (mean)
        c.factor = 1.0f / (float)(spatial * c.joined);
    int64_t results = c.groups * (all ? 1 : c.images);
    sw_cpu_for(call->team, results, (1 << 15) / (c.joined * spatial * c.lanes) + 1, channel_groups, &c);
}

static sw_status run(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    bool gone[SW_MAX_RANK];
    struct work w = {.simd = sw_simd_here(),
                     .kind = kind_of(call->node),
                     .x = x->data,
                     .y = y->data,
                     .partial = call->scratch,
                     .factor = 1};
    mark_axes(call->node, x, y, gone);
    if (x->layout != SW_LAYOUT_PLAIN) {
        reduce_channels(call, gone, w.kind == MEAN);
        return SW_OK;
    }
    if (!find_form(x, gone, &w.form))
        return sw_fail(SW_INTERNAL, "%s: not a form of reduction", sw_node_name(call->node));
    if (w.kind == MEAN)
        w.factor = 1.0f / (float)(w.form.r1 * w.form.r2);
    reduce_plain(call, &w);
    return SW_OK;
}

#define KERNEL(op_)                                                                                                    \
    {                                                                                                                  \
        .name = "simd", .op = (op_), .skips = skips, .prepare = prepare, .run = run, .fixed_slices = true              \
    }
static const sw_kernel kernels[] = {KERNEL("ReduceSum"), KERNEL("ReduceMean"), KERNEL("ReduceMax"),
                                    KERNEL("ReduceMin"), KERNEL("ReduceProd"), KERNEL("SumTo")};
const sw_cpu_family sw_cpu_reduce = {kernels, sizeof kernels / sizeof kernels[0]};
