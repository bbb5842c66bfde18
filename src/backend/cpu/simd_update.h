/* simd_update.h: optimisers in one pass over the parameters, dropout, and small copies. Included once per instruction
 * set. Outputs may be the same memory as inputs of the same place. */

#define EACH_VECTOR(body)                                                                                              \
    int64_t i = 0;                                                                                                     \
    for (; i + V <= n; i += V)                                                                                         \
        body(v_load, v_store);                                                                                         \
    if (i < n) {                                                                                                       \
        int64_t k = n - i;                                                                                             \
        body(LOAD_K, STORE_K);                                                                                         \
    }
#define LOAD_K(p) v_load_part((p), k)
#define STORE_K(p, x) v_store_part((p), (x), k)

/* g' = g + decay p; b' = momentum b + g'; p' = p - lr (nesterov ? g' + momentum b' : b'). Without a buffer b' = g'. */
static void sgd(const float *p, const float *g, const float *buffer, float *p2, float *buffer2, int64_t n, float lr,
                float momentum, float decay, bool nesterov)
{
    vf rate = v_all(lr), mu = v_all(momentum), wd = v_all(decay);
#define STEP(LOAD, STORE)                                                                                              \
    do {                                                                                                               \
        vf param = LOAD(p + i), slope = v_fma(wd, param, LOAD(g + i)), move = slope;                                   \
        if (buffer) {                                                                                                  \
            move = v_fma(mu, LOAD(buffer + i), slope);                                                                 \
            STORE(buffer2 + i, move);                                                                                  \
            if (nesterov)                                                                                              \
                move = v_fma(mu, move, slope);                                                                         \
        }                                                                                                              \
        STORE(p2 + i, v_fma(-rate, move, param));                                                                      \
    } while (0)
    EACH_VECTOR(STEP)
#undef STEP
}

static void adam(const float *p, const float *g, const float *m, const float *v, float *p2, float *m2, float *v2,
                 int64_t n, const struct sw_adam_numbers *a)
{
    vf rate = v_all(a->lr), b1 = v_all(a->beta1), b2 = v_all(a->beta2), eps = v_all(a->epsilon),
       decay = v_all(a->decay);
    vf c1 = v_all(a->correction1), c2 = v_all(a->correction2), r1 = v_all(a->rest1), r2 = v_all(a->rest2);
#define STEP(LOAD, STORE)                                                                                              \
    do {                                                                                                               \
        vf param = LOAD(p + i), slope = LOAD(g + i);                                                                   \
        if (a->decoupled)                                                                                              \
            param = v_fma(-decay, param, param);                                                                       \
        else                                                                                                           \
            slope = v_fma(decay, param, slope);                                                                        \
        vf first = v_fma(b1, LOAD(m + i), r1 * slope), second = v_fma(b2, LOAD(v + i), r2 * slope * slope);            \
        STORE(m2 + i, first);                                                                                          \
        STORE(v2 + i, second);                                                                                         \
        STORE(p2 + i, v_fma(-rate, first * c1 / (v_sqrt(second * c2) + eps), param));                                  \
    } while (0)
    EACH_VECTOR(STEP)
#undef STEP
}

/* Philox-4x32-10, V blocks side by side: lane l of word w is word w of block (first + l). The loops over lanes are
 * written as loops: compilers make vectors of 32 x 32 -> 64 multiplications of them. */
SIMD void philox_lanes(uint64_t first, uint64_t seed, uint32_t stream, uint32_t step, uint32_t words[4][V])
{
    uint32_t c0[V], c1[V], c2[V], c3[V];
    for (int l = 0; l < V; l++) {
        c0[l] = (uint32_t)(first + (uint64_t)l);
        c1[l] = (uint32_t)((first + (uint64_t)l) >> 32);
        c2[l] = stream;
        c3[l] = step;
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < V; l++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(words[0], c0, sizeof c0);
    memcpy(words[1], c1, sizeof c1);
    memcpy(words[2], c2, sizeof c2);
    memcpy(words[3], c3, sizeof c3);
}

static void dropout(const float *x, float *y, int64_t first, int64_t n, uint64_t seed, uint32_t stream, uint32_t step,
                    uint32_t threshold, float factor)
{
    for (int64_t i = 0; i < n; i += 4 * V) {
        uint32_t words[4][V];
        philox_lanes((uint64_t)(first + i) / 4, seed, stream, step, words);
        int64_t k = n - i < 4 * V ? n - i : 4 * V;
        for (int64_t j = 0; j < k; j++)
            y[i + j] = words[j % 4][j / 4] >> 8 >= threshold ? x[i + j] * factor : 0.0f;
    }
}

/* A square of V x V, of which `rows` x `columns` are there. */
SIMD void transpose_square(const float *from, int64_t from_stride, float *to, int64_t to_stride, int64_t rows,
                           int64_t columns)
{
    vf square[V];
    bool whole_rows = columns >= V, whole_columns = rows >= V;
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        square[i] = i >= rows    ? (vf){0}
                    : whole_rows ? v_load(from + i * from_stride)
                                 : v_load_part(from + i * from_stride, columns);
    v_transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        if (i < columns) {
            if (whole_columns)
                v_store(to + i * to_stride, square[i]);
            else
                v_store_part(to + i * to_stride, square[i], rows);
        }
}

static void transpose4(const float *from, int64_t from_stride, float *to, int64_t to_stride, int64_t rows,
                       int64_t columns)
{
    for (int64_t r = 0; r < rows; r += V)
        for (int64_t c = 0; c < columns; c += V) {
            const float *f = from + r * from_stride + c;
            float *t = to + c * to_stride + r;
            if (r + V <= rows && c + V <= columns)
                transpose_square(f, from_stride, t, to_stride, V, V);
            else
                transpose_square(f, from_stride, t, to_stride, rows - r, columns - c);
        }
}
#undef EACH_VECTOR
#undef LOAD_K
#undef STORE_K
