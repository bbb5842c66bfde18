/* inflate.c: what zlib does for us: deflate's inverse into memory of known size, and CRC-32. */
#include <zlib.h>

#include "base/hash.h"
#include "base/zip.h"

uint32_t sw_crc32(uint32_t crc, const void *bytes, size_t count) { return (uint32_t)crc32_z(crc, bytes, count); }

static void *zlib_allocate(void *user, unsigned items, unsigned size) { return sw_alloc_array(user, items, size); }
static void zlib_release(void *user, void *memory) { sw_free(user, memory); }

sw_status sw_inflate(sw_context *ctx, const char *name, const void *packed, uint64_t packed_size, void *out,
                     uint64_t size)
{
    z_stream stream = {.zalloc = zlib_allocate, .zfree = zlib_release, .opaque = ctx};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return sw_fail(SW_NO_MEMORY, "%s: no memory for unpacking", name);
    uint64_t in_left = packed_size, out_left = size;
    stream.next_in = (Bytef *)packed;
    stream.next_out = out;
    int code = Z_OK;
    while (code == Z_OK) { /* zlib counts in 32 bits */
        uInt in = in_left > UINT32_MAX ? UINT32_MAX : (uInt)in_left;
        uInt space = out_left > UINT32_MAX ? UINT32_MAX : (uInt)out_left;
        stream.avail_in = in;
        stream.avail_out = space;
        code = inflate(&stream, Z_NO_FLUSH);
        in_left -= in - stream.avail_in;
        out_left -= space - stream.avail_out;
    }
    inflateEnd(&stream);
    if (code != Z_STREAM_END || out_left != 0)
        return sw_fail(code == Z_MEM_ERROR ? SW_NO_MEMORY : SW_CORRUPT, "%s: the packed bytes are damaged", name);
    return SW_OK;
}
