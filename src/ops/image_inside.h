/* ops/image_inside.h: what the decoders share; for the files image*.c only. Uses: slipway/tensor.h. */
#ifndef SW_OPS_IMAGE_INSIDE_H
#define SW_OPS_IMAGE_INSIDE_H

#include "base/alloc.h"
#include "slipway/tensor.h"

enum { SW_PICTURE_SIDE = 16384, SW_PICTURE_PIXELS = 64 << 20, SW_PICTURE_BYTES = 256 << 20 };

/* u8[height, width, channels] once the size in the header is allowed: SW_INVALID naming `format` when it is not. */
sw_status sw_picture_new(sw_context *ctx, const char *format, uint64_t width, uint64_t height, int channels,
                         sw_tensor **picture);
/* `count` pixels of `from` channels (3 or 4) into ones of `to` (1, 3 or 4); alpha is dropped, or 255 where there was
 * none. */
void sw_picture_convert(const uint8_t *from_pixels, int from, uint8_t *to_pixels, int to, size_t count);

/* One decoder each. They own nothing when they fail. */
sw_status sw_picture_png(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture);
sw_status sw_picture_jpeg(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture);
sw_status sw_picture_webp(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture);

#endif
