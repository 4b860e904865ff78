#include "runtime/kernels/matmul.h"

#include <algorithm>
#include <atomic>

#include "runtime/base/check.h"
#include "runtime/kernels/tile_layout.h"

namespace longshore::kernels {
namespace {

// Tiles [begin, end) of the targets, one after another.
struct Turn {
  std::size_t begin, end;
};

class SharedRange {
 public:
  SharedRange(const MatrixKernels& kernels, std::span<const MatmulTarget> targets, const QuantizedRows& x, std::size_t threads)
      : kernels_(kernels), targets_(targets), x_(x), threads_(threads) {
    for (const MatmulTarget& target : targets) tiles_ += target.matrix->tile_count();
  }

  // Until nothing is left. Each turn is taken before the last one is computed, which then fetches its first bytes.
  void work() {
    for (Turn turn = take(); turn.begin < turn.end;) {
      const Turn next = take();
      compute(turn, next.begin < next.end ? address(next.begin) : address(0));
      turn = next;
    }
  }

 private:
  // A share of what is left: long streams first, and small turns last, so that threads end together, also where one of them
  // has half a core.
  Turn take() {
    std::size_t begin = next_.load(std::memory_order_relaxed);
    for (;;) {
      const std::size_t left = tiles_ - begin;
      const std::size_t count = std::min(left, std::max<std::size_t>(1, left / (3 * threads_)));
      if (next_.compare_exchange_weak(begin, begin + count, std::memory_order_relaxed)) return {begin, begin + count};
    }
  }

  const std::byte* address(std::size_t tile) const {
    const MatmulTarget* target = targets_.data();
    for (; tile >= target->matrix->tile_count(); ++target) tile -= target->matrix->tile_count();
    return target->matrix->tile(tile);
  }

  void compute(Turn turn, const std::byte* next) const {
    for (const MatmulTarget& target : targets_) {
      const std::size_t count = target.matrix->tile_count();
      const bool is_last = turn.end <= count;
      if (turn.begin < count)
        multiply(target, {turn.begin, std::min(turn.end, count)}, is_last ? next : (&target + 1)->matrix->tile(0));
      if (is_last) return;
      turn = {turn.begin < count ? 0 : turn.begin - count, turn.end - count};
    }
  }

  void multiply(const MatmulTarget& target, Turn turn, const std::byte* next) const {
    const PackedMatrix& matrix = *target.matrix;
    const std::size_t first_column = turn.begin * kTileColumns;
    const TileProduct product{
        .tiles = matrix.tile(turn.begin),
        .tile_bytes = matrix.tile_bytes(),
        .tile_count = turn.end - turn.begin,
        .next = next,
        .columns = std::min(matrix.outputs(), turn.end * kTileColumns) - first_column,
        .runs = x_.runs(),
        .values = x_.values(),
        .values_ld = x_.values_ld(),
        .rows = x_.rows(),
        .groups = x_.columns() / kGroup,
        .out = target.out + first_column,
        .out_ld = target.ld,
    };
    kernels_.multiply[static_cast<std::size_t>(matrix.format())](product);
  }

  const MatrixKernels& kernels_;
  const std::span<const MatmulTarget> targets_;
  const QuantizedRows& x_;
  const std::size_t threads_;
  std::size_t tiles_ = 0;
  std::atomic<std::size_t> next_{0};
};

}  // namespace

void matmul(const MatrixKernels& kernels, ThreadPool& pool, const PackedMatrix& matrix, const QuantizedRows& x,
            float* out, std::size_t ld) {
  const MatmulTarget target{&matrix, out, ld};
  matmul_all(kernels, pool, {&target, 1}, x);
}

void matmul_all(const MatrixKernels& kernels, ThreadPool& pool, std::span<const MatmulTarget> targets,
                const QuantizedRows& x) {
  for (const MatmulTarget& target : targets)
    CHECK(x.columns() == target.matrix->inputs() && target.matrix->outputs() <= target.ld)
        << "x has K = " << x.columns() << ", the matrix " << target.matrix->outputs() << " x " << target.matrix->inputs()
        << ", ld = " << target.ld;
  if (x.rows() == 0) return;
  SharedRange range(kernels, targets, x, pool.threads());
  pool.share([&range](unsigned) { range.work(); });
}

}  // namespace longshore::kernels
