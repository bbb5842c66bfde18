/* ops/image.h: pictures' bytes into pixels, for the DecodeImage row and for whoever is handed a picture by a person.
 *
 * PNG (libspng), JPEG (libjpeg-turbo) and WebP (libwebp), told apart by their first bytes. Bytes from outside: at most
 * 64 Mi pixels and 16,384 per side are taken, checked before memory is. Uses: slipway/tensor.h. */
#ifndef SW_OPS_IMAGE_H
#define SW_OPS_IMAGE_H

#include "slipway/tensor.h"

/* A fresh u8[H, W, channels]; channels 1 (luma), 3 (RGB) or 4 (RGBA). SW_UNSUPPORTED when the bytes are none of the
 * three formats, SW_INVALID when they are but cannot be read, or are too large. Thread-safe. */
sw_status sw_image_decode(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture);

#endif
