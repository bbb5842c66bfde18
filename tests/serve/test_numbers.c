/* What numbers.h promises, against the C library and exhaustively where that is quick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>

#include "base/random.h"
#include "serve/numbers.h"

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_float(float value)
{
    char text[SW_NUMBER_MAX + 1];
    int size = sw_number_write_f32(text, value);
    assert_true(size > 0 && size <= SW_NUMBER_MAX);
    text[size] = 0;
    if (bits_of(strtof(text, NULL)) != bits_of(value))
        fail_msg("%.9g (%08x) was written as %s", (double)value, bits_of(value), text);
    sw_numeral n;
    assert_true(sw_numeral_read(text, &n));
    assert_int_equal(n.size, size);
    if (bits_of(sw_numeral_f32(&n)) != bits_of(value))
        fail_msg("%s was read as %.9g", text, (double)sw_numeral_f32(&n));
}

/* A walk over all exponents with a stride that meets many mantissas, and the borders of every exponent. */
static void test_floats_read_back_equal(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < 0x7f800000; bits += 4099)
        check_float(float_of((uint32_t)bits));
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (int near = -2; near <= 2; near++) {
            check_float(
                float_of((exponent << 23) + (uint32_t)near < 0x7f800000 ? (exponent << 23) + (uint32_t)near : 1));
            check_float(-float_of(((exponent << 23) + 0x2aaaaa + (uint32_t)near)));
        }
    check_float(-0.0f);
}

static void test_short_numbers_stay_short(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0f, "-0.0"},
                 {1, "1"},
                 {-3, "-3"},
                 {0.1f, "0.1"},
                 {100000, "100000"},
                 {0.5f, "0.5"},
                 {1e-7f, "1e-7"},
                 {3.4028235e38f, "3.4028235e38"},
                 {1e10f, "10000000000"},
                 {16777216, "16777216"},
                 {0.3333333f, "0.3333333"},
                 {1e-45f, "1e-45"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[SW_NUMBER_MAX + 1];
        text[sw_number_write_f32(text, cases[i].value)] = 0;
        assert_string_equal(text, cases[i].text);
    }
}

static void test_doubles_read_back_equal(void **state)
{
    (void)state;
    static const double some[] = {0,
                                  1,
                                  -1,
                                  0.1,
                                  1e300,
                                  5e-324,
                                  1.7976931348623157e308,
                                  123456.789,
                                  1e15,
                                  1e16,
                                  0.1 + 0.2,
                                  9007199254740993.0,
                                  1e-7,
                                  3.0000000000000004};
    sw_random_address at = {7, 0, 0};
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t bits = ((uint64_t)sw_random_u32(at, 2 * i) << 32) | sw_random_u32(at, 2 * i + 1);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (i < sizeof some / sizeof *some)
            value = some[i];
        if (!isfinite(value))
            continue;
        char text[SW_NUMBER_MAX + 1];
        int size = sw_number_write_f64(text, value);
        assert_true(size > 0 && size <= SW_NUMBER_MAX);
        text[size] = 0;
        sw_numeral n;
        assert_true(sw_numeral_read(text, &n));
        back = sw_numeral_f64(&n);
        if (memcmp(&back, &value, sizeof value) != 0 && !(value == 0 && back == 0))
            fail_msg("%.17g was written as %s and read as %.17g", value, text, back);
        assert_true(strtod(text, NULL) == value);
    }
}

/* Texts as people and programs write them: the nearest double, as strtod finds it. */
static void test_texts_give_the_nearest_double(void **state)
{
    (void)state;
    sw_random_address at = {11, 0, 0};
    for (uint64_t i = 0; i < 200000; i++) {
        char text[64];
        uint32_t a = sw_random_u32(at, 3 * i), b = sw_random_u32(at, 3 * i + 1), c = sw_random_u32(at, 3 * i + 2);
        switch (c % 4) {
        case 0:
            snprintf(text, sizeof text, "%u.%u", a, b);
            break;
        case 1:
            snprintf(text, sizeof text, "-%u.%ue%d", a % 10, b, (int)(c / 4 % 600) - 300);
            break;
        case 2:
            snprintf(text, sizeof text, "0.000%u", b);
            break;
        default:
            snprintf(text, sizeof text, "%u%u%u", a | 1, b, c);
        }
        sw_numeral n;
        assert_true(sw_numeral_read(text, &n));
        if (sw_numeral_f64(&n) != strtod(text, NULL))
            fail_msg("%s", text);
        if (sw_numeral_f32(&n) != strtof(text, NULL))
            fail_msg("%s as a float", text);
    }
}

static void test_integers_and_their_limits(void **state)
{
    (void)state;
    sw_numeral n;
    int64_t i;
    uint64_t u;
    assert_true(sw_numeral_read("-9223372036854775808", &n) && sw_numeral_i64(&n, &i) && i == INT64_MIN);
    assert_true(sw_numeral_read("9223372036854775807", &n) && sw_numeral_i64(&n, &i) && i == INT64_MAX);
    assert_true(sw_numeral_read("9223372036854775808", &n) && !sw_numeral_i64(&n, &i));
    assert_true(sw_numeral_read("-9223372036854775809", &n) && !sw_numeral_i64(&n, &i));
    assert_true(sw_numeral_read("18446744073709551615", &n) && sw_numeral_u64(&n, &u) && u == UINT64_MAX);
    assert_true(sw_numeral_read("18446744073709551616", &n) && !sw_numeral_u64(&n, &u));
    assert_true(sw_numeral_read("-1", &n) && !sw_numeral_u64(&n, &u));
    assert_true(sw_numeral_read("1.0", &n) && !sw_numeral_i64(&n, &i));
    assert_true(sw_numeral_read("1e2", &n) && !sw_numeral_i64(&n, &i));
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    "-",  "+1",   ".5",   "1.",  "01", "1e",
                                        "1e+", "-a", "0x1p", "-NaN", "inf", "nan"};
    sw_numeral n;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (sw_numeral_read(wrong[i], &n) && n.size == strlen(wrong[i]))
            fail_msg("'%s' was read", wrong[i]);
    assert_true(sw_numeral_read("NaN", &n) && isnan(sw_numeral_f32(&n)));
    assert_true(sw_numeral_read("-Infinity", &n) && sw_numeral_f64(&n) == -INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_read_back_equal),    cmocka_unit_test(test_short_numbers_stay_short),
        cmocka_unit_test(test_doubles_read_back_equal),   cmocka_unit_test(test_texts_give_the_nearest_double),
        cmocka_unit_test(test_integers_and_their_limits), cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
