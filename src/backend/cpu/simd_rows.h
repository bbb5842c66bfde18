/* simd_rows.h: softmax and normalisations of one contiguous run. Included once per instruction set. */

/* y = exp(x - c) * f, and the sum of what was stored before the factor. */
SIMD float exp_sum(const float *x, float *y, int64_t n, float c)
{
    vf s0 = ZERO, s1 = ZERO, shift = v_all(c);
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        vf e0 = v_exp(v_load(x + i) - shift), e1 = v_exp(v_load(x + i + V) - shift);
        s0 += e0;
        s1 += e1;
        if (y) {
            v_store(y + i, e0);
            v_store(y + i + V, e1);
        }
    }
    for (; i < n; i += V) {
        int64_t k = n - i < V ? n - i : V;
        float lanes[V];
        v_store(lanes, v_exp(v_load_part(x + i, k) - shift));
        for (int64_t j = k; j < V; j++)
            lanes[j] = 0.0f;
        s0 += v_load(lanes);
        if (y)
            v_store_part(y + i, v_load(lanes), k);
    }
    return v_sum(s0 + s1);
}

/* A run of -inf has no finite greatest element: shift by 0, so that it gives NaN as the formula does. */
SIMD float shift_of(const float *x, int64_t n)
{
    float m = max_of(x, n);
    return m == -INFINITY ? 0.0f : m;
}

static void softmax(const float *x, float *y, int64_t n)
{
    float s = exp_sum(x, y, n, shift_of(x, n)), f = 1.0f / s;
    binary_mul_vs(y, &f, y, n);
}

static float log_sum_exp(const float *x, int64_t n, float *shift)
{
    *shift = shift_of(x, n);
    return logf(exp_sum(x, NULL, n, *shift));
}

static void log_softmax(const float *x, float *y, int64_t n)
{
    float m = shift_of(x, n), l = logf(exp_sum(x, NULL, n, m));
    vf shift = v_all(m), log_sum = v_all(l);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(y + i, v_load(x + i) - shift - log_sum);
    if (i < n)
        v_store_part(y + i, v_load_part(x + i, n - i) - shift - log_sum, n - i);
}

static void exp_scaled(const float *x, float *y, int64_t n, float c, float f)
{
    vf shift = v_all(c), factor = v_all(f);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(y + i, v_exp(v_load(x + i) - shift) * factor);
    if (i < n)
        v_store_part(y + i, v_exp(v_load_part(x + i, n - i) - shift) * factor, n - i);
}

static void normalize(const float *x, float *y, int64_t n, float mean, float rstd, const float *scale,
                      const float *bias)
{
    vf m = v_all(mean), r = v_all(rstd);
    for (int64_t i = 0; i < n; i += V) {
        int64_t k = n - i;
        bool whole = k >= V;
        vf t = ((whole ? v_load(x + i) : v_load_part(x + i, k)) - m) * r;
        if (scale)
            t *= whole ? v_load(scale + i) : v_load_part(scale + i, k);
        if (bias)
            t += whole ? v_load(bias + i) : v_load_part(bias + i, k);
        if (whole)
            v_store(y + i, t);
        else
            v_store_part(y + i, t, k);
    }
}

/* The rows of `period` lanes that follow one another in a blocked or channels-last tensor. */
static void affine(const float *x, float *y, int64_t n, const float *a, const float *b, int64_t period)
{
    if (period == 0) {
        vf va = v_all(*a), vb = v_all(*b);
        int64_t i = 0;
        for (; i + V <= n; i += V)
            v_store(y + i, v_fma(v_load(x + i), va, vb));
        if (i < n)
            v_store_part(y + i, v_fma(v_load_part(x + i, n - i), va, vb), n - i);
        return;
    }
    for (int64_t c = 0; c < period; c += V) {
        int64_t k = period - c < V ? period - c : V;
        if (k == V) {
            vf va = v_load(a + c), vb = v_load(b + c);
            for (int64_t i = c; i < n; i += period)
                v_store(y + i, v_fma(v_load(x + i), va, vb));
        } else {
            vf va = v_load_part(a + c, k), vb = v_load_part(b + c, k);
            for (int64_t i = c; i < n; i += period)
                v_store_part(y + i, v_fma(v_load_part(x + i, k), va, vb), k);
        }
    }
}

static void affine2(const float *dy, const float *x, float *y, int64_t n, const float *a, const float *b,
                    const float *c, int64_t period)
{
    if (period == 0) {
        vf va = v_all(*a), vb = v_all(*b), vc = v_all(*c);
        int64_t i = 0;
        for (; i + V <= n; i += V)
            v_store(y + i, v_fma(v_load(dy + i), va, v_fma(v_load(x + i), vb, vc)));
        if (i < n)
            v_store_part(y + i, v_fma(v_load_part(dy + i, n - i), va, v_fma(v_load_part(x + i, n - i), vb, vc)), n - i);
        return;
    }
    for (int64_t l = 0; l < period; l += V) {
        int64_t k = period - l < V ? period - l : V;
        if (k == V) {
            vf va = v_load(a + l), vb = v_load(b + l), vc = v_load(c + l);
            for (int64_t i = l; i < n; i += period)
                v_store(y + i, v_fma(v_load(dy + i), va, v_fma(v_load(x + i), vb, vc)));
        } else {
            vf va = v_load_part(a + l, k), vb = v_load_part(b + l, k), vc = v_load_part(c + l, k);
            for (int64_t i = l; i < n; i += period)
                v_store_part(y + i, v_fma(v_load_part(dy + i, k), va, v_fma(v_load_part(x + i, k), vb, vc)), k);
        }
    }
}
