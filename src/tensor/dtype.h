/* tensor/dtype.h: loads and stores of single elements, for reference bodies and converters.
 *
 * Reference kernels are written once per numeric class: floating point computes in double, integers in
 * int64/uint64, and each dtype differs only in its load and its round-and-store. Uses: base/. */
#ifndef SW_TENSOR_DTYPE_H
#define SW_TENSOR_DTYPE_H

#include "slipway/tensor.h"

/* Element `index` from `data`. Loads of integers as double round; use the integer forms for exactness. */
double sw_load_f64(sw_dtype dtype, const void *data, int64_t index);
int64_t sw_load_i64(sw_dtype dtype, const void *data, int64_t index); /* u64 above INT64_MAX wraps */
uint64_t sw_load_u64(sw_dtype dtype, const void *data, int64_t index);
/* Round to nearest even into floats; integers truncate, saturate, NaN is 0. */
void sw_store_f64(sw_dtype dtype, void *data, int64_t index, double value);
/* Integers wrap (two's complement); floats round. */
void sw_store_i64(sw_dtype dtype, void *data, int64_t index, int64_t value);
void sw_store_u64(sw_dtype dtype, void *data, int64_t index, uint64_t value);

/* The same for `count` elements that stand `stride` apart, from or into a plain array: the type is looked at once per
 * row. `index` is the first element. */
void sw_load_row_f64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, double *out);
void sw_load_row_i64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, int64_t *out);
void sw_load_row_u64(sw_dtype dtype, const void *data, int64_t index, int64_t stride, int64_t count, uint64_t *out);
void sw_store_row_f64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const double *in);
void sw_store_row_i64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const int64_t *in);
void sw_store_row_u64(sw_dtype dtype, void *data, int64_t index, int64_t stride, int64_t count, const uint64_t *in);

/* Bytes of `count` elements, overflow-checked, 4-bit types rounded up to a byte. */
bool sw_dtype_size(sw_dtype dtype, int64_t count, size_t *bytes);
/* Bytes of one element; 0 for 4-bit types. */
size_t sw_dtype_bytes(sw_dtype dtype);

uint16_t sw_f16_from_f32(float value);
float sw_f16_to_f32(uint16_t bits);
uint16_t sw_bf16_from_f32(float value);
float sw_bf16_to_f32(uint16_t bits);
/* From double at once: through float it would be rounded twice. */
uint16_t sw_f16_from_f64(double value);
uint16_t sw_bf16_from_f64(double value);
/* The four 8-bit floats. Beyond the largest finite value (infinities too): `saturate` gives that value, otherwise
 * infinity where the format has one, else NaN. Stores above saturate, as ONNX's Cast does by default. */
uint8_t sw_f8_from_f64(sw_dtype dtype, double value, bool saturate);
double sw_f8_to_f64(sw_dtype dtype, uint8_t bits);

#endif
