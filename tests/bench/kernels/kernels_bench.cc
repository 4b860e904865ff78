// Each kernel by itself, on one core, its data in that core's caches, with Google Benchmark; beside each
// figure what the core could do at most, measured right before and after it: plain reading of as many bytes
// from the same cache, or the int8 or f32 peak. What comes from memory, on all cores, is in attention_bench
// and bench_matmul.
//   kernels_bench [--benchmark_filter=REGEX ...] [--json FILE]
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/attention/attention_kernels.h"
#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/matmul.h"
#include "tests/bench/kernels/made_up_weights.h"
#include "tests/kernels/attention/filled_leaves.h"
#include "workers/probe/limit_kernels.h"

namespace longshore::kernels {
namespace {

using attention::random_floats;

// What a call is measured in, and so against which limit.
enum class Unit { kBytes, kF32Operations, kInt8Operations };

std::string_view unit_name(Unit unit) {
  return unit == Unit::kBytes ? "GB/s" : unit == Unit::kF32Operations ? "GFLOP/s" : "GOP/s";
}

// A call with its memory, and how many bytes it touches or operations it needs.
struct Work {
  Unit unit;
  double amount;
  std::function<void()> call;
};

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Per second, of this core, in about a millisecond.
double limit_of(Isa isa, const Work& work) {
  const probe::LimitKernels& limits = probe::limit_kernels(isa);
  const std::uint64_t rounds = isa == Isa::kPortable ? 1000 : 40000;
  if (work.unit != Unit::kBytes) {
    double operations = 0;
    const auto peak = work.unit == Unit::kF32Operations ? limits.run_f32 : limits.run_int8;
    const double seconds = seconds_of([&] { operations = peak(rounds); });
    return operations / seconds;
  }
  constexpr std::size_t kReadUnit = 256, kReadAtLeast = 8 << 20;
  const std::size_t bytes = (static_cast<std::size_t>(work.amount) / kReadUnit + 1) * kReadUnit;
  const std::vector<float> memory(bytes / sizeof(float), 1.0f);
  benchmark::DoNotOptimize(limits.read(memory.data(), bytes));
  const std::size_t times = kReadAtLeast / bytes + 1;
  const double seconds = seconds_of([&] {
    for (std::size_t i = 0; i < times; ++i) benchmark::DoNotOptimize(limits.read(memory.data(), bytes));
  });
  return static_cast<double>(bytes * times) / seconds;
}

void measure(benchmark::State& state, Isa isa, const Work& work) {
  work.call();
  const double before = limit_of(isa, work);
  const double seconds = seconds_of([&] {
    for (auto _ : state) {
      work.call();
      benchmark::ClobberMemory();
    }
  });
  const double limit = 0.5 * (before + limit_of(isa, work));
  const double rate = work.amount * static_cast<double>(state.iterations()) / seconds;
  state.counters["rate"] = rate * 1e-9;
  state.counters["limit"] = limit * 1e-9;
  state.counters["share"] = rate / limit;
  state.SetLabel(std::string(unit_name(work.unit)));
}

// Memory is made when the benchmark runs, not when it is registered.
void add(const std::string& name, Isa isa, const std::string& shape, std::function<Work()> make) {
  benchmark::RegisterBenchmark(
      (name + "/" + std::string(to_string(isa)) + "/" + shape).c_str(),
      [isa, make = std::move(make)](benchmark::State& state) { measure(state, isa, make()); });
}

// A row operation on n elements that reads `inputs` arrays and writes one.
using RowCall = std::function<void(const float* a, const float* b, float* out, std::size_t n)>;
void add_row(const std::string& name, Isa isa, std::size_t n, int inputs, RowCall call) {
  add(name, isa, "n:" + std::to_string(n), [=] {
    auto a = std::make_shared<std::vector<float>>(random_floats(n, 2, 1));
    auto b = std::make_shared<std::vector<float>>(random_floats(n, 2, 2));
    auto out = std::make_shared<std::vector<float>>(n);
    return Work{Unit::kBytes, 4.0 * static_cast<double>(n) * (inputs + 1),
                [=] { call(a->data(), b->data(), out->data(), n); }};
  });
}

// Widths of Qwen2.5-1.5B, and SmolLM2's vocabulary.
constexpr std::size_t kWidth = 1536, kInner = 8960, kVocabulary = 49152;
constexpr std::uint32_t kHead = 128;

void add_row_kernels(Isa isa) {
  const RowKernels& row = kernel_table(isa).row;
  add_row("rms_norm", isa, kWidth, 2,
          [&row](auto a, auto b, auto out, auto n) { row.rms_norm(a, b, out, n, 1e-6f); });
  add_row("add", isa, kWidth, 2, [&row](auto a, auto b, auto out, auto n) { row.add(a, b, out, n); });
  add_row("scale", isa, kWidth, 1, [&row](auto a, auto, auto out, auto n) { row.scale(a, 0.5f, out, n); });
  add_row("softcap", isa, kWidth, 1, [&row](auto a, auto, auto out, auto n) { row.softcap(a, 30, out, n); });
  add_row("silu_mul", isa, kInner, 2,
          [&row](auto a, auto b, auto out, auto n) { row.silu_mul(a, b, out, n); });
  add_row("gelu_tanh_mul", isa, kInner, 2,
          [&row](auto a, auto b, auto out, auto n) { row.gelu_tanh_mul(a, b, out, n); });
  add_row("maximum", isa, kVocabulary, 0,
          [&row](auto a, auto, auto, auto n) { benchmark::DoNotOptimize(row.maximum(a, n)); });
  add_row("exp_below", isa, kVocabulary, 1,
          [&row](auto a, auto, auto out, auto n) { row.exp_below(a, 2, 0.7f, out, n); });
  for (const bool neox : {false, true}) {
    add(neox ? "rope_neox" : "rope_norm", isa, "d:" + std::to_string(kHead),
        [call = neox ? row.rope_neox : row.rope_norm] {
          auto head = std::make_shared<std::vector<float>>(random_floats(kHead, 2, 1));
          auto angles = std::make_shared<std::vector<float>>(
              kHead);  // cos, then sin, of angle 0: turned again and again
          std::fill_n(angles->begin(), kHead / 2, 1.0f);
          return Work{Unit::kBytes, 12.0 * kHead,
                      [=] { call(head->data(), angles->data(), angles->data() + kHead / 2, kHead); }};
        });
  }
}

void add_quantize(Isa isa) {
  add("quantize_row", isa, "n:" + std::to_string(kWidth), [quantize = matrix_kernels(isa).quantize_row] {
    auto x = std::make_shared<std::vector<float>>(random_floats(kWidth, 2, 1));
    auto runs = std::make_shared<std::vector<ActivationRun>>(kWidth / kRun);
    return Work{Unit::kBytes, 4.0 * kWidth + static_cast<double>(runs->size() * sizeof(ActivationRun)),
                [=] { quantize(x->data(), kWidth, runs->data(), 1); }};
  });
}

// Two tiles: 100 KB in four bits, which stay in L2 together with the rows.
void add_products(Isa isa) {
  constexpr std::size_t kOutputs = 64, kInputs = kWidth;
  const MatrixKernels& kernels = matrix_kernels(isa);
  for (const WeightFormat format : {WeightFormat::kQ4_K, WeightFormat::kQ6_K, WeightFormat::kQ4_1,
                                    WeightFormat::kQ5_0, WeightFormat::kQ8_0}) {
    for (const std::size_t rows : {1, 4, 8, 16, 96}) {
      const std::string shape = std::string(to_string(format)) + "/rows:" + std::to_string(rows);
      add("product", isa, shape, [=, &kernels] {
        struct Operands {
          std::unique_ptr<ThreadPool> pool;
          PackedMatrix matrix;
          QuantizedRows rows;
          std::vector<float> values, out;
        };
        auto all = std::make_shared<Operands>(Operands{ThreadPool::create(1).value(),
                                                       {},
                                                       QuantizedRows::create(rows, kInputs).value(),
                                                       random_floats(rows * kInputs, 2, 2),
                                                       std::vector<float>(rows * kOutputs)});
        all->matrix = PackedMatrix::pack(format, kOutputs, kInputs,
                                         made_up_weights(format, kOutputs, kInputs), *all->pool)
                          .value();
        all->rows.assign(kernels, *all->pool, all->values.data(), rows, kInputs, kInputs);
        return Work{Unit::kInt8Operations, 2.0 * kOutputs * kInputs * static_cast<double>(rows),
                    [=, &kernels] {
                      matmul(kernels, *all->pool, all->matrix, all->rows, all->out.data(), kOutputs);
                    }};
      });
    }
  }
}

void add_attention(Isa isa) {
  using namespace attention;
  constexpr std::uint32_t kD = kHead;
  struct Operands {
    FilledLeaves leaves;
    std::vector<float> q;
    std::vector<KeyRange> visible;
    AttentionPartial a, b;
    AttendScratch scratch;
  };
  const AttentionKernels& kernels = attention_kernels(isa);
  const auto operands = [](Dtype type, std::uint32_t rows) {
    const AttendShape shape{.layout = {type, kD}, .group = rows};
    auto all = std::make_shared<Operands>(Operands{FilledLeaves(shape.layout, 128, 1),
                                                   random_floats(std::size_t{rows} * kD, 0.1f, 2),
                                                   std::vector<KeyRange>(rows, {0, 128}),
                                                   {},
                                                   {},
                                                   {}});
    all->a.resize(rows, kD);
    all->b.resize(rows, kD);
    all->scratch.reserve(shape);
    return all;
  };
  for (const Dtype type : {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kQ8_0}) {
    for (const std::uint32_t rows : {1u, 4u, 6u, 192u}) {
      add("attend_leaf", isa, std::string(to_string(type)) + "/rows:" + std::to_string(rows), [=, &kernels] {
        const auto all = operands(type, rows);
        return Work{Unit::kF32Operations, 4.0 * rows * kD * 128, [=, &kernels] {
                      kernels.attend_leaf({.type = type,
                                           .d = kD,
                                           .rows = rows,
                                           .q = all->q.data(),
                                           .visible = all->visible.data(),
                                           .block = all->leaves.held()[0].block},
                                          all->a.span(), all->scratch.kernel_floats());
                    }};
      });
    }
  }
  for (const std::uint32_t rows : {6u, 192u}) {
    add("merge", isa, "rows:" + std::to_string(rows), [=, &kernels] {
      const auto all = operands(Dtype::kF16, rows);
      set_identity(all->a.span(), rows, kD);
      set_identity(all->b.span(), rows, kD);
      for (const PartialSpan& partial : {all->a.span(), all->b.span()}) {
        std::fill_n(partial.weight, rows, 1.0f);
        std::fill_n(partial.max, rows, 0.0f);
      }
      return Work{Unit::kBytes, 12.0 * rows * kD, [=, &kernels] {
                    const PartialSpan out = all->b.span();
                    kernels.merge(rows, kD, out, all->a.view(), out);
                    std::fill_n(out.weight, rows, 1.0f);
                  }};
    });
  }
}

// The console's table, and the records of docs/benchmarks.md.
class Reporter : public benchmark::ConsoleReporter {
 public:
  explicit Reporter(std::string json) : ConsoleReporter(OO_Tabular), json_(std::move(json)) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const std::string& name = run.run_name.function_name;
      const std::size_t op = name.find('/'), isa = name.find('/', op + 1);
      char record[400];
      std::snprintf(
          record, sizeof record,
          R"({"name": "%s", "value": %.4g, "unit": "%s", "limit": %.4g, "parameters": {"isa": "%s", "shape": "%s", "threads": 1}})",
          name.substr(0, op).c_str(), run.counters.at("rate").value, run.report_label.c_str(),
          run.counters.at("limit").value, name.substr(op + 1, isa - op - 1).c_str(),
          name.substr(isa + 1).c_str());
      records_.push_back(record);
    }
  }

  bool write() const {
    if (json_.empty()) return true;
    std::ofstream out(json_);
    out << "[\n";
    for (std::size_t i = 0; i < records_.size(); ++i)
      out << "  " << records_[i] << (i + 1 < records_.size() ? ",\n" : "\n");
    out << "]\n";
    return static_cast<bool>(out.flush());
  }

 private:
  std::string json_;
  std::vector<std::string> records_;
};

// Takes --json FILE out of the arguments.
std::string take_json(int& argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) != "--json") continue;
    const std::string file = argv[i + 1];
    std::copy(argv + i + 2, argv + argc + 1, argv + i);
    argc -= 2;
    return file;
  }
  return "";
}

int run(int argc, char** argv) {
  Reporter reporter(take_json(argc, argv));
  for (const Isa isa : {Isa::kAvx512, Isa::kAvx2, Isa::kPortable}) {
    if (!is_supported(isa)) continue;
    add_row_kernels(isa);
    add_quantize(isa);
    add_products(isa);
    add_attention(isa);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  if (!reporter.write()) {
    std::fprintf(stderr, "kernels_bench: cannot write the --json file\n");
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace longshore::kernels

int main(int argc, char** argv) { return longshore::kernels::run(argc, argv); }
