/* simd_math.h: elementary functions on vectors, without branches.
 *
 * Each is a range reduction and a polynomial; coefficients were fitted for these files by reweighted least squares of
 * the relative error on Chebyshev nodes (double precision) and rounded to float. Bounds are stated in simd.h and
 * tested. */
#ifndef SW_BACKEND_CPU_SIMD_MATH_H
#define SW_BACKEND_CPU_SIMD_MATH_H

#include "backend/cpu/simd_lane.h"

/* x * 2^n for n in -252..252: two factors, so that subnormal results round once and no factor overflows. */
SIMD vf v_scale2(vf x, vi n)
{
    vi half = n >> 1, rest = n - half;
    return x * v_bits((half + 127) << 23) * v_bits((rest + 127) << 23);
}

/* e^r - 1 = r + r^2 P(r) for |r| <= ln2 / 2. */
SIMD vf v_expm1_small(vf r)
{
    vf p = v_all(1.381460926e-03f);
    p = v_fma(p, r, v_all(8.368710056e-03f));
    p = v_fma(p, r, v_all(4.166838899e-02f));
    p = v_fma(p, r, v_all(1.666652113e-01f));
    p = v_fma(p, r, v_all(4.999999404e-01f));
    return v_fma(p, r * r, r);
}

/* x = n ln2 + r, |r| <= ln2 / 2. ln2 is held in two pieces, the first exact times any n. */
SIMD vf v_exp(vf x)
{
    vf c = v_min(v_max(x, v_all(-110.0f)), v_all(90.0f));
    vf n = v_round(c * v_all(1.442695041f));
    vf r = v_fma(n, v_all(-0.693359375f), c);
    r = v_fma(n, v_all(2.121944400e-4f), r);
    vf p = v_expm1_small(r) + 1.0f;
    vf y = v_scale2(p, v_to_int(n));
    return v_select(x != x, x, y);
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = f - f^2/2 + f^3 P(f), f = m - 1. */
SIMD vf v_log(vf x)
{
    vi tiny = x < v_all(1.17549435e-38f);
    vf scaled = v_select(tiny, x * v_all(8388608.0f), x);
    vi bits = v_ints(scaled);
    vi e = ((bits - 0x3f3504f3) >> 23);
    vf m = v_bits(bits - (e << 23));
    e -= tiny & 23;
    vf f = m - 1.0f;
    vf p = v_all(6.757489592e-02f);
    p = v_fma(p, f, v_all(-1.169431359e-01f));
    p = v_fma(p, f, v_all(1.189353839e-01f));
    p = v_fma(p, f, v_all(-1.240308881e-01f));
    p = v_fma(p, f, v_all(1.421855092e-01f));
    p = v_fma(p, f, v_all(-1.666809022e-01f));
    p = v_fma(p, f, v_all(2.000216693e-01f));
    p = v_fma(p, f, v_all(-2.500000894e-01f));
    p = v_fma(p, f, v_all(3.333331048e-01f));
    vf n = v_from_int(e), s = f * f;
    vf low = v_fma(n, v_all(-2.121944400e-4f), v_fma(p, f, v_all(-0.5f)) * s);
    vf y = v_fma(n, v_all(0.693359375f), f + low);
    y = v_select(x == v_all(INFINITY), x, y);
    y = v_select(x == v_all(0.0f), v_all(-INFINITY), y);
    return v_select((x < v_all(0.0f)) | (x != x), v_all(NAN), y);
}

/* Small arguments by a polynomial in x^2, others as 1 - 2 / (e^2|x| + 1). */
SIMD vf v_tanh(vf x)
{
    vf a = v_bits(v_ints(x) & 0x7fffffff), s = x * x;
    vf p = v_all(-5.717027932e-03f);
    p = v_fma(p, s, v_all(2.065057121e-02f));
    p = v_fma(p, s, v_all(-5.374349281e-02f));
    p = v_fma(p, s, v_all(1.333149076e-01f));
    p = v_fma(p, s, v_all(-3.333328366e-01f));
    vf small = v_fma(p * s, x, x);
    vf large = 1.0f - 2.0f / (v_exp(a + a) + 1.0f);
    large = v_bits(v_ints(large) | (v_ints(x) & v_all_i(INT32_MIN)));
    return v_select(a < v_all(0.625f), small, v_select(x != x, x, large));
}

SIMD vf v_sigmoid(vf x) { return 1.0f / (1.0f + v_exp(-x)); }

/* erfc(t) = e^-Q(t) for t >= 0.95: cut at 10, where it is 0 in floats. */
SIMD vf v_erfc_tail(vf t)
{
    vf c = v_min(t, v_all(4.1f));
    vf q = v_all(2.144566679e-05f);
    q = v_fma(q, c, v_all(-4.385310458e-04f));
    q = v_fma(q, c, v_all(4.190860782e-03f));
    q = v_fma(q, c, v_all(-2.517182194e-02f));
    q = v_fma(q, c, v_all(1.083615720e-01f));
    q = v_fma(q, c, v_all(6.332724094e-01f));
    q = v_fma(q, c, v_all(1.129552007e+00f));
    q = v_fma(q, c, v_all(-1.824616775e-04f));
    return v_exp(-v_select(t > v_all(4.1f), t * t + 2.1f, q));
}

/* erf(x) / x - 1 for |x| <= 1 as a polynomial in x^2. */
SIMD vf v_erf_small(vf s)
{
    vf p = v_all(7.853854186e-05f);
    p = v_fma(p, s, v_all(-8.010191377e-04f));
    p = v_fma(p, s, v_all(5.188327283e-03f));
    p = v_fma(p, s, v_all(-2.685381100e-02f));
    p = v_fma(p, s, v_all(1.128358543e-01f));
    p = v_fma(p, s, v_all(-3.761262596e-01f));
    return v_fma(p, s, v_all(1.283791661e-01f));
}

SIMD vf v_erf(vf x)
{
    vf a = v_bits(v_ints(x) & 0x7fffffff);
    vf small = v_fma(v_erf_small(x * x), x, x);
    vf large = v_bits(v_ints(1.0f - v_erfc_tail(a)) | (v_ints(x) & v_all_i(INT32_MIN)));
    return v_select(a < v_all(1.0f), small, v_select(x != x, x, large));
}

/* x Phi(x) = x/2 (1 + erf(x / sqrt 2)); far to the left 1 + erf is erfc, which keeps its digits. */
SIMD vf v_gelu(vf x)
{
    vf t = x * v_all(0.7071067812f), a = v_bits(v_ints(t) & 0x7fffffff), half = 0.5f * x;
    vf small = half * (1.0f + v_fma(v_erf_small(t * t), t, t));
    vf tail = half * v_erfc_tail(a);
    vf large = v_select(x < v_all(0.0f), tail, x - tail);
    return v_select(a < v_all(1.0f), small, v_select(x != x, x, large));
}

/* x * logistic(2u) = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3) */
SIMD vf v_gelu_tanh(vf x)
{
    vf u = v_all(1.5957691216f) * v_fma(v_all(0.044715f) * x * x, x, x);
    return x * v_sigmoid(u);
}

/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|); log1p keeps its digits by the correction (t - (u - 1)) / u. */
SIMD vf v_softplus(vf x)
{
    vf t = v_exp(v_bits(v_ints(x) | v_all_i(INT32_MIN)));
    vf u = 1.0f + t;
    vf y = v_max(x, v_all(0.0f)) + v_log(u) + (t - (u - 1.0f)) / u;
    return v_select(x != x, x, y);
}

/* e^x - 1 for x <= 0. */
SIMD vf v_expm1_negative(vf x) { return v_select(x > v_all(-0.34f), v_expm1_small(x), v_exp(x) - 1.0f); }

#endif
