/* kernels.c: questions about views, and walks over them. */
#include "backend/cpu/kernels.h"

#include <string.h>

int64_t sw_layout_block(sw_layout layout)
{
    return layout == SW_LAYOUT_BLOCKED16 ? 16 : layout == SW_LAYOUT_BLOCKED8 ? 8 : 1;
}

/* Axis `i` of memory order: N, spatial…, C for channels-last, as they come otherwise. */
static int axis_in_memory(const sw_view *view, int i)
{
    if (view->layout != SW_LAYOUT_CHANNELS_LAST || i == 0)
        return i;
    return i == view->rank - 1 ? 1 : i + 1;
}

bool sw_view_is_dense(const sw_view *view)
{
    if (view->layout == SW_LAYOUT_BLOCKED8 || view->layout == SW_LAYOUT_BLOCKED16)
        return true;
    if (view->layout == SW_LAYOUT_PACKED)
        return false;
    int64_t size = 1;
    for (int i = view->rank - 1; i >= 0; i--) {
        int axis = axis_in_memory(view, i);
        if (view->dims[axis] != 1 && view->strides[axis] != size)
            return false;
        size *= view->dims[axis];
    }
    return true;
}

bool sw_view_is_plain(const sw_view *view) { return view->layout == SW_LAYOUT_PLAIN && sw_view_is_dense(view); }

bool sw_site_plain(const sw_site *site)
{
    for (int i = 0; i < site->inputs_count; i++)
        if (sw_site_given(site, i) && !sw_view_is_plain(&site->inputs[i]))
            return false;
    for (int i = 0; i < site->outputs_count; i++)
        if (site->outputs[i].dtype != SW_DTYPE_NONE && !sw_view_is_plain(&site->outputs[i]))
            return false;
    return true;
}

bool sw_site_unpacked(const sw_site *site)
{
    for (int i = 0; site->packed && i < site->inputs_count; i++)
        if (site->packed[i])
            return false;
    return true;
}

bool sw_site_all(const sw_site *site, sw_dtype dtype)
{
    for (int i = 0; i < site->inputs_count; i++)
        if (sw_site_given(site, i) && site->inputs[i].dtype != dtype)
            return false;
    for (int i = 0; i < site->outputs_count; i++)
        if (site->outputs[i].dtype != SW_DTYPE_NONE && site->outputs[i].dtype != dtype)
            return false;
    return true;
}

const char *sw_site_skips_unless_plain_f32(const sw_site *site)
{
    if (!sw_site_all(site, SW_F32))
        return "element type is not f32";
    return sw_site_plain(site) ? NULL : "not contiguous in the plain layout";
}

/* ---- spreads ---- */

/* Splits [N, C, spatial…] into [N, C / block, spatial…, block]; `full` views are dense in that order, the others vary
 * along channels only. */
static bool spread_blocked(sw_spread *s, const sw_view *output, int inputs, const sw_view *const *views)
{
    int64_t block = sw_layout_block(output->layout);
    int rank = output->rank;
    s->rank = rank + 1;
    memcpy(s->dims, output->dims, sizeof *s->dims * (size_t)rank);
    s->dims[1] = output->dims[1] / block;
    s->dims[rank] = block;
    for (int k = 0; k <= inputs; k++) {
        const sw_view *v = k < inputs ? views[k] : output;
        if (v->layout == output->layout && v->rank == rank &&
            memcmp(v->dims, output->dims, sizeof *v->dims * (size_t)rank) == 0) {
            int64_t size = 1;
            for (int i = rank; i >= 0; i--) {
                s->strides[k][i] = size;
                size *= s->dims[i];
            }
            continue;
        }
        int64_t along[SW_MAX_RANK];
        if (v->layout != SW_LAYOUT_PLAIN || v->rank > rank)
            return false;
        sw_view_broadcast_strides(v, rank, output->dims, along);
        for (int i = 0; i < rank; i++) {
            if (i != 1 && along[i] != 0 && output->dims[i] != 1)
                return false;
            s->strides[k][i] = i == 1 ? along[1] * block : 0;
        }
        s->strides[k][rank] = along[1];
    }
    return true;
}

static bool spread_strided(sw_spread *s, const sw_view *output, int inputs, const sw_view *const *views)
{
    s->rank = output->rank;
    for (int k = 0; k <= inputs; k++) {
        const sw_view *v = k < inputs ? views[k] : output;
        if (v->layout != SW_LAYOUT_PLAIN && v->layout != output->layout)
            return false;
        int64_t along[SW_MAX_RANK];
        sw_view_broadcast_strides(v, output->rank, output->dims, along);
        for (int i = 0; i < output->rank; i++) {
            int axis = axis_in_memory(output, i);
            s->dims[i] = output->dims[axis];
            s->strides[k][i] = along[axis];
        }
    }
    return true;
}

/* Merges each axis into its right neighbour where every view steps through both as through one. */
static void spread_merge(sw_spread *s)
{
    int to = 0;
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] == 1 && s->rank > 1)
            continue;
        bool merge = to > 0;
        for (int k = 0; merge && k < s->views; k++)
            merge = s->strides[k][to - 1] == s->strides[k][i] * s->dims[i];
        int at = merge ? to - 1 : to++;
        s->dims[at] = merge ? s->dims[at] * s->dims[i] : s->dims[i];
        for (int k = 0; k < s->views; k++)
            s->strides[k][at] = s->strides[k][i];
    }
    if (to == 0) { /* one element */
        s->dims[0] = 1;
        for (int k = 0; k < s->views; k++)
            s->strides[k][0] = 1;
        to = 1;
    }
    s->rank = to;
}

bool sw_spread_make(sw_spread *s, const sw_view *output, int inputs, const sw_view *const *views)
{
    s->views = inputs + 1;
    if (output->layout == SW_LAYOUT_PACKED)
        return false;
    bool blocked = sw_layout_block(output->layout) > 1;
    if (!(blocked ? spread_blocked : spread_strided)(s, output, inputs, views))
        return false;
    spread_merge(s);
    for (int k = 0; k < s->views; k++)
        if (s->dims[s->rank - 1] != 1 && s->strides[k][s->rank - 1] != 1 &&
            (k == inputs || s->strides[k][s->rank - 1] != 0))
            return false;
    return true;
}

struct walk {
    const sw_spread *spread;
    void (*body)(void *user, const sw_run *run);
    void *user;
};

/* Runs begin..end of the outer axes, or a piece of the only axis. */
static void walk_piece(void *user, int64_t begin, int64_t end)
{
    const struct walk *w = user;
    const sw_spread *s = w->spread;
    sw_run run = {.length = s->dims[s->rank - 1]};
    if (s->rank == 1) {
        for (int k = 0; k < s->views; k++)
            run.at[k] = begin * s->strides[k][0];
        run.length = end - begin;
        w->body(w->user, &run);
        return;
    }
    int64_t index[SW_MAX_RANK + 1] = {0}, rest = begin;
    for (int i = s->rank - 2; i >= 0; i--) {
        index[i] = rest % s->dims[i];
        rest /= s->dims[i];
        for (int k = 0; k < s->views; k++)
            run.at[k] += index[i] * s->strides[k][i];
    }
    for (int64_t r = begin; r < end; r++) {
        w->body(w->user, &run);
        for (int i = s->rank - 2; i >= 0; i--) {
            bool carry = ++index[i] == s->dims[i];
            for (int k = 0; k < s->views; k++)
                run.at[k] += carry ? s->strides[k][i] * (1 - s->dims[i]) : s->strides[k][i];
            if (!carry)
                break;
            index[i] = 0;
        }
    }
}

void sw_spread_walk(const sw_spread *s, sw_team *team, void (*body)(void *user, const sw_run *run), void *user)
{
    enum { GRAIN = 1 << 15 }; /* elements that pay for waking a team */
    struct walk w = {.spread = s, .body = body, .user = user};
    int64_t outer = 1, inner = s->dims[s->rank - 1];
    for (int i = 0; i < s->rank - 1; i++)
        outer *= s->dims[i];
    if (outer * inner == 0)
        return;
    if (s->rank == 1)
        sw_cpu_for(team, inner, GRAIN, walk_piece, &w);
    else
        sw_cpu_for(team, outer, GRAIN / inner + 1, walk_piece, &w);
}

struct pieces {
    int64_t n;
    int parts;
    void (*body)(void *user, int64_t begin, int64_t end);
    void *user;
};

static void one_piece(void *user, int part)
{
    const struct pieces *p = user;
    p->body(p->user, p->n * part / p->parts, p->n * (part + 1) / p->parts);
}

void sw_cpu_for(sw_team *team, int64_t n, int64_t grain, void (*body)(void *user, int64_t begin, int64_t end),
                void *user)
{
    int64_t most = n / (grain > 0 ? grain : 1);
    struct pieces p = {.n = n, .parts = sw_team_size(team), .body = body, .user = user};
    if (most < p.parts)
        p.parts = most > 1 ? (int)most : 1;
    sw_team_run(team, p.parts, one_piece, &p);
}
