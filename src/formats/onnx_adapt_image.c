/* onnx_adapt_image.c: what pictures go through before a network sees them.
 *
 * ONNX's Resize is asked for in many ways; read and written is the one that our row means: [N, C, H, W], height and
 * width changed, half-pixel centres. antialias came with opset 18, ImageDecoder with 20. */
#include <string.h>

#include "formats/onnx_adapt.h"
#include "graph/dim.h"

static bool is(onnx_import *im, const onnx_node *node, const char *name, const char *standard)
{
    return strcmp(onnx_string(im, node, name, standard), standard) == 0;
}

/* New sizes [H, W] from the input `sizes` (of all axes, or of `axes`), or from `scales`. */
static sw_status resize_sizes(onnx_import *im, const onnx_node *node, sw_value *const *inputs, const sw_type *x,
                              int64_t *sizes)
{
    int64_t axes[4] = {0, 1, 2, 3};
    const sw_dim *given = NULL; /* may hold symbols: the batch's, unchanged */
    int count = -1, axis_count;
    SW_TRY(onnx_ints(im, node, "axes", axes, 4, &axis_count));
    axis_count = axis_count < 0 ? 4 : axis_count;
    if (node->input_count > 3 && inputs[3] != SW_NONE &&
        !sw_value_contents(onnx_graph_of(im), inputs[3], &given, &count))
        count = -1;
    sw_tensor *scales = node->input_count > 2 && inputs[2] != SW_NONE ? inputs[2]->tensor : NULL;
    if (count < 0 && (!scales || sw_tensor_count(scales) != axis_count))
        return onnx_fail(im, node, SW_UNSUPPORTED, "its sizes or scales must be known before the model runs");
    if (count >= 0 && count != axis_count)
        return onnx_fail(im, node, SW_SHAPE, "has %d sizes for %d axes", count, axis_count);
    for (int i = 0; i < axis_count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
        if (axis < 0 || axis > 3)
            return onnx_fail(im, node, SW_INVALID, "axis %lld of 4 dims", (long long)axes[i]);
        sw_dim dim = x->dims[axis];
        double scale = count >= 0 ? 1 : sw_tensor_get(scales, i);
        bool same = count >= 0 ? given[i] == dim : scale == 1;
        if (axis < 2 && !same)
            return onnx_fail(im, node, SW_UNSUPPORTED, "resizes batch or channels");
        if (axis >= 2 && count >= 0 && !sw_dim_known(given[i]))
            return onnx_fail(im, node, SW_UNSUPPORTED, "its sizes must be known before the model runs");
        if (axis >= 2 && !sw_dim_known(dim) && count < 0)
            return onnx_fail(im, node, SW_UNSUPPORTED, "scales an axis whose size is not known");
        if (axis >= 2 && count < 0 && !((double)dim * scale >= 0 && (double)dim * scale <= INT32_MAX))
            return onnx_fail(im, node, SW_INVALID, "a scale of %g", scale);
        if (axis >= 2)
            sizes[axis - 2] = count >= 0 ? given[i] : (int64_t)((double)dim * scale);
    }
    return SW_OK;
}

static sw_status read_resize(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    const sw_type *x = sw_value_type(inputs[0]);
    const char *mode = onnx_string(im, node, "mode", "nearest");
    bool nearest = strcmp(mode, "nearest") == 0;
    if (x->rank != 4 || (!nearest && strcmp(mode, "linear") != 0))
        return onnx_fail(im, node, SW_UNSUPPORTED, "mode '%s' over %d dims; nearest and linear over 4 are read", mode,
                         x->rank);
    if (!is(im, node, "coordinate_transformation_mode", "half_pixel") ||
        (nearest && !is(im, node, "nearest_mode", "round_prefer_floor")) ||
        !is(im, node, "keep_aspect_ratio_policy", "stretch"))
        return onnx_fail(im, node, SW_UNSUPPORTED, "only half_pixel, round_prefer_floor and stretch are read");
    /* At the border our antialiasing leaves out what lies outside, as Pillow does. */
    if (onnx_int(im, node, "exclude_outside", 0) != onnx_int(im, node, "antialias", 0))
        return onnx_fail(im, node, SW_UNSUPPORTED, "exclude_outside must go with antialias");
    int64_t sizes[2] = {x->dims[2], x->dims[3]};
    SW_TRY(resize_sizes(im, node, inputs, x, sizes));
    sw_graph *g = onnx_graph_of(im);
    const sw_attr attrs[] = {SW_ATTR_S("mode", mode), SW_ATTR_I("antialias", onnx_int(im, node, "antialias", 0))};
    sw_value *ports[] = {inputs[0], sw_ints(g, 2, sizes)};
    sw_node_add(g, "Resize", ports, 2, attrs, 2, outputs, 1);
    return onnx_done(im);
}

static int resize_needs(const sw_node *node) { return sw_attr_int(node, "antialias") ? 18 : 17; }

/* The sizes of all four axes: the first two are x's, which may be symbols. */
static const char *all_sizes(onnx_export *ex, const sw_node *node)
{
    const char *kept = onnx_temporary(ex), *all = onnx_temporary(ex);
    onnx_begin(ex, "Shape", NULL);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    onnx_out(ex, kept);
    onnx_put_int(ex, "start", 0);
    onnx_put_int(ex, "end", 2);
    onnx_end(ex);
    onnx_begin(ex, "Concat", NULL);
    onnx_in(ex, kept);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 1)));
    onnx_out(ex, all);
    onnx_put_int(ex, "axis", 0);
    onnx_end(ex);
    return all;
}

static sw_status write_resize(onnx_export *ex, const sw_node *node)
{
    const char *sizes = all_sizes(ex, node);
    onnx_begin(ex, "Resize", node);
    onnx_in(ex, onnx_name(ex, sw_node_input(node, 0)));
    onnx_in(ex, "");
    onnx_in(ex, "");
    onnx_in(ex, sizes);
    onnx_out(ex, onnx_name(ex, sw_node_output(node, 0)));
    onnx_put_string(ex, "mode", sw_attr_string(node, "mode"));
    onnx_put_string(ex, "coordinate_transformation_mode", "half_pixel");
    onnx_put_string(ex, "nearest_mode", "round_prefer_floor");
    if (sw_attr_int(node, "antialias")) {
        onnx_put_int(ex, "antialias", 1);
        onnx_put_int(ex, "exclude_outside", 1);
    }
    return onnx_end(ex);
}

static sw_status read_decoder(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs)
{
    const char *format = onnx_string(im, node, "pixel_format", "RGB");
    int channels = strcmp(format, "RGB") == 0 ? 3 : strcmp(format, "Grayscale") == 0 ? 1 : 0;
    if (!channels)
        return onnx_fail(im, node, SW_UNSUPPORTED, "pixel_format '%s'; RGB and Grayscale are read", format);
    outputs[0] = sw_decode_image(onnx_graph_of(im), inputs[0], channels);
    return onnx_done(im);
}

static int decoder_needs(const sw_node *node)
{
    (void)node;
    return 20;
}

static sw_status write_decoder(onnx_export *ex, const sw_node *node)
{
    int64_t channels = sw_attr_int(node, "channels");
    if (channels == 4)
        return sw_fail(SW_UNSUPPORTED, "DecodeImage '%s': ONNX decodes no alpha channel", sw_node_name(node));
    onnx_begin(ex, "ImageDecoder", node);
    onnx_put_ports(ex, node);
    onnx_put_string(ex, "pixel_format", channels == 1 ? "Grayscale" : "RGB");
    return onnx_end(ex);
}

#define HOW                                                                                                            \
    {"mode"}, {"coordinate_transformation_mode"}, {"nearest_mode"}, {"cubic_coeff_a"}, {"exclude_outside"},            \
    {                                                                                                                  \
        "extrapolation_value"                                                                                          \
    }

static const onnx_adapter table[] = {
    {"Resize",
     18,
     0,
     "Resize",
     {HOW, {"antialias"}, {"axes"}, {"keep_aspect_ratio_policy"}},
     read_resize,
     write_resize,
     .needs = resize_needs},
    {"Resize", 11, 17, "Resize", {HOW}, read_resize, write_resize, .needs = resize_needs},
    {"ImageDecoder", 1, 0, "DecodeImage", {{"pixel_format"}}, read_decoder, write_decoder, .needs = decoder_needs},
};
ONNX_ADAPTERS(onnx_adapt_image, table);
