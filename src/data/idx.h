/* data/idx.h: IDX, the format of MNIST and its kin: magic 00 00 TYPE RANK, RANK big-endian 32-bit dims, then the
 * elements in row-major order, big-endian (Y. LeCun, "The MNIST database", file formats). Uses: base/, tensor/. */
#ifndef SW_DATA_IDX_H
#define SW_DATA_IDX_H

#include "slipway/tensor.h"

/* Limits on what a file may claim: rank 1..SW_IDX_MAX_RANK and SW_IDX_MAX_BYTES of elements. */
#define SW_IDX_MAX_RANK 4
#define SW_IDX_MAX_BYTES ((size_t)16 << 30)

/* A tensor (u8, i8, i16, i32, f32 or f64) from an IDX file in memory, plain or gzipped. `name` is for messages.
 * SW_CORRUPT when magic, dims or length do not fit together: no memory is taken before a claim is found possible. */
sw_status sw_idx_parse(sw_context *ctx, const char *name, const uint8_t *bytes, size_t size, sw_tensor **tensor);
sw_status sw_idx_read(sw_context *ctx, const char *path, sw_tensor **tensor);

#endif
