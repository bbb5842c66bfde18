/* simd_avx2.c: the table of vector loops, compiled for avx2 (see meson.build for the flags). */
#define SW_SIMD_TABLE sw_simd_avx2
#define SW_SIMD_NAME "avx2"
#include "backend/cpu/simd_table.h"
