/* tensor/view.h: a tensor without ownership, as kernels see it: plain memory with dims and strides.
 * Uses: slipway/tensor.h. */
#ifndef SW_TENSOR_VIEW_H
#define SW_TENSOR_VIEW_H

#include "slipway/tensor.h"

/* How elements of [N, C, spatial…] lie in memory. Blocked forms split C into blocks that become the innermost
 * axis (nChw16c); they are used only where C is a multiple of the block, so nothing is padded and the byte count
 * is that of the plain form. Strides describe the plain and channels-last forms exactly and mean nothing in blocked
 * ones. */
typedef enum sw_layout {
    SW_LAYOUT_PLAIN,
    SW_LAYOUT_CHANNELS_LAST,
    SW_LAYOUT_BLOCKED8,
    SW_LAYOUT_BLOCKED16,
    SW_LAYOUT_PACKED
} sw_layout;

typedef struct sw_view {
    void *data; /* of element [0, 0, …]; NULL: absent, or not placed yet */
    sw_dtype dtype;
    sw_layout layout; /* PACKED: in a kernel's own form (engine.h, sw_pack) */
    int rank;
    int64_t dims[SW_MAX_RANK];
    int64_t strides[SW_MAX_RANK]; /* elements */
    void *object;                 /* sequences and maps: the run-time object; else NULL */
} sw_view;

sw_view sw_view_of(const sw_tensor *tensor); /* borrowed; NULL gives an absent view */
/* Contiguous row-major strides for view->dims. */
void sw_view_pack_strides(sw_view *view);
bool sw_view_is_contiguous(const sw_view *view);
int64_t sw_view_count(const sw_view *view);
size_t sw_view_bytes(const sw_view *view);

/* A walk over up to four views of equal (broadcast) dims in row-major order, merging adjacent axes where it can.
 *   sw_walk w; sw_walk_begin(&w, rank, dims, n, strides); do { … w.at[k] … } while (sw_walk_next(&w)); */
#define SW_WALK_MAX 4
typedef struct sw_walk {
    int rank, views;
    int64_t dims[SW_MAX_RANK], index[SW_MAX_RANK];
    int64_t strides[SW_WALK_MAX][SW_MAX_RANK];
    int64_t at[SW_WALK_MAX]; /* element offset in each view */
    int64_t count;
} sw_walk;
/* False when there are no elements. strides[k]: view k's stride per axis, 0 along broadcast axes. */
bool sw_walk_begin(sw_walk *walk, int rank, const int64_t *dims, int views, const int64_t *const *strides);
bool sw_walk_next(sw_walk *walk);
/* Takes the innermost axis out of a walk that has just begun: each step then stands at the first element of a row of so
 * many elements, walk->strides[k][0] apart in view k. */
int64_t sw_walk_rows(sw_walk *walk);
/* Strides of `view` seen as `rank` dims `dims` (NumPy broadcasting, aligned to the right). */
void sw_view_broadcast_strides(const sw_view *view, int rank, const int64_t *dims, int64_t *strides);

#endif
