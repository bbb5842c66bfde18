/* copy.c: elements from one tensor to another, converted on the way.
 *
 * The innermost axis is a row; rows of equal dtype move as bytes, others go through a small buffer of the widest
 * type of their class (double, int64, uint64), so that nothing is rounded twice and integers stay exact. */
#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/inside.h"
#include "tensor/view.h"

enum { CHUNK = 256 };

int64_t sw_tensor_offset(const sw_tensor *tensor, int64_t index)
{
    if (tensor->contiguous)
        return index;
    int64_t offset = 0;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        offset += index % tensor->dims[i] * tensor->strides[i];
        index /= tensor->dims[i];
    }
    return offset;
}

struct row {
    sw_dtype dtype;
    void *data;
    int64_t at, stride; /* first element and step, in elements */
};

static void convert_row(struct row to, struct row from, int64_t count)
{
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = count - done < CHUNK ? count - done : CHUNK;
        int64_t in = from.at + done * from.stride, out = to.at + done * to.stride;
        if (sw_dtype_is_float(from.dtype)) {
            double wide[CHUNK];
            sw_load_row_f64(from.dtype, from.data, in, from.stride, n, wide);
            sw_store_row_f64(to.dtype, to.data, out, to.stride, n, wide);
        } else if (sw_dtype_is_signed(from.dtype)) {
            int64_t wide[CHUNK];
            sw_load_row_i64(from.dtype, from.data, in, from.stride, n, wide);
            sw_store_row_i64(to.dtype, to.data, out, to.stride, n, wide);
        } else {
            uint64_t wide[CHUNK];
            sw_load_row_u64(from.dtype, from.data, in, from.stride, n, wide);
            sw_store_row_u64(to.dtype, to.data, out, to.stride, n, wide);
        }
    }
}

#define COPY_AS(type)                                                                                                  \
    do {                                                                                                               \
        const type *in = (const type *)from.data + from.at;                                                            \
        type *out = (type *)to.data + to.at;                                                                           \
        for (int64_t i = 0; i < count; i++)                                                                            \
            out[i * to.stride] = in[i * from.stride];                                                                  \
    } while (0)

static void copy_row(struct row to, struct row from, int64_t count)
{
    size_t size = sw_dtype_bytes(to.dtype);
    if (to.dtype != from.dtype || size == 0)
        convert_row(to, from, count);
    else if (to.stride == 1 && from.stride == 1)
        memcpy((char *)to.data + (size_t)to.at * size, (const char *)from.data + (size_t)from.at * size,
               (size_t)count * size);
    else if (size == 1)
        COPY_AS(uint8_t);
    else if (size == 2)
        COPY_AS(uint16_t);
    else if (size == 4)
        COPY_AS(uint32_t);
    else
        COPY_AS(uint64_t);
}

static sw_status copy_strings(sw_tensor *to, const sw_tensor *from)
{
    for (int64_t i = 0; i < from->count; i++)
        SW_TRY(sw_tensor_set_string(to, i, sw_tensor_get_string(from, i)));
    return SW_OK;
}

sw_status sw_tensor_copy(sw_tensor *to, const sw_tensor *from)
{
    char left[256], right[256];
    if (!sw_dims_equal(sw_tensor_dims(to), sw_tensor_dims(from)))
        return sw_fail(SW_SHAPE, "copy: dims %s into dims %s", sw_dims_text(sw_tensor_dims(from), left, sizeof left),
                       sw_dims_text(sw_tensor_dims(to), right, sizeof right));
    if ((to->dtype == SW_STRING) != (from->dtype == SW_STRING))
        return sw_fail(SW_INVALID, "copy: %s does not convert to %s", sw_dtype_name(from->dtype),
                       sw_dtype_name(to->dtype));
    if (to->dtype == SW_STRING)
        return copy_strings(to, from);
    sw_walk walk;
    if (!sw_walk_begin(&walk, to->rank, to->dims, 2, (const int64_t *const[]){to->strides, from->strides}))
        return SW_OK;
    int64_t row = sw_walk_rows(&walk);
    do
        copy_row((struct row){to->dtype, to->data, walk.at[0], walk.strides[0][0]},
                 (struct row){from->dtype, from->data, walk.at[1], walk.strides[1][0]}, row);
    while (sw_walk_next(&walk));
    return SW_OK;
}

sw_tensor *sw_tensor_cast(sw_tensor *tensor, sw_dtype dtype)
{
    sw_tensor *copy = sw_tensor_new(tensor->ctx, dtype, sw_tensor_dims(tensor));
    if (copy && sw_tensor_copy(copy, tensor) != SW_OK) {
        sw_tensor_release(copy);
        return NULL;
    }
    return copy;
}

double sw_tensor_get(const sw_tensor *tensor, int64_t index)
{
    if (index < 0 || index >= tensor->count)
        return 0;
    return sw_load_f64(tensor->dtype, tensor->data, sw_tensor_offset(tensor, index));
}

int64_t sw_tensor_get_int(const sw_tensor *tensor, int64_t index)
{
    if (index < 0 || index >= tensor->count)
        return 0;
    return sw_load_i64(tensor->dtype, tensor->data, sw_tensor_offset(tensor, index));
}

sw_status sw_tensor_set(sw_tensor *tensor, int64_t index, double value)
{
    if (tensor->dtype == SW_STRING)
        return sw_fail(SW_INVALID, "a number is written into a tensor of text");
    if (index < 0 || index >= tensor->count)
        return sw_fail(SW_INVALID, "element %lld of a tensor that has %lld", (long long)index,
                       (long long)tensor->count);
    sw_store_f64(tensor->dtype, tensor->data, sw_tensor_offset(tensor, index), value);
    return SW_OK;
}
