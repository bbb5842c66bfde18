/* simd_gemm.h: the innermost piece of a matrix product: a tile of c that lives in registers.
 *
 * a is packed as k columns of TILE_ROWS, b as k rows of TILE_COLUMNS; per step of k the tile takes two vectors of b
 * and TILE_ROWS numbers of a. Included once per instruction set. */

#if defined(__AVX512F__)
enum { TILE_ROWS = 12 };
#elif defined(__AVX2__)
enum { TILE_ROWS = 6 };
#else
enum { TILE_ROWS = 4 };
#endif
enum { TILE_COLUMNS = 2 * V };

static void gemm_tile(int64_t k, const float *restrict a, const float *restrict b, float *restrict c, int64_t ldc,
                      bool accumulate)
{
    vf t0[TILE_ROWS], t1[TILE_ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++)
        t0[i] = t1[i] = (vf){0};
    for (int64_t p = 0; p < k; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
        vf b0 = v_load(b), b1 = v_load(b + V);
#pragma GCC unroll 16
        for (int i = 0; i < TILE_ROWS; i++) {
            vf x = v_all(a[i]);
            t0[i] = v_fma(x, b0, t0[i]);
            t1[i] = v_fma(x, b1, t1[i]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++) {
        float *row = c + i * ldc;
        if (accumulate) {
            t0[i] += v_load(row);
            t1[i] += v_load(row + V);
        }
        v_store(row, t0[i]);
        v_store(row + V, t1[i]);
    }
}

/* The same for at most V columns: one vector of b. */
static void gemm_tile_narrow(int64_t k, const float *restrict a, const float *restrict b, float *restrict c,
                             int64_t ldc, bool accumulate)
{
    vf t[TILE_ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++)
        t[i] = (vf){0};
    for (int64_t p = 0; p < k; p++, a += TILE_ROWS, b += V) {
        vf b0 = v_load(b);
#pragma GCC unroll 16
        for (int i = 0; i < TILE_ROWS; i++)
            t[i] = v_fma(v_all(a[i]), b0, t[i]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++)
        v_store(c + i * ldc, accumulate ? t[i] + v_load(c + i * ldc) : t[i]);
}

static void axpy4(const float *a, int64_t a_step, const float *b, int64_t ldb, float *y, int64_t n)
{
    vf a0 = v_all(a[0]), a1 = v_all(a[a_step]), a2 = v_all(a[2 * a_step]), a3 = v_all(a[3 * a_step]);
    const float *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    int64_t j = 0;
    for (; j + V <= n; j += V) {
        vf t = v_fma(a0, v_load(b + j), v_load(y + j));
        t = v_fma(a1, v_load(b1 + j), t);
        t = v_fma(a2, v_load(b2 + j), t);
        v_store(y + j, v_fma(a3, v_load(b3 + j), t));
    }
    if (j < n) {
        int64_t k = n - j;
        vf t = v_fma(a0, v_load_part(b + j, k), v_load_part(y + j, k));
        t = v_fma(a1, v_load_part(b1 + j, k), t);
        t = v_fma(a2, v_load_part(b2 + j, k), t);
        v_store_part(y + j, v_fma(a3, v_load_part(b3 + j, k), t), k);
    }
}
