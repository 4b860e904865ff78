#pragma once

#include <cstddef>

// The row operations in doubles, as plainly as they can be written: what they mean, without how they round.
namespace longshore::kernels::reference {

void rms_norm(const float* x, const float* weight, double* out, std::size_t n, double epsilon);
// `angles` [rotated / 2] in radians.
void rope_norm(const float* x, const double* angles, double* out, std::size_t rotated);
void rope_neox(const float* x, const double* angles, double* out, std::size_t rotated);
void silu_mul(const float* gate, const float* up, double* out, std::size_t n);
void gelu_tanh_mul(const float* gate, const float* up, double* out, std::size_t n);
void softcap(const float* x, double cap, double* out, std::size_t n);

}  // namespace longshore::kernels::reference
