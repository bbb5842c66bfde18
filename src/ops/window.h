/* ops/window.h: the geometry of windows that slide over [N, C, spatial…]: convolution and pooling share it.
 *
 * One to three spatial axes; missing leading ones are taken as of size 1, so bodies are written once for three.
 * Uses: row.h. */
#ifndef SW_OPS_WINDOW_H
#define SW_OPS_WINDOW_H

#include "ops/row.h"

typedef struct sw_geometry {
    int64_t batch, channels, outputs; /* N, C, M (pooling: M = C) */
    int64_t groups;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], begin[3], end[3]; /* depth, height, width */
} sw_geometry;

/* The attributes that both families have. */
#define SW_WINDOW_ATTRS                                                                                                \
    {"strides", SW_ATTR_INTS, .doc = "steps of the window, one per spatial axis; empty: 1"},                           \
        {"pads", SW_ATTR_INTS, .doc = "elements added before each spatial axis, then after each; empty: 0"},           \
    {                                                                                                                  \
        "dilations", SW_ATTR_INTS, .doc = "distance of the window's elements, one per spatial axis; empty: 1"          \
    }

/* Attributes into `g` for `axes` spatial axes (the last ones of three). SW_SHAPE when a list has the wrong length or a
 * value cannot be; the text does not name the node. */
sw_status sw_geometry_read(const sw_node *node, int axes, sw_geometry *g);
/* The size of one output axis; ceil_mode rounds up, but no window begins in the padding behind. */
sw_dim sw_geometry_out(sw_graph *g, sw_dim in, sw_dim kernel, int64_t stride, int64_t dilation, int64_t begin,
                       int64_t end, bool ceil_mode);
/* Attributes for a builder, in `ints` and `attrs` (room for 4 lists of 6, and 6 attributes); how many. */
typedef struct sw_window_attrs {
    int64_t kernel[3], strides[3], pads[6], dilations[3];
    sw_attr attrs[8];
    int count;
} sw_window_attrs;
void sw_window_attrs_of(const sw_window *window, bool pooling, sw_window_attrs *out);

#endif
