/* image_webp.c: WebP through libwebp, lossy and lossless. An animation is no picture. */
#include <webp/decode.h>

#include "ops/image_inside.h"

static sw_status decode_into(sw_context *ctx, const uint8_t *bytes, size_t size, int channels, sw_tensor *picture)
{
    size_t pixels = (size_t)sw_tensor_dim(picture, 0) * (size_t)sw_tensor_dim(picture, 1),
           width = (size_t)sw_tensor_dim(picture, 1);
    uint8_t *to = sw_tensor_data(picture), *rgb = NULL, *done;
    if (channels == 1 && (rgb = sw_alloc(ctx, pixels * 3)) == NULL)
        return sw_alloc_status();
    if (channels == 4)
        done = WebPDecodeRGBAInto(bytes, size, to, pixels * 4, (int)width * 4);
    else
        done = WebPDecodeRGBInto(bytes, size, rgb ? rgb : to, pixels * 3, (int)width * 3);
    if (done && rgb)
        sw_picture_convert(rgb, 3, to, 1, pixels);
    sw_free(ctx, rgb);
    return done ? SW_OK : sw_fail(SW_INVALID, "WebP: the file is damaged or ends before the picture does");
}

sw_status sw_picture_webp(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture)
{
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
        return sw_fail(SW_INVALID, "WebP: the header cannot be read");
    if (features.has_animation)
        return sw_fail(SW_UNSUPPORTED, "WebP: an animation, not a picture");
    SW_TRY(sw_picture_new(ctx, "WebP", (uint64_t)features.width, (uint64_t)features.height, channels, picture));
    sw_status status = decode_into(ctx, bytes, size, channels, *picture);
    if (status != SW_OK) {
        sw_tensor_release(*picture);
        *picture = NULL;
    }
    return status;
}
