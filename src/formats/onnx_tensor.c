/* onnx_tensor.c: raw bytes, typed fields or another file: three places for the same elements.
 *
 * Small types travel in wide fields: everything up to 32 bits in int32_data, f16, bf16 and 8-bit floats as their bits,
 * 4-bit integers two to an entry. */
#include "formats/onnx_tensor.h"

#include <string.h>

#include "tensor/dtype.h"

static const struct {
    const char *name;
    sw_dtype dtype;
} types[] = {
    {"UNDEFINED", SW_DTYPE_NONE},
    {"FLOAT", SW_F32},
    {"UINT8", SW_U8},
    {"INT8", SW_I8},
    {"UINT16", SW_U16},
    {"INT16", SW_I16},
    {"INT32", SW_I32},
    {"INT64", SW_I64},
    {"STRING", SW_STRING},
    {"BOOL", SW_BOOL},
    {"FLOAT16", SW_F16},
    {"DOUBLE", SW_F64},
    {"UINT32", SW_U32},
    {"UINT64", SW_U64},
    {"COMPLEX64", SW_DTYPE_NONE},
    {"COMPLEX128", SW_DTYPE_NONE},
    {"BFLOAT16", SW_BF16},
    {"FLOAT8E4M3FN", SW_F8E4M3FN},
    {"FLOAT8E4M3FNUZ", SW_F8E4M3FNUZ},
    {"FLOAT8E5M2", SW_F8E5M2},
    {"FLOAT8E5M2FNUZ", SW_F8E5M2FNUZ},
    {"UINT4", SW_U4},
    {"INT4", SW_I4},
    {"FLOAT4E2M1", SW_DTYPE_NONE},
};
enum { TYPES = sizeof types / sizeof *types };

sw_dtype onnx_dtype(int64_t data_type)
{
    return data_type > 0 && data_type < TYPES ? types[data_type].dtype : SW_DTYPE_NONE;
}

int onnx_data_type(sw_dtype dtype)
{
    for (int i = 1; i < TYPES; i++)
        if (types[i].dtype == dtype && dtype != SW_DTYPE_NONE)
            return i;
    return 0;
}

const char *onnx_data_type_name(int64_t data_type)
{
    return data_type >= 0 && data_type < TYPES ? types[data_type].name : "an unknown type";
}

static sw_status corrupt(const onnx_tensor *from, const char *what)
{
    return sw_fail(SW_CORRUPT, "%s: tensor '%s': %s", from->message.name, from->name, what);
}

static sw_status from_raw(sw_mapping *mapping, const onnx_tensor *from, const uint8_t *bytes, size_t size,
                          sw_tensor **tensor)
{
    int64_t count;
    size_t wanted;
    sw_dtype dtype = onnx_dtype(from->data_type);
    if (dtype == SW_STRING)
        return corrupt(from, "strings cannot lie in raw_data");
    if (sw_dims_count(from->dims, &count) != SW_OK || !sw_dtype_size(dtype, count, &wanted))
        return corrupt(from, "its dims cannot be");
    if (wanted != size)
        return sw_fail(SW_CORRUPT, "%s: tensor '%s': has %zu bytes of elements, its dims want %zu", from->message.name,
                       from->name, size, wanted);
    *tensor = sw_mapping_tensor(mapping, dtype, from->dims, bytes);
    return *tensor ? SW_OK : sw_alloc_status();
}

/* Which typed field holds elements of the type, and how one is written. */
static uint32_t typed_field(sw_dtype dtype, sw_wire_type *type)
{
    *type = SW_WIRE_VARINT;
    switch (dtype) {
    case SW_F32:
        *type = SW_WIRE_FIXED32;
        return 4;
    case SW_F64:
        *type = SW_WIRE_FIXED64;
        return 10;
    case SW_I64:
        return 7;
    case SW_U64:
    case SW_U32:
        return 11;
    default:
        return 5;
    }
}

static void store_bits(sw_tensor *tensor, int64_t index, uint64_t bits)
{
    uint8_t *data = sw_tensor_data(tensor);
    switch (sw_dtype_bytes(sw_tensor_dtype(tensor))) {
    case 0:
        data[index] = (uint8_t)bits;
        break;
    case 1:
        data[index] = sw_tensor_dtype(tensor) == SW_BOOL ? bits != 0 : (uint8_t)bits;
        break;
    case 2:
        ((uint16_t *)data)[index] = (uint16_t)bits;
        break;
    case 4:
        ((uint32_t *)data)[index] = (uint32_t)bits;
        break;
    default:
        ((uint64_t *)data)[index] = bits;
    }
}

static sw_status fill_numbers(const onnx_tensor *from, sw_tensor *tensor)
{
    sw_dtype dtype = sw_tensor_dtype(tensor);
    sw_wire wire = from->message;
    sw_wire_field field;
    sw_wire_type type;
    uint64_t bits;
    uint32_t number = typed_field(dtype, &type);
    int64_t have = 0, wanted = sw_dtype_bits(dtype) == 4 ? (sw_tensor_count(tensor) + 1) / 2 : sw_tensor_count(tensor);
    while (sw_wire_next(&wire, &field)) {
        if (field.number != number)
            continue;
        for (size_t position = 0; sw_wire_repeated(&wire, &field, type, &position, &bits); have++)
            if (have < wanted)
                store_bits(tensor, have, bits);
    }
    if (sw_wire_status(&wire) != SW_OK)
        return sw_wire_status(&wire);
    return have == wanted ? SW_OK : corrupt(from, "its dims do not fit the number of its elements");
}

static sw_status fill_strings(const onnx_tensor *from, sw_tensor *tensor)
{
    sw_context *ctx = sw_tensor_context(tensor);
    sw_wire wire = from->message;
    sw_wire_field field;
    int64_t have = 0, wanted = sw_tensor_count(tensor);
    while (sw_wire_next(&wire, &field)) {
        if (field.number != 6)
            continue;
        const uint8_t *bytes;
        size_t size;
        if (!sw_wire_bytes(&wire, &field, &bytes, &size) || have++ >= wanted)
            continue;
        char *text = sw_strndup(ctx, (const char *)bytes, size);
        sw_status status = text ? sw_tensor_set_string(tensor, have - 1, text) : sw_alloc_status();
        sw_free(ctx, text);
        SW_TRY(status);
    }
    if (sw_wire_status(&wire) != SW_OK)
        return sw_wire_status(&wire);
    return have == wanted ? SW_OK : corrupt(from, "its dims do not fit the number of its elements");
}

/* Fields are at least one byte per element (4-bit types: per two): a small file cannot claim a huge tensor. */
static sw_status from_fields(sw_context *ctx, const onnx_tensor *from, sw_tensor **tensor)
{
    int64_t count;
    if (sw_dims_count(from->dims, &count) != SW_OK)
        return corrupt(from, "its dims cannot be");
    if (count / 2 > from->message.end - from->message.at)
        return corrupt(from, "its dims do not fit the number of its elements");
    *tensor = sw_tensor_new(ctx, onnx_dtype(from->data_type), from->dims);
    if (!*tensor)
        return sw_alloc_status();
    sw_status status =
        sw_tensor_dtype(*tensor) == SW_STRING ? fill_strings(from, *tensor) : fill_numbers(from, *tensor);
    if (status != SW_OK)
        sw_tensor_release(*tensor);
    return status;
}

/* A location is a path below the model's folder: not absolute, no "..". */
static bool stays_inside(const char *location)
{
    if (!*location || *location == '/')
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return false;
    }
    return true;
}

static sw_status from_file(sw_context *ctx, const char *folder, const onnx_tensor *from, sw_tensor **tensor)
{
    char *path;
    size_t size;
    sw_mapping *mapping;
    if (!folder)
        return sw_fail(SW_UNSUPPORTED, "%s: tensor '%s' lies in the file '%s', which cannot be found from here",
                       from->message.name, from->name, from->location);
    if (!stays_inside(from->location))
        return corrupt(from, "its file is outside the model's folder");
    SW_TRY(sw_path_join(ctx, folder, from->location, &path));
    sw_status status = sw_mapping_open(ctx, path, &mapping);
    sw_free(ctx, path);
    if (status != SW_OK)
        return sw_fail_in(status, "%s: tensor '%s'", from->message.name, from->name);
    const uint8_t *bytes = sw_mapping_bytes(mapping, &size);
    uint64_t offset = (uint64_t)from->offset, length = from->length >= 0 ? (uint64_t)from->length : size - offset;
    if (offset > size || length > size - offset)
        status = corrupt(from, "reaches beyond its file");
    else
        status = from_raw(mapping, from, bytes + offset, length, tensor);
    sw_mapping_release(mapping);
    return status;
}

sw_status onnx_tensor_read(sw_mapping *mapping, const char *folder, const onnx_tensor *from, sw_tensor **tensor)
{
    sw_context *ctx = sw_mapping_context(mapping);
    if (onnx_dtype(from->data_type) == SW_DTYPE_NONE)
        return sw_fail(SW_UNSUPPORTED, "%s: tensor '%s': elements of type %s are not read", from->message.name,
                       from->name, onnx_data_type_name(from->data_type));
    if (from->external)
        return from_file(ctx, folder, from, tensor);
    if (from->raw)
        return from_raw(mapping, from, from->raw, from->raw_size, tensor);
    return from_fields(ctx, from, tensor);
}
