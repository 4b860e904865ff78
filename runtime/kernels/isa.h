#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/base/result.h"

namespace longshore::kernels {

// The instruction sets that have kernels of their own, in order of preference. All give the same bits.
//   kPortable  C++ alone (std::fma)
//   kAvx2      AVX2 + FMA + F16C: the x86 floor of the product
//   kAvx512    AVX-512 F + BW + DQ + VL + VNNI
enum class Isa : std::uint8_t { kPortable, kAvx2, kAvx512 };

std::string_view to_string(Isa isa);

// Whether this CPU has the instructions and the system saves their registers.
bool is_supported(Isa isa);

// The best that is_supported.
Isa detect_isa();

// "auto", "avx2", "avx512" or "portable", as in --isa.
// Errors: kInvalidArgument for another word; kFailedPrecondition where this CPU lacks the instructions.
Result<Isa> parse_isa(std::string_view text);

}  // namespace longshore::kernels
