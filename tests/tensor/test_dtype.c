/* What dtype.h promises: exact loads, one rounding to nearest even, saturation as documented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "base/random.h"
#include "tensor/dtype.h"

static void test_the_table_is_complete(void **state)
{
    (void)state;
    for (int i = 1; i < SW_DTYPE_COUNT; i++) {
        sw_dtype d = (sw_dtype)i;
        assert_int_equal(sw_dtype_from_name(sw_dtype_name(d)), d);
        assert_true(sw_dtype_bits(d) >= 4);
        assert_false(sw_dtype_is_float(d) && sw_dtype_is_integer(d));
        assert_int_equal(sw_dtype_bytes(d), sw_dtype_bits(d) / 8);
    }
    assert_int_equal(sw_dtype_from_name("float32"), SW_F32);
    assert_int_equal(sw_dtype_from_name("uint8"), SW_U8);
    assert_int_equal(sw_dtype_from_name("complex64"), SW_DTYPE_NONE);
    assert_string_equal(sw_dtype_name((sw_dtype)99), "none");
    size_t bytes;
    assert_true(sw_dtype_size(SW_I4, 5, &bytes) && bytes == 3);
    assert_true(sw_dtype_size(SW_F32, 0, &bytes) && bytes == 0);
    assert_false(sw_dtype_size(SW_F64, INT64_MAX / 4, &bytes));
    assert_false(sw_dtype_size(SW_F32, -1, &bytes));
    assert_false(sw_dtype_size(SW_DTYPE_NONE, 1, &bytes));
}

/* Every f16 and bf16 code comes back from float and from double as itself (NaNs as NaNs). */
static void test_every_16_bit_code_returns(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 65536; code++) {
        float h = sw_f16_to_f32((uint16_t)code), b = sw_bf16_to_f32((uint16_t)code);
        if (isnan(h))
            assert_true(isnan(sw_f16_to_f32(sw_f16_from_f32(h))) && isnan(sw_f16_to_f32(sw_f16_from_f64((double)h))));
        else if (sw_f16_from_f32(h) != code || sw_f16_from_f64((double)h) != code)
            fail_msg("f16 %04x", code);
        if (isnan(b))
            assert_true(isnan(sw_bf16_to_f32(sw_bf16_from_f32(b))) &&
                        isnan(sw_bf16_to_f32(sw_bf16_from_f64((double)b))));
        else if (sw_bf16_from_f32(b) != code || sw_bf16_from_f64((double)b) != code)
            fail_msg("bf16 %04x", code);
    }
}

/* The compiler's own half floats are another implementation. */
static void test_random_floats_round_as_the_compiler_does(void **state)
{
    (void)state;
    sw_random_address at = {1, 2, 3};
    for (uint64_t i = 0; i < 200000; i++) {
        uint32_t bits = sw_random_u32(at, i);
        float f;
        if (i % 2) /* half of them where f16 has numbers */
            bits = (bits & 0x80FFFFFF) | (100 + bits % 45) << 23;
        memcpy(&f, &bits, sizeof f);
        if (isnan(f))
            continue;
        if (sw_f16_from_f32(f) != sw_f16_from_f64((double)f) || sw_bf16_from_f32(f) != sw_bf16_from_f64((double)f))
            fail_msg("%a: the two encoders differ", (double)f);
#ifdef __FLT16_MANT_DIG__
        _Float16 half = (_Float16)f;
        uint16_t code;
        memcpy(&code, &half, sizeof code);
        if (code != sw_f16_from_f32(f))
            fail_msg("%a as f16 is %04x, the compiler says %04x", (double)f, sw_f16_from_f32(f), code);
#endif
    }
}

static void test_published_f16_values(void **state)
{
    (void)state;
    static const struct {
        float value;
        uint16_t code;
    } cases[] = {
        {0.0f, 0x0000},      {-0.0f, 0x8000},           {1.0f, 0x3C00},     {-2.0f, 0xC000},    {65504.0f, 0x7BFF},
        {65519.99f, 0x7BFF}, {65520.0f, 0x7C00},        {1e30f, 0x7C00},    {0x1p-14f, 0x0400}, {0x1p-24f, 0x0001},
        {0x1p-25f, 0x0000},  {0x1.000002p-25f, 0x0001}, {0x3p-25f, 0x0002}, {1.0f / 3, 0x3555}, {INFINITY, 0x7C00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sw_f16_from_f32(cases[i].value), cases[i].code);
    assert_int_equal(sw_bf16_from_f32(1.0f), 0x3F80);
    assert_int_equal(sw_bf16_from_f32(FLT_MAX), 0x7F80);
    assert_int_equal(sw_bf16_from_f32(0x1.01p0f), 0x3F80); /* a tie goes to the even code */
    assert_int_equal(sw_bf16_from_f32(0x1.03p0f), 0x3F82);
    assert_int_equal(sw_f16_from_f64(0x1.0020000000001p0), 0x3C01); /* through float this would be a tie */
}

static const sw_dtype eights[] = {SW_F8E4M3FN, SW_F8E4M3FNUZ, SW_F8E5M2, SW_F8E5M2FNUZ};

static void test_every_8_bit_code_returns(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        int nans = 0;
        for (unsigned code = 0; code < 256; code++) {
            double value = sw_f8_to_f64(eights[k], (uint8_t)code);
            nans += isnan(value);
            if (isnan(value))
                assert_true(isnan(sw_f8_to_f64(eights[k], sw_f8_from_f64(eights[k], value, true))));
            else if (sw_f8_from_f64(eights[k], value, false) != code)
                fail_msg("%s %02x", sw_dtype_name(eights[k]), code);
        }
        assert_int_equal(nans, ((int[]){2, 1, 6, 1})[k]);
    }
}

/* Largest, least normal and least subnormal: ONNX's and OCP's tables of the formats. */
static void test_published_8_bit_limits(void **state)
{
    (void)state;
    static const struct {
        double largest, normal, least;
        uint8_t code;
    } limits[] = {{448, 0x1p-6, 0x1p-9, 0x7E},
                  {240, 0x1p-7, 0x1p-10, 0x7F},
                  {57344, 0x1p-14, 0x1p-16, 0x7B},
                  {57344, 0x1p-15, 0x1p-17, 0x7F}};
    for (int k = 0; k < 4; k++) {
        sw_dtype d = eights[k];
        assert_true(sw_f8_to_f64(d, limits[k].code) == limits[k].largest);
        assert_true(sw_f8_to_f64(d, 1) == limits[k].least);
        assert_true(sw_f8_to_f64(d, (uint8_t)(d == SW_F8E4M3FN || d == SW_F8E4M3FNUZ ? 8 : 4)) == limits[k].normal);
        assert_int_equal(sw_f8_from_f64(d, 1e9, true), limits[k].code);
        assert_int_equal(sw_f8_from_f64(d, -INFINITY, true), limits[k].code | 0x80);
        double wild = sw_f8_to_f64(d, sw_f8_from_f64(d, 1e9, false));
        assert_true(d == SW_F8E5M2 ? isinf(wild) : isnan(wild));
        assert_int_equal(sw_f8_from_f64(d, -0.0, true), d == SW_F8E4M3FN || d == SW_F8E5M2 ? 0x80 : 0);
    }
}

/* Between two neighbours: below the middle down, above it up, in the middle to the even code. */
static void test_8_bit_rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        for (unsigned code = 0; code < 0x7A; code++) {
            double low = sw_f8_to_f64(eights[k], (uint8_t)code), high = sw_f8_to_f64(eights[k], (uint8_t)(code + 1));
            double middle = (low + high) / 2;
            unsigned even = code % 2 ? code + 1 : code;
            assert_int_equal(sw_f8_from_f64(eights[k], middle, true), even);
            assert_int_equal(sw_f8_from_f64(eights[k], nextafter(middle, 0), true), code);
            assert_int_equal(sw_f8_from_f64(eights[k], nextafter(middle, high), true), code + 1);
            if (even || !(eights[k] == SW_F8E4M3FNUZ || eights[k] == SW_F8E5M2FNUZ))
                assert_int_equal(sw_f8_from_f64(eights[k], -middle, true), even | 0x80);
        }
    }
}

static void test_double_to_integers_truncates_and_saturates(void **state)
{
    (void)state;
    static const struct {
        sw_dtype dtype;
        int64_t low, high;
    } ranges[] = {
        {SW_I8, -128, 127}, {SW_I16, -32768, 32767}, {SW_I32, INT32_MIN, INT32_MAX}, {SW_I64, INT64_MIN, INT64_MAX},
        {SW_U8, 0, 255},    {SW_U16, 0, 65535},      {SW_U32, 0, UINT32_MAX},        {SW_I4, -8, 7},
        {SW_U4, 0, 15},     {SW_BOOL, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        uint64_t cell = 0;
        static const double inputs[] = {-1e30, 1e30, -INFINITY, INFINITY, NAN, 1.9, -0.9};
        for (size_t j = 0; j < 7; j++) {
            sw_store_f64(ranges[i].dtype, &cell, 0, inputs[j]);
            int64_t got = sw_load_i64(ranges[i].dtype, &cell, 0);
            bool truth = ranges[i].dtype == SW_BOOL; /* any but 0 is true, NaN too */
            int64_t wanted = truth ? 1 : j == 4 || j == 6 ? 0 : j == 5 ? 1 : j % 2 ? ranges[i].high : ranges[i].low;
            if (got != wanted)
                fail_msg("%s of %g is %lld, wanted %lld", sw_dtype_name(ranges[i].dtype), inputs[j], (long long)got,
                         (long long)wanted);
        }
    }
    uint64_t cell;
    sw_store_f64(SW_U64, &cell, 0, 1e30);
    assert_true(cell == UINT64_MAX);
    sw_store_f64(SW_U64, &cell, 0, -1);
    assert_true(cell == 0);
    sw_store_f64(SW_U64, &cell, 0, 0x1p63);
    assert_true(cell == (uint64_t)1 << 63);
}

static void test_integers_wrap_and_round_once(void **state)
{
    (void)state;
    uint64_t cell = 0;
    sw_store_i64(SW_I8, &cell, 0, 200);
    assert_int_equal(sw_load_i64(SW_I8, &cell, 0), -56);
    sw_store_i64(SW_U8, &cell, 0, -1);
    assert_int_equal(sw_load_u64(SW_U8, &cell, 0), 255);
    sw_store_i64(SW_I4, &cell, 1, 9);
    assert_int_equal(sw_load_i64(SW_I4, &cell, 1), -7);
    sw_store_u64(SW_F32, &cell, 0, UINT64_MAX);
    assert_true(sw_load_f64(SW_F32, &cell, 0) == 0x1p64);
    /* 2^62 * (1 + 2^-8) + 1 lies just above a tie of bf16; a detour through double would lose the 1. */
    int64_t above = ((int64_t)1 << 62) + ((int64_t)1 << 54) + 1;
    sw_store_i64(SW_BF16, &cell, 0, above);
    assert_true(sw_load_f64(SW_BF16, &cell, 0) == 0x1.02p62);
    sw_store_i64(SW_BF16, &cell, 0, -above);
    assert_true(sw_load_f64(SW_BF16, &cell, 0) == -0x1.02p62);
}

static void test_four_bit_neighbours_do_not_disturb_each_other(void **state)
{
    (void)state;
    uint8_t bytes[4] = {0xFF, 0xFF, 0xFF, 0xFF};
    for (int i = 0; i < 8; i++)
        sw_store_i64(SW_U4, bytes, i, i);
    assert_memory_equal(bytes, ((uint8_t[]){0x10, 0x32, 0x54, 0x76}), 4);
    for (int i = 0; i < 8; i++)
        assert_int_equal(sw_load_u64(SW_U4, bytes, i), i);
    sw_store_i64(SW_I4, bytes, 2, -8);
    assert_int_equal(sw_load_i64(SW_I4, bytes, 2), -8);
    assert_int_equal(sw_load_i64(SW_I4, bytes, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_complete),
        cmocka_unit_test(test_every_16_bit_code_returns),
        cmocka_unit_test(test_random_floats_round_as_the_compiler_does),
        cmocka_unit_test(test_published_f16_values),
        cmocka_unit_test(test_every_8_bit_code_returns),
        cmocka_unit_test(test_published_8_bit_limits),
        cmocka_unit_test(test_8_bit_rounding_is_to_nearest_even),
        cmocka_unit_test(test_double_to_integers_truncates_and_saturates),
        cmocka_unit_test(test_integers_wrap_and_round_once),
        cmocka_unit_test(test_four_bit_neighbours_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
