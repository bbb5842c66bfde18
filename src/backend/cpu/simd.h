/* backend/cpu/simd.h: the table of vector loops.
 *
 * Everything that is worth vector instructions is written once, over `vf` (simd_lane.h), in simd_*.h files, and
 * compiled three times: simd_plain.c, simd_avx2.c and simd_avx512.c, each with its own flags, each filling one table.
 * Drivers (broadcasting, layouts, teams) are ordinary C that call the table's loops on contiguous runs. Elementwise
 * loops treat every element alike, so a run may be cut anywhere; the order of a sum depends only on its length. Uses:
 * nothing. */
#ifndef SW_BACKEND_CPU_SIMD_H
#define SW_BACKEND_CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>

/* y = f(x; alpha, beta). Bounds in ulp of the exact result, over all finite x unless said otherwise. */
typedef enum sw_unary_kind {
    SW_UNARY_NEG,
    SW_UNARY_ABS,
    SW_UNARY_SIGN,
    SW_UNARY_SQRT,
    SW_UNARY_RECIPROCAL,
    SW_UNARY_FLOOR,
    SW_UNARY_CEIL,
    SW_UNARY_ROUND,
    SW_UNARY_NONE, /* exact or correctly rounded */
    SW_UNARY_RELU,
    SW_UNARY_LEAKY_RELU,
    SW_UNARY_CLIP,
    SW_UNARY_HARD_SIGMOID,
    SW_UNARY_HARD_SWISH, /* 1 (hard_swish: 2) */
    SW_UNARY_EXP,        /* 1 */
    SW_UNARY_LOG,        /* 2 */
    SW_UNARY_TANH,       /* 3 */
    SW_UNARY_SIGMOID,    /* 3 */
    SW_UNARY_ERF,        /* 3 */
    SW_UNARY_ELU,        /* 3, or 2^-24 absolute near 0- */
    SW_UNARY_GELU,       /* 2^-22 of max(|x|, result) */
    SW_UNARY_GELU_TANH,  /* 2^-21 of |x| */
    SW_UNARY_SILU,       /* 4 */
    SW_UNARY_SOFTPLUS,   /* 4, or 2^-22 absolute */
    SW_UNARY_COUNT
} sw_unary_kind;
typedef enum sw_binary_kind {
    SW_BINARY_ADD,
    SW_BINARY_SUB,
    SW_BINARY_MUL,
    SW_BINARY_DIV,
    SW_BINARY_MIN,
    SW_BINARY_MAX,
    SW_BINARY_COUNT
} sw_binary_kind;
typedef enum sw_relation_kind {
    SW_RELATION_EQUAL,
    SW_RELATION_LESS,
    SW_RELATION_LESS_EQUAL,
    SW_RELATION_GREATER,
    SW_RELATION_GREATER_EQUAL,
    SW_RELATION_COUNT
} sw_relation_kind;
/* Which operand of a pair is one number for the whole run. */
typedef enum sw_operands { SW_VECTOR_VECTOR, SW_VECTOR_SCALAR, SW_SCALAR_VECTOR, SW_OPERANDS_COUNT } sw_operands;

struct sw_adam_numbers {
    float lr, beta1, beta2, rest1, rest2, epsilon; /* rest: 1 - beta */
    float decay;                                   /* lr * weight_decay when decoupled, else weight_decay */
    float correction1, correction2;                /* 1 / (1 - beta^t) */
    bool decoupled;
};

typedef struct sw_simd {
    const char *name;
    int width; /* floats in a vector */
    void (*unary[SW_UNARY_COUNT])(const float *x, float *y, int64_t n, float alpha, float beta);
    void (*binary[SW_BINARY_COUNT][SW_OPERANDS_COUNT])(const float *a, const float *b, float *y, int64_t n);
    void (*relation[SW_RELATION_COUNT][SW_OPERANDS_COUNT])(const float *a, const float *b, uint8_t *y, int64_t n);
    /* y = c ? a : b; strides (0 or 1) of a and b. */
    void (*where)(const uint8_t *c, const float *a, int64_t a_step, const float *b, int64_t b_step, float *y,
                  int64_t n);
    /* y += a * x */
    void (*axpy)(float a, const float *x, float *y, int64_t n);
    /* y += a * b, element by element */
    void (*madd)(const float *a, const float *b, float *y, int64_t n);
    /* dx = x > 0 ? dy : 0 */
    void (*relu_grad)(const float *dy, const float *x, float *dx, int64_t n);

    /* ---- of one run ---- */
    float (*sum)(const float *x, int64_t n);
    float (*max)(const float *x, int64_t n); /* NaN if any is */
    float (*min)(const float *x, int64_t n);
    float (*prod)(const float *x, int64_t n);
    float (*dot)(const float *x, const float *y, int64_t n);
    /* Mean and sum of squared deviations from it, in two passes. */
    void (*moments)(const float *x, int64_t n, float *mean, float *deviation);
    float (*square_deviation)(const float *x, int64_t n, float mean);
    /* sum of a[i] * (b[i] - c) */
    float (*dot_centered)(const float *a, const float *b, float c, int64_t n);

    /* ---- rows ---- */
    void (*softmax)(const float *x, float *y, int64_t n);
    void (*log_softmax)(const float *x, float *y, int64_t n);
    /* log(sum(exp(x - *shift))), *shift being the greatest x: kept apart, so that differences keep their digits */
    float (*log_sum_exp)(const float *x, int64_t n, float *shift);
    /* y = exp(x - c) * f */
    void (*exp_scaled)(const float *x, float *y, int64_t n, float c, float f);
    /* y = (x - mean) * rstd * scale + bias; scale, bias may be NULL */
    void (*normalize)(const float *x, float *y, int64_t n, float mean, float rstd, const float *scale,
                      const float *bias);
    /* y = x * a + b, with vectors a, b repeating every `period` elements (period a multiple of 8), or scalars when 0 */
    void (*affine)(const float *x, float *y, int64_t n, const float *a, const float *b, int64_t period);
    /* y = dy * a + x * b + c, as above: the gradient of a normalisation */
    void (*affine2)(const float *dy, const float *x, float *y, int64_t n, const float *a, const float *b,
                    const float *c, int64_t period);
    /* per lane of `period`: sum[l] += x[l], square[l] += (x[l] - shift[l])^2 … over rows of `period` */
    void (*column_sums)(const float *x, int64_t rows, int64_t columns, int64_t stride, float *sum);
    void (*column_squares)(const float *x, int64_t rows, int64_t columns, int64_t stride, const float *mean,
                           float *sum);
    /* sum[l] += dy, dot[l] += dy * (x - mean[l]) */
    void (*column_dots)(const float *dy, const float *x, int64_t rows, int64_t columns, int64_t stride,
                        const float *mean, float *sum, float *dot);

    /* ---- pools: a row of n outputs, `lanes` channels each; output o reads x + o * x_step + taps[t] ---- */
    void (*pool_max)(const float *x, const int64_t *taps, int count, float *y, int64_t lanes, int64_t n, int64_t x_step,
                     int64_t y_step);
    void (*pool_sum)(const float *x, const int64_t *taps, int count, float *y, int64_t lanes, int64_t n, int64_t x_step,
                     int64_t y_step, float factor);
    /* dx[tap] += dy where x[tap] is the first greatest of its window; windows that are `alone` overlap nowhere and
     * write all of their places */
    void (*pool_max_grad)(const float *x, const float *dy, const int64_t *taps, int count, float *dx, int64_t lanes,
                          int64_t n, int64_t x_step, int64_t y_step, bool alone);
    /* dx[tap] += dy * factor */
    void (*pool_sum_grad)(const float *dy, const int64_t *taps, int count, float *dx, int64_t lanes, int64_t n,
                          int64_t x_step, int64_t y_step, float factor);

    /* ---- copies ---- */
    /* to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns. Moves bits: any 4-byte elements. */
    void (*transpose4)(const float *from, int64_t from_stride, float *to, int64_t to_stride, int64_t rows,
                       int64_t columns);

    /* ---- optimisers ---- */
    void (*sgd)(const float *p, const float *g, const float *buffer, float *p2, float *buffer2, int64_t n, float lr,
                float momentum, float decay, bool nesterov);
    void (*adam)(const float *p, const float *g, const float *m, const float *v, float *p2, float *m2, float *v2,
                 int64_t n, const struct sw_adam_numbers *numbers);
    /* y = kept ? x * factor : 0; kept when word(element) >> 8 >= threshold, elements first..first+n-1 (first % 4 == 0)
     */
    void (*dropout)(const float *x, float *y, int64_t first, int64_t n, uint64_t seed, uint32_t stream, uint32_t step,
                    uint32_t threshold, float factor);

    /* ---- products: see gemm.c ---- */
    int gemm_rows, gemm_columns;
    /* c (gemm_rows x gemm_columns) = or += the product of packed panels */
    void (*gemm_tile)(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool accumulate);
    /* the same for `width` columns */
    void (*gemm_tile_narrow)(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool accumulate);
    /* y += sum over 4 rows of b: y[j] += a[0] b[j] + a[1] b[ldb + j] + … */
    void (*axpy4)(const float *a, int64_t a_step, const float *b, int64_t ldb, float *y, int64_t n);
} sw_simd;

extern const sw_simd sw_simd_plain, sw_simd_avx2, sw_simd_avx512;
/* The one for this processor. */
const sw_simd *sw_simd_here(void);

#endif
