/* image.c: pictures' bytes into pixels: DecodeImage, and the same as a plain function.
 *
 * A picture comes from outside, so nothing it says is believed: its format is told from its first bytes, its size is
 * checked against limits before memory is taken for it, and a decoder that fails gives a text and no pixels.
 * Orientation tags and colour profiles are not applied. */
#include "ops/image.h"

#include "ops/image_inside.h"
#include "ops/row.h"
#include "ops/sample.h"

sw_status sw_picture_new(sw_context *ctx, const char *format, uint64_t width, uint64_t height, int channels,
                         sw_tensor **picture)
{
    if (width == 0 || height == 0 || width > SW_PICTURE_SIDE || height > SW_PICTURE_SIDE ||
        width * height > SW_PICTURE_PIXELS)
        return sw_fail(SW_INVALID, "%s: %llu x %llu pixels; from 1 x 1 to %d per side and %d in all are taken", format,
                       (unsigned long long)width, (unsigned long long)height, SW_PICTURE_SIDE, SW_PICTURE_PIXELS);
    *picture = sw_tensor_new(ctx, SW_U8, SW_DIMS((int64_t)height, (int64_t)width, channels));
    return *picture ? SW_OK : sw_alloc_status();
}

/* Luma of ITU-R BT.601, in 16 bits of fraction: grey stays what it was. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 32768u) >> 16);
}

void sw_picture_convert(const uint8_t *from_pixels, int from, uint8_t *to_pixels, int to, size_t count)
{
    for (size_t i = 0; i < count; i++, from_pixels += from, to_pixels += to) {
        if (to == 1) {
            to_pixels[0] = luma(from_pixels);
            continue;
        }
        for (int c = 0; c < 3; c++)
            to_pixels[c] = from_pixels[c];
        if (to == 4)
            to_pixels[3] = from == 4 ? from_pixels[3] : 255;
    }
}

sw_status sw_image_decode(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture)
{
    const uint8_t *b = bytes;
    *picture = NULL;
    if (channels != 1 && channels != 3 && channels != 4)
        return sw_fail(SW_INVALID, "a picture of %d channels; 1, 3 or 4 are possible", channels);
    if (size > SW_PICTURE_BYTES)
        return sw_fail(SW_INVALID, "a picture of %zu bytes; at most %d are taken", size, SW_PICTURE_BYTES);
    if (size >= 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0)
        return sw_picture_png(ctx, bytes, size, channels, picture);
    if (size >= 3 && memcmp(b, "\xff\xd8\xff", 3) == 0)
        return sw_picture_jpeg(ctx, bytes, size, channels, picture);
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return sw_picture_webp(ctx, bytes, size, channels, picture);
    return sw_fail(SW_UNSUPPORTED, "these %zu bytes are no PNG, JPEG or WebP picture", size);
}

/* ---- DecodeImage ---- */
static sw_status decode_infer(sw_infer *infer)
{
    int64_t channels = sw_attr_int(infer->node, "channels");
    SW_TRY(sw_infer_rank(infer, 0, 1, 1));
    if (channels != 1 && channels != 3 && channels != 4)
        return sw_infer_fail(infer, "channels is %lld; 1, 3 or 4 are possible", (long long)channels);
    bool awake = sw_graph_flags(infer->g) & (SW_EAGER | SW_NOGRAD); /* what is placed will tell */
    sw_dim height = awake ? SW_DIM_UNKNOWN : sw_dim_fresh(infer->g, SW_PICTURE_SIDE);
    sw_dim width = awake ? SW_DIM_UNKNOWN : sw_dim_fresh(infer->g, SW_PICTURE_SIDE);
    sw_infer_dims(infer, 0, 3, (sw_dim[]){height, width, channels});
    return SW_OK;
}

static sw_status decode_placed(const sw_call *call, const void *bytes, size_t size)
{
    sw_tensor *picture;
    SW_TRY(sw_image_decode(call->ctx, bytes, size, (int)sw_attr_int(call->node, "channels"), &picture));
    sw_call *placing = (sw_call *)call;
    sw_status status = call->place(placing, 0, sw_tensor_dims(picture));
    if (status == SW_OK)
        memcpy(call->outputs[0].data, sw_tensor_data(picture), sw_tensor_bytes(picture));
    sw_tensor_release(picture);
    return status;
}

/* A contiguous copy of bytes that are not. */
static sw_status decode_gathered(const sw_call *call, sw_arena *desk)
{
    const sw_view *x = &call->inputs[0];
    uint8_t *bytes = sw_arena_alloc(desk, (size_t)x->dims[0] + 1);
    if (bytes == NULL)
        return sw_alloc_status();
    for (int64_t i = 0; i < x->dims[0]; i++)
        bytes[i] = ((const uint8_t *)x->data)[i * x->strides[0]];
    return decode_placed(call, bytes, (size_t)x->dims[0]);
}

static sw_status decode_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0];
    if (!sw_view_is_contiguous(x))
        return sw_on_desk(call, decode_gathered);
    return decode_placed(call, x->data, (size_t)x->dims[0]);
}

/* About 30 operations a pixel, if ten pixels come from a byte. */
static sw_cost decode_cost(const sw_call *call) { return sw_cost_of(call, 300 * sw_cost_elements(&call->inputs[0])); }

/* A PNG of 2 x 1 pixels: black, white. */
static const int64_t smallest[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0xd1, 0x49, 0x20, 0x56, 0x00,
    0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60, 0xf8, 0x0f, 0x00, 0x01, 0x02, 0x01,
    0x00, 0xd1, 0x1a, 0xcb, 0x8f, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
static const sw_sample decode_items[] = {
    {.note = "two grey pixels",
     .inputs_count = 1,
     .dims = {{1, {sizeof smallest / sizeof *smallest}}},
     .ints = {smallest},
     SW_WITH(SW_SET_INT("channels", 1))},
};
static const sw_op_samples decode_samples = SW_SAMPLES(decode_items);

const sw_op sw_op_decode_image = {
    SW_ROW,
    .name = "DecodeImage",
    .doc = "The pixels u8[height, width, channels] of a PNG, JPEG or WebP file given as bytes; 1 channel is luma, 3 "
           "RGB, 4 RGBA.",
    .inputs = {{"bytes", SW_DT(SW_U8)}},
    .outputs = {{"pixels", SW_DT(SW_U8)}},
    .attrs = {{"channels", SW_ATTR_INT, .i = 3, .doc = "1, 3 or 4"}},
    .infer = decode_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = decode_cost,
    .flags = SW_DETERMINISTIC | SW_DATA_SHAPED,
    .reference = decode_reference,
    .samples = &decode_samples,
};

/* ---- builders ---- */
sw_value *sw_decode_image(sw_graph *g, sw_value *bytes, int channels)
{
    return sw_row_add(g, "DecodeImage", SW_VALUES(bytes), SW_ATTRS(SW_ATTR_I("channels", channels)));
}

/* One number per channel, with dims that broadcast along `axis` of x. */
static sw_value *per_channel(sw_graph *g, sw_value *x, int axis, int channels, const double *values, bool inverted)
{
    int rank = sw_value_rank(x);
    sw_dims dims = {.rank = rank};
    for (int i = 0; i < rank; i++)
        dims.dim[i] = i == sw_axis(axis, rank) ? channels : 1;
    sw_tensor *tensor = sw_tensor_new(sw_graph_context(g), SW_F32, dims);
    for (int i = 0; tensor && i < channels; i++)
        ((float *)sw_tensor_data(tensor))[i] = (float)(inverted ? 1 / values[i] : values[i]);
    if (tensor == NULL)
        sw_graph_fail(g, sw_alloc_status());
    sw_value *constant = tensor ? sw_constant(g, tensor) : NULL;
    sw_tensor_release(tensor);
    return constant;
}

sw_value *sw_normalize(sw_graph *g, sw_value *x, int axis, int channels, const double *mean, const double *deviation)
{
    int rank = sw_value_rank(x);
    if (x != NULL && (rank < 1 || axis < -rank || axis >= rank || channels < 1)) {
        sw_graph_fail(g,
                      sw_fail(SW_SHAPE, "normalize: axis %d of %d channels is none of %d dims", axis, channels, rank));
        return NULL;
    }
    if (x == NULL)
        return sw_cast(g, x, SW_F32);
    sw_value *centred = sw_sub(g, sw_cast(g, x, SW_F32), per_channel(g, x, axis, channels, mean, false));
    return sw_mul(g, centred, per_channel(g, x, axis, channels, deviation, true));
}
