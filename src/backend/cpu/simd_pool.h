/* simd_pool.h: one row of pooled outputs. Output o reads x + o * x_step + taps[t]; `lanes` neighbouring channels go
 * together (16 or 8 in blocked tensors, all of C in channels-last ones, 1 in plain ones). Included once per
 * instruction set. */

#define EACH_LANES(body_whole, body_part)                                                                              \
    for (int64_t o = 0; o < n; o++, x += x_step, y += y_step)                                                          \
        for (int64_t c = 0; c < lanes; c += V) {                                                                       \
            int64_t k = lanes - c;                                                                                     \
            if (k >= V) {                                                                                              \
                body_whole                                                                                             \
            } else {                                                                                                   \
                body_part                                                                                              \
            }                                                                                                          \
        }

static void pool_max(const float *x, const int64_t *taps, int count, float *y, int64_t lanes, int64_t n, int64_t x_step,
                     int64_t y_step)
{
    if (lanes == 1) { /* neighbouring outputs go together */
        for (int64_t o = 0; o < n; o += V) {
            int64_t k = n - o < V ? n - o : V;
            vf m = v_all(-INFINITY);
            for (int t = 0; t < count; t++)
                m = v_max_nan(v_load_step(x + taps[t] + o * x_step, k, x_step), m);
            v_store_part(y + o, m, k);
        }
        return;
    }
    EACH_LANES(
        {
            vf m = v_all(-INFINITY);
            for (int t = 0; t < count; t++)
                m = v_max_nan(v_load(x + taps[t] + c), m);
            v_store(y + c, m);
        },
        {
            vf m = v_all(-INFINITY);
            for (int t = 0; t < count; t++)
                m = v_max_nan(v_load_part(x + taps[t] + c, k), m);
            v_store_part(y + c, m, k);
        })
}

static void pool_sum(const float *x, const int64_t *taps, int count, float *y, int64_t lanes, int64_t n, int64_t x_step,
                     int64_t y_step, float factor)
{
    vf f = v_all(factor);
    if (lanes == 1) {
        for (int64_t o = 0; o < n; o += V) {
            int64_t k = n - o < V ? n - o : V;
            vf s = ZERO;
            for (int t = 0; t < count; t++)
                s += v_load_step(x + taps[t] + o * x_step, k, x_step);
            v_store_part(y + o, s * f, k);
        }
        return;
    }
    EACH_LANES(
        {
            vf s = ZERO;
            for (int t = 0; t < count; t++)
                s += v_load(x + taps[t] + c);
            v_store(y + c, s * f);
        },
        {
            vf s = ZERO;
            for (int t = 0; t < count; t++)
                s += v_load_part(x + taps[t] + c, k);
            v_store_part(y + c, s * f, k);
        })
}
#undef EACH_LANES

/* One window of k lanes: its first greatest element's place receives g, the others nothing. */
SIMD void share_max(const float *x, vf g, const int64_t *taps, int count, float *dx, int64_t k, bool alone)
{
    enum { AHEAD = 1024 }; /* floats: x comes from far away, its windows are read in small steps */
    bool whole = k == V;
    vf m = whole ? v_load(x + taps[0]) : v_load_part(x + taps[0], k);
    for (int t = 0; t < count && whole; t++)
        __builtin_prefetch(x + taps[t] + AHEAD);
    for (int t = 1; t < count; t++)
        m = v_max_nan(whole ? v_load(x + taps[t]) : v_load_part(x + taps[t], k), m);
    vi open = v_all_i(-1);
    for (int t = 0; t < count; t++) {
        vf v = whole ? v_load(x + taps[t]) : v_load_part(x + taps[t], k);
        vi here = ((v == m) | (v != v)) & open;
        open &= ~here;
        vf share = v_bits(v_ints(g) & here);
        float *to = dx + taps[t];
        if (!alone)
            share += whole ? v_load(to) : v_load_part(to, k);
        if (whole)
            v_store(to, share);
        else
            v_store_part(to, share, k);
    }
}

/* k neighbouring windows of a plain row, whose places are `step` apart. */
SIMD void share_row(const float *x, const float *dy, const int64_t *taps, int count, float *dx, int64_t k, int64_t step,
                    bool alone)
{
    vf m = v_load_step(x + taps[0], k, step), g = v_load_part(dy, k);
    for (int t = 1; t < count; t++)
        m = v_max_nan(v_load_step(x + taps[t], k, step), m);
    vi open = v_all_i(-1);
    for (int t = 0; t < count; t++) {
        vf v = v_load_step(x + taps[t], k, step);
        vi here = ((v == m) | (v != v)) & open;
        open &= ~here;
        float lanes[V], *to = dx + taps[t];
        v_store(lanes, v_bits(v_ints(g) & here));
        for (int64_t i = 0; i < k; i++)
            to[i * step] = alone ? lanes[i] : to[i * step] + lanes[i];
    }
}

/* `dx` has x's form. Where windows are `alone` they overlap nowhere, and each writes all of its places; else dx holds
 * sums. */
static void pool_max_grad(const float *x, const float *dy, const int64_t *taps, int count, float *dx, int64_t lanes,
                          int64_t n, int64_t x_step, int64_t y_step, bool alone)
{
    if (lanes == 1) {
        for (int64_t o = 0; o < n; o += V)
            share_row(x + o * x_step, dy + o, taps, count, dx + o * x_step, n - o < V ? n - o : V, x_step, alone);
        return;
    }
    for (int64_t o = 0; o < n; o++, x += x_step, dx += x_step, dy += y_step)
        for (int64_t c = 0; c < lanes; c += V) {
            int64_t k = lanes - c;
            if (k >= V && alone)
                share_max(x + c, v_load(dy + c), taps, count, dx + c, V, true);
            else if (k >= V)
                share_max(x + c, v_load(dy + c), taps, count, dx + c, V, false);
            else
                share_max(x + c, v_load_part(dy + c, k), taps, count, dx + c, k, alone);
        }
}

/* Every tap receives dy * factor. */
static void pool_sum_grad(const float *dy, const int64_t *taps, int count, float *dx, int64_t lanes, int64_t n,
                          int64_t x_step, int64_t y_step, float factor)
{
    for (int64_t o = 0; o < n; o++, dx += x_step, dy += y_step)
        for (int t = 0; t < count; t++)
            for (int64_t c = 0; c < lanes; c++)
                dx[taps[t] + c] += dy[c] * factor;
}
