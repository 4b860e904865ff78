#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace longshore::attention {

struct AttentionKernels;

// The partial of R rows (query vectors): what attending over *some* of the keys gives, and what attending
// over the rest can be added to. For each row, with logits s_j (natural exponent) and values v_j of its
// visible keys:
//
//   max [R] = largest s_j    weight [R] = sum_j exp(s_j - max)    sum [R, d] = sum_j exp(s_j - max) v_j
//
// Weight 0 says that no key was visible: the identity, whose sum and max nobody reads. Otherwise weight >= 1.
// The attention output of a row is sum / weight, divided once, at the root.
// Source: Milakov & Gimelshein 2018, online softmax; Ye et al. 2025 (FlashInfer), attention state merge.
struct PartialView {
  const float* sum = nullptr;
  const float* max = nullptr;
  const float* weight = nullptr;
};

// The same, writable.
struct PartialSpan {
  float* sum = nullptr;
  float* max = nullptr;
  float* weight = nullptr;
  operator PartialView() const { return {sum, max, weight}; }
};

// A partial in one piece of memory, as it travels: sum [R, d], then max [R], then weight [R].
constexpr std::size_t partial_floats(std::uint32_t rows, std::uint32_t d) {
  return std::size_t{rows} * (std::size_t{d} + 2);
}
PartialSpan partial_in(float* floats, std::uint32_t rows, std::uint32_t d);
PartialView partial_in(const float* floats, std::uint32_t rows, std::uint32_t d);

// Rows [begin, ...) of a partial.
PartialView rows_from(PartialView partial, std::uint32_t begin, std::uint32_t d);
PartialSpan rows_from(PartialSpan partial, std::uint32_t begin, std::uint32_t d);

void set_identity(PartialSpan partial, std::uint32_t rows, std::uint32_t d);

// Owns the partial of R rows; memory is kept when it is resized to fewer.
class AttentionPartial {
 public:
  void resize(std::uint32_t rows, std::uint32_t d);
  std::uint32_t rows() const { return rows_; }
  std::uint32_t d() const { return d_; }
  PartialSpan span() { return partial_in(floats_.data(), rows_, d_); }
  PartialView view() const { return partial_in(floats_.data(), rows_, d_); }

 private:
  std::vector<float> floats_;
  std::uint32_t rows_ = 0;
  std::uint32_t d_ = 0;
};

}  // namespace longshore::attention
