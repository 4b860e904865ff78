#include "runtime/kernels/row_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/elementary.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/reference/row_reference.h"

namespace longshore::kernels {
namespace {

constexpr std::size_t kSizes[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 100, 576, 640, 1536, 1537};

bool cpu_runs(const RowKernels& kernels) {
  return is_supported(kernels.name == "avx512" ? Isa::kAvx512 : kernels.name == "avx2" ? Isa::kAvx2 : Isa::kPortable);
}

std::vector<float> random_row(std::size_t n, std::uint64_t seed, float size = 3) {
  Random random(seed);
  std::vector<float> row(n);
  for (float& x : row) x = static_cast<float>((2 * random.uniform() - 1) * size);
  if (n > 2) row[n / 2] = 0.0f;
  if (n > 3) row[n / 3] = -0.0f;
  if (n > 5) row[n - 2] = 40 * size;
  return row;
}

// Equal as bits: 0 is not -0.
void expect_same_bits(const std::vector<float>& got, const std::vector<float>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << what << " n " << got.size() << " element " << i << ": " << got[i] << " and " << want[i];
}

class RowKernelsTest : public testing::TestWithParam<const RowKernels*> {
 protected:
  void SetUp() override {
    if (!cpu_runs(*GetParam())) GTEST_SKIP() << "this CPU has no " << GetParam()->name;
    environment_ = set_float_environment();
  }
  void TearDown() override { restore_float_environment(environment_); }
  const RowKernels& kernels() const { return *GetParam(); }

 private:
  std::uint32_t environment_ = set_float_environment();
};

TEST_P(RowKernelsTest, RmsNormAddsInSixteenLanesAndOneOrder) {
  for (std::size_t n : kSizes) {
    const auto x = random_row(n, n), weight = random_row(n, n + 1000);
    float lanes[16] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
    for (std::size_t half : {8, 4, 2, 1})
      for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    const float s = 1.0f / std::sqrt(lanes[0] / static_cast<float>(n) + 1e-6f);
    std::vector<float> want(n), got(n);
    for (std::size_t i = 0; i < n; ++i) want[i] = (x[i] * s) * weight[i];
    kernels().rms_norm(x.data(), weight.data(), got.data(), n, 1e-6f);
    expect_same_bits(got, want, "rms_norm");
  }
}

TEST_P(RowKernelsTest, RopeTurnsPairsAndLeavesTheRest) {
  for (std::size_t rotated : {2, 6, 32, 34, 64, 80, 128, 256}) {
    const auto cos = random_row(rotated / 2, 5, 1), sin = random_row(rotated / 2, 6, 1);
    const auto x = random_row(rotated + 3, rotated);
    const auto turn = [&](std::size_t i, std::size_t first, std::size_t second, std::vector<float>& out) {
      out[first] = std::fma(x[first], cos[i], -(x[second] * sin[i]));
      out[second] = std::fma(x[second], cos[i], x[first] * sin[i]);
    };
    auto want_norm = x, want_neox = x, norm = x, neox = x;
    for (std::size_t i = 0; i < rotated / 2; ++i) {
      turn(i, 2 * i, 2 * i + 1, want_norm);
      turn(i, i, i + rotated / 2, want_neox);
    }
    kernels().rope_norm(norm.data(), cos.data(), sin.data(), rotated);
    kernels().rope_neox(neox.data(), cos.data(), sin.data(), rotated);
    expect_same_bits(norm, want_norm, "rope_norm");
    expect_same_bits(neox, want_neox, "rope_neox");
  }
}

TEST_P(RowKernelsTest, ElementwiseOperationsEqualTheirScalarMeaning) {
  for (std::size_t n : kSizes) {
    const auto a = random_row(n, n + 1, 4), b = random_row(n, n + 2);
    std::vector<float> got(n), want(n);
    const auto expect = [&](const char* what, auto body) {
      for (std::size_t i = 0; i < n; ++i) want[i] = body(a[i], b[i]);
      expect_same_bits(got, want, what);
    };
    kernels().silu_mul(a.data(), b.data(), got.data(), n);
    expect("silu_mul", [](float g, float u) { return elementary::silu(g) * u; });
    kernels().gelu_tanh_mul(a.data(), b.data(), got.data(), n);
    expect("gelu_tanh_mul", [](float g, float u) { return elementary::gelu_tanh(g) * u; });
    kernels().add(a.data(), b.data(), got.data(), n);
    expect("add", [](float x, float y) { return x + y; });
    kernels().scale(a.data(), 25.298221f, got.data(), n);
    expect("scale", [](float x, float) { return x * 25.298221f; });
    kernels().softcap(a.data(), 30.0f, got.data(), n);
    expect("softcap", [](float x, float) { return 30.0f * elementary::tanh(x / 30.0f); });
    kernels().exp_below(a.data(), 160.0f, 0.7f, got.data(), n);
    expect("exp_below", [](float x, float) { return elementary::exp_nonpositive((x - 160.0f) / 0.7f); });
  }
}

// The functions' whole range of floats, so that a wrong last bit of a high coefficient in one instruction set shows.
TEST_P(RowKernelsTest, FunctionsEqualTheirScalarMeaningOverTheFloats) {
  constexpr std::size_t n = 4096;
  const std::vector<float> ones(n, 1.0f);
  std::vector<float> x(n), got(n);
  std::uint32_t bits = 0x30000000;  // about 4.7e-10
  while (bits < 0x43800000) {       // 256
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = std::bit_cast<float>(bits | (i % 2 == 0 ? 0x80000000u : 0));
      bits += 97;
    }
    kernels().exp_below(x.data(), 0.0f, 1.0f, got.data(), n);
    for (std::size_t i = 0; i < n; i += 2) ASSERT_EQ(got[i], elementary::exp_nonpositive(x[i])) << x[i];
    kernels().silu_mul(x.data(), ones.data(), got.data(), n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(got[i], elementary::silu(x[i])) << x[i];
    kernels().softcap(x.data(), 1.0f, got.data(), n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(got[i], elementary::tanh(x[i])) << x[i];
  }
}

TEST_P(RowKernelsTest, MayWriteOverAnInput) {
  const auto a = random_row(37, 1), b = random_row(37, 2);
  std::vector<float> apart(37), over = a;
  kernels().rms_norm(a.data(), b.data(), apart.data(), 37, 1e-5f);
  kernels().rms_norm(over.data(), b.data(), over.data(), 37, 1e-5f);
  expect_same_bits(over, apart, "rms_norm in place");
  over = b;
  kernels().silu_mul(a.data(), b.data(), apart.data(), 37);
  kernels().silu_mul(a.data(), over.data(), over.data(), 37);
  expect_same_bits(over, apart, "silu_mul in place");
}

TEST_P(RowKernelsTest, WritesNothingBeyondTheRow) {
  for (std::size_t n : {1, 15, 17}) {
    const auto a = random_row(n, 1), b = random_row(n, 2);
    std::vector<float> out(n + 16, 77.0f);
    kernels().add(a.data(), b.data(), out.data(), n);
    kernels().rms_norm(a.data(), b.data(), out.data(), n, 1e-5f);
    kernels().exp_below(a.data(), 200.0f, 1.0f, out.data(), n);
    for (std::size_t i = n; i < out.size(); ++i) ASSERT_EQ(out[i], 77.0f);
  }
}

TEST_P(RowKernelsTest, MaximumSeesEveryElement) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (std::size_t n : kSizes)
    for (std::size_t at = 0; at < n; at += 1 + n / 20) {
      std::vector<float> row(n, -kInfinity);
      row[at] = -5.5f;
      ASSERT_EQ(kernels().maximum(row.data(), n), -5.5f) << "n " << n << " at " << at;
    }
  const std::vector<float> zeros{-0.0f, -0.0f, -1.0f};
  EXPECT_FALSE(std::signbit(kernels().maximum(zeros.data(), 3)));
  const std::vector<float> masked(20, -kInfinity);
  EXPECT_EQ(kernels().maximum(masked.data(), 20), -kInfinity);
  float weight = 1;
  kernels().exp_below(masked.data(), 0.0f, 1.0f, &weight, 1);
  EXPECT_EQ(weight, 0.0f);
}

TEST_P(RowKernelsTest, AgreesWithTheReferenceInDoubles) {
  constexpr std::size_t n = 640, rotated = 256;
  const auto a = random_row(n, 3), b = random_row(n, 4, 1);
  std::vector<float> got(n);
  std::vector<double> want(n);
  const auto expect_near = [&](const char* what, double relative, double absolute) {
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_NEAR(got[i], want[i], relative * std::abs(want[i]) + absolute) << what << " element " << i;
  };
  kernels().rms_norm(a.data(), b.data(), got.data(), n, 1e-6f);
  reference::rms_norm(a.data(), b.data(), want.data(), n, 1e-6);
  expect_near("rms_norm", 1e-6, 0);  // 40 roundings in a lane, of one sign
  kernels().silu_mul(a.data(), b.data(), got.data(), n);
  reference::silu_mul(a.data(), b.data(), want.data(), n);
  expect_near("silu_mul", 5e-7, 0);
  kernels().gelu_tanh_mul(a.data(), b.data(), got.data(), n);
  reference::gelu_tanh_mul(a.data(), b.data(), want.data(), n);
  expect_near("gelu_tanh_mul", 1e-6, 1e-6);  // the reference cancels in 1 + tanh
  kernels().softcap(a.data(), 30, got.data(), n);
  reference::softcap(a.data(), 30, want.data(), n);
  expect_near("softcap", 5e-7, 0);

  std::vector<double> angles(rotated / 2);
  std::vector<float> cos(rotated / 2), sin(rotated / 2);
  for (std::size_t i = 0; i < rotated / 2; ++i) {
    angles[i] = 1234 * std::pow(1e4, -2.0 * static_cast<double>(i) / rotated);
    cos[i] = static_cast<float>(std::cos(angles[i]));
    sin[i] = static_cast<float>(std::sin(angles[i]));
  }
  for (bool neox : {false, true}) {
    auto turned = a;
    (neox ? kernels().rope_neox : kernels().rope_norm)(turned.data(), cos.data(), sin.data(), rotated);
    (neox ? reference::rope_neox : reference::rope_norm)(a.data(), angles.data(), want.data(), rotated);
    for (std::size_t i = 0; i < rotated; ++i) ASSERT_NEAR(turned[i], want[i], 2e-5) << neox << " element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, RowKernelsTest,
                         testing::Values(&kRowKernelsPortable, &kRowKernelsAvx2, &kRowKernelsAvx512),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace longshore::kernels
