/* image_png.c: PNG through libspng: every colour type, depth and interlacing, palettes and transparency included.
 *
 * libspng checks sizes and checksums itself and is told our limits; 16-bit samples keep their high byte. The pixels are
 * decoded as RGBA and converted, but for the case where RGBA is wanted. */
#include <spng.h>

#include "ops/image_inside.h"

static sw_status check(int result)
{
    if (result == 0)
        return SW_OK;
    return sw_fail(result == SPNG_EMEM ? SW_NO_MEMORY : SW_INVALID, "PNG: %s", spng_strerror(result));
}

static sw_status decode_into(sw_context *ctx, spng_ctx *png, int channels, sw_tensor *picture)
{
    size_t bytes = 0, pixels = (size_t)sw_tensor_dim(picture, 0) * (size_t)sw_tensor_dim(picture, 1);
    SW_TRY(check(spng_decoded_image_size(png, SPNG_FMT_RGBA8, &bytes)));
    if (bytes != pixels * 4)
        return sw_fail(SW_INVALID, "PNG: its size changes on the way");
    if (channels == 4)
        return check(spng_decode_image(png, sw_tensor_data(picture), bytes, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS));
    uint8_t *rgba = sw_alloc(ctx, bytes);
    if (rgba == NULL)
        return sw_alloc_status();
    sw_status status = check(spng_decode_image(png, rgba, bytes, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS));
    if (status == SW_OK)
        sw_picture_convert(rgba, 4, sw_tensor_data(picture), channels, pixels);
    sw_free(ctx, rgba);
    return status;
}

static sw_status decode(sw_context *ctx, spng_ctx *png, const void *bytes, size_t size, int channels,
                        sw_tensor **picture)
{
    struct spng_ihdr header;
    SW_TRY(check(spng_set_image_limits(png, SW_PICTURE_SIDE, SW_PICTURE_SIDE)));
    SW_TRY(check(spng_set_chunk_limits(png, 4 << 20, 16 << 20)));
    SW_TRY(check(spng_set_png_buffer(png, bytes, size)));
    SW_TRY(check(spng_get_ihdr(png, &header)));
    SW_TRY(sw_picture_new(ctx, "PNG", header.width, header.height, channels, picture));
    sw_status status = decode_into(ctx, png, channels, *picture);
    if (status != SW_OK) {
        sw_tensor_release(*picture);
        *picture = NULL;
    }
    return status;
}

sw_status sw_picture_png(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture)
{
    spng_ctx *png = spng_ctx_new(0);
    if (png == NULL)
        return sw_fail(SW_NO_MEMORY, "PNG: no memory for the decoder");
    sw_status status = decode(ctx, png, bytes, size, channels, picture);
    spng_ctx_free(png);
    return status;
}
