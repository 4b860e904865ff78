#include "runtime/kernels/elementary.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "runtime/kernels/exp_constants.h"

namespace longshore::elementary {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRoundShift = 0x1.8p52;  // adding it rounds to an integer in the low bits, as |x| < 2^51

// 1/0! .. 1/17!, each rounded once: the factorials themselves are exact.
constexpr std::array<double, 18> kInverseFactorial = [] {
  std::array<double, 18> out{};
  double factorial = 1;
  for (std::size_t k = 0; k < out.size(); ++k) {
    factorial *= k == 0 ? 1.0 : static_cast<double>(k);
    out[k] = 1.0 / factorial;
  }
  return out;
}();

// An unevaluated sum, |low| <= ulp(high) / 2.
struct Split {
  double high;
  double low;
};

// Source: Knuth, TAOCP 4.2.2 theorem B.
Split two_sum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

// ln 2 in two parts; integers below 2^13 times the first are exact.
constexpr double kLn2High = 0x1.62e42fefa2p-1;
constexpr double kLn2Low = 0x1.9ef35793c7673p-41;

// e^(x + low), |low| far below 1, by reduction to |r| <= ln(2)/2 and the Taylor series to r^13 (the next term is
// below 5e-18).
double exp_of_sum(double x, double low) {
  if (!(x >= -708)) return 0;
  if (x > 709.782712893384) return kInfinity;
  const double shifted = std::fma(x, 0x1.71547652b82fep+0, kRoundShift);
  const double n = shifted - kRoundShift;
  const double r = std::fma(-n, kLn2High, x) + std::fma(-n, kLn2Low, low);
  double sum = kInverseFactorial[13];
  for (std::size_t k = 12; k >= 2; --k) sum = sum * r + kInverseFactorial[k];
  const double p = 1.0 + (sum * (r * r) + r);
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(p) + (std::bit_cast<std::uint64_t>(shifted) << 52));
}

// ln x for finite x > 0, with 60 correct bits: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), s = (m-1)/(m+1),
// ln m = 2 atanh(s) = 2s + 2s^3/3 + ... to s^25, |s| < 0.172.
Split log_split(double x) {
  double exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  constexpr std::uint64_t kSqrtHalfBits = std::bit_cast<std::uint64_t>(0x1.6a09e667f3bcdp-1);
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::int64_t e = static_cast<std::int64_t>(bits - kSqrtHalfBits) >> 52;
  const double m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(e) << 52));
  exponent += static_cast<double>(e);

  const double f = m - 1;  // exact
  const Split below = two_sum(m, 1);
  const double s = f / below.high;
  const double s_low = (std::fma(-s, below.high, f) - s * below.low) / below.high;
  const double z = s * s;
  double series = 2.0 / 25;
  for (int k = 23; k >= 3; k -= 2) series = std::fma(series, z, 2.0 / k);
  const Split high = two_sum(exponent * kLn2High, 2 * s);
  const double low = high.low + std::fma(exponent, kLn2Low, std::fma(s * z, series, 2 * s_low));
  return two_sum(high.high, low);
}

struct Reduced {
  double r;                // |r| <= pi/4 and a little
  unsigned quarter_turns;  // mod 4
};

// Cody and Waite's reduction with pi/2 in 33 + 33 + 53 bits: n <= 2^20 times either of the first two is exact.
Reduced reduce_angle(double x) {
  const double shifted = x * 0x1.45f306dc9c883p-1 + kRoundShift;
  const double n = shifted - kRoundShift;
  const double r = ((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69;
  return {r, static_cast<unsigned>(std::bit_cast<std::uint64_t>(shifted) & 3)};
}

// Taylor series to r^17 and r^16: the next terms are below 1e-19 and 3e-18 on |r| <= pi/4.
double sin_near(double r) {
  const double z = r * r;
  double sum = kInverseFactorial[17];
  for (std::size_t k = 15; k >= 3; k -= 2) sum = kInverseFactorial[k] - sum * z;
  return r - (r * z) * sum;
}

double cos_near(double r) {
  const double z = r * r;
  double sum = kInverseFactorial[16];
  for (std::size_t k = 14; k >= 2; k -= 2) sum = kInverseFactorial[k] - sum * z;
  return 1.0 - z * sum;
}

}  // namespace

double exp(double x) { return std::isnan(x) ? x : exp_of_sum(x, 0); }

double log(double x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return x;
  return log_split(x).high;
}

double pow(double x, double y) {
  const Split base = log_split(x);
  const double product = y * base.high;
  return exp_of_sum(product, std::fma(y, base.high, -product) + y * base.low);
}

double sin(double x) {
  const Reduced angle = reduce_angle(x);
  const double magnitude = (angle.quarter_turns & 1) != 0 ? cos_near(angle.r) : sin_near(angle.r);
  return (angle.quarter_turns & 2) != 0 ? -magnitude : magnitude;
}

double cos(double x) {
  const Reduced angle = reduce_angle(x);
  const double magnitude = (angle.quarter_turns & 1) != 0 ? sin_near(angle.r) : cos_near(angle.r);
  return ((angle.quarter_turns + 1) & 2) != 0 ? -magnitude : magnitude;
}

float exp(float x) {
  using namespace exp_constants;
  if (std::isnan(x)) return x;
  if (!(x >= kLowest)) return 0.0f;
  if (x > kHighest) return std::numeric_limits<float>::infinity();
  const float shifted = std::fma(x, kLog2E, exp_constants::kRoundShift);
  const float n = shifted - exp_constants::kRoundShift;
  float r = std::fma(n, -exp_constants::kLn2High, x);
  r = std::fma(n, kLn2LowNegated, r);
  float p = kC6;
  p = std::fma(p, r, kC5);
  p = std::fma(p, r, kC4);
  p = std::fma(p, r, kC3);
  p = std::fma(p, r, kC2);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(shifted) << 23));
}

float exp_nonpositive(float x) { return x >= exp_constants::kLowest ? exp(x) : 0.0f; }

float log(float x) { return static_cast<float>(log(static_cast<double>(x))); }

float sigmoid(float x) {
  const float e = exp_nonpositive(-std::abs(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

float tanh(float x) {
  using namespace tanh_constants;
  const float size = std::abs(x);
  if (!(size < kNear)) {
    const float e = exp_nonpositive(-2.0f * size);
    return std::copysign(1.0f - (e + e) / (1.0f + e), x);
  }
  const float z = size * size;
  float p = kC4;
  p = std::fma(p, z, kC3);
  p = std::fma(p, z, kC2);
  p = std::fma(p, z, kC1);
  p = std::fma(p, z, kC0);
  return std::copysign(std::fma(p * z, size, size), x);
}

float silu(float x) { return x * sigmoid(x); }

float gelu_tanh(float x) {
  using namespace gelu_constants;
  const float inner = std::fma(kCubic * x, x * x, x);
  return x * sigmoid(kTwiceSqrt2OverPi * inner);
}

}  // namespace longshore::elementary
