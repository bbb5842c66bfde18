/* simd_lane.h: one vector of floats, whatever its width: `vf`, of V elements, and the masks and integers beside it.
 *
 * Included by the file of each instruction set. Arithmetic and comparisons are the compiler's own vector operators;
 * only what they lack (fused multiply-add, rounding, partial loads) is spelled per instruction set. A comparison gives
 * `vi`, all ones or all zeros per lane. */
#ifndef SW_BACKEND_CPU_SIMD_LANE_H
#define SW_BACKEND_CPU_SIMD_LANE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { V = 16 };
#elif defined(__AVX2__)
#include <immintrin.h>
enum { V = 8 };
#else
enum { V = 4 };
#endif

typedef float vf __attribute__((vector_size(V * 4)));
typedef int32_t vi __attribute__((vector_size(V * 4)));
typedef uint32_t vu __attribute__((vector_size(V * 4)));
typedef float vf_loose __attribute__((vector_size(V * 4), aligned(4), may_alias));
typedef uint32_t vu_loose __attribute__((vector_size(V * 4), aligned(4), may_alias));
#define SIMD static inline __attribute__((always_inline))

SIMD vf v_load(const float *p) { return *(const vf_loose *)p; }
SIMD void v_store(float *p, vf x) { *(vf_loose *)p = x; }
SIMD vf v_all(float x) { return x - (vf){0}; }
SIMD vi v_all_i(int32_t x) { return x - (vi){0}; }
SIMD vf v_bits(vi x) { return (vf)x; }
SIMD vi v_ints(vf x) { return (vi)x; }
SIMD vf v_select(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

/* The first n <= V elements; the others are 0. */
SIMD vf v_load_part(const float *p, int64_t n)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    float lanes[V] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return v_load(lanes);
#endif
}

SIMD void v_store_part(float *p, vf x, int64_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#else
    float lanes[V];
    v_store(lanes, x);
    for (int64_t i = 0; i < n; i++)
        p[i] = lanes[i];
#endif
}

/* a * b + c, rounded once where the processor can. */
SIMD vf v_fma(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

SIMD vf v_sqrt(vf x)
{
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < V; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* To the nearest integer, halves to even; floor; ceil. */
#if defined(__AVX512F__)
SIMD vf v_round(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD vf v_floor(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
SIMD vf v_ceil(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
#elif defined(__AVX2__)
SIMD vf v_round(vf x) { return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD vf v_floor(vf x) { return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
SIMD vf v_ceil(vf x) { return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
#else
#define EACH_LANE(name, f)                                                                                             \
    SIMD vf name(vf x)                                                                                                 \
    {                                                                                                                  \
        for (int i = 0; i < V; i++)                                                                                    \
            x[i] = f(x[i]);                                                                                            \
        return x;                                                                                                      \
    }
EACH_LANE(v_round, rintf)
EACH_LANE(v_floor, floorf)
EACH_LANE(v_ceil, ceilf)
#undef EACH_LANE
#endif

/* The second operand where either is NaN: max(x, acc) keeps a NaN that acc holds. */
SIMD vf v_max(vf x, vf acc)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)x, (__m512)acc);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)x, (__m256)acc);
#else
    return v_select(x > acc, x, acc);
#endif
}

SIMD vf v_min(vf x, vf acc)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)x, (__m512)acc);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)x, (__m256)acc);
#else
    return v_select(x < acc, x, acc);
#endif
}

/* Greater of the two, NaN when either is. */
SIMD vf v_max_nan(vf x, vf acc) { return v_select(x != x, x, v_max(x, acc)); }
SIMD vf v_min_nan(vf x, vf acc) { return v_select(x != x, x, v_min(x, acc)); }

/* Integers to floats and back (towards zero; in range). */
SIMD vi v_to_int(vf x) { return __builtin_convertvector(x, vi); }
SIMD vf v_from_int(vi x) { return __builtin_convertvector(x, vf); }

/* The first halves of a and b, lane by lane in turn; the second halves. */
#if defined(__AVX512F__)
#define V_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define V_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define V_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define V_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define V_LOW 0, 4, 1, 5
#define V_HIGH 2, 6, 3, 7
#endif
SIMD vf v_interleave_low(vf a, vf b) { return __builtin_shufflevector(a, b, V_LOW); }
SIMD vf v_interleave_high(vf a, vf b) { return __builtin_shufflevector(a, b, V_HIGH); }

/* Lanes 0, 2, 4, … of a and then b. */
#if defined(__AVX512F__)
#define V_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#elif defined(__AVX2__)
#define V_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#else
#define V_EVEN 0, 2, 4, 6
#endif
SIMD vf v_even(vf a, vf b) { return __builtin_shufflevector(a, b, V_EVEN); }

/* The first n <= V elements, `step` apart; other lanes hold anything. Nothing beyond the last is read. */
SIMD vf v_load_step(const float *p, int64_t n, int64_t step)
{
    if (step == 1)
        return n == V ? v_load(p) : v_load_part(p, n);
    if (step == 2) {
        int64_t all = 2 * n - 1;
        vf low = all >= V ? v_load(p) : v_load_part(p, all);
        return v_even(low, all > V ? v_load_part(p + V, all - V) : low);
    }
    float lanes[V] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i] = p[i * step];
    return v_load(lanes);
}

/* A square of V x V turned over: log2(V) perfect shuffles of the rows. */
SIMD void v_transpose(vf rows[V])
{
    for (int turn = 1; turn < V; turn *= 2) {
        vf next[V];
#pragma GCC unroll 16
        for (int i = 0; i < V / 2; i++) {
            next[2 * i] = v_interleave_low(rows[i], rows[i + V / 2]);
            next[2 * i + 1] = v_interleave_high(rows[i], rows[i + V / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < V; i++)
            rows[i] = next[i];
    }
}

/* Lanes to one number: a fixed tree. */
SIMD float v_sum(vf x)
{
    float lanes[V];
    v_store(lanes, x);
    for (int half = V / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif
