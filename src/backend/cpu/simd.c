/* simd.c: picks the table of this processor. */
#include "backend/cpu/simd.h"

#include "backend/cpu/isa.h"

const sw_simd *sw_simd_here(void)
{
#if defined(__x86_64__)
    switch (sw_isa_here()) {
    case SW_ISA_AVX512:
        return &sw_simd_avx512;
    case SW_ISA_AVX2:
        return &sw_simd_avx2;
    default:
        break;
    }
#endif
    return &sw_simd_plain;
}
