// Products of GGUF weights and quantised activations, beside the limits of this machine measured in the same run:
// M = 1 as a share of the read bandwidth, larger M as a share of the int8 dot peak. Weights come fresh from memory.
//   bench_matmul [--isa auto|avx2|avx512] [--threads N] [--windows N] [--format NAME] [--json FILE]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/kernels/matmul.h"
#include "tests/bench/kernels/made_up_weights.h"
#include "workers/probe/machine_limits.h"

namespace longshore::kernels {
namespace {

struct Options {
  Isa isa = detect_isa();
  unsigned threads = 2;
  int windows = 21;
  std::string format;  // all
  std::string json;
};

struct Shape {
  WeightFormat format;
  std::size_t outputs, inputs;
};

// Formats and shapes of the models that we test with, then the other formats.
constexpr Shape kShapes[] = {
    {WeightFormat::kQ4_K, 8960, 1536}, {WeightFormat::kQ4_K, 1536, 8960}, {WeightFormat::kQ4_K, 1536, 1536},
    {WeightFormat::kQ6_K, 1536, 8960}, {WeightFormat::kQ6_K, 8960, 1536}, {WeightFormat::kQ4_1, 1536, 576},
    {WeightFormat::kQ4_1, 576, 1536},  {WeightFormat::kQ4_1, 960, 576},   {WeightFormat::kQ4_1, 576, 576},
    {WeightFormat::kQ8_0, 49152, 576}, {WeightFormat::kQ8_0, 65536, 640},
    {WeightFormat::kQ5_0, 2048, 640},  {WeightFormat::kQ5_K, 8960, 1536}, {WeightFormat::kQ4_0, 8960, 1536},
    {WeightFormat::kQ5_1, 8960, 1536}, {WeightFormat::kQ3_K, 8960, 1536}, {WeightFormat::kQ2_K, 8960, 1536},
    {WeightFormat::kF16, 8960, 1536},  {WeightFormat::kF32, 8960, 1536}};
// Copies of a matrix that together exceed the caches; a window of reading takes that much, one of computing this much.
constexpr std::size_t kWeightBytes = std::size_t{96} << 20;
constexpr std::size_t kWindowBytes = std::size_t{32} << 20;
constexpr std::size_t kWindowOperations = 2000000000;
constexpr std::size_t kRowCounts[] = {1, 2, 4, 8, 16, 64, 512};

struct Figure {
  double value;      // per second
  double limit;      // of the machine, median of the same run
  bool undisturbed;  // enough windows in which no thread lost its core
};

long preemptions() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Alternates windows of the limit and of the work; the median of those that kept their cores, or the best of all.
Figure measure(int windows, const std::function<double()>& limit, const std::function<double()>& work) {
  std::vector<double> quiet_limits, limits, quiet_values, values;
  for (int i = 0; i < windows; ++i) {
    long before = preemptions();
    limits.push_back(limit());
    if (preemptions() == before) quiet_limits.push_back(limits.back());
    before = preemptions();
    values.push_back(work());
    if (preemptions() == before) quiet_values.push_back(values.back());
  }
  const bool undisturbed = quiet_limits.size() >= 5 && quiet_values.size() >= 5;
  if (undisturbed) return {median(quiet_values), median(quiet_limits), true};
  return {*std::max_element(values.begin(), values.end()), *std::max_element(limits.begin(), limits.end()), false};
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), pool_(std::move(*ThreadPool::create(options.threads))),
        kernels_(matrix_kernels(options.isa)), memory_(std::move(*Buffer::allocate(kWeightBytes))) {
    std::memset(memory_.data(), 1, memory_.size());
    std::printf("isa %s, %u threads, %d windows; share of int8 dot peak (M > 1) or of read bandwidth (M = 1)\n",
                std::string(to_string(options.isa)).c_str(), options.threads, options.windows);
    std::printf("%-5s %7s %6s %5s  %9s  %9s  %6s\n", "type", "N", "K", "M", "value", "limit", "share");
  }

  void run(const Shape& shape) {
    const std::vector<std::byte> bytes = made_up_weights(shape.format, shape.outputs, shape.inputs);
    std::vector<PackedMatrix> copies;
    for (std::size_t i = 0; i < 1 + kWeightBytes / bytes.size(); ++i) {
      auto matrix = PackedMatrix::pack(shape.format, shape.outputs, shape.inputs, bytes, *pool_);
      if (!matrix) {
        std::fprintf(stderr, "%s\n", matrix.error().message.c_str());
        std::exit(1);
      }
      copies.push_back(std::move(*matrix));
    }
    for (std::size_t rows : kRowCounts)
      if (!is_float(shape.format) || rows <= 16) run_rows(shape, copies, rows);
  }

  bool write_json(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return false;
    std::fprintf(file, "[");
    for (std::size_t i = 0; i < records_.size(); ++i) std::fprintf(file, "%s\n  %s", i == 0 ? "" : ",", records_[i].c_str());
    std::fprintf(file, "\n]\n");
    return std::fclose(file) == 0;
  }

 private:
  void run_rows(const Shape& shape, const std::vector<PackedMatrix>& copies, std::size_t rows) {
    auto x = QuantizedRows::create(rows, shape.inputs);
    std::vector<float> values(rows * shape.inputs), out(rows * shape.outputs);
    Random random(2);
    for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
    x->assign(kernels_, *pool_, values.data(), rows, shape.inputs, shape.inputs);
    const std::size_t operations = 2 * shape.outputs * shape.inputs * rows, bytes = copies[0].bytes();
    const std::size_t calls = std::max<std::size_t>(1, std::min(kWindowOperations / operations, kWindowBytes / bytes));
    std::size_t next = 0, position = 0;
    const auto multiply = [&] {
      const auto start = std::chrono::steady_clock::now();
      for (std::size_t i = 0; i < calls; ++i)
        matmul(kernels_, *pool_, copies[next++ % copies.size()], *x, out.data(), shape.outputs);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      return static_cast<double>((rows == 1 ? bytes : operations) * calls) / seconds;
    };
    const auto limit = [&] {
      return rows == 1 ? probe::read_bandwidth(*pool_, options_.isa, memory_.bytes(), &position)
                       : probe::int8_peak(*pool_, options_.isa);
    };
    report(shape, rows, measure(options_.windows, limit, multiply));
  }

  void report(const Shape& shape, std::size_t rows, const Figure& figure) {
    const char* const unit = rows == 1 ? "GB/s" : "GOP/s";
    const std::string name(to_string(shape.format));
    std::printf("%-5s %7zu %6zu %5zu  %9.1f  %9.1f  %6.2f  %s%s\n", name.c_str(), shape.outputs, shape.inputs, rows,
                figure.value / 1e9, figure.limit / 1e9, figure.value / figure.limit, unit,
                figure.undisturbed ? "" : "  (disturbed: best windows)");
    std::fflush(stdout);
    char record[512];
    std::snprintf(record, sizeof record,
                  "{\"name\": \"matmul\", \"value\": %.4g, \"unit\": \"%s\", \"limit\": %.4g, \"parameters\": {\"format\": "
                  "\"%s\", \"outputs\": %zu, \"inputs\": %zu, \"rows\": %zu, \"isa\": \"%s\", \"threads\": %u, "
                  "\"undisturbed\": %s}}",
                  figure.value / 1e9, unit, figure.limit / 1e9, name.c_str(), shape.outputs, shape.inputs, rows,
                  std::string(to_string(options_.isa)).c_str(), options_.threads, figure.undisturbed ? "true" : "false");
    records_.push_back(record);
  }

  Options options_;
  std::unique_ptr<ThreadPool> pool_;
  const MatrixKernels& kernels_;
  Buffer memory_;  // to read
  std::vector<std::string> records_;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--isa") {
      const auto isa = parse_isa(value);
      if (!isa || *isa == Isa::kPortable) return std::nullopt;
      options.isa = *isa;
    } else if (name == "--threads") {
      options.threads = static_cast<unsigned>(std::clamp(std::atoi(value.c_str()), 1, 256));
    } else if (name == "--windows") {
      options.windows = std::clamp(std::atoi(value.c_str()), 1, 1000);
    } else if (name == "--format") {
      options.format = value;
    } else if (name == "--json") {
      options.json = value;
    } else {
      return std::nullopt;
    }
  }
  if (argc % 2 == 0) return std::nullopt;
  return options;
}

int bench(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: %s [--isa auto|avx2|avx512] [--threads N] [--windows N] [--format NAME] [--json FILE]\n", argv[0]);
    return 2;
  }
  Bench bench(*options);
  for (const Shape& shape : kShapes)
    if (options->format.empty() || options->format == to_string(shape.format)) bench.run(shape);
  if (!options->json.empty() && !bench.write_json(options->json)) {
    std::fprintf(stderr, "cannot write %s\n", options->json.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace longshore::kernels

int main(int argc, char** argv) { return longshore::kernels::bench(argc, argv); }
