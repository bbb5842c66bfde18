/* json_parameters.c: parameters that a person can read and a 60-line script in any language can write.
 *
 * A map from names to {"dtype", "shape", "data"}; data is one flat list, row-major, because nesting would say the
 * shape a second time. What other tools write, a bare nested list, is read too: its shape is its nesting. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc.h"
#include "base/file.h"
#include "base/text.h"
#include "formats/named.h"
#include "tensor/dtype.h"

/* ---- reading ---- */

static sw_status read_text(sw_dtype dtype, const sw_doc *value, const char *name, void *data, int64_t index)
{
    char *end;
    if (sw_dtype_is_float(dtype)) {
        double number = strcmp(value->string, "nan") == 0    ? (double)NAN
                        : strcmp(value->string, "inf") == 0  ? (double)INFINITY
                        : strcmp(value->string, "-inf") == 0 ? -(double)INFINITY
                                                             : 0;
        if (number != 0) {
            sw_store_f64(dtype, data, index, number);
            return SW_OK;
        }
    } else if (dtype == SW_U64 && value->string[0] >= '0' && value->string[0] <= '9') {
        unsigned long long number = strtoull(value->string, &end, 10);
        if (!*end) {
            ((uint64_t *)data)[index] = number;
            return SW_OK;
        }
    }
    return sw_doc_fail(value, "'%s': element %lld is '%s', needs a number", name, (long long)index, value->string);
}

static sw_status read_element(sw_tensor *tensor, const char *name, const sw_doc *value, int64_t index)
{
    sw_dtype dtype = sw_tensor_dtype(tensor);
    void *data = sw_tensor_data(tensor);
    if (dtype == SW_STRING && value->kind == SW_DOC_STRING)
        return sw_tensor_set_string(tensor, index, value->string);
    if (dtype == SW_STRING)
        return sw_doc_fail(value, "'%s': element %lld is no text", name, (long long)index);
    switch (value->kind) {
    case SW_DOC_INT:
        if (sw_dtype_is_float(dtype))
            sw_store_f64(dtype, data, index, value->number);
        else
            sw_store_i64(dtype, data, index, value->integer);
        if (sw_dtype_is_integer(dtype) && sw_load_i64(dtype, data, index) != value->integer)
            return sw_doc_fail(value, "'%s': %s does not fit into %s", name, value->string, sw_dtype_name(dtype));
        return SW_OK;
    case SW_DOC_NUMBER:
        if (!sw_dtype_is_float(dtype))
            return sw_doc_fail(value, "'%s': %s is no integer", name, value->string);
        sw_store_f64(dtype, data, index, value->number);
        return SW_OK;
    case SW_DOC_BOOL:
        sw_store_i64(dtype, data, index, value->boolean);
        return SW_OK;
    case SW_DOC_STRING:
        return read_text(dtype, value, name, data, index);
    default:
        return sw_doc_fail(value, "'%s': element %lld is no number", name, (long long)index);
    }
}

static sw_status read_full(sw_context *ctx, const char *name, const sw_doc *doc, sw_tensor **tensor)
{
    const sw_doc *type = sw_doc_get(doc, "dtype"), *shape = sw_doc_get(doc, "shape"), *data = sw_doc_get(doc, "data");
    if (!type || type->kind != SW_DOC_STRING || !shape || shape->kind != SW_DOC_LIST || !data ||
        data->kind != SW_DOC_LIST)
        return sw_doc_fail(doc, "'%s' needs dtype, shape and data", name);
    sw_dtype dtype = sw_dtype_from_name(type->string);
    sw_dims dims = {.rank = shape->count};
    int64_t count;
    if (dtype == SW_DTYPE_NONE)
        return sw_doc_fail(type, "'%s': unknown dtype '%s'", name, type->string);
    if (shape->count > SW_MAX_RANK)
        return sw_doc_fail(shape, "'%s' has %d dims, at most %d are read", name, shape->count, SW_MAX_RANK);
    for (int i = 0; i < shape->count; i++) {
        if (shape->items[i]->kind != SW_DOC_INT || shape->items[i]->integer < 0)
            return sw_doc_fail(shape, "'%s': a dim is no number from 0 on", name);
        dims.dim[i] = shape->items[i]->integer;
    }
    SW_TRY(sw_dims_count(dims, &count));
    if (count != data->count)
        return sw_doc_fail(data, "'%s' has %d elements, its shape wants %lld", name, data->count, (long long)count);
    *tensor = sw_tensor_new(ctx, dtype, dims);
    if (!*tensor)
        return sw_alloc_status();
    for (int i = 0; i < data->count; i++)
        SW_TRY(read_element(*tensor, name, data->items[i], i));
    return SW_OK;
}

/* Dims are those of the first child at each level; the filling below checks that the others agree. */
static sw_status measure_nested(const char *name, const sw_doc *doc, sw_dims *dims)
{
    for (*dims = SW_SCALAR; doc->kind == SW_DOC_LIST; doc = doc->items[0]) {
        if (dims->rank == SW_MAX_RANK)
            return sw_doc_fail(doc, "'%s' nests deeper than %d lists", name, SW_MAX_RANK);
        dims->dim[dims->rank++] = doc->count;
        if (doc->count == 0)
            break;
    }
    return SW_OK;
}

static bool all_integers(const sw_doc *doc)
{
    for (int i = 0; doc->kind == SW_DOC_LIST && i < doc->count; i++)
        if (!all_integers(doc->items[i]))
            return false;
    return doc->kind == SW_DOC_LIST || doc->kind == SW_DOC_INT;
}

static sw_status fill_nested(sw_tensor *tensor, const char *name, const sw_doc *doc, int axis, int64_t *index)
{
    if (axis == sw_tensor_rank(tensor))
        return read_element(tensor, name, doc, (*index)++);
    if (doc->kind != SW_DOC_LIST || doc->count != sw_tensor_dim(tensor, axis))
        return sw_doc_fail(doc, "'%s': its lists differ in length", name);
    for (int i = 0; i < doc->count; i++)
        SW_TRY(fill_nested(tensor, name, doc->items[i], axis + 1, index));
    return SW_OK;
}

static sw_status read_nested(sw_context *ctx, const char *name, const sw_doc *doc, sw_tensor **tensor)
{
    sw_dims dims;
    int64_t index = 0;
    SW_TRY(measure_nested(name, doc, &dims));
    *tensor = sw_tensor_new(ctx, all_integers(doc) ? SW_I64 : SW_F32, dims);
    return *tensor ? fill_nested(*tensor, name, doc, 0, &index) : sw_alloc_status();
}

static sw_status read_all(sw_context *ctx, const sw_doc *doc, struct sw_named_list *list)
{
    if (doc->kind != SW_DOC_MAP)
        return sw_doc_fail(doc, "needs a map from names to tensors");
    for (int i = 0; i < doc->count; i++) {
        sw_tensor *tensor = NULL;
        sw_status status = doc->items[i]->kind == SW_DOC_MAP ? read_full(ctx, doc->keys[i], doc->items[i], &tensor)
                                                             : read_nested(ctx, doc->keys[i], doc->items[i], &tensor);
        if (status != SW_OK) {
            sw_tensor_release(tensor);
            return status;
        }
        SW_TRY(sw_named_add(ctx, list, doc->keys[i], tensor));
    }
    return SW_OK;
}

sw_status sw_json_parameters_read(sw_context *ctx, const char *path, sw_named_tensor **tensors, int *count)
{
    struct sw_named_list list = {0};
    char *text = NULL;
    size_t size;
    sw_doc *doc;
    sw_arena *arena = sw_arena_new(ctx);
    if (!arena)
        return sw_alloc_status();
    sw_status status = sw_file_read(ctx, path, (size_t)16 << 20, &text, &size);
    if (status == SW_OK)
        status = sw_doc_json(arena, path, text, size, &doc);
    sw_free(ctx, text);
    if (status == SW_OK)
        status = read_all(ctx, doc, &list);
    sw_arena_free(arena);
    return sw_named_hand_over(ctx, &list, status, tensors, count);
}

/* ---- writing ---- */

static void write_element(sw_json_writer *json, const sw_tensor *tensor, int64_t index)
{
    sw_dtype dtype = sw_tensor_dtype(tensor);
    char digits[24];
    if (dtype == SW_STRING) {
        sw_json_string(json, NULL, sw_tensor_get_string(tensor, index));
    } else if (sw_dtype_is_float(dtype)) {
        double value = sw_tensor_get(tensor, index);
        if (!isfinite(value))
            sw_json_string(json, NULL, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        else if (dtype == SW_F64)
            sw_json_double(json, NULL, value);
        else
            sw_json_float(json, NULL, (float)value);
    } else if (dtype == SW_U64 && sw_tensor_get_int(tensor, index) < 0) {
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)sw_tensor_get_int(tensor, index));
        sw_json_string(json, NULL, digits);
    } else if (dtype == SW_BOOL) {
        sw_json_bool(json, NULL, sw_tensor_get_int(tensor, index) != 0);
    } else {
        sw_json_int(json, NULL, sw_tensor_get_int(tensor, index));
    }
}

static void write_tensor(sw_json_writer *json, const sw_named_tensor *named)
{
    const sw_tensor *tensor = named->tensor;
    sw_json_open(json, named->name, '{');
    sw_json_string(json, "dtype", sw_dtype_name(sw_tensor_dtype(tensor)));
    sw_json_open(json, "shape", '[');
    for (int i = 0; i < sw_tensor_rank(tensor); i++)
        sw_json_int(json, NULL, sw_tensor_dim(tensor, i));
    sw_json_close(json, ']');
    sw_json_open(json, "data", '[');
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
        write_element(json, tensor, i);
    sw_json_close(json, ']');
    sw_json_close(json, '}');
}

sw_status sw_json_parameters_write(sw_context *ctx, const sw_named_tensor *tensors, int count, const char *path)
{
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, ctx);
    sw_json_begin(&json, &text, false);
    sw_json_open(&json, NULL, '{');
    for (int i = 0; i < count; i++)
        write_tensor(&json, &tensors[i]);
    sw_json_close(&json, '}');
    sw_text_addn(&text, "\n", 1);
    sw_status status = text.status;
    if (status == SW_OK)
        status = sw_file_write(ctx, path, text.data, text.size);
    sw_text_free(&text);
    return status;
}
