/* Numbers as text.
 *
 * Reading gathers up to 19 digits into an integer and a decimal exponent. When both are small the value is one exact
 * integer times or through one exact power of ten, so one rounding gives the nearest double (Clinger, "How to read
 * floating point numbers accurately", PLDI 1990); the C library does the rest. Floats do the same in float where that
 * is exact, else in double, and where that falls next to the middle between two floats in long double, whose 64 bits
 * hold any 19 digits and any power of ten up to 27.
 *
 * Writing a float tries 6, 7, 8 and 9 digits in double arithmetic and takes the first that reads back: nine always do,
 * because double's error is far below a float's last bit; and a number that needs fewer than six has zeros behind. */
#include "serve/numbers.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const long double long_powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                          1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                          1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool read_special(const char *at, sw_numeral *n)
{
    size_t size = strncmp(at, "NaN", 3) == 0 ? 3 : strncmp(at, "Infinity", 8) == 0 ? 8 : 0;
    n->size += size;
    n->digits = size == 8; /* 0: NaN, 1: infinity */
    n->exact = n->whole = false;
    n->exponent = INT32_MAX;
    return size > 0 && !(size == 3 && n->negative);
}

/* The same number with all its digits looked at one by one: for those of more than 19. */
static void count_digits(sw_numeral *n, const char *first, const char *end)
{
    int taken = 0;
    n->digits = 0;
    for (const char *at = first; at < end; at++) {
        if (*at == '.' || (taken == 0 && *at == '0'))
            continue;
        if (++taken > 19)
            n->exact = false;
        else
            n->digits = n->digits * 10 + (uint64_t)(*at - '0');
    }
}

static const char *read_exponent(const char *at, sw_numeral *n)
{
    bool down = *++at == '-';
    at += *at == '-' || *at == '+';
    if (!is_digit(*at))
        return NULL;
    int exponent = 0;
    for (; is_digit(*at); at++)
        exponent = exponent < 100000 ? exponent * 10 + (*at - '0') : exponent;
    n->exponent += down ? -exponent : exponent;
    return at;
}

bool sw_numeral_read(const char *text, sw_numeral *n)
{
    *n = (sw_numeral){.text = text, .whole = true, .exact = true, .negative = *text == '-'};
    const char *first = text + n->negative, *at = first;
    n->size = n->negative;
    uint64_t digits = 0;
    for (; is_digit(*at); at++)
        digits = digits * 10 + (uint64_t)(*at - '0'); /* wraps beyond 19 digits: then it is not used */
    if (at == first)
        return read_special(at, n);
    if (*first == '0' && at - first > 1)
        return false;
    if (*at == '.') {
        const char *point = at++;
        for (; is_digit(*at); at++)
            digits = digits * 10 + (uint64_t)(*at - '0');
        if (at == point + 1)
            return false;
        n->whole = false;
        n->exponent = point - at + 1 < -100000 ? -100000 : (int)(point - at) + 1;
    }
    n->digits = digits;
    if (at - first > 19)
        count_digits(n, first, at);
    if (*at == 'e' || *at == 'E') {
        n->whole = false;
        at = read_exponent(at, n);
        if (!at)
            return false;
    }
    n->size = (size_t)(at - text);
    return true;
}

/* strtod in the "C" locale, whatever the process has set; the text ends where the numeral ends. */
static double library_f64(const sw_numeral *n)
{
    static locale_t c_locale;
    locale_t mine = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
    if (!mine) {
        locale_t fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (__atomic_compare_exchange_n(&c_locale, &mine, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            mine = fresh;
        else if (fresh)
            freelocale(fresh);
    }
    return mine ? strtod_l(n->text, NULL, mine) : strtod(n->text, NULL);
}

static bool special(const sw_numeral *n, double *value)
{
    if (n->exponent != INT32_MAX)
        return false;
    *value = n->digits == 0 ? NAN : n->negative ? -INFINITY : INFINITY;
    return true;
}

double sw_numeral_f64(const sw_numeral *n)
{
    double value;
    if (special(n, &value))
        return value;
    if (!n->exact || n->digits > 1ull << 53 || n->exponent > 22 || n->exponent < -22)
        return library_f64(n);
    value = (double)n->digits;
    value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
    return n->negative ? -value : value;
}

/* True when rounding `value` to float may round a second time: it lies next to the middle between two floats. */
static bool near_middle(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t low = bits & 0x1fffffff;
    return low >= 0x0fffffff && low <= 0x10000001;
}

float sw_numeral_f32(const sw_numeral *n)
{
    static const float short_powers[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
    if (n->exact && n->digits <= 1 << 24 && n->exponent <= 0 && n->exponent >= -10) {
        float value = (float)n->digits / short_powers[-n->exponent];
        return n->negative ? -value : value;
    }
    double value;
    if (special(n, &value))
        return (float)value;
    if (!n->exact || n->exponent > 27 || n->exponent < -27)
        return (float)library_f64(n);
    if (n->digits <= 1ull << 53 && n->exponent <= 0 && n->exponent >= -22) {
        value = (double)n->digits / powers[-n->exponent];
        if (value == 0 || (value > 1e-30 && !near_middle(value)))
            return (float)(n->negative ? -value : value);
    }
    long double exact = (long double)n->digits;
    exact = n->exponent < 0 ? exact / long_powers[-n->exponent] : exact * long_powers[n->exponent];
    return (float)(n->negative ? -exact : exact);
}

bool sw_numeral_u64(const sw_numeral *n, uint64_t *value)
{
    uint64_t result = 0;
    for (size_t i = n->negative; i < n->size && n->whole; i++)
        if (__builtin_mul_overflow(result, 10, &result) ||
            __builtin_add_overflow(result, (uint64_t)(n->text[i] - '0'), &result))
            return false;
    *value = result;
    return n->whole && (!n->negative || result == 0);
}

bool sw_numeral_i64(const sw_numeral *n, int64_t *value)
{
    sw_numeral size = *n;
    size.negative = false;
    size.text += n->negative;
    size.size -= n->negative;
    uint64_t magnitude;
    if (!sw_numeral_u64(&size, &magnitude) || magnitude > (uint64_t)INT64_MAX + n->negative)
        return false;
    *value = n->negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* ---- writing ---- */

int sw_number_write_u64(char *text, uint64_t value)
{
    char reversed[20];
    int n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
    } while (value /= 10);
    for (int i = 0; i < n; i++)
        text[i] = reversed[n - 1 - i];
    return n;
}

int sw_number_write_i64(char *text, int64_t value)
{
    if (value >= 0)
        return sw_number_write_u64(text, (uint64_t)value);
    text[0] = '-';
    return 1 + sw_number_write_u64(text + 1, 0 - (uint64_t)value);
}

static int write_special(char *text, double value)
{
    const char *name = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    size_t size = strlen(name);
    memcpy(text, name, size);
    return (int)size;
}

/* digits * 10^exponent, without a mantissa's trailing zeros, as plain decimal where that is short. */
static int write_decimal(char *text, bool negative, uint64_t digits, int exponent)
{
    while (digits % 10 == 0 && digits > 0) {
        digits /= 10;
        exponent++;
    }
    char *at = text, number[SW_NUMBER_MAX];
    int count = sw_number_write_u64(number, digits), point = count + exponent; /* digits before the point */
    if (negative)
        *at++ = '-';
    if (point > 0 && point <= 12) {
        for (int i = 0; i < count || i < point; i++) {
            if (i == point)
                *at++ = '.';
            *at++ = i < count ? number[i] : '0';
        }
    } else if (point <= 0 && point > -5) {
        *at++ = '0';
        *at++ = '.';
        for (int i = point; i < 0; i++)
            *at++ = '0';
        memcpy(at, number, (size_t)count);
        at += count;
    } else {
        *at++ = number[0];
        if (count > 1) {
            *at++ = '.';
            memcpy(at, number + 1, (size_t)count - 1);
            at += count - 1;
        }
        *at++ = 'e';
        at += sw_number_write_i64(at, point - 1);
    }
    return (int)(at - text);
}

/* 10^e for the exponents of floats' digits. */
static double ten_to(int e)
{
    static const double tens[] = {
        1e-53, 1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38,
        1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22,
        1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,
        1e-5,  1e-4,  1e-3,  1e-2,  1e-1,  1e0,   1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,
        1e11,  1e12,  1e13,  1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,  1e26,
        1e27,  1e28,  1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38,  1e39,  1e40,  1e41,  1e42,
        1e43,  1e44,  1e45,  1e46,  1e47,  1e48,  1e49,  1e50,  1e51,  1e52,  1e53};
    return tens[e + 53];
}

/* Half the distance to the nearer neighbour of a positive float, less a little for double's own error. */
static double reach_of(uint32_t bits)
{
    uint64_t exponent = bits >> 23 ? bits >> 23 : 1;
    bool narrow_below = (bits & 0x7fffff) == 0 && exponent > 1;
    uint64_t gap_bits = (exponent - 150 + 1023 - narrow_below) << 52; /* 2^(exponent - 150) */
    double gap;
    memcpy(&gap, &gap_bits, sizeof gap);
    return 0.4999 * gap;
}

int sw_number_write_f32(char *text, float value)
{
    if (!isfinite(value))
        return write_special(text, value);
    double size = fabs((double)value);
    if (size == 0) {
        memcpy(text, "-0.0", 4);
        return signbit(value) ? 4 : (text[0] = '0', 1);
    }
    if (size < 1e7 && size == (double)(int64_t)size)
        return write_decimal(text, value < 0, (uint64_t)size, 0);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= 0x7fffffff;
    /* The place of the first digit: from the binary exponent (1233 / 4096 is log 2 to the base of 10), at most one low;
     * denormals begin further down. */
    int top = bits >> 23 ? (((int)(bits >> 23) - 127) * 1233) >> 12 : -45;
    while (top < 38 && size >= ten_to(top + 1))
        top++;
    double reach = reach_of(bits);
    for (int count = bits >> 23 ? 6 : 1;; count++) { /* a denormal may need, and have, fewer digits */
        double digits = nearbyint(size * ten_to(count - 1 - top)), unit = ten_to(top - count + 1);
        if (fabs(digits * unit - size) < reach || count == 9)
            return write_decimal(text, value < 0, (uint64_t)digits, top - count + 1);
    }
}

int sw_number_write_f64(char *text, double value)
{
    if (!isfinite(value))
        return write_special(text, value);
    double size = fabs(value);
    if (size < 1e15 && size == (double)(uint64_t)size && size > 0)
        return write_decimal(text, value < 0, (uint64_t)size, 0);
    /* Few digits, as people write them: the exact test of reading applies. */
    for (int places = 1; places <= 6 && size < 1e9; places++) {
        double digits = nearbyint(size * powers[places]);
        if (digits < 9e15 && digits / powers[places] == size && digits > 0)
            return write_decimal(text, value < 0, (uint64_t)digits, -places);
    }
    for (int precision = 15; precision <= 17; precision++) {
        int n = snprintf(text, SW_NUMBER_MAX, "%.*g", precision, value);
        for (int i = 0; i < n; i++)
            if (text[i] == ',') /* the locale's point */
                text[i] = '.';
        sw_numeral back;
        if (sw_numeral_read(text, &back) && sw_numeral_f64(&back) == value)
            return n;
    }
    return (int)strlen(text);
}
