/* simd_reduce.h: many numbers to one, and per column. The order of additions follows from the length alone: runs of
 * RUN elements are summed in four vectors, runs are added in pairs. Included once per instruction set. */

enum { RUN = 4096 };

#define SUM_OF(name, parameters, arguments, shifted, term, part_term)                                                  \
    static float name##_run parameters                                                                                 \
    {                                                                                                                  \
        vf s0 = ZERO, s1 = ZERO, s2 = ZERO, s3 = ZERO;                                                                 \
        int64_t i = 0;                                                                                                 \
        for (; i + 4 * V <= n; i += 4 * V) {                                                                           \
            s0 = term(s0, i);                                                                                          \
            s1 = term(s1, i + V);                                                                                      \
            s2 = term(s2, i + 2 * V);                                                                                  \
            s3 = term(s3, i + 3 * V);                                                                                  \
        }                                                                                                              \
        for (; i + V <= n; i += V)                                                                                     \
            s0 = term(s0, i);                                                                                          \
        if (i < n)                                                                                                     \
            s1 = part_term(s1, i, n - i);                                                                              \
        return v_sum((s0 + s1) + (s2 + s3));                                                                           \
    }                                                                                                                  \
    static float name parameters                                                                                       \
    {                                                                                                                  \
        if (n <= RUN)                                                                                                  \
            return name##_run arguments;                                                                               \
        int64_t whole = n, half = (whole / 2 + RUN - 1) / RUN * RUN;                                                   \
        n = half;                                                                                                      \
        float left = name arguments;                                                                                   \
        n = whole - half;                                                                                              \
        shifted;                                                                                                       \
        return left + name arguments;                                                                                  \
    }

#define TERM(s, i) (s + v_load(x + (i)))
#define PART(s, i, k) (s + v_load_part(x + (i), k))
SUM_OF(sum, (const float *x, int64_t n), (x, n), x += half, TERM, PART)
#undef TERM
#undef PART

#define TERM(s, i) v_fma(v_load(x + (i)), v_load(y + (i)), s)
#define PART(s, i, k) v_fma(v_load_part(x + (i), k), v_load_part(y + (i), k), s)
SUM_OF(dot, (const float *x, const float *y, int64_t n), (x, y, n), (x += half, y += half), TERM, PART)
#undef TERM
#undef PART

SIMD vf squared(vf x, vf s) { return v_fma(x, x, s); }
/* Lanes beyond the end must not count: they are masked by subtracting the mean before the partial load's zeros would.
 */
SIMD vf part_minus(const float *x, int64_t n, float c)
{
    float lanes[V];
    for (int i = 0; i < V; i++)
        lanes[i] = i < n ? x[i] - c : 0.0f;
    return v_load(lanes);
}
#define TERM(s, i) squared(v_load(x + (i)) - c, s)
#define PART(s, i, k) squared(part_minus(x + (i), k, c), s)
SUM_OF(square_deviation, (const float *x, int64_t n, float c), (x, n, c), x += half, TERM, PART)
#undef TERM
#undef PART

#define TERM(s, i) v_fma(v_load(a + (i)), v_load(b + (i)) - c, s)
#define PART(s, i, k) v_fma(v_load_part(a + (i), k), part_minus(b + (i), k, c), s)
SUM_OF(dot_centered_, (const float *a, const float *b, int64_t n, float c), (a, b, n, c), (a += half, b += half), TERM,
       PART)
#undef TERM
#undef PART
#undef SUM_OF

static float dot_centered(const float *a, const float *b, float c, int64_t n) { return dot_centered_(a, b, n, c); }

static void moments(const float *x, int64_t n, float *mean, float *deviation)
{
    *mean = n ? sum(x, n) / (float)n : 0.0f;
    *deviation = square_deviation(x, n, *mean);
}

#define EXTREME(name, pick, worst, better)                                                                             \
    static float name(const float *x, int64_t n)                                                                       \
    {                                                                                                                  \
        vf m0 = v_all(worst), m1 = m0;                                                                                 \
        int64_t i = 0;                                                                                                 \
        for (; i + 2 * V <= n; i += 2 * V) {                                                                           \
            m0 = pick(v_load(x + i), m0);                                                                              \
            m1 = pick(v_load(x + i + V), m1);                                                                          \
        }                                                                                                              \
        float lanes[V], m = worst;                                                                                     \
        v_store(lanes, pick(m0, m1));                                                                                  \
        for (int k = 0; k < V; k++)                                                                                    \
            m = lanes[k] better m || lanes[k] != lanes[k] ? lanes[k] : m;                                              \
        for (; i < n; i++)                                                                                             \
            m = x[i] better m || x[i] != x[i] ? x[i] : m;                                                              \
        return m;                                                                                                      \
    }
EXTREME(max_of, v_max_nan, -INFINITY, >)
EXTREME(min_of, v_min_nan, INFINITY, <)
#undef EXTREME

static float prod(const float *x, int64_t n)
{
    vf p = v_all(1.0f);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        p *= v_load(x + i);
    float lanes[V], all = 1.0f;
    v_store(lanes, p);
    for (int k = 0; k < V; k++)
        all *= lanes[k];
    for (; i < n; i++)
        all *= x[i];
    return all;
}

/* ---- columns: row r is at x + r * stride; up to V columns at a time stay in registers ---- */

static void column_sums(const float *x, int64_t rows, int64_t columns, int64_t stride, float *total)
{
    for (int64_t c = 0; c < columns; c += V) {
        int64_t k = columns - c < V ? columns - c : V;
        vf s0 = ZERO, s1 = ZERO;
        const float *p = x + c;
        if (k == V) {
            int64_t r = 0;
            for (; r + 2 <= rows; r += 2, p += 2 * stride) {
                s0 += v_load(p);
                s1 += v_load(p + stride);
            }
            if (r < rows)
                s0 += v_load(p);
            v_store(total + c, v_load(total + c) + (s0 + s1));
        } else {
            for (int64_t r = 0; r < rows; r++, p += stride)
                s0 += v_load_part(p, k);
            v_store_part(total + c, v_load_part(total + c, k) + s0, k);
        }
    }
}

static void column_squares(const float *x, int64_t rows, int64_t columns, int64_t stride, const float *mean,
                           float *total)
{
    for (int64_t c = 0; c < columns; c += V) {
        int64_t k = columns - c < V ? columns - c : V;
        vf s0 = ZERO, s1 = ZERO, m = k == V ? v_load(mean + c) : v_load_part(mean + c, k);
        const float *p = x + c;
        if (k == V) {
            int64_t r = 0;
            for (; r + 2 <= rows; r += 2, p += 2 * stride) {
                s0 = squared(v_load(p) - m, s0);
                s1 = squared(v_load(p + stride) - m, s1);
            }
            if (r < rows)
                s0 = squared(v_load(p) - m, s0);
            v_store(total + c, v_load(total + c) + (s0 + s1));
        } else {
            for (int64_t r = 0; r < rows; r++, p += stride)
                s0 = squared(v_load_part(p, k) - m, s0);
            v_store_part(total + c, v_load_part(total + c, k) + s0, k);
        }
    }
}

static void column_dots(const float *dy, const float *x, int64_t rows, int64_t columns, int64_t stride,
                        const float *mean, float *total, float *product)
{
    for (int64_t c = 0; c < columns; c += V) {
        int64_t k = columns - c < V ? columns - c : V;
        vf s = ZERO, d = ZERO, m = k == V ? v_load(mean + c) : v_load_part(mean + c, k);
        const float *p = dy + c, *q = x + c;
        if (k == V) {
            for (int64_t r = 0; r < rows; r++, p += stride, q += stride) {
                vf g = v_load(p);
                s += g;
                d = v_fma(g, v_load(q) - m, d);
            }
            v_store(total + c, v_load(total + c) + s);
            v_store(product + c, v_load(product + c) + d);
        } else {
            for (int64_t r = 0; r < rows; r++, p += stride, q += stride) {
                vf g = v_load_part(p, k);
                s += g;
                d = v_fma(g, v_load_part(q, k) - m, d);
            }
            v_store_part(total + c, v_load_part(total + c, k) + s, k);
            v_store_part(product + c, v_load_part(product + c, k) + d, k);
        }
    }
}
