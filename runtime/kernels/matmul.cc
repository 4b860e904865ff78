#include "runtime/kernels/matmul.h"

#include <algorithm>
#include <atomic>

#include "runtime/base/check.h"
#include "runtime/kernels/tile_layout.h"

namespace longshore::kernels {
namespace {

// Tiles that a thread takes at a time: enough to make one sequential stream and to amortise the counter, few enough
// that threads end together.
constexpr std::size_t kTilesPerTurn = 8;

struct SharedRange {
  const MatrixKernels& kernels;
  std::span<const MatmulTarget> targets;
  const QuantizedRows& x;
  std::size_t tiles;  // of all targets
  std::size_t turn;
  std::atomic<std::size_t> next{0};

  // Runs the tiles [begin, end) of the concatenated targets.
  void compute(std::size_t begin, std::size_t end) const {
    for (const MatmulTarget& target : targets) {
      const std::size_t count = target.matrix->tile_count();
      if (begin < count) matmul_tiles(kernels, target, x, begin, std::min(end, count));
      if (end <= count) return;
      begin = begin < count ? 0 : begin - count;
      end -= count;
    }
  }
};

}  // namespace

void matmul_tiles(const MatrixKernels& kernels, const MatmulTarget& target, const QuantizedRows& x,
                  std::size_t tile_begin, std::size_t tile_end) {
  const PackedMatrix& matrix = *target.matrix;
  CHECK(x.columns() == matrix.inputs() && matrix.outputs() <= target.ld)
      << "x has K = " << x.columns() << ", the matrix " << matrix.outputs() << " x " << matrix.inputs()
      << ", ld = " << target.ld;
  CHECK(tile_begin < tile_end && tile_end <= matrix.tile_count()) << tile_begin << " .. " << tile_end;
  const std::size_t first_column = tile_begin * kTileColumns;
  const TileProduct product{
      .tiles = matrix.tile(tile_begin),
      .tile_bytes = matrix.tile_bytes(),
      .tile_count = tile_end - tile_begin,
      .columns = std::min(matrix.outputs(), tile_end * kTileColumns) - first_column,
      .runs = x.runs(),
      .values = x.values(),
      .values_ld = x.values_ld(),
      .rows = x.rows(),
      .groups = x.columns() / kGroup,
      .out = target.out + first_column,
      .out_ld = target.ld,
  };
  kernels.multiply[static_cast<std::size_t>(matrix.format())](product);
}

void matmul(const MatrixKernels& kernels, ThreadPool& pool, const PackedMatrix& matrix, const QuantizedRows& x,
            float* out, std::size_t ld) {
  const MatmulTarget target{&matrix, out, ld};
  matmul_all(kernels, pool, {&target, 1}, x);
}

void matmul_all(const MatrixKernels& kernels, ThreadPool& pool, std::span<const MatmulTarget> targets,
                const QuantizedRows& x) {
  std::size_t tiles = 0;
  for (const MatmulTarget& target : targets) tiles += target.matrix->tile_count();
  const std::size_t turns_wanted = std::size_t{4} * pool.threads();
  SharedRange range{kernels, targets, x, tiles, std::clamp<std::size_t>(tiles / turns_wanted, 1, kTilesPerTurn)};
  if (x.rows() == 0 || tiles == 0) return;
  pool.run([&range](unsigned) {
    for (;;) {
      const std::size_t begin = range.next.fetch_add(range.turn, std::memory_order_relaxed);
      if (begin >= range.tiles) return;
      range.compute(begin, std::min(range.tiles, begin + range.turn));
    }
  });
}

}  // namespace longshore::kernels
