/* safetensors.c: eight bytes of length, a JSON header, the tensors' bytes.
 *
 * The offsets of a file must cover its data exactly, without holes and overlaps, as the reference reader demands: so
 * no byte of a file goes unexplained. Tensors are written by falling element size and then by name, and the header is
 * padded to a multiple of 64, so that every element of our own files is aligned and can be read in place. */
#include <stdlib.h>
#include <string.h>

#include "base/doc.h"
#include "base/text.h"
#include "formats/mapping.h"
#include "formats/named.h"
#include "slipway/model.h"
#include "tensor/dtype.h"

#define MAX_HEADER ((size_t)16 << 20)

static const struct {
    const char *name;
    sw_dtype dtype;
} names[] = {
    {"F64", SW_F64},        {"F32", SW_F32}, {"F16", SW_F16}, {"BF16", SW_BF16}, {"F8_E4M3", SW_F8E4M3FN},
    {"F8_E5M2", SW_F8E5M2}, {"I64", SW_I64}, {"I32", SW_I32}, {"I16", SW_I16},   {"I8", SW_I8},
    {"U64", SW_U64},        {"U32", SW_U32}, {"U16", SW_U16}, {"U8", SW_U8},     {"BOOL", SW_BOOL},
};
enum { NAMES = sizeof names / sizeof *names };

/* ---- reading ---- */

struct place {
    uint64_t begin, end;
    int index;
};

static int by_begin(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static sw_status corrupt(const char *path, const char *name, const char *what)
{
    return sw_fail(SW_CORRUPT, "%s: tensor '%s': %s", path, name, what);
}

static sw_status read_entry(const char *path, const char *name, const sw_doc *doc, sw_dtype *dtype, sw_dims *dims,
                            struct place *place)
{
    const sw_doc *type = sw_doc_get(doc, "dtype"), *shape = sw_doc_get(doc, "shape"),
                 *data = sw_doc_get(doc, "data_offsets");
    if (!type || type->kind != SW_DOC_STRING || !shape || shape->kind != SW_DOC_LIST || !data ||
        data->kind != SW_DOC_LIST || data->count != 2)
        return corrupt(path, name, "needs dtype, shape and two data_offsets");
    *dtype = SW_DTYPE_NONE;
    for (int i = 0; i < NAMES; i++)
        if (strcmp(type->string, names[i].name) == 0)
            *dtype = names[i].dtype;
    if (*dtype == SW_DTYPE_NONE)
        return sw_fail(SW_UNSUPPORTED, "%s: tensor '%s': elements of type '%s' are not read", path, name, type->string);
    if (shape->count > SW_MAX_RANK)
        return sw_fail(SW_UNSUPPORTED, "%s: tensor '%s': has %d dims, at most %d are read", path, name, shape->count,
                       SW_MAX_RANK);
    *dims = (sw_dims){.rank = shape->count};
    for (int i = 0; i < shape->count; i++) {
        if (shape->items[i]->kind != SW_DOC_INT || shape->items[i]->integer < 0)
            return corrupt(path, name, "a dim is no number from 0 on");
        dims->dim[i] = shape->items[i]->integer;
    }
    const sw_doc *begin = data->items[0], *end = data->items[1];
    if (begin->kind != SW_DOC_INT || end->kind != SW_DOC_INT || begin->integer < 0 || end->integer < begin->integer)
        return corrupt(path, name, "its data_offsets are no range");
    int64_t count;
    size_t size;
    if (sw_dims_count(*dims, &count) != SW_OK || !sw_dtype_size(*dtype, count, &size) ||
        size != (uint64_t)(end->integer - begin->integer))
        return corrupt(path, name, "its data_offsets do not fit its shape");
    *place = (struct place){(uint64_t)begin->integer, (uint64_t)end->integer, 0};
    return SW_OK;
}

/* Sorted by their beginnings, the ranges must follow one another from 0 to `size`. */
static sw_status check_cover(const char *path, struct place *places, int count, uint64_t size)
{
    uint64_t at = 0;
    qsort(places, (size_t)count, sizeof *places, by_begin);
    for (int i = 0; i < count; i++) {
        if (places[i].begin != at)
            return sw_fail(SW_CORRUPT, "%s: the tensors' bytes overlap or leave holes at byte %llu", path,
                           (unsigned long long)at);
        at = places[i].end;
    }
    if (at != size)
        return sw_fail(SW_CORRUPT, "%s: has %llu bytes of tensors, its header names %llu", path,
                       (unsigned long long)size, (unsigned long long)at);
    return SW_OK;
}

struct reading {
    sw_context *ctx;
    const char *path;
    sw_mapping *mapping;
    const uint8_t *data; /* behind the header */
    uint64_t size;
    struct sw_named_list list;
    struct place *places;
};

static sw_status read_tensors(struct reading *r, const sw_doc *header)
{
    int count = 0;
    for (int i = 0; i < header->count; i++) {
        sw_dtype dtype = SW_DTYPE_NONE;
        sw_dims dims;
        if (strcmp(header->keys[i], "__metadata__") == 0)
            continue;
        SW_TRY(read_entry(r->path, header->keys[i], header->items[i], &dtype, &dims, &r->places[count]));
        if (r->places[count].end > r->size)
            return corrupt(r->path, header->keys[i], "reaches beyond the file");
        sw_tensor *tensor = sw_mapping_tensor(r->mapping, dtype, dims, r->data + r->places[count].begin);
        if (!tensor)
            return sw_alloc_status();
        SW_TRY(sw_named_add(r->ctx, &r->list, header->keys[i], tensor));
        count++;
    }
    return check_cover(r->path, r->places, count, r->size);
}

static sw_status read_header(struct reading *r, sw_arena *arena)
{
    size_t size;
    uint64_t length = 0;
    sw_doc *header;
    const uint8_t *bytes = sw_mapping_bytes(r->mapping, &size);
    for (int i = 7; i >= 0 && size >= 8; i--)
        length = length << 8 | bytes[i];
    if (size < 8 || length > size - 8)
        return sw_fail(SW_CORRUPT, "%s: not a safetensors file: its header reaches beyond its end", r->path);
    if (length > MAX_HEADER)
        return sw_fail(SW_UNSUPPORTED, "%s: a header of %llu bytes; at most 16 MiB are read", r->path,
                       (unsigned long long)length);
    if (length < 2 || bytes[8] != '{')
        return sw_fail(SW_CORRUPT, "%s: not a safetensors file: its header is no JSON object", r->path);
    sw_status status = sw_doc_json(arena, r->path, (const char *)bytes + 8, length, &header);
    if (status != SW_OK)
        return status == SW_INVALID ? SW_CORRUPT : status;
    r->data = bytes + 8 + length;
    r->size = size - 8 - length;
    r->places = sw_arena_array(arena, (size_t)header->count, sizeof *r->places);
    return r->places ? read_tensors(r, header) : sw_alloc_status();
}

sw_status sw_safetensors_read(sw_context *ctx, const char *path, sw_named_tensor **tensors, int *count)
{
    struct reading r = {.ctx = ctx, .path = path};
    SW_TRY(sw_mapping_open(ctx, path, &r.mapping));
    sw_arena *arena = sw_arena_new(ctx);
    sw_status status = arena ? read_header(&r, arena) : sw_alloc_status();
    sw_arena_free(arena);
    sw_mapping_release(r.mapping);
    return sw_named_hand_over(ctx, &r.list, status, tensors, count);
}

/* ---- writing ---- */

static const char *name_of(sw_dtype dtype)
{
    for (int i = 0; i < NAMES; i++)
        if (names[i].dtype == dtype)
            return names[i].name;
    return NULL;
}

static int by_element_then_name(const void *a, const void *b)
{
    const sw_named_tensor *x = *(const sw_named_tensor *const *)a, *y = *(const sw_named_tensor *const *)b;
    int difference = sw_dtype_bits(sw_tensor_dtype(y->tensor)) - sw_dtype_bits(sw_tensor_dtype(x->tensor));
    return difference ? difference : strcmp(x->name, y->name);
}

static sw_status write_header(sw_text *text, const sw_named_tensor *const *order, int count, const char *const *keys,
                              const char *const *values, int metadata_count)
{
    sw_json_writer json;
    uint64_t at = 0;
    sw_json_begin(&json, text, false);
    sw_json_open(&json, NULL, '{');
    if (metadata_count > 0) {
        sw_json_open(&json, "__metadata__", '{');
        for (int i = 0; i < metadata_count; i++)
            sw_json_string(&json, keys[i], values[i]);
        sw_json_close(&json, '}');
    }
    for (int i = 0; i < count; i++) {
        const sw_tensor *tensor = order[i]->tensor;
        const char *name = name_of(sw_tensor_dtype(tensor));
        if (!name)
            return sw_fail(SW_UNSUPPORTED, "tensor '%s': safetensors has no %s", order[i]->name,
                           sw_dtype_name(sw_tensor_dtype(tensor)));
        sw_json_open(&json, order[i]->name, '{');
        sw_json_string(&json, "dtype", name);
        sw_json_open(&json, "shape", '[');
        for (int d = 0; d < sw_tensor_rank(tensor); d++)
            sw_json_int(&json, NULL, sw_tensor_dim(tensor, d));
        sw_json_close(&json, ']');
        sw_json_open(&json, "data_offsets", '[');
        sw_json_int(&json, NULL, (int64_t)at);
        sw_json_int(&json, NULL, (int64_t)(at += sw_tensor_bytes(tensor)));
        sw_json_close(&json, ']');
        sw_json_close(&json, '}');
    }
    sw_json_close(&json, '}');
    while (text->status == SW_OK && (text->size + 8) % 64)
        sw_text_addn(text, " ", 1);
    return text->status;
}

static sw_status write_all(sw_file_writer *file, const sw_text *header, const sw_named_tensor *const *order, int count)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)header->size >> 8 * i);
    SW_TRY(sw_file_add(file, length, sizeof length));
    SW_TRY(sw_file_add(file, header->data, header->size));
    for (int i = 0; i < count; i++) {
        sw_tensor *plain = sw_tensor_contiguous(order[i]->tensor);
        if (!plain)
            return sw_alloc_status();
        sw_status status = sw_file_add(file, sw_tensor_data(plain), sw_tensor_bytes(plain));
        sw_tensor_release(plain);
        SW_TRY(status);
    }
    return SW_OK;
}

sw_status sw_safetensors_write(sw_context *ctx, const sw_named_tensor *tensors, int count, const char *const *keys,
                               const char *const *values, int metadata_count, const char *path)
{
    sw_file_writer *file = NULL;
    sw_text header;
    sw_text_init(&header, ctx);
    const sw_named_tensor **order = sw_alloc_array(ctx, (size_t)count, sizeof *order);
    sw_status status = order ? SW_OK : sw_alloc_status();
    for (int i = 0; i < count && status == SW_OK; i++)
        order[i] = &tensors[i];
    if (status == SW_OK) {
        qsort(order, (size_t)count, sizeof *order, by_element_then_name);
        status = write_header(&header, order, count, keys, values, metadata_count);
    }
    if (status == SW_OK)
        status = sw_file_begin(ctx, path, &file);
    if (status == SW_OK)
        status = write_all(file, &header, order, count);
    sw_text_free(&header);
    sw_free(ctx, order);
    if (status == SW_OK)
        return sw_file_commit(file);
    sw_file_abort(file);
    return status;
}
