/* small_float.c: floats of 8 and 16 bits, to and from double.
 *
 * One encoder serves every format: the value is scaled so that the format's last bit becomes 1, rounded to the
 * nearest even integer, and that integer, added to the exponent's field, is the code: a carry out of the mantissa
 * is a correct carry into the exponent, and subnormals need no case of their own. Coming from double, nothing is
 * rounded twice.
 *
 * Beyond the largest finite value: f16 and bf16 give infinity, as IEEE 754 says; the four 8-bit formats saturate,
 * infinities too, as ONNX's Cast does by default (without `saturate`: infinity where the format has one, else NaN). */
#include <math.h>

#include "tensor/dtype.h"

struct format {
    int mantissa, bias;
    uint32_t sign, largest, infinity, nan; /* codes; infinity 0: none */
    bool one_zero;                         /* "UZ": no negative zero; its code is NaN */
};

static const struct format f16 = {10, 15, 0x8000, 0x7BFF, 0x7C00, 0x7E00, false};
static const struct format bf16 = {7, 127, 0x8000, 0x7F7F, 0x7F80, 0x7FC0, false};

static const struct format *f8_format(sw_dtype dtype)
{
    static const struct format e4m3fn = {3, 7, 0x80, 0x7E, 0, 0x7F, false};
    static const struct format e4m3fnuz = {3, 8, 0x80, 0x7F, 0, 0x80, true};
    static const struct format e5m2 = {2, 15, 0x80, 0x7B, 0x7C, 0x7E, false};
    static const struct format e5m2fnuz = {2, 16, 0x80, 0x7F, 0, 0x80, true};
    switch (dtype) {
    case SW_F8E4M3FN:
        return &e4m3fn;
    case SW_F8E4M3FNUZ:
        return &e4m3fnuz;
    case SW_F8E5M2:
        return &e5m2;
    default:
        return &e5m2fnuz;
    }
}

static uint32_t encode(const struct format *format, double value, bool saturate)
{
    uint32_t sign = signbit(value) ? format->sign : 0;
    if (isnan(value))
        return format->one_zero ? format->nan : sign | format->nan;
    double magnitude = fabs(value);
    int least = 1 - format->bias, exponent = magnitude > 0 && isfinite(magnitude) ? ilogb(magnitude) : least;
    if (exponent < least)
        exponent = least;
    uint32_t code = format->largest + 1;
    if (isfinite(magnitude) && exponent <= format->bias + 1) {
        uint32_t steps = (uint32_t)rint(ldexp(magnitude, format->mantissa - exponent));
        code = ((uint32_t)(exponent - least) << format->mantissa) + steps;
    }
    if (code > format->largest) {
        if (saturate)
            code = format->largest;
        else if (format->infinity)
            code = format->infinity;
        else
            return format->one_zero ? format->nan : sign | format->nan;
    }
    return code == 0 && format->one_zero ? 0 : sign | code;
}

static double decode(const struct format *format, uint32_t code)
{
    uint32_t magnitude = code & (format->sign - 1), mantissa = magnitude & ((1u << format->mantissa) - 1);
    int exponent = (int)(magnitude >> format->mantissa);
    double value;
    if (format->one_zero ? code == format->nan : magnitude > (format->infinity ? format->infinity : format->largest))
        return NAN;
    if (format->infinity && magnitude == format->infinity)
        value = INFINITY;
    else if (exponent == 0)
        value = ldexp(mantissa, 1 - format->bias - format->mantissa);
    else
        value = ldexp(mantissa + (1u << format->mantissa), exponent - format->bias - format->mantissa);
    return code & format->sign ? -value : value;
}

uint16_t sw_f16_from_f64(double value) { return (uint16_t)encode(&f16, value, false); }

uint16_t sw_bf16_from_f64(double value) { return (uint16_t)encode(&bf16, value, false); }

uint8_t sw_f8_from_f64(sw_dtype dtype, double value, bool saturate)
{
    return (uint8_t)encode(f8_format(dtype), value, saturate);
}

double sw_f8_to_f64(sw_dtype dtype, uint8_t bits) { return decode(f8_format(dtype), bits); }

union bits {
    float f;
    uint32_t u;
};

float sw_bf16_to_f32(uint16_t code) { return (union bits){.u = (uint32_t)code << 16}.f; }

/* Adding half of the dropped range, less one when the kept part is even, carries exactly when it must. */
uint16_t sw_bf16_from_f32(float value)
{
    uint32_t u = (union bits){.f = value}.u;
    if ((u & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(u >> 16 | 0x0040);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

float sw_f16_to_f32(uint16_t code)
{
    uint32_t sign = (uint32_t)(code & 0x8000) << 16, magnitude = code & 0x7FFF;
    if (magnitude >= 0x7C00) /* infinity and NaN keep their mantissa */
        return (union bits){.u = sign | 0x7F800000 | (magnitude & 0x3FF) << 13}.f;
    if (magnitude >= 0x0400)
        return (union bits){.u = sign | ((magnitude << 13) + ((127u - 15u) << 23))}.f;
    float value = (float)magnitude * 0x1p-24f;
    return sign ? -value : value;
}

uint16_t sw_f16_from_f32(float value)
{
    union bits v = {.f = value};
    uint32_t sign = v.u >> 16 & 0x8000, magnitude = v.u & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000) /* 65520 rounds up to infinity */
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < 0x38800000) { /* below 2^-14: adding 0.5 leaves the 24 bits that f16 keeps, rounded */
        v.u = magnitude;
        v.f += 0.5f;
        return (uint16_t)(sign | (v.u - 0x3F000000));
    }
    magnitude += 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((magnitude - ((127u - 15u) << 23)) >> 13));
}
