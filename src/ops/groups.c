/* groups.c: which elements of a tensor fall together when some of its axes are reduced. */
#include "ops/groups.h"

void sw_groups_of(const sw_view *x, const bool *marked, sw_groups *s)
{
    *s = (sw_groups){.outer = 1, .inner = 1};
    for (int i = 0; i < x->rank; i++)
        if (marked[i]) {
            s->inner_dims[s->inner_rank] = x->dims[i];
            s->inner_strides[s->inner_rank++] = x->strides[i];
            s->inner *= x->dims[i];
        } else {
            s->outer_dims[s->outer_rank] = x->dims[i];
            s->outer_strides[s->outer_rank++] = x->strides[i];
            s->outer *= x->dims[i];
        }
}

int64_t sw_groups_at(const sw_groups *s, int64_t k)
{
    int64_t index[SW_MAX_RANK], at = 0;
    sw_index_of(s->outer_rank, s->outer_dims, k, index);
    for (int i = 0; i < s->outer_rank; i++)
        at += index[i] * s->outer_strides[i];
    return at;
}

int64_t sw_view_nth(const sw_view *view, int64_t k)
{
    int64_t index[SW_MAX_RANK];
    sw_index_of(view->rank, view->dims, k, index);
    return sw_view_at(view, index);
}

void sw_infer_reduced(sw_infer *infer, const sw_type *x, const bool *marked)
{
    bool keep = sw_attr_int(infer->node, "keep_dims");
    sw_dim dims[SW_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (!marked[i])
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    sw_infer_dims(infer, 0, rank, dims);
}
