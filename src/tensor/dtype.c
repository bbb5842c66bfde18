/* dtype.c: the table of element types. One row says all that does not depend on values. */
#include "tensor/dtype.h"

#include <string.h>

enum class { OTHER, FLOAT, SIGNED, UNSIGNED };

static const struct row {
    const char *name, *alias; /* alias: NumPy's and ONNX's word for it */
    uint8_t bits;
    enum class class;
} rows[SW_DTYPE_COUNT] = {
    [SW_DTYPE_NONE] = {"none", NULL, 0, OTHER},
    [SW_F64] = {"f64", "float64", 64, FLOAT},
    [SW_F32] = {"f32", "float32", 32, FLOAT},
    [SW_F16] = {"f16", "float16", 16, FLOAT},
    [SW_BF16] = {"bf16", "bfloat16", 16, FLOAT},
    [SW_F8E4M3FN] = {"f8e4m3fn", "float8e4m3fn", 8, FLOAT},
    [SW_F8E4M3FNUZ] = {"f8e4m3fnuz", "float8e4m3fnuz", 8, FLOAT},
    [SW_F8E5M2] = {"f8e5m2", "float8e5m2", 8, FLOAT},
    [SW_F8E5M2FNUZ] = {"f8e5m2fnuz", "float8e5m2fnuz", 8, FLOAT},
    [SW_I64] = {"i64", "int64", 64, SIGNED},
    [SW_I32] = {"i32", "int32", 32, SIGNED},
    [SW_I16] = {"i16", "int16", 16, SIGNED},
    [SW_I8] = {"i8", "int8", 8, SIGNED},
    [SW_I4] = {"i4", "int4", 4, SIGNED},
    [SW_U64] = {"u64", "uint64", 64, UNSIGNED},
    [SW_U32] = {"u32", "uint32", 32, UNSIGNED},
    [SW_U16] = {"u16", "uint16", 16, UNSIGNED},
    [SW_U8] = {"u8", "uint8", 8, UNSIGNED},
    [SW_U4] = {"u4", "uint4", 4, UNSIGNED},
    [SW_BOOL] = {"bool", "boolean", 8, OTHER},
    [SW_STRING] = {"string", "str", sizeof(char *) * 8, OTHER},
};

static const struct row *row_of(sw_dtype dtype)
{
    return &rows[(unsigned)dtype < SW_DTYPE_COUNT ? dtype : SW_DTYPE_NONE];
}

const char *sw_dtype_name(sw_dtype dtype) { return row_of(dtype)->name; }

sw_dtype sw_dtype_from_name(const char *name)
{
    for (int i = 1; i < SW_DTYPE_COUNT; i++)
        if (strcmp(name, rows[i].name) == 0 || strcmp(name, rows[i].alias) == 0)
            return (sw_dtype)i;
    return SW_DTYPE_NONE;
}

int sw_dtype_bits(sw_dtype dtype) { return row_of(dtype)->bits; }

bool sw_dtype_is_float(sw_dtype dtype) { return row_of(dtype)->class == FLOAT; }

bool sw_dtype_is_integer(sw_dtype dtype) { return row_of(dtype)->class == SIGNED || row_of(dtype)->class == UNSIGNED; }

bool sw_dtype_is_signed(sw_dtype dtype) { return row_of(dtype)->class == SIGNED || row_of(dtype)->class == FLOAT; }

size_t sw_dtype_bytes(sw_dtype dtype) { return row_of(dtype)->bits / 8; }

bool sw_dtype_size(sw_dtype dtype, int64_t count, size_t *bytes)
{
    if (count < 0)
        return false;
    size_t size = sw_dtype_bytes(dtype), product;
    if (size == 0) {
        *bytes = (size_t)count / 2 + (size_t)count % 2;
        return row_of(dtype)->bits == 4;
    }
    if (__builtin_mul_overflow((size_t)count, size, &product) || product > PTRDIFF_MAX)
        return false;
    *bytes = product;
    return true;
}
