/* copy.c: rows that only move elements: Transpose, Expand, Concat, Split, Slice, Gather, the rows that rename dims, and
 * Reorder between layouts. Any element type of whole bytes. */
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/strided.h"
#include "ops/row.h"
#include "tensor/dtype.h"

static const char *skips_types(const sw_site *site)
{
    for (int i = 0; i < site->outputs_count; i++)
        if (site->outputs[i].dtype == SW_STRING || sw_dtype_bytes(site->outputs[i].dtype) == 0)
            return "elements are not whole bytes";
    return NULL;
}

static const char *skips_plain(const sw_site *site)
{
    const char *why = skips_types(site);
    return why ? why : sw_site_plain(site) ? NULL : "not contiguous in the plain layout";
}

/* Inputs may have strides. */
static const char *skips_strided(const sw_site *site)
{
    if (site->inputs[0].layout != SW_LAYOUT_PLAIN || !sw_view_is_plain(&site->outputs[0]))
        return "not in the plain layout";
    return skips_types(site);
}

/* ---- one element for each element ---- */

static sw_status run_transpose(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t permutation[SW_MAX_RANK];
    int given = sw_attr_ints(call->node, "permutation", permutation, SW_MAX_RANK);
    sw_strided copy = {.element = sw_dtype_bytes(y->dtype)};
    for (int i = 0; i < y->rank; i++)
        sw_strided_axis(&copy, y->dims[i], y->strides[i], x->strides[given ? permutation[i] : x->rank - 1 - i]);
    sw_strided_run(&copy, call->team, y->data, x->data);
    return SW_OK;
}

static sw_status run_expand(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t from[SW_MAX_RANK];
    sw_view_broadcast_strides(x, y->rank, y->dims, from);
    sw_strided copy = {.element = sw_dtype_bytes(y->dtype)};
    for (int i = 0; i < y->rank; i++)
        sw_strided_axis(&copy, y->dims[i], y->strides[i], from[i]);
    sw_strided_run(&copy, call->team, y->data, x->data);
    return SW_OK;
}

static sw_status run_same_order(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    if (y->data != x->data && sw_view_bytes(y) > 0)
        memcpy(y->data, x->data, sw_view_bytes(y));
    return SW_OK;
}

/* ---- pieces along an axis ---- */

struct axis {
    int64_t outer, inner; /* product of the dims before; bytes of those behind */
    int index;
};

static struct axis axis_of(const sw_node *node, const sw_view *view)
{
    struct axis a = {.outer = 1,
                     .inner = (int64_t)sw_dtype_bytes(view->dtype),
                     .index = sw_axis(sw_attr_int(node, "axis"), view->rank)};
    for (int i = 0; i < a.index; i++)
        a.outer *= view->dims[i];
    for (int i = a.index + 1; i < view->rank; i++)
        a.inner *= view->dims[i];
    return a;
}

static sw_status run_concat(const sw_call *call)
{
    const sw_view *y = &call->outputs[0];
    struct axis a = axis_of(call->node, y);
    int64_t row = y->dims[a.index] * a.inner;
    char *to = y->data;
    for (int i = 0; i < call->inputs_count; i++) {
        int64_t bytes = call->inputs[i].dims[a.index] * a.inner;
        const char *from = call->inputs[i].data;
        for (int64_t o = 0; o < a.outer && bytes > 0; o++)
            memcpy(to + o * row, from + o * bytes, (size_t)bytes);
        to += bytes;
    }
    return SW_OK;
}

static sw_status run_split(const sw_call *call)
{
    const sw_view *x = &call->inputs[0];
    struct axis a = axis_of(call->node, x);
    int64_t row = x->dims[a.index] * a.inner;
    const char *from = x->data;
    for (int i = 0; i < call->outputs_count; i++) {
        int64_t bytes = call->outputs[i].dims[a.index] * a.inner;
        char *to = call->outputs[i].data;
        for (int64_t o = 0; o < a.outer && bytes > 0; o++)
            memcpy(to + o * bytes, from + o * row, (size_t)bytes);
        from += bytes;
    }
    return SW_OK;
}

static sw_status run_gather(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *indices = &call->inputs[1];
    struct axis a = axis_of(call->node, x);
    int64_t size = x->dims[a.index], count = sw_view_count(indices);
    const char *from = x->data;
    char *to = call->outputs[0].data;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = sw_load_i64(indices->dtype, indices->data, i);
        if (at < -size || at >= size)
            return sw_fail(SW_INVALID, "Gather '%s': index %lld is outside an axis of %lld", sw_node_name(call->node),
                           (long long)at, (long long)size);
    }
    for (int64_t o = 0; o < a.outer; o++, from += size * a.inner)
        for (int64_t i = 0; i < count; i++, to += a.inner) {
            int64_t at = sw_load_i64(indices->dtype, indices->data, i);
            memcpy(to, from + (at < 0 ? at + size : at) * a.inner, (size_t)a.inner);
        }
    return SW_OK;
}

static const char *skips_gather(const sw_site *site)
{
    return sw_view_count(&site->outputs[0]) == 0 ? "no elements" : skips_plain(site);
}

#define COPY(op_, skips_, run_)                                                                                        \
    {                                                                                                                  \
        .name = "copy", .op = (op_), .skips = (skips_), .run = (run_), .fixed_slices = true                            \
    }
static const sw_kernel kernels[] = {
    COPY("Transpose", skips_strided, run_transpose), COPY("Expand", skips_strided, run_expand),
    COPY("Reshape", skips_plain, run_same_order),    COPY("Squeeze", skips_plain, run_same_order),
    COPY("Unsqueeze", skips_plain, run_same_order),  COPY("Flatten", skips_plain, run_same_order),
    COPY("Concat", skips_plain, run_concat),         COPY("Split", skips_plain, run_split),
    COPY("Gather", skips_gather, run_gather),
};
const sw_cpu_family sw_cpu_copy = {kernels, sizeof kernels / sizeof kernels[0]};
