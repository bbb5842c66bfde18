/* window.c: the geometry of sliding windows: attributes, their defaults and the size of what comes out. */
#include "ops/window.h"

static sw_status read_list(const sw_node *node, const char *name, int axes, int count, int64_t low, int64_t none,
                           int64_t *to)
{
    int64_t values[6];
    int given = sw_attr_ints(node, name, values, 6);
    if (given != 0 && given != count)
        return sw_fail(SW_SHAPE, "%s '%s': %s has %d entries, needs %d for %d spatial axes", sw_node_op(node)->name,
                       sw_node_name(node), name, given, count, axes);
    for (int i = 0; i < count; i++) {
        to[i] = given ? values[i] : none;
        if (to[i] < low || to[i] > INT32_MAX)
            return sw_fail(SW_SHAPE, "%s '%s': %s[%d] is %lld, must be at least %lld", sw_node_op(node)->name,
                           sw_node_name(node), name, i, (long long)to[i], (long long)low);
    }
    return SW_OK;
}

sw_status sw_geometry_read(const sw_node *node, int axes, sw_geometry *g)
{
    int first = 3 - axes;
    int64_t pads[6];
    for (int i = 0; i < 3; i++) {
        g->in[i] = g->out[i] = g->kernel[i] = g->stride[i] = g->dilation[i] = 1;
        g->begin[i] = g->end[i] = 0;
    }
    SW_TRY(read_list(node, "strides", axes, axes, 1, 1, g->stride + first));
    SW_TRY(read_list(node, "dilations", axes, axes, 1, 1, g->dilation + first));
    SW_TRY(read_list(node, "pads", axes, 2 * axes, 0, 0, pads));
    for (int i = 0; i < axes; i++) {
        g->begin[first + i] = pads[i];
        g->end[first + i] = pads[axes + i];
    }
    return SW_OK;
}

sw_dim sw_geometry_out(sw_graph *g, sw_dim in, sw_dim kernel, int64_t stride, int64_t dilation, int64_t begin,
                       int64_t end, bool ceil_mode)
{
    sw_dim reach = sw_dim_add(g, sw_dim_mul(g, sw_dim_sub(g, kernel, 1), dilation), 1);
    sw_dim room = sw_dim_sub(g, sw_dim_add(g, in, begin + end), reach);
    if (!ceil_mode)
        return sw_dim_add(g, sw_dim_div(g, room, stride), 1);
    sw_dim last = sw_dim_div(g, sw_dim_add(g, in, begin - 1), stride); /* the last window that begins before the end */
    return sw_dim_add(g, sw_dim_min(g, sw_dim_ceil_div(g, room, stride), last), 1);
}

void sw_window_attrs_of(const sw_window *window, bool pooling, sw_window_attrs *out)
{
    int axes = window->axes < 0 ? 0 : window->axes > 3 ? 3 : window->axes;
    out->count = 0;
    for (int i = 0; i < axes; i++) {
        out->kernel[i] = window->kernel[i];
        out->strides[i] = window->strides[i] ? window->strides[i] : 1;
        out->dilations[i] = window->dilations[i] ? window->dilations[i] : 1;
        out->pads[i] = window->pads_begin[i];
        out->pads[axes + i] = window->pads_end[i];
    }
    out->attrs[out->count++] = SW_ATTR_IS("strides", axes, out->strides);
    out->attrs[out->count++] = SW_ATTR_IS("pads", 2 * axes, out->pads);
    out->attrs[out->count++] = SW_ATTR_IS("dilations", axes, out->dilations);
    if (pooling) {
        out->attrs[out->count++] = SW_ATTR_IS("kernel", axes, out->kernel);
        out->attrs[out->count++] = SW_ATTR_I("ceil_mode", window->ceil_mode);
    } else {
        out->attrs[out->count++] = SW_ATTR_I("groups", window->groups ? window->groups : 1);
    }
}
