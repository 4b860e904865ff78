#include "runtime/kernels/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace longshore::kernels {
namespace {

#if defined(__x86_64__)
// __builtin_cpu_supports has no name for it in clang 14.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

}  // namespace

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::kPortable: return "portable";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "?";
}

// The compiler's CPU model asks CPUID and, for AVX and AVX-512, XGETBV whether the system saves the registers.
bool is_supported(Isa isa) {
  if (isa == Isa::kPortable) return true;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (isa == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

Isa detect_isa() {
  if (is_supported(Isa::kAvx512)) return Isa::kAvx512;
  return is_supported(Isa::kAvx2) ? Isa::kAvx2 : Isa::kPortable;
}

Result<Isa> parse_isa(std::string_view text) {
  if (text == "auto") return detect_isa();
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kPortable}) {
    if (text != to_string(isa)) continue;
    if (is_supported(isa)) return isa;
    return make_error(ErrorCode::kFailedPrecondition, "--isa ", text,
                      ": this CPU or system does not support it; use --isa auto (here ",
                      to_string(detect_isa()), ")");
  }
  return make_error(ErrorCode::kInvalidArgument, "--isa '", text,
                    "' is not one of auto, avx2, avx512, portable");
}

}  // namespace longshore::kernels
