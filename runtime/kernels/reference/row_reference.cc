#include "runtime/kernels/reference/row_reference.h"

#include <cmath>
#include <numbers>

namespace longshore::kernels::reference {

void rms_norm(const float* x, const float* weight, double* out, std::size_t n, double epsilon) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void rope_norm(const float* x, const double* angles, double* out, std::size_t rotated) {
  for (std::size_t i = 0; i < rotated / 2; ++i) {
    const double a = x[2 * i], b = x[2 * i + 1];
    out[2 * i] = a * std::cos(angles[i]) - b * std::sin(angles[i]);
    out[2 * i + 1] = b * std::cos(angles[i]) + a * std::sin(angles[i]);
  }
}

void rope_neox(const float* x, const double* angles, double* out, std::size_t rotated) {
  const std::size_t half = rotated / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double a = x[i], b = x[half + i];
    out[i] = a * std::cos(angles[i]) - b * std::sin(angles[i]);
    out[half + i] = b * std::cos(angles[i]) + a * std::sin(angles[i]);
  }
}

void silu_mul(const float* gate, const float* up, double* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
}

void gelu_tanh_mul(const float* gate, const float* up, double* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double g = gate[i];
    out[i] = 0.5 * g * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g))) * up[i];
  }
}

void softcap(const float* x, double cap, double* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = cap * std::tanh(x[i] / cap);
}

}  // namespace longshore::kernels::reference
