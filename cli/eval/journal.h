#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/eval/sample_result.h"
#include "runtime/base/result.h"

namespace longshore::cli::eval {

// Everything that decides what a sample gives: results may be taken over from a run only if all of it is equal. Threads,
// nodes, chunks and the instruction set are not in it, because they change no bit (docs/determinism.md).
using RunIdentity = std::vector<std::pair<std::string, std::string>>;  // field, value; in a fixed order

// The finished samples of a run, as a file of JSON lines: first the identity, then one line for each sample, written when it
// is done. Numbers with fractions are stored as hexadecimal floats, so that what is read back has the same bits.
// Thread: one.
class Journal {
 public:
  static constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

  // Opens `path`, or begins it where it does not exist or is empty, and reads what it holds. A last line that was cut off is
  // dropped. Errors: kNotFound where it cannot be opened or written, kInvalidArgument for a file of another run (naming the
  // field that differs) or a line that is not what this class writes (naming the line).
  static Result<std::unique_ptr<Journal>> open(const std::string& path, const RunIdentity& identity, std::size_t presets);

  // Those that were there when it was opened.
  const SampleResults& finished() const { return finished_; }
  // Errors: kResourceExhausted where the file cannot be written.
  Result<void> add(const SampleResult& result);

 private:
  Journal(std::string path, SampleResults finished) : path_(std::move(path)), finished_(std::move(finished)) {}

  std::string path_;
  SampleResults finished_;
  std::ofstream out_;
};

}  // namespace longshore::cli::eval
