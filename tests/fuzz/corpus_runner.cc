// Runs one fuzz target without libFuzzer: every file of its corpus, and a fixed number of mutations of each
// from a fixed seed. So every build checks what the fuzzer has found so far, with any compiler, in about a
// second.
//
//   corpus_runner CORPUS_FOLDER [--rounds N] [--seed S]

#include "runtime/base/random.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kInputBytesMax = std::size_t{1} << 20;

// Exactly as long as the input, so that the address sanitizer sees the first byte read past its end.
void run_one(const Input& input) {
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

// The numbers that parsers stumble over.
constexpr std::uint64_t kEdges[] = {0,
                                    1,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x7fff,
                                    0xffff,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    0x7fffffffffffffff,
                                    0x8000000000000000,
                                    0xffffffffffffffff};

Input mutate(Input input, longshore::Random& random) {
  const std::uint64_t changes = 1 + random.below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t at = input.empty() ? 0 : random.below(input.size());
    switch (random.below(6)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(random());
        break;
      case 2:
        input.resize(at);
        break;
      case 3: {
        const std::uint64_t edge = kEdges[random.below(std::size(kEdges))];
        const std::size_t width = std::size_t{1} << random.below(4);
        if (at + width <= input.size()) std::memcpy(input.data() + at, &edge, width);
        break;
      }
      case 4: {
        const std::size_t count = std::min<std::size_t>(input.size() - at, 1 + random.below(64));
        const Input part(input.begin() + at, input.begin() + at + count);
        if (input.size() + count <= kInputBytesMax)
          input.insert(input.begin() + at, part.begin(), part.end());
        break;
      }
      default:
        input.erase(input.begin() + at, input.begin() + std::min(input.size(), at + 1 + random.below(16)));
    }
  }
  return input;
}

std::vector<Input> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());  // the same order everywhere: the seed decides the rest
  std::vector<Input> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t rounds = 2000, seed = 1;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  const std::vector<Input> corpus = argc > 1 ? read_corpus(argv[1]) : std::vector<Input>();
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus: name a folder with at least one file\n");
    return 2;
  }
  for (const Input& input : corpus) run_one(input);
  longshore::Random random(seed);
  for (std::uint64_t i = 0; i < rounds; ++i) run_one(mutate(corpus[i % corpus.size()], random));
  std::printf("%zu corpus files, %llu mutations, seed %llu: no crash\n", corpus.size(),
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(seed));
  return 0;
}
