/* formats/mapping.h: a file's bytes shared by the tensors that look into them.
 *
 * A mapping is released by the last of them. Where an element would not be aligned, or the bytes cannot be kept, the
 * tensor gets a copy instead: its user sees no difference. Uses: base/, tensor/. */
#ifndef SW_FORMATS_MAPPING_H
#define SW_FORMATS_MAPPING_H

#include "base/file.h"
#include "slipway/tensor.h"

typedef struct sw_mapping sw_mapping;

sw_status sw_mapping_open(sw_context *ctx, const char *path, sw_mapping **mapping);
/* Bytes that the caller keeps alive for as long as any tensor of them. */
sw_mapping *sw_mapping_borrow(sw_context *ctx, const void *bytes, size_t size);
/* Bytes that go away: every tensor is a copy. */
sw_mapping *sw_mapping_copying(sw_context *ctx, const void *bytes, size_t size);
const uint8_t *sw_mapping_bytes(const sw_mapping *mapping, size_t *size);
sw_context *sw_mapping_context(const sw_mapping *mapping);
void sw_mapping_release(sw_mapping *mapping); /* NULL is allowed */

/* A read-only tensor of the little-endian elements at `bytes`, which lie in the mapping and are enough. Booleans other
 * than 0 and 1 force a copy that has them as 1. */
sw_tensor *sw_mapping_tensor(sw_mapping *mapping, sw_dtype dtype, sw_dims dims, const void *bytes);

#endif
