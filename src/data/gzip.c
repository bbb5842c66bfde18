/* gzip.c: zlib's inflate as a reader.
 *
 * A caller first reads a header, learns from it how much must follow, and then lets the rest be unpacked straight
 * into its final place; nothing here grows or copies. */
#include "data/gzip.h"

#include <zlib.h>

struct sw_gzip {
    sw_context *ctx;
    const char *name;
    const uint8_t *bytes;
    size_t size, read;
    bool ended;
    z_stream z;
};

bool sw_gzip_is(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8;
}

size_t sw_gzip_most(size_t size)
{
    size_t most;
    return sw_mul_size(size, 1032, &most) ? most : SIZE_MAX;
}

/* zlib's own memory is booked and bounded like the rest. */
static voidpf zlib_alloc(voidpf ctx, uInt items, uInt size) { return sw_alloc_array(ctx, items, size); }
static void zlib_free(voidpf ctx, voidpf memory) { sw_free(ctx, memory); }

sw_status sw_gzip_open(sw_context *ctx, const char *name, const uint8_t *bytes, size_t size, sw_gzip **gzip)
{
    sw_gzip *g = sw_alloc_zero(ctx, sizeof *g);
    if (g == NULL)
        return sw_alloc_status();
    *g = (sw_gzip){.ctx = ctx, .name = name, .bytes = bytes, .size = size};
    g->z.zalloc = zlib_alloc;
    g->z.zfree = zlib_free;
    g->z.opaque = ctx;
    if (inflateInit2(&g->z, 15 + 16) != Z_OK) {
        sw_free(ctx, g);
        return sw_fail(SW_NO_MEMORY, "%s: no memory to unpack it", name);
    }
    *gzip = g;
    return SW_OK;
}

void sw_gzip_close(sw_gzip *gzip)
{
    if (gzip == NULL)
        return;
    inflateEnd(&gzip->z);
    sw_free(gzip->ctx, gzip);
}

static uInt piece(size_t left) { return left > (1u << 30) ? (1u << 30) : (uInt)left; }

/* What follows a member: another one, or the end. */
static sw_status next_member(sw_gzip *g)
{
    if (g->read == g->size)
        g->ended = true;
    else if (!sw_gzip_is(g->bytes + g->read, g->size - g->read))
        return sw_fail(SW_CORRUPT, "%s: %zu bytes of something else stand behind the gzip data", g->name,
                       g->size - g->read);
    else if (inflateReset(&g->z) != Z_OK)
        return sw_fail(SW_INTERNAL, "%s: zlib cannot begin the next gzip member", g->name);
    return SW_OK;
}

sw_status sw_gzip_read(sw_gzip *g, uint8_t *out, size_t count, size_t *got)
{
    *got = 0;
    while (*got < count && !g->ended) {
        g->z.next_in = (Bytef *)(uintptr_t)(g->bytes + g->read);
        g->z.avail_in = piece(g->size - g->read);
        g->z.next_out = out + *got;
        g->z.avail_out = piece(count - *got);
        uInt in = g->z.avail_in, room = g->z.avail_out;
        int code = inflate(&g->z, Z_NO_FLUSH);
        g->read += in - g->z.avail_in;
        *got += room - g->z.avail_out;
        if (code == Z_STREAM_END)
            SW_TRY(next_member(g));
        else if (code == Z_BUF_ERROR || (code == Z_OK && g->read == g->size && room == g->z.avail_out))
            return sw_fail(SW_CORRUPT, "%s: truncated: the gzip data breaks off after %zu bytes", g->name, g->size);
        else if (code == Z_MEM_ERROR)
            return sw_fail(SW_NO_MEMORY, "%s: no memory to unpack it", g->name);
        else if (code != Z_OK)
            return sw_fail(SW_CORRUPT, "%s: damaged gzip data near byte %zu (%s)", g->name, g->read,
                           g->z.msg ? g->z.msg : "bad code");
    }
    return SW_OK;
}
