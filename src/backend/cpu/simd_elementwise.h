/* simd_elementwise.h: loops in which element i depends on elements i. x and y may be the same memory.
 * Included once per instruction set (simd_table.h). */
#include "backend/cpu/simd_math.h"

#define UNARY_LOOP(name, formula)                                                                                      \
    SIMD vf name##_at(vf x, vf alpha, vf beta)                                                                         \
    {                                                                                                                  \
        (void)alpha, (void)beta;                                                                                       \
        return formula;                                                                                                \
    }                                                                                                                  \
    static void name(const float *x, float *y, int64_t n, float alpha, float beta)                                     \
    {                                                                                                                  \
        vf a = v_all(alpha), b = v_all(beta);                                                                          \
        int64_t i = 0;                                                                                                 \
        for (; i + V <= n; i += V)                                                                                     \
            v_store(y + i, name##_at(v_load(x + i), a, b));                                                            \
        if (i < n)                                                                                                     \
            v_store_part(y + i, name##_at(v_load_part(x + i, n - i), a, b), n - i);                                    \
    }

#define ZERO v_all(0.0f)

UNARY_LOOP(unary_neg, -x)
UNARY_LOOP(unary_abs, v_bits(v_ints(x) & 0x7fffffff))
UNARY_LOOP(unary_sign, v_select(x != x, x, v_select(x > ZERO, v_all(1.0f), v_select(x < ZERO, v_all(-1.0f), ZERO))))
UNARY_LOOP(unary_sqrt, v_sqrt(x))
UNARY_LOOP(unary_reciprocal, 1.0f / x)
UNARY_LOOP(unary_floor, v_floor(x))
UNARY_LOOP(unary_ceil, v_ceil(x))
UNARY_LOOP(unary_round, v_round(x))
UNARY_LOOP(unary_none, x)
UNARY_LOOP(unary_relu, v_max(ZERO, x))
UNARY_LOOP(unary_leaky_relu, v_select(x < ZERO, alpha *x, x))
UNARY_LOOP(unary_clip, v_min(beta, v_max(alpha, x)))
UNARY_LOOP(unary_hard_sigmoid, v_min(v_all(1.0f), v_max(ZERO, alpha *x + beta)))
UNARY_LOOP(unary_hard_swish, x *v_min(v_all(1.0f), v_max(ZERO, x *v_all(1.0f / 6.0f) + 0.5f)))
UNARY_LOOP(unary_exp, v_exp(x))
UNARY_LOOP(unary_log, v_log(x))
UNARY_LOOP(unary_tanh, v_tanh(x))
UNARY_LOOP(unary_sigmoid, v_sigmoid(x))
UNARY_LOOP(unary_erf, v_erf(x))
UNARY_LOOP(unary_elu, v_select(x < ZERO, alpha *v_expm1_negative(v_min(ZERO, x)), x))
UNARY_LOOP(unary_gelu, v_gelu(x))
UNARY_LOOP(unary_gelu_tanh, v_gelu_tanh(x))
UNARY_LOOP(unary_silu, x *v_sigmoid(x))
UNARY_LOOP(unary_softplus, v_softplus(x))
#undef UNARY_LOOP

/* Both operands vectors, or one of them a number. */
#define BINARY_LOOP(name, formula)                                                                                     \
    SIMD vf name##_at(vf a, vf b) { return formula; }                                                                  \
    static void name##_vv(const float *a, const float *b, float *y, int64_t n)                                         \
    {                                                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + V <= n; i += V)                                                                                     \
            v_store(y + i, name##_at(v_load(a + i), v_load(b + i)));                                                   \
        if (i < n)                                                                                                     \
            v_store_part(y + i, name##_at(v_load_part(a + i, n - i), v_load_part(b + i, n - i)), n - i);               \
    }                                                                                                                  \
    static void name##_vs(const float *a, const float *b, float *y, int64_t n)                                         \
    {                                                                                                                  \
        vf s = v_all(*b);                                                                                              \
        int64_t i = 0;                                                                                                 \
        for (; i + V <= n; i += V)                                                                                     \
            v_store(y + i, name##_at(v_load(a + i), s));                                                               \
        if (i < n)                                                                                                     \
            v_store_part(y + i, name##_at(v_load_part(a + i, n - i), s), n - i);                                       \
    }                                                                                                                  \
    static void name##_sv(const float *a, const float *b, float *y, int64_t n)                                         \
    {                                                                                                                  \
        vf s = v_all(*a);                                                                                              \
        int64_t i = 0;                                                                                                 \
        for (; i + V <= n; i += V)                                                                                     \
            v_store(y + i, name##_at(s, v_load(b + i)));                                                               \
        if (i < n)                                                                                                     \
            v_store_part(y + i, name##_at(s, v_load_part(b + i, n - i)), n - i);                                       \
    }

BINARY_LOOP(binary_add, a + b)
BINARY_LOOP(binary_sub, a - b)
BINARY_LOOP(binary_mul, a *b)
BINARY_LOOP(binary_div, a / b)
BINARY_LOOP(binary_min, v_select(a != a, a, v_min(a, b)))
BINARY_LOOP(binary_max, v_select(a != a, a, v_max(a, b)))
#undef BINARY_LOOP

/* One byte per answer: the compilers turn these into vectors of bytes by themselves. */
#define RELATION_LOOP(name, relation)                                                                                  \
    static void name##_vv(const float *a, const float *b, uint8_t *y, int64_t n)                                       \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = a[i] relation b[i];                                                                                 \
    }                                                                                                                  \
    static void name##_vs(const float *a, const float *b, uint8_t *y, int64_t n)                                       \
    {                                                                                                                  \
        float s = *b;                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = a[i] relation s;                                                                                    \
    }                                                                                                                  \
    static void name##_sv(const float *a, const float *b, uint8_t *y, int64_t n)                                       \
    {                                                                                                                  \
        float s = *a;                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = s relation b[i];                                                                                    \
    }

RELATION_LOOP(relation_equal, ==)
RELATION_LOOP(relation_less, <)
RELATION_LOOP(relation_less_equal, <=)
RELATION_LOOP(relation_greater, >)
RELATION_LOOP(relation_greater_equal, >=)
#undef RELATION_LOOP

static void select_where(const uint8_t *c, const float *a, int64_t a_step, const float *b, int64_t b_step, float *y,
                         int64_t n)
{
    if (a_step == 1 && b_step == 1)
        for (int64_t i = 0; i < n; i++)
            y[i] = c[i] ? a[i] : b[i];
    else if (a_step == 1)
        for (int64_t i = 0; i < n; i++)
            y[i] = c[i] ? a[i] : *b;
    else if (b_step == 1)
        for (int64_t i = 0; i < n; i++)
            y[i] = c[i] ? *a : b[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = c[i] ? *a : *b;
}

static void axpy(float a, const float *x, float *y, int64_t n)
{
    vf s = v_all(a);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(y + i, v_fma(s, v_load(x + i), v_load(y + i)));
    if (i < n)
        v_store_part(y + i, v_fma(s, v_load_part(x + i, n - i), v_load_part(y + i, n - i)), n - i);
}

static void madd(const float *a, const float *b, float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(y + i, v_fma(v_load(a + i), v_load(b + i), v_load(y + i)));
    if (i < n)
        v_store_part(y + i, v_fma(v_load_part(a + i, n - i), v_load_part(b + i, n - i), v_load_part(y + i, n - i)),
                     n - i);
}

/* dx = y > 0 ? dy : 0, as a mask, so that nothing is rounded. */
static void relu_grad(const float *dy, const float *x, float *dx, int64_t n)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(dx + i, v_bits(v_ints(v_load(dy + i)) & (v_load(x + i) > ZERO)));
    if (i < n)
        v_store_part(dx + i, v_bits(v_ints(v_load_part(dy + i, n - i)) & (v_load_part(x + i, n - i) > ZERO)), n - i);
}
