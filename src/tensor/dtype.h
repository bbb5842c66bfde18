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

/* Bytes of `count` elements, overflow-checked, 4-bit types rounded up to a byte. */
bool sw_dtype_size(sw_dtype dtype, int64_t count, size_t *bytes);
/* Bytes of one element; 0 for 4-bit types. */
size_t sw_dtype_bytes(sw_dtype dtype);

uint16_t sw_f16_from_f32(float value);
float sw_f16_to_f32(uint16_t bits);
uint16_t sw_bf16_from_f32(float value);
float sw_bf16_to_f32(uint16_t bits);

#endif
