#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/packed_matrix.h"
#include "runtime/kernels/weight_format.h"

namespace longshore::kernels {

// What the scales and codes of made-up weights look like.
enum class Weights {
  kOrdinary,     // random codes, scales of both signs around 0.01
  kSubnormal,    // f16 scales below 2^-14
  kAllBitsSet,   // every code and scale field at its largest
  kAllBitsZero,  // every code and scale field at its smallest
};

// N rows of K weights as a GGUF file would hold them.
std::vector<std::byte> random_weights(WeightFormat format, std::size_t outputs, std::size_t inputs,
                                      std::uint64_t seed, Weights kind = Weights::kOrdinary);

// rows * columns values around 1 with a few outliers of 40.
std::vector<float> random_activations(std::size_t rows, std::size_t columns, std::uint64_t seed);

std::unique_ptr<ThreadPool> pool_of(unsigned threads);
PackedMatrix packed(WeightFormat format, std::size_t outputs, std::size_t inputs,
                    const std::vector<std::byte>& bytes);

// Names the cases of a suite over formats.
std::string format_name(const testing::TestParamInfo<WeightFormat>& info);

// The instruction sets of this machine.
std::vector<Isa> supported_isas();

}  // namespace longshore::kernels
