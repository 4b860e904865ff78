// How fast attention reads its KV, against what this machine can read at all, in the same run: each sample of
// the kernel lies between two plain reads by the same threads, and medians of the ratios are printed. Beside
// them two ceilings: the rate with KV in cache (the kernel's own), and the rate at which the f32 peak of the same
// threads alone would allow it (one fma per row and element; CPUs that are halves of one core share that peak). For
// prefill, the share of the f32 peak.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>

#include "runtime/base/thread_pool.h"
#include "runtime/plan/leaf.h"
#include "tests/kernels/attention/filled_leaves.h"
#include "workers/probe/limit_kernels.h"
#include "workers/probe/machine_limits.h"

namespace longshore::attention {
namespace {

struct Options {
  std::string isa = "auto";
  std::string json;
  std::string part = "all";
  unsigned threads = std::thread::hardware_concurrency();
  bool quick = false;
};

struct Sample {
  std::string name;
  double value = 0;
  std::string unit;
  double limit = 0;
  std::string parameters;  // JSON object
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  Bench(const Options& options, kernels::Isa isa, ThreadPool& pool)
      : options_(options), isa_(isa), kernels_(attention_kernels(isa)), pool_(pool) {}

  void run();
  const std::vector<Sample>& samples() const { return samples_; }

 private:
  // KV of one thread: as many heads of one context as fill kBytesPerThread, all leaves filled.
  struct Share {
    Buffer memory;
    std::vector<std::vector<HeldLeaf>> heads;
    NodeList nodes;
    AttendScratch scratch;
    std::vector<float> q;
  };

  double seconds(const std::function<void(unsigned)>& work) const;
  void fill_shares(const kv::KvLayout& layout, std::uint32_t context);
  double read_rate();
  double decode_rate(const AttendShape& shape, std::uint32_t context);
  double cache_rate(const AttendShape& shape);
  void decode(const AttendShape& shape, std::uint32_t context);
  void prefill(const AttendShape& shape, std::uint32_t context, std::uint32_t tokens);
  std::string parameters(const AttendShape& shape, std::uint32_t context) const;

  static constexpr std::size_t kBytesPerThread = std::size_t{96} << 20;  // far beyond any cache
  Options options_;
  kernels::Isa isa_;
  const AttentionKernels& kernels_;
  ThreadPool& pool_;
  std::vector<Share> shares_;
  std::vector<Sample> samples_;
};

double Bench::seconds(const std::function<void(unsigned)>& work) const {
  const auto start = std::chrono::steady_clock::now();
  pool_.run(work);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Bench::fill_shares(const kv::KvLayout& layout, std::uint32_t context) {
  const std::uint32_t leaves = context / kLeafTokens;
  const std::size_t head_bytes = leaves * layout.block_bytes();
  const std::size_t heads = std::max<std::size_t>(1, kBytesPerThread / head_bytes);
  const FilledLeaves filled(layout, kLeafTokens, 1);
  shares_.clear();
  shares_.resize(pool_.threads());
  pool_.run([&](unsigned worker) {  // first touched by the thread that reads it
    Share& share = shares_[worker];
    share.memory = Buffer::allocate(heads * head_bytes).value();
    share.heads.resize(heads);
    for (std::size_t head = 0; head < heads; ++head) {
      for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
        std::byte* block = share.memory.data() + head * head_bytes + leaf * layout.block_bytes();
        std::memcpy(block, filled.held()[0].block, layout.block_bytes());
        share.heads[head].push_back({leaf + 1, kLeafTokens, block});  // leaf 1 on: all of them in the tree
      }
    }
  });
}

// Plain sequential read of the same memory by the same threads, bytes per second.
double Bench::read_rate() {
  const auto read = probe::limit_kernels(isa_).read;
  double bytes = 0;
  for (const Share& share : shares_) bytes += static_cast<double>(share.memory.size());
  return bytes / seconds([&](unsigned worker) {
           const Buffer& memory = shares_[worker].memory;
           volatile std::int32_t keep = read(memory.data(), memory.size());
           (void)keep;
         });
}

double Bench::decode_rate(const AttendShape& shape, std::uint32_t context) {
  const std::uint32_t position = context + 3 * kLeafTokens;  // past the tree
  double bytes = 0;
  for (const Share& share : shares_) bytes += static_cast<double>(share.memory.size());
  return bytes / seconds([&](unsigned worker) {
           Share& share = shares_[worker];
           const Queries queries{share.q.data(), share.q.size(), position, 1};
           for (const auto& head : share.heads)
             attend_range(kernels_, shape, queries, head, share.nodes, share.scratch).value();
         });
}

double Bench::cache_rate(const AttendShape& shape) {
  constexpr unsigned kRepeats = 200;
  const double bytes = static_cast<double>(shape.layout.block_bytes()) * kRepeats * pool_.threads();
  return bytes / seconds([&](unsigned worker) {
           Share& share = shares_[worker];
           const Queries queries{share.q.data(), share.q.size(), 5 * kLeafTokens, 1};
           for (unsigned i = 0; i < kRepeats; ++i)
             attend_range(kernels_, shape, queries, std::span(share.heads[0]).first(1), share.nodes,
                          share.scratch)
                 .value();
         });
}

std::string Bench::parameters(const AttendShape& shape, std::uint32_t context) const {
  char text[200];
  std::snprintf(
      text, sizeof text,
      R"({"isa": "%s", "kv_type": "%s", "group": %u, "head_dim": %u, "context": %u, "threads": %u})",
      kernels_.name.data(), to_string(shape.layout.type).data(), shape.group, shape.layout.d, context,
      pool_.threads());
  return text;
}

void Bench::decode(const AttendShape& shape, std::uint32_t context) {
  for (Share& share : shares_) share.q = random_floats(std::size_t{shape.group} * shape.layout.d, 0.1f, 2);
  const double fma_bytes = static_cast<double>(shape.layout.block_bytes()) / (2.0 * kLeafTokens * shape.layout.d) /
                           (2.0 * shape.group);  // that one operation consumes
  std::vector<double> rates, ratios, in_cache, fma_limits;
  double before = read_rate();
  decode_rate(shape, context);
  for (int i = 0; i < (options_.quick ? 5 : 9); ++i) {
    rates.push_back(decode_rate(shape, context));
    const double after = read_rate();
    ratios.push_back(rates.back() / (0.5 * (before + after)));
    before = after;
    in_cache.push_back(cache_rate(shape));
    fma_limits.push_back(probe::f32_peak(pool_, isa_) * fma_bytes);
  }
  const double rate = median(rates), ratio = median(ratios), cache = median(in_cache), fma_limit = median(fma_limits);
  std::printf(
      "decode  %-8s %-5s G %u d %3u context %6u  %6.1f GB/s  %.2f of plain read  in cache %6.1f GB/s  %.2f "
      "of it  fma alone %6.1f GB/s\n",
      kernels_.name.data(), to_string(shape.layout.type).data(), shape.group, shape.layout.d, context,
      rate * 1e-9, ratio, cache * 1e-9, rate / cache, fma_limit * 1e-9);
  std::fflush(stdout);
  const std::string where = parameters(shape, context);
  samples_.push_back({"attention_decode", rate * 1e-9, "GB/s", rate / ratio * 1e-9, where});
  samples_.push_back({"attention_decode_in_cache", cache * 1e-9, "GB/s", fma_limit * 1e-9, where});
}

void Bench::prefill(const AttendShape& shape, std::uint32_t context, std::uint32_t tokens) {
  const std::size_t row = std::size_t{shape.group} * shape.layout.d;
  for (Share& share : shares_) share.q = random_floats(tokens * row, 0.1f, 2);
  const double operations = 4.0 * static_cast<double>(tokens * row) * context *
                            pool_.threads();  // whole leaves: every token sees all of them
  std::vector<double> rates, ratios;
  double before = probe::f32_peak(pool_, isa_);
  for (int i = 0; i < (options_.quick ? 3 : 5); ++i) {
    rates.push_back(
        operations / seconds([&](unsigned worker) {
          Share& share = shares_[worker];
          const Queries queries{share.q.data(), row, context + 3 * kLeafTokens, tokens};
          attend_range(kernels_, shape, queries, share.heads[0], share.nodes, share.scratch).value();
        }));
    const double after = probe::f32_peak(pool_, isa_);
    ratios.push_back(rates.back() / (0.5 * (before + after)));
    before = after;
  }
  const double rate = median(rates), ratio = median(ratios);
  std::printf("prefill %-8s %-5s G %u d %3u context %6u  %6.1f GFLOP/s  %.2f of f32 peak\n",
              kernels_.name.data(), to_string(shape.layout.type).data(), shape.group, shape.layout.d, context,
              rate * 1e-9, ratio);
  std::fflush(stdout);
  samples_.push_back(
      {"attention_prefill", rate * 1e-9, "GFLOP/s", rate / ratio * 1e-9, parameters(shape, context)});
}

void Bench::run() {
  const std::vector<std::uint32_t> dims = options_.quick ? std::vector{128u} : std::vector{64u, 128u, 256u};
  const std::vector<std::uint32_t> groups =
      options_.quick ? std::vector{1u, 4u, 6u} : std::vector{1u, 2u, 3u, 4u, 5u, 6u};
  const std::vector<std::uint32_t> contexts =
      options_.quick ? std::vector{32768u} : std::vector{1024u, 4096u, 16384u, 32768u, 131072u};
  for (Dtype type : {Dtype::kF16, Dtype::kQ8_0}) {
    for (std::uint32_t d : dims) {
      for (std::uint32_t context : contexts) {
        if (options_.part == "prefill") break;
        fill_shares({type, d}, context);
        for (std::uint32_t group : groups) decode({.layout = {type, d}, .group = group}, context);
      }
      if (options_.part == "decode") continue;
      fill_shares({type, d}, 16384);
      prefill({.layout = {type, d}, .group = 6}, 16384, options_.quick ? 64 : 128);
    }
  }
}

bool write_json(const std::string& path, const std::vector<Sample>& samples) {
  std::ofstream out(path);
  out << "[\n";
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& one = samples[i];
    out << R"(  {"name": ")" << one.name << R"(", "value": )" << one.value << R"(, "unit": ")" << one.unit
        << R"(", "limit": )";
    if (one.limit > 0)
      out << one.limit;
    else
      out << "null";
    out << R"(, "parameters": )" << one.parameters << "}" << (i + 1 < samples.size() ? ",\n" : "\n");
  }
  out << "]\n";
  return static_cast<bool>(out);
}

int run_bench(const Options& options) {
  const Result<kernels::Isa> isa = kernels::parse_isa(options.isa);
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(options.threads);
  if (!isa || !pool) {
    std::fprintf(stderr, "%s\n", (isa ? pool.error() : isa.error()).message.c_str());
    return 1;
  }
  Bench bench(options, *isa, **pool);
  bench.run();
  if (!options.json.empty() && !write_json(options.json, bench.samples())) {
    std::fprintf(stderr, "cannot write %s\n", options.json.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace longshore::attention

int main(int argc, char** argv) {
  longshore::attention::Options options;
  CLI::App app("Attention: read bandwidth in decode, share of the f32 peak in prefill");
  app.add_option("--isa", options.isa, "auto, portable, avx2 or avx512")->capture_default_str();
  app.add_option("--threads", options.threads, "threads that read at once")->capture_default_str();
  app.add_option("--json", options.json, "write the figures there, as docs/benchmarks.md describes");
  app.add_option("--part", options.part, "all, decode or prefill")
      ->check(CLI::IsMember({"all", "decode", "prefill"}))
      ->capture_default_str();
  app.add_flag("--quick", options.quick, "d 128 at 32768 only, fewer samples");
  CLI11_PARSE(app, argc, argv);
  return longshore::attention::run_bench(options);
}
