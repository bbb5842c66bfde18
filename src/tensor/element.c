/* element.c: elements of any dtype through three wide types: double, int64 and uint64.
 *
 * Each dtype has one way in and one way out per wide type; the rest is a row loop stamped out by a macro, so that
 * the switch on the dtype stands outside the loop. Strings are not numbers: they load as 0 and are not stored. */
#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

/* ---- 4-bit elements: two to a byte, the first in the low half ---- */
static inline unsigned nibble(const void *data, int64_t index)
{
    return ((const uint8_t *)data)[index >> 1] >> (index & 1) * 4 & 15u;
}

static inline void set_nibble(void *data, int64_t index, unsigned bits)
{
    uint8_t *byte = (uint8_t *)data + (index >> 1);
    unsigned shift = (unsigned)(index & 1) * 4;
    *byte = (uint8_t)((*byte & ~(15u << shift)) | (bits & 15u) << shift);
}

static inline int signed_nibble(const void *data, int64_t index) { return (int)(nibble(data, index) ^ 8u) - 8; }

/* ---- double to integers: towards zero, to the nearest end when out of range, NaN to 0 ---- */
static inline int64_t to_i64(double value)
{
    if (!(value > -0x1p63))
        return isnan(value) ? 0 : INT64_MIN;
    return value >= 0x1p63 ? INT64_MAX : (int64_t)value;
}

static inline uint64_t to_u64(double value)
{
    if (!(value > 0))
        return 0;
    return value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
}

static inline int64_t to_range(double value, int64_t low, int64_t high)
{
    int64_t whole = to_i64(value);
    return whole < low ? low : whole > high ? high : whole;
}

/* An integer as a double that rounds onwards to a small float correctly: bits that a double cannot hold are folded
 * into its last bit ("round to odd"). */
static double sticky_u64(uint64_t value)
{
    if (value >> 53) {
        uint64_t low = value & 0x7FF;
        value = value >> 11 << 11 | (uint64_t)(low != 0) << 11;
    }
    return (double)value;
}

static double sticky_i64(int64_t value)
{
    return value < 0 ? -sticky_u64(0 - (uint64_t)value) : sticky_u64((uint64_t)value);
}

#define FLOAT8_CASES                                                                                                   \
    case SW_F8E4M3FN:                                                                                                  \
    case SW_F8E4M3FNUZ:                                                                                                \
    case SW_F8E5M2:                                                                                                    \
    case SW_F8E5M2FNUZ

/* Elements of `type` as `at`, in a loop: `expression` sees at (the element's value), i (its index in the data). */
#define LOAD(type, expression)                                                                                         \
    for (int64_t k = 0, i = index; k < count; k++, i += stride) {                                                      \
        type at = ((const type *)data)[i];                                                                             \
        out[k] = (expression);                                                                                         \
    }                                                                                                                  \
    return
#define LOAD_AT(expression)                                                                                            \
    for (int64_t k = 0, i = index; k < count; k++, i += stride)                                                        \
        out[k] = (expression);                                                                                         \
    return

void sw_load_row_f64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, double *out)
{
    switch (dtype) {
    case SW_F64:
        LOAD(double, at);
    case SW_F32:
        LOAD(float, (double)at);
    case SW_F16:
        LOAD(uint16_t, (double)sw_f16_to_f32(at));
    case SW_BF16:
        LOAD(uint16_t, (double)sw_bf16_to_f32(at));
    FLOAT8_CASES:
        LOAD(uint8_t, sw_f8_to_f64(dtype, at));
    case SW_I64:
        LOAD(int64_t, (double)at);
    case SW_I32:
        LOAD(int32_t, at);
    case SW_I16:
        LOAD(int16_t, at);
    case SW_I8:
        LOAD(int8_t, at);
    case SW_I4:
        LOAD_AT(signed_nibble(data, i));
    case SW_U64:
        LOAD(uint64_t, (double)at);
    case SW_U32:
        LOAD(uint32_t, at);
    case SW_U16:
        LOAD(uint16_t, at);
    case SW_U8:
        LOAD(uint8_t, at);
    case SW_U4:
        LOAD_AT((double)nibble(data, i));
    case SW_BOOL:
        LOAD(uint8_t, at != 0);
    default:
        LOAD_AT(i & 0);
    }
}

void sw_load_row_i64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, int64_t *out)
{
    switch (dtype) {
    case SW_F64:
        LOAD(double, to_i64(at));
    case SW_F32:
        LOAD(float, to_i64((double)at));
    case SW_F16:
        LOAD(uint16_t, to_i64((double)sw_f16_to_f32(at)));
    case SW_BF16:
        LOAD(uint16_t, to_i64((double)sw_bf16_to_f32(at)));
    FLOAT8_CASES:
        LOAD(uint8_t, to_i64(sw_f8_to_f64(dtype, at)));
    case SW_I64:
        LOAD(int64_t, at);
    case SW_I32:
        LOAD(int32_t, at);
    case SW_I16:
        LOAD(int16_t, at);
    case SW_I8:
        LOAD(int8_t, at);
    case SW_I4:
        LOAD_AT(signed_nibble(data, i));
    case SW_U64:
        LOAD(uint64_t, (int64_t)at);
    case SW_U32:
        LOAD(uint32_t, at);
    case SW_U16:
        LOAD(uint16_t, at);
    case SW_U8:
        LOAD(uint8_t, at);
    case SW_U4:
        LOAD_AT((int64_t)nibble(data, i));
    case SW_BOOL:
        LOAD(uint8_t, at != 0);
    default:
        LOAD_AT(i & 0);
    }
}

void sw_load_row_u64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, uint64_t *out)
{
    switch (dtype) {
    case SW_F64:
        LOAD(double, to_u64(at));
    case SW_F32:
        LOAD(float, to_u64((double)at));
    case SW_F16:
        LOAD(uint16_t, to_u64((double)sw_f16_to_f32(at)));
    case SW_BF16:
        LOAD(uint16_t, to_u64((double)sw_bf16_to_f32(at)));
    FLOAT8_CASES:
        LOAD(uint8_t, to_u64(sw_f8_to_f64(dtype, at)));
    default: /* two's complement: the integers' bits are the same */
        sw_load_row_i64(dtype, data, index, stride, count, (int64_t *)out);
    }
}

/* `in` is the wide value; `expression` makes the element of it. */
#define STORE(type, expression)                                                                                        \
    for (int64_t k = 0, i = index; k < count; k++, i += stride)                                                        \
        ((type *)data)[i] = (type)(expression);                                                                        \
    return
#define STORE_NIBBLE(expression)                                                                                       \
    for (int64_t k = 0, i = index; k < count; k++, i += stride)                                                        \
        set_nibble(data, i, (unsigned)(expression));                                                                   \
    return

void sw_store_row_f64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const double *in)
{
    switch (dtype) {
    case SW_F64:
        STORE(double, in[k]);
    case SW_F32:
        STORE(float, in[k]);
    case SW_F16:
        STORE(uint16_t, sw_f16_from_f64(in[k]));
    case SW_BF16:
        STORE(uint16_t, sw_bf16_from_f64(in[k]));
    FLOAT8_CASES:
        STORE(uint8_t, sw_f8_from_f64(dtype, in[k], true));
    case SW_I64:
        STORE(int64_t, to_i64(in[k]));
    case SW_I32:
        STORE(int32_t, to_range(in[k], INT32_MIN, INT32_MAX));
    case SW_I16:
        STORE(int16_t, to_range(in[k], INT16_MIN, INT16_MAX));
    case SW_I8:
        STORE(int8_t, to_range(in[k], INT8_MIN, INT8_MAX));
    case SW_I4:
        STORE_NIBBLE(to_range(in[k], -8, 7));
    case SW_U64:
        STORE(uint64_t, to_u64(in[k]));
    case SW_U32:
        STORE(uint32_t, to_range(in[k], 0, UINT32_MAX));
    case SW_U16:
        STORE(uint16_t, to_range(in[k], 0, UINT16_MAX));
    case SW_U8:
        STORE(uint8_t, to_range(in[k], 0, UINT8_MAX));
    case SW_U4:
        STORE_NIBBLE(to_range(in[k], 0, 15));
    case SW_BOOL:
        STORE(uint8_t, in[k] != 0);
    default:
        return;
    }
}

void sw_store_row_i64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const int64_t *in)
{
    switch (dtype) {
    case SW_F64:
        STORE(double, in[k]);
    case SW_F32:
        STORE(float, in[k]);
    case SW_F16:
        STORE(uint16_t, sw_f16_from_f64(sticky_i64(in[k])));
    case SW_BF16:
        STORE(uint16_t, sw_bf16_from_f64(sticky_i64(in[k])));
    FLOAT8_CASES:
        STORE(uint8_t, sw_f8_from_f64(dtype, sticky_i64(in[k]), true));
    case SW_I64:
    case SW_U64:
        STORE(int64_t, in[k]);
    case SW_I32:
    case SW_U32:
        STORE(uint32_t, in[k]);
    case SW_I16:
    case SW_U16:
        STORE(uint16_t, in[k]);
    case SW_I8:
    case SW_U8:
        STORE(uint8_t, in[k]);
    case SW_I4:
    case SW_U4:
        STORE_NIBBLE(in[k]);
    case SW_BOOL:
        STORE(uint8_t, in[k] != 0);
    default:
        return;
    }
}

void sw_store_row_u64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const uint64_t *in)
{
    switch (dtype) {
    case SW_F64:
        STORE(double, in[k]);
    case SW_F32:
        STORE(float, in[k]);
    case SW_F16:
        STORE(uint16_t, sw_f16_from_f64(sticky_u64(in[k])));
    case SW_BF16:
        STORE(uint16_t, sw_bf16_from_f64(sticky_u64(in[k])));
    FLOAT8_CASES:
        STORE(uint8_t, sw_f8_from_f64(dtype, sticky_u64(in[k]), true));
    default:
        sw_store_row_i64(dtype, data, index, stride, count, (const int64_t *)in);
    }
}

double sw_load_f64(sw_dtype dtype, const void *data, int64_t index)
{
    double value;
    sw_load_row_f64(dtype, data, index, 1, 1, &value);
    return value;
}

int64_t sw_load_i64(sw_dtype dtype, const void *data, int64_t index)
{
    int64_t value;
    sw_load_row_i64(dtype, data, index, 1, 1, &value);
    return value;
}

uint64_t sw_load_u64(sw_dtype dtype, const void *data, int64_t index)
{
    uint64_t value;
    sw_load_row_u64(dtype, data, index, 1, 1, &value);
    return value;
}

void sw_store_f64(sw_dtype dtype, void *data, int64_t index, double value)
{
    sw_store_row_f64(dtype, data, index, 1, 1, &value);
}

void sw_store_i64(sw_dtype dtype, void *data, int64_t index, int64_t value)
{
    sw_store_row_i64(dtype, data, index, 1, 1, &value);
}

void sw_store_u64(sw_dtype dtype, void *data, int64_t index, uint64_t value)
{
    sw_store_row_u64(dtype, data, index, 1, 1, &value);
}
