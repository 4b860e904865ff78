#pragma once

#include <algorithm>
#include <vector>

#include "tests/kernels/attention/filled_leaves.h"

namespace longshore::attention {

// Whole sequences attended in different ways: the outputs [tokens, G, d] of the same queries must be the same
// bits.
class AttendCase {
 public:
  AttendCase(const AttendShape& of_shape, std::uint32_t token_count, std::uint64_t seed)
      : shape(of_shape),
        leaves(shape.layout, token_count, seed),
        held(leaves.held().begin(), leaves.held().end()),
        q(random_floats(std::size_t{token_count} * row_floats(), 0.7f, seed + 7)) {}

  std::size_t row_floats() const { return std::size_t{shape.group} * shape.layout.d; }
  std::uint32_t tokens() const { return leaves.tokens(); }
  Queries queries(std::uint32_t position, std::uint32_t count) const {
    return {q.data() + position * row_floats(), row_floats(), position, count};
  }

  AttendShape shape;
  FilledLeaves leaves;
  std::vector<HeldLeaf> held;  // the leaves, perhaps with less of them chosen
  std::vector<float> q;
};

// Attends all tokens on this process alone, `chunk` at a time (cut where a leaf ends).
inline std::vector<float> attend_alone(const AttendCase& one,
                                       const AttentionKernels& kernels,
                                       std::uint32_t chunk) {
  std::vector<float> out(one.q.size());
  AttendScratch scratch;
  RowPartials partials;
  for (std::uint32_t position = 0; position < one.tokens();) {
    const std::uint32_t count = std::min({chunk, one.tokens() - position, 128 - position % 128});
    partials.attend_local(kernels, one.shape, one.queries(position, count), one.held, scratch)
        .value();
    partials.finish(kernels, {}, out.data() + position * one.row_floats(), one.row_floats()).value();
    position += count;
  }
  return out;
}

}  // namespace longshore::attention
