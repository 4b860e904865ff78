#include "cli/eval/paired_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace longshore::cli::eval {
namespace {

TEST(Mcnemar, IsTheSumOfTheDefinition) {
  for (std::uint32_t b = 0; b <= 25; ++b)
    for (std::uint32_t c = 0; c <= 25; ++c) {
      double coefficient = 1, sum = 0;  // C(b + c, k), exact in a double
      for (std::uint32_t k = 0; k <= std::min(b, c); ++k) {
        sum += coefficient;
        coefficient = coefficient * (b + c - k) / (k + 1);
      }
      EXPECT_NEAR(mcnemar(b, c), std::min(1.0, 2 * sum / std::pow(2, b + c)), 1e-12) << b << ' ' << c;
    }
}

TEST(Mcnemar, KnowsTheEnds) {
  EXPECT_EQ(mcnemar(0, 0), 1);
  EXPECT_NEAR(mcnemar(1, 0), 1, 1e-12);
  EXPECT_NEAR(mcnemar(5, 0), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar(0, 6), 2.0 / 64, 1e-12);
  EXPECT_EQ(mcnemar(100000, 100000), 1);
  EXPECT_LT(mcnemar(100000, 50000), 1e-100);
}

}  // namespace
}  // namespace longshore::cli::eval
