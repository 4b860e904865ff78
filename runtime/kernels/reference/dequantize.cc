#include "runtime/kernels/reference/dequantize.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "runtime/tensor/dtype.h"

namespace longshore::kernels::reference {
namespace {

using Bytes = const std::uint8_t*;

float half_at(Bytes p) { return f16_to_f32(static_cast<std::uint16_t>(p[0] | p[1] << 8)); }

float number(int value) { return static_cast<float>(value); }

// Blocks of 32: d, [m], [32 fifth bits], 16 bytes of nibbles (low: elements 0..15, high: 16..31).
void blocks_of_32(Bytes p, bool has_m, bool has_fifth, float* out) {
  const float d = half_at(p);
  const float m = has_m ? half_at(p + 2) : 0;
  p += has_m ? 4 : 2;
  const Bytes fifth = p;
  if (has_fifth) p += 4;
  const int offset = has_m ? 0 : has_fifth ? 16 : 8;
  for (int i = 0; i < 32; ++i) {
    int q = i < 16 ? p[i] & 15 : p[i - 16] >> 4;
    if (has_fifth && (fifth[i / 8] >> (i % 8) & 1) != 0) q += 16;
    const float product = d * number(q - offset);
    out[i] = has_m ? product + m : product;
  }
}

void q8_0(Bytes p, float* out) {
  for (int i = 0; i < 32; ++i) out[i] = half_at(p) * number(static_cast<std::int8_t>(p[2 + i]));
}

void q2_k(Bytes p, float* out) {
  const float d = half_at(p + 80), dmin = half_at(p + 82);
  Bytes scale = p;
  for (Bytes q = p + 16; q < p + 80; q += 32)
    for (int shift = 0; shift < 8; shift += 2)
      for (int i = 0; i < 32; ++i) {
        if (i == 16) ++scale;
        *out++ = d * number(*scale & 15) * number(q[i] >> shift & 3) - dmin * number(*scale >> 4);
        if (i == 31) ++scale;
      }
}

void q3_k(Bytes p, float* out) {
  const float d = half_at(p + 108);
  const Bytes low = p + 96, high = p + 104;
  for (int e = 0; e < 256; ++e) {
    const int is = e / 16;
    const int low_bits = is < 8 ? low[is] & 15 : low[is - 8] >> 4;
    const int scale = (low_bits | (high[is % 4] >> (2 * (is / 4)) & 3) << 4) - 32;
    const int q = p[32 + e / 128 * 32 + e % 32] >> (2 * (e % 128 / 32)) & 3;
    const bool plus_four = (p[e % 32] >> (e / 32) & 1) != 0;
    out[e] = d * number(scale) * number(plus_four ? q : q - 4);
  }
}

void scale_and_minimum(Bytes q, int j, int* scale, int* minimum) {
  if (j < 4) {
    *scale = q[j] & 63;
    *minimum = q[j + 4] & 63;
  } else {
    *scale = (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
    *minimum = q[j + 4] >> 4 | (q[j] >> 6) << 4;
  }
}

void q4_k_or_q5_k(Bytes p, bool has_fifth, float* out) {
  const float d = half_at(p), dmin = half_at(p + 2);
  const Bytes fifth = p + 16;
  const Bytes q = p + (has_fifth ? 48 : 16);
  for (int group = 0; group < 8; ++group) {
    int scale, minimum;
    scale_and_minimum(p + 4, group, &scale, &minimum);
    for (int i = 0; i < 32; ++i) {
      const int byte = q[group / 2 * 32 + i];
      int code = group % 2 == 0 ? byte & 15 : byte >> 4;
      if (has_fifth && (fifth[i] >> group & 1) != 0) code += 16;
      *out++ = d * number(scale) * number(code) - dmin * number(minimum);
    }
  }
}

void q6_k(Bytes p, float* out) {
  const float d = half_at(p + 208);
  for (int n = 0; n < 2; ++n, out += 128) {
    const Bytes ql = p + 64 * n, qh = p + 128 + 32 * n, sc = p + 192 + 8 * n;
    for (int l = 0; l < 32; ++l) {
      const int q[4] = {(ql[l] & 15) | (qh[l] & 3) << 4, (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4,
                        ql[l] >> 4 | (qh[l] >> 4 & 3) << 4, ql[l + 32] >> 4 | (qh[l] >> 6 & 3) << 4};
      for (int j = 0; j < 4; ++j) {
        const int scale = static_cast<std::int8_t>(sc[l / 16 + 2 * j]);
        out[l + 32 * j] = d * number(scale) * number(q[j] - 32);
      }
    }
  }
}

void block(WeightFormat format, Bytes p, float* out) {
  switch (format) {
    case WeightFormat::kF32: std::memcpy(out, p, sizeof *out); return;
    case WeightFormat::kF16: *out = half_at(p); return;
    case WeightFormat::kBF16: *out = bf16_to_f32(static_cast<std::uint16_t>(p[0] | p[1] << 8)); return;
    case WeightFormat::kQ8_0: return q8_0(p, out);
    case WeightFormat::kQ4_0: return blocks_of_32(p, false, false, out);
    case WeightFormat::kQ4_1: return blocks_of_32(p, true, false, out);
    case WeightFormat::kQ5_0: return blocks_of_32(p, false, true, out);
    case WeightFormat::kQ5_1: return blocks_of_32(p, true, true, out);
    case WeightFormat::kQ2_K: return q2_k(p, out);
    case WeightFormat::kQ3_K: return q3_k(p, out);
    case WeightFormat::kQ4_K: return q4_k_or_q5_k(p, false, out);
    case WeightFormat::kQ5_K: return q4_k_or_q5_k(p, true, out);
    case WeightFormat::kQ6_K: return q6_k(p, out);
  }
}

}  // namespace

void dequantize(WeightFormat format, const std::byte* file, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; i += block_elements(format), file += block_bytes(format))
    block(format, reinterpret_cast<Bytes>(file), out + i);
}

double dot(const float* x, const float* w, std::size_t count, double* magnitude) {
  double sum = 0;
  *magnitude = 0;
  for (std::size_t k = 0; k < count; ++k) {
    sum += static_cast<double>(x[k]) * w[k];
    *magnitude += std::abs(static_cast<double>(x[k]) * w[k]);
  }
  return sum;
}

}  // namespace longshore::kernels::reference
