// Loops over constants. A part of kernel sources, which call no inline function that another source may share.
#pragma once

#include <utility>

namespace longshore::kernels {
namespace {

#define LONGSHORE_INLINE __attribute__((always_inline)) inline

// Calls body(0), ..., body(kCount - 1) with constants, so that steps become immediates and arrays become registers: g++
// keeps an array that a loop indexes in memory, also after it has unrolled the loop.
template <int kCount, typename Body>
LONGSHORE_INLINE void unrolled(Body&& body) {
  [&]<int... kIndex>(std::integer_sequence<int, kIndex...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, kIndex>()), ...);
  }
  (std::make_integer_sequence<int, kCount>());
}

}  // namespace
}  // namespace longshore::kernels
