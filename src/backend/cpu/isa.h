/* backend/cpu/isa.h: which instruction set runs here. Chosen once per process. Uses: nothing. */
#ifndef SW_BACKEND_CPU_ISA_H
#define SW_BACKEND_CPU_ISA_H

typedef enum sw_isa { SW_ISA_PLAIN, SW_ISA_AVX2, SW_ISA_AVX512 } sw_isa;
sw_isa sw_isa_here(void);
const char *sw_isa_name(sw_isa isa); /* "plain", "avx2", "avx512" */
/* Caps what sw_isa_here answers, for tests that compare instruction sets. Not thread-safe. */
void sw_isa_limit(sw_isa most);

#endif
