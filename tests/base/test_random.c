/* What random.h promises: the published Philox vectors, numbers in their ranges, the same numbers everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "base/random.h"

/* Random123's kat_vectors, "philox4x32 10". */
static void test_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        sw_random_address at = {(uint64_t)cases[i].key[1] << 32 | cases[i].key[0], cases[i].counter[2],
                                cases[i].counter[3]};
        uint32_t out[4];
        sw_random_block(at, (uint64_t)cases[i].counter[1] << 32 | cases[i].counter[0], out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static const sw_random_address here = {42, 7, 3};

static void test_an_element_is_a_word_of_its_block(void **state)
{
    (void)state;
    uint32_t out[4];
    sw_random_block(here, 25, out);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(sw_random_u32(here, 100 + i), out[i]);
}

static void test_uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    double mean_f = 0, mean_d = 0, mean_n = 0, square_n = 0, fourth_n = 0;
    for (uint64_t i = 0; i < N; i++) {
        float f = sw_random_float(here, i);
        double d = sw_random_double(here, i), n = sw_random_gauss(here, i);
        assert_true(f >= 0 && f < 1 && d >= 0 && d < 1 && isfinite(n));
        mean_f += f;
        mean_d += d;
        mean_n += n;
        square_n += n * n;
        fourth_n += n * n * n * n;
    }
    /* Five standard errors of each estimate. */
    assert_true(fabs(mean_f / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(mean_d / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(mean_n / N) < 5 / sqrt(N));
    assert_true(fabs(square_n / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(fourth_n / N - 3) < 5 * sqrt(96.0 / N));
}

static void test_below_is_unbiased_and_bounded(void **state)
{
    (void)state;
    enum { N = 70000 };
    int counts[7] = {0};
    for (uint64_t i = 0; i < N; i++)
        counts[sw_random_below(here, i, 7)]++;
    double chi = 0;
    for (int i = 0; i < 7; i++)
        chi += (counts[i] - N / 7.0) * (counts[i] - N / 7.0) / (N / 7.0);
    assert_true(chi < 22.46); /* 99.9 % of six degrees of freedom */
    assert_int_equal(sw_random_below(here, 0, 1), 0);
    /* A bound just above 2^63 rejects nearly every second draw: the sub-counter is walked. */
    uint64_t bound = ((uint64_t)1 << 63) + 1;
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(sw_random_below(here, i, bound) < bound);
}

static void test_a_permutation_has_each_index_once(void **state)
{
    (void)state;
    uint32_t order[1000], again[1000];
    bool seen[1000] = {false};
    sw_random_permutation(here, 1000, order);
    int in_place = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(order[i] < 1000 && !seen[order[i]]);
        seen[order[i]] = true;
        in_place += order[i] == i;
    }
    assert_true(in_place < 10);
    sw_random_permutation(here, 1000, again);
    assert_memory_equal(order, again, sizeof order);
    sw_random_permutation((sw_random_address){42, 7, 4}, 1000, again);
    assert_memory_not_equal(order, again, sizeof order);
    sw_random_permutation(here, 0, order);
    sw_random_permutation(here, 1, order);
    assert_int_equal(order[0], 0);
}

static void test_a_name_is_a_stream(void **state)
{
    (void)state;
    assert_int_equal(sw_random_stream("dropout"), sw_random_stream("dropout"));
    assert_int_not_equal(sw_random_stream("dropout"), sw_random_stream("shuffle"));
    /* FNV-1a of "" is its offset basis, folded: stable across versions means this number. */
    assert_int_equal(sw_random_stream(""), 0xcbf29ce4u ^ 0x84222325u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vectors),
        cmocka_unit_test(test_an_element_is_a_word_of_its_block),
        cmocka_unit_test(test_uniform_and_normal_have_their_moments),
        cmocka_unit_test(test_below_is_unbiased_and_bounded),
        cmocka_unit_test(test_a_permutation_has_each_index_once),
        cmocka_unit_test(test_a_name_is_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
