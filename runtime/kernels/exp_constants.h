#pragma once

// The constants of the float functions, once for the scalar and the lane versions (elementary.h). Plain numbers only:
// kernel sources of every instruction set include them.

namespace longshore::exp_constants {
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kRoundShift = 12582912.0f;          // 1.5 * 2^23: adding it rounds to an integer in the low bits
inline constexpr float kLn2High = 0x1.62e43p-1f;           // 21 bits: n * kLn2High cancels exactly
inline constexpr float kLn2LowNegated = 0x1.05c61p-29f;    // kLn2High - ln 2
inline constexpr float kC6 = 0x1.6a2434p-10f;              // minimax on [-ln2/2, ln2/2], c0 = c1 = 1
inline constexpr float kC5 = 0x1.1239e2p-7f;
inline constexpr float kC4 = 0x1.5558f2p-5f;
inline constexpr float kC3 = 0x1.555492p-3f;
inline constexpr float kC2 = 0x1.fffffcp-2f;
inline constexpr float kLowest = -87.0f;                   // below, +0: no result is denormal
inline constexpr float kHighest = 0x1.62e42ep+6f;          // above, the result is beyond float
}  // namespace longshore::exp_constants

namespace longshore::tanh_constants {
inline constexpr float kNear = 0.625f;                     // below, the odd polynomial
inline constexpr float kC0 = -0x1.555532p-2f;              // (tanh(x)/x - 1) / x^2 in x^2: minimax, error 4.4e-9
inline constexpr float kC1 = 0x1.110726p-3f;
inline constexpr float kC2 = -0x1.b83c58p-5f;
inline constexpr float kC3 = 0x1.52268ep-6f;
inline constexpr float kC4 = -0x1.75e196p-8f;
}  // namespace longshore::tanh_constants

namespace longshore::gelu_constants {
inline constexpr float kCubic = 0.044715f;
inline constexpr float kTwiceSqrt2OverPi = 1.5957691216057308f;
}  // namespace longshore::gelu_constants
