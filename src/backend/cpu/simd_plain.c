/* simd_plain.c: the table of vector loops, compiled with no special flags: for any processor. */
#define SW_SIMD_TABLE sw_simd_plain
#define SW_SIMD_NAME "plain"
#include "backend/cpu/simd_table.h"
