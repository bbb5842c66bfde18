/* backend/cpu/kernels.h: what the files of this room show each other: their candidates, small questions that many of
 * them ask about a site, and the two ways in which they all walk over memory. Uses: graph/engine.h. */
#ifndef SW_BACKEND_CPU_KERNELS_H
#define SW_BACKEND_CPU_KERNELS_H

#include "graph/engine.h"

/* A family's contribution to the lists of candidates. */
typedef struct sw_cpu_family {
    const sw_kernel *kernels;
    int count;
} sw_cpu_family;
extern const sw_cpu_family sw_cpu_elementwise, sw_cpu_reduce, sw_cpu_softmax, sw_cpu_layer_norm, sw_cpu_batch_norm,
    sw_cpu_pool, sw_cpu_copy, sw_cpu_reorder, sw_cpu_update, sw_cpu_small_product, sw_cpu_product, sw_cpu_conv,
    sw_cpu_conv_deep, sw_cpu_cast;

/* ---- questions about a site ---- */
static inline bool sw_site_given(const sw_site *site, int input)
{
    return input < site->inputs_count && site->inputs[input].dtype != SW_DTYPE_NONE;
}
/* Plain or channels-last without gaps, or blocked. */
bool sw_view_is_dense(const sw_view *view);
/* Plain and contiguous. */
bool sw_view_is_plain(const sw_view *view);
/* All given inputs and all outputs are. */
bool sw_site_plain(const sw_site *site);
/* All given inputs and all outputs are of `dtype`. */
bool sw_site_all(const sw_site *site, sw_dtype dtype);
/* No packed form was given for any input: kernels that read plain weights ask. */
bool sw_site_unpacked(const sw_site *site);
/* sw_site_plain and sw_site_all of f32 together, as a kernel's `skips`. */
const char *sw_site_skips_unless_plain_f32(const sw_site *site);
/* 16, 8, or 1 when the layout is not blocked. */
int64_t sw_layout_block(sw_layout layout);

/* ---- a spread: up to four views of one broadcast set of dims, as few axes as can be ----
 * Any layout: blocked axes are split, channels-last ones permuted, so that the last axis has strides of 0 or 1. */
typedef struct sw_spread {
    int rank, views;
    int64_t dims[SW_MAX_RANK + 1];
    int64_t strides[4][SW_MAX_RANK + 1]; /* the output is the last view */
} sw_spread;
/* False when the views cannot be walked so: other layouts than the output's, gaps in the last axis. */
bool sw_spread_make(sw_spread *spread, const sw_view *output, int inputs, const sw_view *const *views);
/* Calls `body` for runs of the last axis: offsets (elements) of each view, and the run's length. */
typedef struct sw_run {
    int64_t at[4];
    int64_t length;
} sw_run;
void sw_spread_walk(const sw_spread *spread, sw_team *team, void (*body)(void *user, const sw_run *run), void *user);

/* Cuts 0..n into pieces of at least `grain` for the team. Only for work whose results do not depend on the cut. */
void sw_cpu_for(sw_team *team, int64_t n, int64_t grain, void (*body)(void *user, int64_t begin, int64_t end),
                void *user);

#endif
