#include "runtime/kernels/elementary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/base/random.h"

namespace longshore {
namespace {

// Distance of `got` from the true value in units in the last place of a double (or float) near it.
double ulps(double got, long double truth) {
  const double near = static_cast<double>(truth);
  const double unit = std::nextafter(std::abs(near), std::numeric_limits<double>::infinity()) - std::abs(near);
  return static_cast<double>(std::abs(static_cast<long double>(got) - truth) / unit);
}

double ulps(float got, double truth) {
  const float near = static_cast<float>(truth);
  const float unit = std::nextafter(std::abs(near), std::numeric_limits<float>::infinity()) - std::abs(near);
  return std::abs(static_cast<double>(got) - truth) / unit;
}

// Every `stride`-th float from `from` up in magnitude to `to`, of one sign.
template <typename Body>
void for_floats(float from, float to, std::uint32_t stride, Body body) {
  const std::uint32_t last = std::bit_cast<std::uint32_t>(to);
  for (std::uint64_t bits = std::bit_cast<std::uint32_t>(from); bits <= last; bits += stride)
    body(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
}

constexpr std::uint32_t kStride = 1009;  // a prime, so that every pattern of low bits turns up

TEST(ElementaryTest, ExpOfNonpositiveFloatsIsWithinItsBound) {
  double worst = 0;
  for_floats(-0.0f, -87.0f, kStride, [&](float x) {
    worst = std::max(worst, ulps(elementary::exp_nonpositive(x), std::exp(static_cast<double>(x))));
  });
  EXPECT_LE(worst, 0.883);
  EXPECT_GE(worst, 0.8);  // the bound is that of this polynomial, not of another
}

TEST(ElementaryTest, ExpOfNonpositiveFloatsIsZeroBelowItsEdgeAndOneAtZero) {
  EXPECT_EQ(elementary::exp_nonpositive(0.0f), 1.0f);
  EXPECT_EQ(elementary::exp_nonpositive(-0.0f), 1.0f);
  EXPECT_GT(elementary::exp_nonpositive(-87.0f), std::numeric_limits<float>::min());
  EXPECT_EQ(elementary::exp_nonpositive(std::nextafter(-87.0f, -100.0f)), 0.0f);
  EXPECT_EQ(elementary::exp_nonpositive(-std::numeric_limits<float>::infinity()), 0.0f);
}

TEST(ElementaryTest, ExpOfPositiveFloatsIsWithinItsBound) {
  double worst = 0;
  for_floats(0.0f, 0x1.62e42ep+6f, kStride, [&](float x) {
    worst = std::max(worst, ulps(elementary::exp(x), std::exp(static_cast<double>(x))));
  });
  EXPECT_LE(worst, 1.0);
  for_floats(88.0f, 0x1.62e42ep+6f, 1, [](float x) { ASSERT_TRUE(std::isfinite(elementary::exp(x))) << x; });
  EXPECT_EQ(elementary::exp(std::nextafter(0x1.62e42ep+6f, 100.0f)), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(elementary::exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(ElementaryTest, SigmoidAndTanhAreWithinTheirBounds) {
  double worst_sigmoid = 0, worst_tanh = 0;
  for_floats(1e-9f, 86.0f, kStride, [&](float x) {
    for (float signed_x : {x, -x}) {
      const double exact = signed_x;
      worst_sigmoid = std::max(worst_sigmoid, ulps(elementary::sigmoid(signed_x), 1 / (1 + std::exp(-exact))));
      worst_tanh = std::max(worst_tanh, ulps(elementary::tanh(signed_x), std::tanh(exact)));
    }
  });
  EXPECT_LE(worst_sigmoid, 3.0);
  EXPECT_LE(worst_tanh, 3.0);
  EXPECT_EQ(elementary::tanh(200.0f), 1.0f);
  EXPECT_EQ(elementary::tanh(-200.0f), -1.0f);
  EXPECT_TRUE(std::signbit(elementary::tanh(-0.0f)));
  EXPECT_EQ(elementary::sigmoid(0.0f), 0.5f);
  EXPECT_EQ(elementary::sigmoid(-100.0f), 0.0f);
}

TEST(ElementaryTest, SiluAndGeluAreCloseToTheirDefinitions) {
  for (float x = -20; x <= 20; x += 0.00713f) {
    const double exact = x;
    const double silu = exact / (1 + std::exp(-exact));
    const double inner = std::sqrt(2 / M_PI) * (exact + 0.044715 * exact * exact * exact);
    const double gelu = exact / (1 + std::exp(-2 * inner));
    EXPECT_NEAR(elementary::silu(x), silu, 4e-7 * std::abs(silu));
    // An argument rounded to float moves e^-2u by |2u| half ulps.
    EXPECT_NEAR(elementary::gelu_tanh(x), gelu, (4e-7 + 2e-7 * std::abs(2 * inner)) * std::abs(gelu) + 1e-36) << x;
    EXPECT_NEAR(elementary::gelu_tanh(x), 0.5 * exact * (1 + std::tanh(inner)), 2e-6);
  }
}

TEST(ElementaryTest, DoubleExpAndLogAreWithinOneUlp) {
  Random random(7);
  double worst_exp = 0, worst_log = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x = -708 + 1417 * random.uniform();
    worst_exp = std::max(worst_exp, ulps(elementary::exp(x), std::exp(static_cast<long double>(x))));
    const double y = i % 2 == 0 ? std::exp(x) : 0.5 + random.uniform();
    worst_log = std::max(worst_log, ulps(elementary::log(y), std::log(static_cast<long double>(y))));
  }
  EXPECT_LE(worst_exp, 1.0);
  EXPECT_LE(worst_log, 1.0);
}

TEST(ElementaryTest, DoubleFunctionsHaveTheirEdges) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(elementary::exp(0.0), 1);
  EXPECT_EQ(elementary::exp(710.0), kInfinity);
  EXPECT_TRUE(std::isfinite(elementary::exp(709.782712893384)));
  EXPECT_EQ(elementary::exp(-709.0), 0);
  EXPECT_EQ(elementary::log(1.0), 0);
  EXPECT_EQ(elementary::log(0.0), -kInfinity);
  EXPECT_EQ(elementary::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(elementary::log(-1.0)));
  EXPECT_LE(ulps(elementary::log(5e-324), std::log(static_cast<long double>(5e-324))), 1.0);
  EXPECT_EQ(elementary::log(1.0f), 0.0f);
  EXPECT_EQ(elementary::log(2.0f), std::log(2.0f));
}

TEST(ElementaryTest, PowIsWithinOneUlpForRopeFrequencies) {
  double worst = 0;
  for (double base : {1e4, 1e5, 5e5, 1e6, 1e7})
    for (int rotated : {32, 64, 80, 96, 128, 256})
      for (int pair = 0; pair < rotated / 2; ++pair) {
        const double y = -2.0 * pair / rotated;
        const long double truth = std::pow(static_cast<long double>(base), static_cast<long double>(y));
        worst = std::max(worst, ulps(elementary::pow(base, y), truth));
      }
  EXPECT_LE(worst, 1.0);
  EXPECT_EQ(elementary::pow(10000.0, 0.0), 1);
  EXPECT_EQ(elementary::pow(2.0, 2000.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(elementary::pow(2.0, -2000.0), 0);
}

TEST(ElementaryTest, SinAndCosKeepTheirErrorToAMillionRadians) {
  Random random(11);
  long double worst = 0;
  for (int i = 0; i < 300000; ++i) {
    const double range = i % 3 == 0 ? 4 : i % 3 == 1 ? 1e3 : 1.6e6;
    const double x = (2 * random.uniform() - 1) * range;
    worst = std::max(worst, std::abs(elementary::sin(x) - std::sin(static_cast<long double>(x))));
    worst = std::max(worst, std::abs(elementary::cos(x) - std::cos(static_cast<long double>(x))));
  }
  for (int turns = 1; turns < 1000000; turns += 997) {  // next to the zeros, where reduction cancels most
    const double x = turns * M_PI_2;
    worst = std::max(worst, std::abs(elementary::sin(x) - std::sin(static_cast<long double>(x))));
    worst = std::max(worst, std::abs(elementary::cos(x) - std::cos(static_cast<long double>(x))));
  }
  EXPECT_LE(worst, 0x1p-52L);
  EXPECT_EQ(elementary::sin(0.0), 0);
  EXPECT_EQ(elementary::cos(0.0), 1);
}

}  // namespace
}  // namespace longshore
