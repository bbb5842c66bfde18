/* base/hash.h: SHA-256 for names of blobs and for "the same bits" (OpenSSL), FNV-1a for tables. Thread-safe.
 * Uses: status.h. */
#ifndef SW_BASE_HASH_H
#define SW_BASE_HASH_H

#include "base/status.h"

#define SW_SHA256_HEX 65 /* 64 digits and a NUL */

typedef struct sw_sha256 sw_sha256;
sw_sha256 *sw_sha256_new(sw_context *ctx);
sw_status sw_sha256_add(sw_sha256 *hash, const void *bytes, size_t count);
sw_status sw_sha256_end(sw_sha256 *hash, char hex[SW_SHA256_HEX]); /* may be used again afterwards, from empty */
void sw_sha256_free(sw_sha256 *hash);
sw_status sw_sha256_hex(const void *bytes, size_t count, char hex[SW_SHA256_HEX]);
sw_status sw_sha256_file(sw_context *ctx, const char *path, char hex[SW_SHA256_HEX]);

uint64_t sw_fnv1a(const void *bytes, size_t count);
uint64_t sw_fnv1a_more(uint64_t hash, const void *bytes, size_t count);
uint32_t sw_crc32(uint32_t crc, const void *bytes, size_t count); /* zlib's; start with 0 */

#endif
