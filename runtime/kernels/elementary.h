#pragma once

// Elementary functions in plain IEEE arithmetic: the same bits on every machine and compiler, which libm does not
// promise. Compiled with -ffp-contract=off, under set_float_environment(). The float functions are the meaning of the
// lane versions in cpu/elementary_inl.h, bit for bit. Thread: pure functions.
namespace longshore::elementary {

// Double precision; at most 1 ulp from the true value (tested against long double), for tables and single values.
double exp(double x);            // +inf above 709.78, +0 below -708 (no denormal results)
double log(double x);            // natural; -inf at 0, NaN below
double pow(double x, double y);  // x > 0 finite, y finite; +inf and +0 beyond exp's range
double sin(double x);            // radians, |x| <= 2^20 * pi/2; absolute error below 2^-52
double cos(double x);            // same

// e^x for x <= 0, +0 where !(x >= -87): never denormal; at most 0.883 ulp.
// Source: minimax polynomial of degree 6 after reduction by multiples of ln 2 (docs/determinism.md).
float exp_nonpositive(float x);
// e^x: +0 below -87, +inf above 0x1.62e42ep+6 (88.7228); at most 1 ulp. Equal to exp_nonpositive for x <= 0.
float exp(float x);
// Natural logarithm, rounded from the double one.
float log(float x);
// 1 / (1 + e^-x) from e = exp_nonpositive(-|x|): x < 0 ? e / (1 + e) : 1 / (1 + e). At most 3 ulp above -87, +0 below.
float sigmoid(float x);
// Odd polynomial below 0.625, else 1 - 2e / (1 + e) with e = exp_nonpositive(-2|x|), with the sign of x. At most 3 ulp.
// Source: Moshier, Cephes tanhf (the form of the polynomial).
float tanh(float x);
// x * sigmoid(x). Source: Elfwing et al. 2017.
float silu(float x);
// x * sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3): equals 0.5 x (1 + tanh u) without its cancellation.
// Source: Hendrycks & Gimpel 2016, GELU, tanh form.
float gelu_tanh(float x);

}  // namespace longshore::elementary
