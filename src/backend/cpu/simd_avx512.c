/* simd_avx512.c: the table of vector loops, compiled for avx512 (see meson.build for the flags). */
#define SW_SIMD_TABLE sw_simd_avx512
#define SW_SIMD_NAME "avx512"
#include "backend/cpu/simd_table.h"
