/* view.c: walking over strided memory.
 *
 * The walk merges neighbouring axes that are one run in every view, so that a contiguous tensor of any rank is a
 * walk over one axis, and steps like an odometer. */
#include "tensor/view.h"

#include "tensor/dtype.h"

sw_view sw_view_of(const sw_tensor *tensor)
{
    sw_view view = {.dtype = SW_DTYPE_NONE};
    if (!tensor)
        return view;
    view.data = sw_tensor_data(tensor);
    view.dtype = sw_tensor_dtype(tensor);
    view.rank = sw_tensor_rank(tensor);
    const int64_t *strides = sw_tensor_strides(tensor);
    for (int i = 0; i < view.rank; i++) {
        view.dims[i] = sw_tensor_dim(tensor, i);
        view.strides[i] = strides[i];
    }
    return view;
}

void sw_view_pack_strides(sw_view *view)
{
    int64_t stride = 1;
    for (int i = view->rank - 1; i >= 0; i--) {
        view->strides[i] = stride;
        stride *= view->dims[i] > 0 ? view->dims[i] : 1;
    }
}

bool sw_view_is_contiguous(const sw_view *view)
{
    int64_t stride = 1;
    if (view->layout != SW_LAYOUT_PLAIN && view->layout != SW_LAYOUT_CHANNELS_LAST)
        return false;
    if (sw_view_count(view) == 0)
        return true;
    for (int i = view->rank - 1; i >= 0; i--) {
        if (view->dims[i] != 1 && view->strides[i] != stride)
            return false;
        stride *= view->dims[i];
    }
    return true;
}

int64_t sw_view_count(const sw_view *view)
{
    int64_t count = 1;
    for (int i = 0; i < view->rank; i++)
        count *= view->dims[i];
    return count;
}

size_t sw_view_bytes(const sw_view *view)
{
    size_t bytes = 0;
    return sw_dtype_size(view->dtype, sw_view_count(view), &bytes) ? bytes : 0;
}

/* Whether `axis` continues the walk's outermost kept axis in every view: then both are one run. */
static bool merges(const sw_walk *walk, const int64_t *const *strides, int axis)
{
    int top = walk->rank - 1;
    for (int k = 0; k < walk->views; k++)
        if (strides[k][axis] != walk->strides[k][top] * walk->dims[top])
            return false;
    return true;
}

/* Axes are kept from the innermost (0) to the outermost. */
bool sw_walk_begin(sw_walk *walk, int rank, const int64_t *dims, int views, const int64_t *const *strides)
{
    walk->rank = 0;
    walk->views = views;
    walk->count = 1;
    for (int k = 0; k < views; k++)
        walk->at[k] = 0;
    for (int i = rank - 1; i >= 0; i--) {
        walk->count *= dims[i];
        if (dims[i] == 1)
            continue;
        if (walk->rank > 0 && merges(walk, strides, i)) {
            walk->dims[walk->rank - 1] *= dims[i];
            continue;
        }
        walk->dims[walk->rank] = dims[i];
        walk->index[walk->rank] = 0;
        for (int k = 0; k < views; k++)
            walk->strides[k][walk->rank] = strides[k][i];
        walk->rank++;
    }
    return walk->count > 0;
}

bool sw_walk_next(sw_walk *walk)
{
    for (int axis = 0; axis < walk->rank; axis++) {
        if (++walk->index[axis] < walk->dims[axis]) {
            for (int k = 0; k < walk->views; k++)
                walk->at[k] += walk->strides[k][axis];
            return true;
        }
        walk->index[axis] = 0;
        for (int k = 0; k < walk->views; k++)
            walk->at[k] -= walk->strides[k][axis] * (walk->dims[axis] - 1);
    }
    return false;
}

int64_t sw_walk_rows(sw_walk *walk)
{
    if (walk->rank == 0) {
        for (int k = 0; k < walk->views; k++)
            walk->strides[k][0] = 0;
        return 1;
    }
    int64_t row = walk->dims[0];
    walk->dims[0] = 1;
    return row;
}

void sw_view_broadcast_strides(const sw_view *view, int rank, const int64_t *dims, int64_t *strides)
{
    for (int i = 0; i < rank; i++) {
        int own = i - (rank - view->rank);
        bool expanded = own < 0 || (view->dims[own] == 1 && dims[i] != 1);
        strides[i] = expanded ? 0 : view->strides[own];
    }
}
