/* idx.c: IDX files, plain or gzipped, from bytes nobody vouches for.
 *
 * The header is read first, its claim checked against the bytes that are there (or, packed, against what they
 * could unpack to), and only then memory is taken. A file must hold exactly what its header says. */
#include "data/idx.h"

#include <string.h>

#include "base/file.h"
#include "data/gzip.h"
#include "tensor/dtype.h"

typedef struct header {
    sw_dtype dtype;
    sw_dims dims;
    size_t bytes; /* of the elements */
} header;

static sw_dtype dtype_of(uint8_t code)
{
    switch (code) {
    case 0x08:
        return SW_U8;
    case 0x09:
        return SW_I8;
    case 0x0b:
        return SW_I16;
    case 0x0c:
        return SW_I32;
    case 0x0d:
        return SW_F32;
    case 0x0e:
        return SW_F64;
    default:
        return SW_DTYPE_NONE;
    }
}

/* Where the bytes come from: memory as it is, or unpacked. */
typedef struct input {
    const uint8_t *bytes;
    size_t size, at;
    sw_gzip *gzip; /* NULL: plain */
} input;

static sw_status input_read(input *in, uint8_t *out, size_t count, size_t *got)
{
    if (in->gzip != NULL)
        return sw_gzip_read(in->gzip, out, count, got);
    *got = in->size - in->at < count ? in->size - in->at : count;
    memcpy(out, in->bytes + in->at, *got);
    in->at += *got;
    return SW_OK;
}

static sw_status read_header(const char *name, input *in, header *h)
{
    uint8_t raw[4 + 4 * SW_IDX_MAX_RANK] = {0};
    size_t got;
    SW_TRY(input_read(in, raw, 4, &got));
    if (got < 4)
        return sw_fail(SW_CORRUPT, "%s: truncated: %zu bytes are too few for an IDX file", name, got);
    h->dtype = dtype_of(raw[2]);
    if (raw[0] != 0 || raw[1] != 0 || h->dtype == SW_DTYPE_NONE)
        return sw_fail(SW_CORRUPT, "%s: not an IDX file (it begins with %02x %02x %02x %02x)", name, raw[0], raw[1],
                       raw[2], raw[3]);
    int rank = raw[3];
    if (rank < 1 || rank > SW_IDX_MAX_RANK)
        return sw_fail(SW_CORRUPT, "%s: IDX rank %d is not between 1 and %d", name, rank, SW_IDX_MAX_RANK);
    SW_TRY(input_read(in, raw + 4, 4 * (size_t)rank, &got));
    if (got < 4 * (size_t)rank)
        return sw_fail(SW_CORRUPT, "%s: truncated: the IDX header breaks off after %zu bytes", name, 4 + got);
    h->dims = (sw_dims){.rank = rank};
    for (int i = 0; i < rank; i++) {
        const uint8_t *d = raw + 4 + 4 * i;
        h->dims.dim[i] = (int64_t)((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3]);
    }
    return SW_OK;
}

/* The claim, before memory is taken for it: whether so much can stand in the file at all. */
static sw_status check_claim(const char *name, const input *in, header *h)
{
    int64_t count;
    if (sw_dims_count(h->dims, &count) != SW_OK || !sw_dtype_size(h->dtype, count, &h->bytes) ||
        h->bytes > SW_IDX_MAX_BYTES)
        return sw_fail(SW_CORRUPT, "%s: the IDX header claims more than %zu GiB", name, SW_IDX_MAX_BYTES >> 30);
    size_t most = in->gzip != NULL ? sw_gzip_most(in->size) : in->size - in->at;
    if (h->bytes > most)
        return sw_fail(SW_CORRUPT, "%s: truncated: holds at most %zu bytes of elements, its header promises %zu", name,
                       most, h->bytes);
    return SW_OK;
}

static void to_host_order(uint8_t *data, size_t bytes, size_t width)
{
    for (size_t i = 0; i < bytes; i += width)
        for (size_t a = i, b = i + width - 1; a < b; a++, b--) {
            uint8_t t = data[a];
            data[a] = data[b];
            data[b] = t;
        }
}

static sw_status read_elements(const char *name, input *in, const header *h, sw_tensor *tensor)
{
    size_t got, beyond;
    uint8_t one;
    SW_TRY(input_read(in, sw_tensor_data(tensor), h->bytes, &got));
    if (got < h->bytes)
        return sw_fail(SW_CORRUPT, "%s: truncated: holds %zu bytes of elements, its header promises %zu", name, got,
                       h->bytes);
    SW_TRY(input_read(in, &one, 1, &beyond));
    if (beyond > 0)
        return sw_fail(SW_CORRUPT, "%s: too long: more bytes follow the %zu that its header promises", name, h->bytes);
    size_t width = sw_dtype_bytes(h->dtype);
    if (width > 1)
        to_host_order(sw_tensor_data(tensor), h->bytes, width);
    return SW_OK;
}

static sw_status parse(sw_context *ctx, const char *name, input *in, sw_tensor **tensor)
{
    header h;
    SW_TRY(read_header(name, in, &h));
    SW_TRY(check_claim(name, in, &h));
    sw_tensor *t = sw_tensor_new(ctx, h.dtype, h.dims);
    if (t == NULL)
        return sw_fail_in(sw_alloc_status(), "%s", name);
    sw_status status = read_elements(name, in, &h, t);
    if (status == SW_OK)
        *tensor = t;
    else
        sw_tensor_release(t);
    return status;
}

sw_status sw_idx_parse(sw_context *ctx, const char *name, const uint8_t *bytes, size_t size, sw_tensor **tensor)
{
    input in = {.bytes = bytes, .size = size};
    if (sw_gzip_is(bytes, size))
        SW_TRY(sw_gzip_open(ctx, name, bytes, size, &in.gzip));
    sw_status status = parse(ctx, name, &in, tensor);
    sw_gzip_close(in.gzip);
    return status;
}

sw_status sw_idx_read(sw_context *ctx, const char *path, sw_tensor **tensor)
{
    sw_map_file map;
    SW_TRY(sw_file_map(&map, path));
    sw_status status = sw_idx_parse(ctx, path, map.data, map.size, tensor);
    sw_file_unmap(&map);
    return status;
}
