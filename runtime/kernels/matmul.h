#pragma once

#include <cstddef>
#include <span>

#include "runtime/base/thread_pool.h"
#include "runtime/kernels/matrix_kernels.h"
#include "runtime/kernels/packed_matrix.h"
#include "runtime/kernels/quantized_rows.h"

namespace longshore::kernels {

// One matrix to multiply the input with, and where the result goes: out [M, ld] f32, N <= ld. Columns N .. ld are left
// alone, so that several results may lie side by side.
struct MatmulTarget {
  const PackedMatrix* matrix;
  float* out;
  std::size_t ld;
};

// out = x W^T: out[m, n] = sum over k of x[m, k] * W[n, k], for M rows x and the N rows (outputs) of W. Work is split
// over column tiles only, so the bits depend on neither the pool, the Isa, nor the other rows.
// Requires: x.columns() == matrix.inputs(). Thread: one region of the pool; allocates nothing.
void matmul(const MatrixKernels& kernels, ThreadPool& pool, const PackedMatrix& matrix, const QuantizedRows& x,
            float* out, std::size_t ld);

// The same for several matrices that share the input (query, key, value; gate, up), as one range of tiles with one
// barrier: a matrix of 256 outputs alone is too small to share.
void matmul_all(const MatrixKernels& kernels, ThreadPool& pool, std::span<const MatmulTarget> targets,
                const QuantizedRows& x);

}  // namespace longshore::kernels
