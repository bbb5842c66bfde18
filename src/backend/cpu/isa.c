/* isa.c: asks the processor once. The answer is the library's only global besides the tables it selects. */
#include "backend/cpu/isa.h"

#include <stdatomic.h>

static atomic_int limit = SW_ISA_AVX512;

static sw_isa detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        return SW_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return SW_ISA_AVX2;
#endif
    return SW_ISA_PLAIN;
}

sw_isa sw_isa_here(void)
{
    static atomic_int known = -1;
    int isa = atomic_load_explicit(&known, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)detect();
        atomic_store_explicit(&known, isa, memory_order_relaxed);
    }
    int most = atomic_load_explicit(&limit, memory_order_relaxed);
    return (sw_isa)(isa < most ? isa : most);
}

const char *sw_isa_name(sw_isa isa)
{
    static const char *const names[] = {"plain", "avx2", "avx512"};
    return names[isa];
}

void sw_isa_limit(sw_isa most) { atomic_store_explicit(&limit, (int)most, memory_order_relaxed); }
