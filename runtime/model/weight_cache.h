#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/packed_matrix.h"

namespace longshore::model {

// Which state of a file was read. While none of it changes the file is taken for unchanged, as a version control system
// takes what its index lists.
struct FileStamp {
  std::uint64_t bytes = 0, device = 0, inode = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
// Errors: kNotFound.
Result<FileStamp> stamp_of(const std::filesystem::path& file);

// The matrices of one model file in the order in which the kernels read them (kernels::PackedMatrix), and the file's
// SHA-256: so that the next start neither converts nor hashes. A file of its own:
//
//   "LSWEIGHT"; matrices, each at a multiple of 4096; directory (JSON); its offset, bytes and checksum (u64 each); "LSWEIGHT"
//
// All that is read from it is checked: bounds when it is opened, a checksum with each piece that is copied out.
// Thread: immutable, thread-safe.
class WeightCache {
 public:
  // Errors: kNotFound (no such file), kFailedPrecondition (of another state of the model file, or another version's),
  // kDataLoss (damaged; the text says where).
  static Result<std::unique_ptr<WeightCache>> open(const std::filesystem::path& path, const FileStamp& model_file);
  ~WeightCache();
  WeightCache(const WeightCache&) = delete;
  WeightCache& operator=(const WeightCache&) = delete;

  const Sha256& model() const { return model_; }
  // Errors: kNotFound (no matrix of this name, format and shape), kDataLoss, kResourceExhausted.
  Result<kernels::PackedMatrix> matrix(std::string_view name, kernels::WeightFormat format, std::size_t outputs,
                                       std::size_t inputs, ThreadPool& pool) const;

 private:
  struct Entry {
    std::string format;
    std::uint64_t outputs = 0, inputs = 0, offset = 0, bytes = 0;
    std::vector<std::uint64_t> checksums;  // of its pieces
  };
  explicit WeightCache(int file) : file_(file) {}
  Result<void> read_directory(const FileStamp& model_file, std::uint64_t file_bytes);

  int file_;
  Sha256 model_{};
  std::unordered_map<std::string, Entry> entries_;
};

// Writes such a file, matrix by matrix. Nothing is seen under its name before `finish`; whoever gives up leaves nothing, and
// what a killed one leaves is never read, and removed by the next. One thread.
class WeightCacheWriter {
 public:
  // Makes the folder if need be. Errors: kFailedPrecondition (the folder or file cannot be written).
  static Result<std::unique_ptr<WeightCacheWriter>> create(const std::filesystem::path& path);
  ~WeightCacheWriter();  // removes what was not finished
  WeightCacheWriter(const WeightCacheWriter&) = delete;
  WeightCacheWriter& operator=(const WeightCacheWriter&) = delete;

  // Errors are kept for finish: a full disk is no reason not to load.
  void add(std::string_view name, const kernels::PackedMatrix& matrix);
  // Errors: kResourceExhausted (the disk is full), kFailedPrecondition, naming the file.
  Result<void> finish(const FileStamp& model_file, const Sha256& model);

 private:
  WeightCacheWriter(std::filesystem::path path, std::filesystem::path temporary, int file);
  void write(std::span<const std::byte> bytes);
  void align();

  std::filesystem::path path_, temporary_;
  int file_;
  std::uint64_t offset_ = 0;
  std::string matrices_;  // of the directory, JSON
  std::optional<Error> error_;
};

}  // namespace longshore::model
