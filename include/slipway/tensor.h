/* slipway/tensor.h: numbers with a type, dims and strides, in storage that is shared by counting references.
 *
 * A tensor is a view: data type, dims, strides (counted in elements) and a pointer into storage that it shares
 * with others. Handles are immutable after creation (reshape and slice give new handles); contents may be
 * written by whoever made them. sw_tensor_retain/release are thread-safe. A rank-0 tensor is a scalar with one
 * element; a dim of 0 gives no elements and is legal everywhere. */
#ifndef SLIPWAY_TENSOR_H
#define SLIPWAY_TENSOR_H

#include "slipway/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SW_MAX_RANK 12

typedef enum sw_dtype {
    SW_DTYPE_NONE = 0,
    SW_F64,
    SW_F32,
    SW_F16,
    SW_BF16,
    SW_F8E4M3FN,
    SW_F8E4M3FNUZ,
    SW_F8E5M2,
    SW_F8E5M2FNUZ,
    SW_I64,
    SW_I32,
    SW_I16,
    SW_I8,
    SW_I4,
    SW_U64,
    SW_U32,
    SW_U16,
    SW_U8,
    SW_U4,
    SW_BOOL,   /* one byte, 0 or 1 */
    SW_STRING, /* elements are `char *` owned by the storage, NUL-terminated UTF-8 */
    SW_DTYPE_COUNT
} sw_dtype;

SW_API const char *sw_dtype_name(sw_dtype dtype);     /* "f32", "i64", "bool", … */
SW_API sw_dtype sw_dtype_from_name(const char *name); /* SW_DTYPE_NONE when unknown; also "float32", "int64", … */
/* Bits per element: 4 for i4/u4 (two to a byte, low half first), sizeof(char *) * 8 for strings. */
SW_API int sw_dtype_bits(sw_dtype dtype);
SW_API bool sw_dtype_is_float(sw_dtype dtype);
SW_API bool sw_dtype_is_integer(sw_dtype dtype); /* signed and unsigned, not bool */
SW_API bool sw_dtype_is_signed(sw_dtype dtype);

typedef struct sw_tensor sw_tensor;

/* A list of dims for one call: SW_DIMS(28, 28). */
typedef struct sw_dims {
    int rank;
    int64_t dim[SW_MAX_RANK];
} sw_dims;
#define SW_DIMS(...)                                                                                                   \
    ((sw_dims){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})
#define SW_SCALAR ((sw_dims){.rank = 0})

/* A fresh contiguous tensor, contents undefined (strings: ""). NULL on failure: SW_INVALID for a negative dim
 * or a rank above SW_MAX_RANK, SW_BUDGET, SW_NO_MEMORY. Storage is 64-byte aligned. Reference count 1. */
SW_API sw_tensor *sw_tensor_new(sw_context *ctx, sw_dtype dtype, sw_dims dims);
SW_API sw_tensor *sw_tensor_zeros(sw_context *ctx, sw_dtype dtype, sw_dims dims);
/* Copies dims' product * element size bytes from `data` (row-major). */
SW_API sw_tensor *sw_tensor_from(sw_context *ctx, sw_dtype dtype, sw_dims dims, const void *data);
/* Wraps memory that is not ours: `release(user, data)` is called once, when the last view goes (NULL: never).
 * `data` must be aligned to the element. */
SW_API sw_tensor *sw_tensor_wrap(sw_context *ctx, sw_dtype dtype, sw_dims dims, void *data,
                                 void (*release)(void *user, void *data), void *user);
SW_API sw_tensor *sw_tensor_retain(sw_tensor *tensor); /* returns `tensor` */
SW_API void sw_tensor_release(sw_tensor *tensor);      /* NULL is allowed */

SW_API sw_dtype sw_tensor_dtype(const sw_tensor *tensor);
SW_API int sw_tensor_rank(const sw_tensor *tensor);
SW_API int64_t sw_tensor_dim(const sw_tensor *tensor, int axis); /* axis may be negative: from the end */
SW_API sw_dims sw_tensor_dims(const sw_tensor *tensor);
SW_API const int64_t *sw_tensor_strides(const sw_tensor *tensor); /* elements; rank entries */
SW_API int64_t sw_tensor_count(const sw_tensor *tensor);          /* elements */
SW_API size_t sw_tensor_bytes(const sw_tensor *tensor);           /* count * element size, 4-bit types rounded up */
SW_API void *sw_tensor_data(const sw_tensor *tensor);             /* of element [0, 0, …] */
SW_API bool sw_tensor_is_contiguous(const sw_tensor *tensor);
SW_API sw_context *sw_tensor_context(const sw_tensor *tensor);

/* Views: they share storage; NULL with SW_SHAPE or SW_INVALID on failure. 4-bit tensors cannot be sliced. */
SW_API sw_tensor *sw_tensor_reshape(sw_tensor *tensor,
                                    sw_dims dims); /* one dim may be -1; copies when not contiguous */
SW_API sw_tensor *sw_tensor_transpose(sw_tensor *tensor, const int *axes);
SW_API sw_tensor *sw_tensor_slice(sw_tensor *tensor, int axis, int64_t start, int64_t stop, int64_t step);
SW_API sw_tensor *sw_tensor_broadcast(sw_tensor *tensor, sw_dims dims); /* stride 0 along expanded axes */
/* The same elements in row-major order: `tensor` retained when it is contiguous already, else a copy. */
SW_API sw_tensor *sw_tensor_contiguous(sw_tensor *tensor);

/* Copies and converts `from` into `to`; dims must be equal. Floats round to nearest even; float to integer
 * truncates and saturates, NaN gives 0; to bool is != 0. Strings copy to strings only. */
SW_API sw_status sw_tensor_copy(sw_tensor *to, const sw_tensor *from);
SW_API sw_tensor *sw_tensor_cast(sw_tensor *tensor, sw_dtype dtype);

/* One element, row-major index, converted. Strings: 0. */
SW_API double sw_tensor_get(const sw_tensor *tensor, int64_t index);
SW_API int64_t sw_tensor_get_int(const sw_tensor *tensor, int64_t index);
SW_API sw_status sw_tensor_set(sw_tensor *tensor, int64_t index, double value);
SW_API const char *sw_tensor_get_string(const sw_tensor *tensor, int64_t index);
SW_API sw_status sw_tensor_set_string(sw_tensor *tensor, int64_t index, const char *value);

/* NumPy's rule. SW_SHAPE with a text naming both dims when they do not broadcast. */
SW_API sw_status sw_dims_broadcast(sw_dims a, sw_dims b, sw_dims *result);
SW_API sw_status sw_dims_count(sw_dims dims, int64_t *count); /* overflow-checked product */
SW_API bool sw_dims_equal(sw_dims a, sw_dims b);
/* "[2, 3, 28, 28]" into `text`; returns `text`. */
SW_API char *sw_dims_text(sw_dims dims, char *text, size_t size);

/* NumPy's own files. Reading has limits (header 64 KiB, count overflow-checked, file length exact). */
SW_API sw_status sw_npy_read(sw_context *ctx, const char *path, sw_tensor **tensor);
SW_API sw_status sw_npy_read_bytes(sw_context *ctx, const char *name, const void *bytes, size_t size,
                                   sw_tensor **tensor);
SW_API sw_status sw_npy_write(const sw_tensor *tensor, const char *path);
typedef struct sw_npz_entry {
    char *name;
    sw_tensor *tensor;
} sw_npz_entry;
/* Fresh entries; release with sw_npz_free. */
SW_API sw_status sw_npz_read(sw_context *ctx, const char *path, sw_npz_entry **entries, int *count);
SW_API sw_status sw_npz_write(sw_context *ctx, const sw_npz_entry *entries, int count, const char *path);
SW_API void sw_npz_free(sw_context *ctx, sw_npz_entry *entries, int count);

#ifdef __cplusplus
}
#endif
#endif
