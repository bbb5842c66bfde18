/* npy.c: NumPy's .npy files, versions 1 to 3.
 *
 * A file is a magic, a Python dict literal ('descr', 'fortran_order', 'shape') and the bytes. The literal is read by
 * a parser of just what NumPy writes there; structured, complex, date and object types are refused by name. Types
 * that NumPy lacks are written as the next that holds every value: bf16 and the 8-bit floats as f4, 4-bit integers
 * as i1/u1. Text is U (UTF-32); S is read too. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "tensor/dtype.h"
#include "tensor/npy.h"

#define MAX_HEADER ((size_t)64 << 10)

/* What a header says. */
struct layout {
    sw_dtype dtype;
    char kind;          /* 'U', 'S', or 0 */
    size_t item;        /* bytes of one element in the file */
    bool swap, fortran; /* bytes of the other order; first axis fastest */
    sw_dims dims;
};

struct cursor {
    const char *name, *at, *end;
};

static sw_status corrupt(const char *name, const char *what)
{
    return sw_fail(SW_CORRUPT, "%s: not an .npy file that can be read: %s", name, what);
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

static bool take(struct cursor *c, const char *token)
{
    size_t length = strlen(token);
    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, token, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* 'text' or "text" without escapes. */
static bool take_text(struct cursor *c, char *text, size_t size)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    const char *stop = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (!stop || (size_t)(stop - c->at) >= size || memchr(c->at, '\\', (size_t)(stop - c->at)))
        return false;
    memcpy(text, c->at, (size_t)(stop - c->at));
    text[stop - c->at] = '\0';
    c->at = stop + 1;
    return true;
}

static bool take_number(struct cursor *c, int64_t *number)
{
    skip_space(c);
    const char *start = c->at;
    for (*number = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, *c->at - '0', number))
            return false;
    if (c->at < c->end && *c->at == 'L') /* Python 2's long */
        c->at++;
    return c->at > start;
}

/* "(3, 4)", "(3,)", "()" */
static sw_status read_shape(struct cursor *c, sw_dims *dims)
{
    if (!take(c, "("))
        return corrupt(c->name, "the shape is no tuple");
    dims->rank = 0;
    while (!take(c, ")")) {
        if (dims->rank == SW_MAX_RANK)
            return sw_fail(SW_UNSUPPORTED, "%s: more than %d dims", c->name, SW_MAX_RANK);
        if (!take_number(c, &dims->dim[dims->rank]))
            return corrupt(c->name, "a dim is no number");
        dims->rank++;
        if (!take(c, ",")) {
            if (!take(c, ")"))
                return corrupt(c->name, "the shape is no tuple");
            break;
        }
    }
    return SW_OK;
}

/* "<f4": order, kind, bytes of an element (of a character, for U). */
static sw_status read_descr(struct cursor *c, struct layout *layout)
{
    static const struct {
        char kind;
        int item;
        sw_dtype dtype;
    } known[] = {
        {'f', 8, SW_F64}, {'f', 4, SW_F32}, {'f', 2, SW_F16}, {'i', 8, SW_I64}, {'i', 4, SW_I32}, {'i', 2, SW_I16},
        {'i', 1, SW_I8},  {'u', 8, SW_U64}, {'u', 4, SW_U32}, {'u', 2, SW_U16}, {'u', 1, SW_U8},  {'b', 1, SW_BOOL},
    };
    char text[64];
    if (!take_text(c, text, sizeof text))
        return sw_fail(SW_UNSUPPORTED, "%s: structured types are not read", c->name);
    struct cursor number = {c->name, text + 2, text + strlen(text)};
    int64_t item;
    if (strlen(text) < 3 || !strchr("<>=|", text[0]) || !take_number(&number, &item) || number.at != number.end)
        return sw_fail(SW_UNSUPPORTED, "%s: elements of type '%s' are not read", c->name, text);
    layout->swap = text[0] == '>'; /* every machine that this builds for is little-endian */
    if (text[1] == 'U' || text[1] == 'S') {
        if (item < 0 || item > (int64_t)1 << 30)
            return corrupt(c->name, "text of more than a gigabyte");
        layout->kind = text[1];
        layout->item = (size_t)item * (text[1] == 'U' ? 4 : 1);
        layout->dtype = SW_STRING;
        return SW_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].kind == text[1] && known[i].item == item) {
            layout->dtype = known[i].dtype;
            layout->item = (size_t)item;
            return SW_OK;
        }
    }
    return sw_fail(SW_UNSUPPORTED, "%s: elements of type '%s' are not read", c->name, text);
}

static sw_status read_header(struct cursor *c, struct layout *layout)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    unsigned seen = 0;
    char key[32];
    if (!take(c, "{"))
        return corrupt(c->name, "the header is no dict");
    while (!take(c, "}")) {
        unsigned bit = 0;
        if (!take_text(c, key, sizeof key) || !take(c, ":"))
            return corrupt(c->name, "the header is no dict");
        if (strcmp(key, "descr") == 0) {
            bit = DESCR;
            SW_TRY(read_descr(c, layout));
        } else if (strcmp(key, "fortran_order") == 0) {
            bit = ORDER;
            layout->fortran = take(c, "True");
            if (!layout->fortran && !take(c, "False"))
                return corrupt(c->name, "fortran_order is neither True nor False");
        } else if (strcmp(key, "shape") == 0) {
            bit = SHAPE;
            SW_TRY(read_shape(c, &layout->dims));
        }
        if (!bit || (seen & bit))
            return corrupt(c->name, "the header has a key twice, or one that is not known");
        seen |= bit;
        if (!take(c, ",") && (c->at == c->end || *c->at != '}'))
            return corrupt(c->name, "the header is no dict");
    }
    skip_space(c);
    return seen == (DESCR | ORDER | SHAPE) && c->at == c->end ? SW_OK : corrupt(c->name, "the header is not complete");
}

/* Splits the file into header and data. */
static sw_status open_npy(const char *name, const uint8_t *bytes, size_t size, struct layout *layout,
                          const uint8_t **data, size_t *data_size)
{
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return corrupt(name, "it does not begin as one");
    if (bytes[6] < 1 || bytes[6] > 3)
        return sw_fail(SW_UNSUPPORTED, "%s: .npy version %u; 1 to 3 are read", name, bytes[6]);
    size_t start = bytes[6] == 1 ? 10 : 12, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (size < start)
        return corrupt(name, "it ends in its header");
    if (bytes[6] > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > MAX_HEADER)
        return corrupt(name, "its header is longer than 64 KiB");
    if (size - start < length)
        return corrupt(name, "it ends in its header");
    struct cursor c = {name, (const char *)bytes + start, (const char *)bytes + start + length};
    *layout = (struct layout){0};
    SW_TRY(read_header(&c, layout));
    *data = bytes + start + length;
    *data_size = size - start - length;
    return SW_OK;
}

static void swap_bytes(uint8_t *data, size_t count, size_t item)
{
    for (size_t i = 0; i < count; i++, data += item) {
        for (size_t a = 0, b = item - 1; a < b; a++, b--) {
            uint8_t byte = data[a];
            data[a] = data[b];
            data[b] = byte;
        }
    }
}

static uint32_t utf32_at(const uint8_t *at, bool swap)
{
    uint32_t code;
    memcpy(&code, at, sizeof code);
    return swap ? __builtin_bswap32(code) : code;
}

/* One U element as UTF-8; trailing NULs are padding. */
static sw_status read_utf32(const struct layout *layout, const char *name, const uint8_t *at, sw_text *text)
{
    size_t length = layout->item / 4;
    while (length && utf32_at(at + 4 * (length - 1), false) == 0)
        length--;
    for (size_t i = 0; i < length; i++) {
        char bytes[4];
        uint32_t code = utf32_at(at + 4 * i, layout->swap);
        int used = sw_utf8_encode(code, bytes);
        if (!used || code == 0)
            return corrupt(name, "text holds what is no character");
        sw_text_addn(text, bytes, (size_t)used);
    }
    return SW_OK;
}

static sw_status read_ascii(const struct layout *layout, const char *name, const uint8_t *at, sw_text *text)
{
    size_t length = layout->item;
    while (length && at[length - 1] == '\0')
        length--;
    if (memchr(at, '\0', length) || !sw_utf8_valid((const char *)at, length))
        return corrupt(name, "bytes that are not UTF-8 text");
    sw_text_addn(text, at, length);
    return SW_OK;
}

static sw_status read_strings(sw_context *ctx, const char *name, const struct layout *layout, const uint8_t *data,
                              sw_tensor *into)
{
    sw_status status = SW_OK;
    sw_text text;
    sw_text_init(&text, ctx);
    for (int64_t i = 0; i < sw_tensor_count(into) && status == SW_OK; i++) {
        const uint8_t *at = data + (size_t)i * layout->item;
        sw_text_clear(&text);
        status = layout->kind == 'U' ? read_utf32(layout, name, at, &text) : read_ascii(layout, name, at, &text);
        if (status == SW_OK)
            status = text.status;
        if (status == SW_OK && text.size)
            status = sw_tensor_set_string(into, i, text.data);
    }
    sw_text_free(&text);
    return status;
}

static sw_status read_data(sw_context *ctx, const char *name, const struct layout *layout, const uint8_t *data,
                           sw_tensor *into)
{
    if (layout->kind)
        return read_strings(ctx, name, layout, data, into);
    size_t bytes = sw_tensor_bytes(into);
    uint8_t *own = sw_tensor_data(into);
    if (bytes)
        memcpy(own, data, bytes);
    if (layout->swap && layout->item > 1)
        swap_bytes(own, bytes / layout->item, layout->item);
    if (layout->dtype == SW_BOOL)
        for (size_t i = 0; i < bytes; i++)
            own[i] = own[i] != 0;
    return SW_OK;
}

/* Fortran order is C order of the reversed dims. */
static sw_status turn(sw_tensor **tensor)
{
    sw_tensor *view = sw_tensor_transpose(*tensor, NULL), *turned = view ? sw_tensor_contiguous(view) : NULL;
    sw_tensor_release(view);
    sw_tensor_release(*tensor);
    *tensor = turned;
    return turned ? SW_OK : sw_alloc_status();
}

sw_status sw_npy_read_bytes(sw_context *ctx, const char *name, const void *bytes, size_t size, sw_tensor **tensor)
{
    struct layout layout;
    const uint8_t *data = NULL;
    size_t data_size = 0, wanted;
    int64_t count;
    SW_TRY(open_npy(name, bytes, size, &layout, &data, &data_size));
    sw_status status = sw_dims_count(layout.dims, &count);
    if (status != SW_OK)
        return sw_fail_in(SW_CORRUPT, "%s", name);
    if (!sw_mul_size((size_t)count, layout.item, &wanted) || wanted != data_size)
        return sw_fail(SW_CORRUPT, "%s: has %zu bytes of elements, its header wants %lld of %zu bytes", name, data_size,
                       (long long)count, layout.item);
    if (layout.item == 0 && count > (int64_t)1 << 24) /* "<U0": no bytes in the file, but pointers in memory */
        return corrupt(name, "more than 16 million empty texts");
    sw_dims dims = layout.dims;
    for (int i = 0; layout.fortran && i < dims.rank; i++)
        dims.dim[i] = layout.dims.dim[dims.rank - 1 - i];
    sw_tensor *read = sw_tensor_new(ctx, layout.dtype, dims);
    if (!read)
        return sw_alloc_status();
    status = read_data(ctx, name, &layout, data, read);
    if (status == SW_OK && layout.fortran && dims.rank > 1)
        status = turn(&read);
    if (status != SW_OK)
        sw_tensor_release(read);
    else
        *tensor = read;
    return status;
}

sw_status sw_npy_read(sw_context *ctx, const char *path, sw_tensor **tensor)
{
    sw_map_file map;
    SW_TRY(sw_file_map(&map, path));
    sw_status status = sw_npy_read_bytes(ctx, path, map.data, map.size, tensor);
    sw_file_unmap(&map);
    return status;
}

/* ---- writing ---- */

static sw_dtype type_in_file(sw_dtype dtype)
{
    switch (dtype) {
    case SW_BF16:
    case SW_F8E4M3FN:
    case SW_F8E4M3FNUZ:
    case SW_F8E5M2:
    case SW_F8E5M2FNUZ:
        return SW_F32;
    case SW_I4:
        return SW_I8;
    case SW_U4:
        return SW_U8;
    default:
        return dtype;
    }
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xC0) != 0x80;
    return count;
}

static size_t longest_text(const sw_tensor *tensor)
{
    size_t longest = 1;
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++) {
        size_t count = characters(sw_tensor_get_string(tensor, i));
        longest = count > longest ? count : longest;
    }
    return longest;
}

static char kind_letter(sw_dtype dtype)
{
    return dtype == SW_BOOL ? 'b' : sw_dtype_is_float(dtype) ? 'f' : sw_dtype_is_signed(dtype) ? 'i' : 'u';
}

/* Version 1, padded with spaces so that the data begins at a multiple of 64. */
static sw_status write_header(const sw_tensor *tensor, size_t longest, sw_npy_sink sink, void *user)
{
    char header[512] = "\x93NUMPY\1";
    size_t used = 10, size = sizeof header;
    sw_dtype dtype = type_in_file(sw_tensor_dtype(tensor));
    if (dtype == SW_STRING)
        used += (size_t)snprintf(header + used, size - used, "{'descr': '<U%zu', ", longest);
    else
        used += (size_t)snprintf(header + used, size - used, "{'descr': '%c%c%zu', ",
                                 sw_dtype_bytes(dtype) == 1 ? '|' : '<', kind_letter(dtype), sw_dtype_bytes(dtype));
    used += (size_t)snprintf(header + used, size - used, "'fortran_order': False, 'shape': (");
    for (int i = 0; i < sw_tensor_rank(tensor); i++)
        used += (size_t)snprintf(header + used, size - used, "%lld%s", (long long)sw_tensor_dim(tensor, i),
                                 i + 1 < sw_tensor_rank(tensor) ? ", "
                                 : i == 0                       ? ","
                                                                : "");
    used += (size_t)snprintf(header + used, size - used, "), }");
    size_t total = sw_align_up(used + 1, 64);
    memset(header + used, ' ', total - used);
    header[total - 1] = '\n';
    header[7] = 0;
    header[8] = (char)((total - 10) & 0xFF);
    header[9] = (char)((total - 10) >> 8);
    return sink(user, header, total);
}

static sw_status write_text(const char *text, size_t longest, sw_npy_sink sink, void *user)
{
    size_t left = strlen(text), written = 0;
    while (left) {
        uint32_t code;
        int used = sw_utf8_decode(text, left, &code);
        if (!used)
            return sw_fail(SW_INVALID, "an element's text is not UTF-8");
        SW_TRY(sink(user, &code, sizeof code));
        written++;
        text += used;
        left -= (size_t)used;
    }
    for (const uint32_t nul = 0; written < longest; written++)
        SW_TRY(sink(user, &nul, sizeof nul));
    return SW_OK;
}

sw_status sw_npy_write_to(const sw_tensor *tensor, sw_npy_sink sink, void *user)
{
    size_t longest = sw_tensor_dtype(tensor) == SW_STRING ? longest_text(tensor) : 0;
    SW_TRY(write_header(tensor, longest, sink, user));
    if (longest) {
        for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
            SW_TRY(write_text(sw_tensor_get_string(tensor, i), longest, sink, user));
        return SW_OK;
    }
    sw_dtype dtype = type_in_file(sw_tensor_dtype(tensor));
    bool as_is = dtype == sw_tensor_dtype(tensor);
    sw_tensor *plain = as_is ? sw_tensor_contiguous((sw_tensor *)tensor) : sw_tensor_cast((sw_tensor *)tensor, dtype);
    if (!plain)
        return sw_alloc_status();
    sw_status status = sink(user, sw_tensor_data(plain), sw_tensor_bytes(plain));
    sw_tensor_release(plain);
    return status;
}

static sw_status to_file(void *user, const void *bytes, size_t size) { return sw_file_add(user, bytes, size); }

sw_status sw_npy_write(const sw_tensor *tensor, const char *path)
{
    sw_file_writer *file;
    SW_TRY(sw_file_begin(sw_tensor_context(tensor), path, &file));
    sw_status status = sw_npy_write_to(tensor, to_file, file);
    if (status == SW_OK)
        return sw_file_commit(file);
    sw_file_abort(file);
    return status;
}
