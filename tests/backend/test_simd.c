/* The elementary functions keep the bounds that simd.h states, on every instruction set this machine has, and sums do
 * not depend on anything but the numbers and their count. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/simd.h"

static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double exact_silu(double x) { return x / (1 + exp(-x)); }
static double exact_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double exact_gelu(double x) { return 0.5 * x * erfc(-x * M_SQRT1_2); }
static double exact_gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
}
static double exact_elu(double x) { return x >= 0 ? x : expm1(x); }

static const struct function {
    const char *name;
    sw_unary_kind kind;
    double (*exact)(double x);
    double low, high, ulps, absolute; /* absolute: in units of max(|x|, 1e-30) */
} functions[] = {
    {"exp", SW_UNARY_EXP, exp, -104, 89, 1, 0},
    {"log", SW_UNARY_LOG, log, 1e-38, 1e6, 2, 0},
    {"log near 1", SW_UNARY_LOG, log, 0.6, 1.6, 2, 0},
    {"tanh", SW_UNARY_TANH, tanh, -12, 12, 3, 0},
    {"sigmoid", SW_UNARY_SIGMOID, exact_sigmoid, -80, 20, 3, 0},
    {"erf", SW_UNARY_ERF, erf, -5, 5, 3, 0},
    {"elu", SW_UNARY_ELU, exact_elu, -20, 5, 3, 0x1p-22},
    {"gelu", SW_UNARY_GELU, exact_gelu, -6, 6, 1, 0x1p-22},
    {"gelu_tanh", SW_UNARY_GELU_TANH, exact_gelu_tanh, -8, 8, 1, 0x1p-21},
    {"silu", SW_UNARY_SILU, exact_silu, -80, 20, 4, 0},
    {"softplus", SW_UNARY_SOFTPLUS, exact_softplus, -30, 30, 4, 0x1p-22},
};

static double ulp_of(double y)
{
    float f = fabsf((float)y);
    return (double)nextafterf(f, INFINITY) - (double)f;
}

static void check_functions(const sw_simd *simd)
{
    enum { N = 200003 };
    float *x = malloc(sizeof *x * N), *y = malloc(sizeof *y * N);
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        const struct function *fn = &functions[f];
        double slack = strcmp(simd->name, "plain") == 0 ? 1 : 0; /* no fused multiply-add there */
        for (int i = 0; i < N; i++)
            x[i] = (float)(fn->low + (fn->high - fn->low) * i / (N - 1));
        simd->unary[fn->kind](x, y, N, 1, 0);
        for (int i = 0; i < N; i++) {
            double exact = fn->exact(x[i]), error = fabs(y[i] - exact);
            if (!(error <= (fn->ulps + slack) * ulp_of(exact) || error <= fn->absolute * fmax(fabs(x[i]), 1e-30) ||
                  y[i] == (float)exact))
                fail_msg("%s (%s) of %.9g: %.9g is %.2f ulp from %.9g", fn->name, simd->name, x[i], y[i],
                         error / ulp_of(exact), exact);
        }
    }
    free(x);
    free(y);
}

static void check_ends(const sw_simd *simd)
{
    static const struct {
        sw_unary_kind kind;
        float x, y;
    } ends[] = {
        {SW_UNARY_EXP, INFINITY, INFINITY},
        {SW_UNARY_EXP, -INFINITY, 0},
        {SW_UNARY_EXP, 0, 1},
        {SW_UNARY_EXP, 200, INFINITY},
        {SW_UNARY_EXP, -200, 0},
        {SW_UNARY_LOG, 0, -INFINITY},
        {SW_UNARY_LOG, 1, 0},
        {SW_UNARY_LOG, INFINITY, INFINITY},
        {SW_UNARY_TANH, INFINITY, 1},
        {SW_UNARY_TANH, -INFINITY, -1},
        {SW_UNARY_SIGMOID, INFINITY, 1},
        {SW_UNARY_SIGMOID, -INFINITY, 0},
        {SW_UNARY_ERF, INFINITY, 1},
        {SW_UNARY_ERF, -INFINITY, -1},
        {SW_UNARY_RELU, -3, 0},
        {SW_UNARY_ROUND, 2.5f, 2},
        {SW_UNARY_ROUND, -1.5f, -2},
        {SW_UNARY_FLOOR, -0.5f, -1},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        float y;
        simd->unary[ends[i].kind](&ends[i].x, &y, 1, 1, 0);
        assert_true(y == ends[i].y);
    }
    static const sw_unary_kind kinds[] = {SW_UNARY_EXP,  SW_UNARY_LOG,  SW_UNARY_TANH,     SW_UNARY_SIGMOID,
                                          SW_UNARY_ERF,  SW_UNARY_GELU, SW_UNARY_SOFTPLUS, SW_UNARY_RELU,
                                          SW_UNARY_CLIP, SW_UNARY_SIGN};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        float nan = NAN, y = 0;
        simd->unary[kinds[i]](&nan, &y, 1, -1, 1);
        assert_true(isnan(y));
    }
    float row[20];
    for (int at = 0; at < 20; at++) {
        for (int i = 0; i < 20; i++)
            row[i] = (float)i;
        row[at] = NAN;
        assert_true(isnan(simd->max(row, 20)) && isnan(simd->min(row, 20)));
    }
}

/* The vector at the end of a run gives the bits that it would give inside. */
static void check_tails(const sw_simd *simd)
{
    float x[64], whole[64], part[64];
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i - 30) * 0.37f;
    for (int kind = 0; kind < SW_UNARY_COUNT; kind++) {
        simd->unary[kind](x, whole, 64, 0.3f, 0.6f);
        for (int n = 1; n < 64; n++) {
            memset(part, 0, sizeof part);
            simd->unary[kind](x, part, n, 0.3f, 0.6f);
            for (int i = 0; i < n; i++)
                if (memcmp(&part[i], &whole[i], sizeof(float)) != 0 && !(isnan(part[i]) && isnan(whole[i])))
                    fail_msg("%s, function %d: element %d of %d differs", simd->name, kind, i, n);
            for (int i = n; i < 64; i++)
                assert_true(part[i] == 0);
        }
    }
}

static void check_sums(const sw_simd *simd)
{
    enum { N = 100003 };
    float *x = malloc(sizeof *x * (N + 16));
    for (int i = 0; i < N + 16; i++)
        x[i] = (float)((i * 7919) % 1000) * 1e-3f;
    static const int counts[] = {0, 1, 5, 16, 63, 4095, 4096, 4097, N};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        double exact = 0;
        for (int i = 0; i < counts[k]; i++)
            exact += x[i];
        float sum = simd->sum(x, counts[k]);
        assert_true(fabs(sum - exact) <= 1e-6 * exact + 1e-7);
        for (int offset = 1; offset < 16; offset += 5) { /* alignment does not show */
            float *moved = malloc(sizeof *moved * (size_t)(counts[k] + 16));
            memcpy(moved + offset, x, sizeof *x * (size_t)counts[k]);
            float again = simd->sum(moved + offset, counts[k]);
            assert_memory_equal(&sum, &again, sizeof sum);
            free(moved);
        }
    }
    free(x);
}

static void each_table(void (*check)(const sw_simd *simd))
{
    check(&sw_simd_plain);
#if defined(__x86_64__)
    if (sw_isa_here() >= SW_ISA_AVX2)
        check(&sw_simd_avx2);
    if (sw_isa_here() >= SW_ISA_AVX512)
        check(&sw_simd_avx512);
#endif
}

static void test_functions_keep_their_bounds(void **state)
{
    (void)state;
    each_table(check_functions);
}

static void test_infinities_and_nan(void **state)
{
    (void)state;
    each_table(check_ends);
}

static void test_the_end_of_a_run_is_like_its_middle(void **state)
{
    (void)state;
    each_table(check_tails);
}

static void test_sums_depend_on_numbers_and_count_alone(void **state)
{
    (void)state;
    each_table(check_sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_keep_their_bounds),
        cmocka_unit_test(test_infinities_and_nan),
        cmocka_unit_test(test_the_end_of_a_run_is_like_its_middle),
        cmocka_unit_test(test_sums_depend_on_numbers_and_count_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
