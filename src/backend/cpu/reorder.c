/* reorder.c: Reorder, from one layout of [N, C, spatial…] to another.
 *
 * Both sides become strides over [N, C / block, block, spatial…]; the strided copy does the rest. */
#include "backend/cpu/kernels.h"
#include "backend/cpu/strided.h"
#include "tensor/dtype.h"

/* Strides of N, channel blocks of `split`, channels within them, and all positions together. */
static void strides_of(const sw_view *v, int64_t split, int64_t spatial, int64_t strides[4])
{
    int64_t channels = v->dims[1], block = sw_layout_block(v->layout);
    strides[0] = channels * spatial;
    if (v->layout == SW_LAYOUT_CHANNELS_LAST) {
        strides[1] = split;
        strides[2] = 1;
        strides[3] = channels;
    } else if (block > 1) {
        strides[1] = split * spatial;
        strides[2] = 1;
        strides[3] = block;
    } else {
        strides[1] = split * spatial;
        strides[2] = spatial;
        strides[3] = 1;
    }
}

static sw_status run(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t from[4], to[4], spatial = 1, channels = x->dims[1];
    int64_t bx = sw_layout_block(x->layout), by = sw_layout_block(y->layout), split = bx > by ? bx : by;
    for (int i = 2; i < x->rank; i++)
        spatial *= x->dims[i];
    strides_of(x, split, spatial, from);
    strides_of(y, split, spatial, to);
    sw_strided copy = {.element = sw_dtype_bytes(y->dtype)};
    sw_strided_axis(&copy, x->dims[0], to[0], from[0]);
    sw_strided_axis(&copy, channels / split, to[1], from[1]);
    sw_strided_axis(&copy, split, to[2], from[2]);
    sw_strided_axis(&copy, spatial, to[3], from[3]);
    sw_strided_run(&copy, call->team, y->data, x->data);
    return SW_OK;
}

static const char *skips(const sw_site *site)
{
    const sw_view *x = &site->inputs[0], *y = &site->outputs[0];
    if (x->rank < 3 || sw_view_count(x) == 0)
        return "no spatial axes, or no elements";
    if (sw_dtype_bytes(x->dtype) == 0 || x->dtype == SW_STRING)
        return "elements are not whole bytes";
    int64_t bx = sw_layout_block(x->layout), by = sw_layout_block(y->layout);
    if (bx > 1 && by > 1 && bx != by)
        return "between blocks of different sizes";
    if (x->layout == SW_LAYOUT_PACKED || y->layout == SW_LAYOUT_PACKED)
        return "a packed form";
    return sw_view_is_dense(x) && sw_view_is_dense(y) ? NULL : "not contiguous";
}

static const sw_kernel kernels[] = {
    {.name = "copy", .op = "Reorder", .skips = skips, .run = run, .fixed_slices = true}};
const sw_cpu_family sw_cpu_reorder = {kernels, 1};
