/* backend/cpu/gemm.h: our own matrix product, for where oneDNN is absent or its calls cost more than the work.
 *
 * c = f(alpha * a b + added terms); every operand has two strides, so that transposes cost nothing. Bits do not depend
 * on the team: each element of c is one chain of k. Uses: simd.h, graph/engine.h. */
#ifndef SW_BACKEND_CPU_GEMM_H
#define SW_BACKEND_CPU_GEMM_H

#include "backend/cpu/simd.h"
#include "graph/engine.h"

typedef struct sw_gemm_term {
    const float *data;   /* NULL: none */
    int64_t row, column; /* strides; column is 0 or 1 */
    float scale;
} sw_gemm_term;

typedef struct sw_gemm_call {
    int64_t m, n, k;
    const float *a, *b;
    int64_t a_row, a_column, b_row, b_column; /* strides */
    float *c;
    int64_t c_row;
    float alpha;
    sw_gemm_term terms[2];
    sw_unary_kind activation; /* SW_UNARY_NONE: none */
    float activation_alpha, activation_beta;
} sw_gemm_call;

/* Scratch for products of at most m x n x k by a team of `threads`. */
size_t sw_gemm_scratch(int64_t m, int64_t n, int64_t k, int threads);
/* `threads`: what the scratch was asked for; the team may be smaller. */
void sw_gemm_run(const sw_gemm_call *product, sw_team *team, int threads, void *scratch);
/* An activation by the name that fused rows use. False when there is no such loop. */
bool sw_gemm_activation(const char *name, sw_unary_kind *kind);

#endif
