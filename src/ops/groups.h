/* ops/groups.h: which elements of a tensor fall together when some of its axes are reduced. Uses: row.h. */
#ifndef SW_OPS_GROUPS_H
#define SW_OPS_GROUPS_H

#include "ops/row.h"

/* `outer` groups of `inner` elements each; both have their own dims and strides, the marked axes being the inner ones.
 */
typedef struct sw_groups {
    int64_t outer, inner;
    int outer_rank, inner_rank;
    int64_t outer_dims[SW_MAX_RANK], outer_strides[SW_MAX_RANK];
    int64_t inner_dims[SW_MAX_RANK], inner_strides[SW_MAX_RANK];
} sw_groups;

void sw_groups_of(const sw_view *x, const bool *marked, sw_groups *s);
/* Where the k-th group begins. */
int64_t sw_groups_at(const sw_groups *s, int64_t k);
/* The place of the k-th element, row-major, of a view. */
int64_t sw_view_nth(const sw_view *view, int64_t k);
/* Output 0's dims are those of x without the marked axes, or with them as 1 when the attribute keep_dims says so. */
void sw_infer_reduced(sw_infer *infer, const sw_type *x, const bool *marked);

#endif
