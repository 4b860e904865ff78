#include "runtime/model/weight_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/random.h"

namespace longshore::model {
namespace {

using kernels::PackedMatrix;
using kernels::WeightFormat;

class WeightCacheTest : public testing::Test {
 protected:
  WeightCacheTest() : pool_(std::move(*ThreadPool::create(2))) {
    std::filesystem::remove_all(folder_);
    // One of several pieces, and small ones.
    matrices_.push_back({"big", matrix_of(WeightFormat::kF16, 700, 1024, 1)});
    matrices_.push_back({"q8", matrix_of(WeightFormat::kQ8_0, 33, 64, 2)});
    matrices_.push_back({"f32", matrix_of(WeightFormat::kF32, 1, 32, 3)});
    model_.fill(0x5a);
  }
  ~WeightCacheTest() override { std::filesystem::remove_all(folder_); }

  PackedMatrix matrix_of(WeightFormat format, std::size_t outputs, std::size_t inputs, std::uint64_t seed) {
    std::vector<std::byte> bytes(outputs * inputs / kernels::block_elements(format) * kernels::block_bytes(format));
    Random random(seed);
    // No exponent of all ones: every scale and weight is finite.
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(0x38));
    return std::move(*PackedMatrix::pack(format, outputs, inputs, bytes, *pool_));
  }

  Result<void> write() {
    auto writer = WeightCacheWriter::create(path_);
    if (!writer) return writer.error();
    for (const auto& [name, matrix] : matrices_) (*writer)->add(name, matrix);
    return (*writer)->finish(kStamp, model_);
  }
  std::vector<char> content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void replace(const std::vector<char>& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // The first thing that is wrong with the file; nothing if all matrices come back as they were.
  std::optional<Error> read() const {
    const auto cache = WeightCache::open(path_, kStamp);
    if (!cache) return cache.error();
    EXPECT_EQ((*cache)->model(), model_);
    for (const auto& [name, matrix] : matrices_) {
      const auto back = (*cache)->matrix(name, matrix.format(), matrix.outputs(), matrix.inputs(), *pool_);
      if (!back) return back.error();
      EXPECT_TRUE(std::ranges::equal(back->packed_bytes(), matrix.packed_bytes())) << name;
    }
    return std::nullopt;
  }

  static constexpr FileStamp kStamp{1000, 2, 3, 1'700'000'000'000'000'001};
  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "weight_cache_test";
  const std::filesystem::path path_ = folder_ / "deep" / "model.weights";
  std::unique_ptr<ThreadPool> pool_;
  std::vector<std::pair<std::string, PackedMatrix>> matrices_;
  Sha256 model_{};
};

TEST_F(WeightCacheTest, MatricesComeBackBitForBit) {
  ASSERT_TRUE(write());
  EXPECT_FALSE(read());
  ASSERT_TRUE(write());  // over the old one
  EXPECT_FALSE(read());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_.parent_path()), {}), 1);
}

TEST_F(WeightCacheTest, IsOfOneStateOfTheModelFile) {
  ASSERT_TRUE(write());
  for (const FileStamp& other : {FileStamp{1001, 2, 3, kStamp.modified_ns}, FileStamp{1000, 9, 3, kStamp.modified_ns},
                                 FileStamp{1000, 2, 9, kStamp.modified_ns}, FileStamp{1000, 2, 3, kStamp.modified_ns + 1}}) {
    const auto cache = WeightCache::open(path_, other);
    ASSERT_FALSE(cache);
    EXPECT_EQ(cache.error().code, ErrorCode::kFailedPrecondition);
    EXPECT_NE(cache.error().message.find("the model file has changed since"), std::string::npos);
  }
}

TEST_F(WeightCacheTest, GivesNothingUnderAnotherNameFormatOrShape) {
  ASSERT_TRUE(write());
  const auto cache = std::move(*WeightCache::open(path_, kStamp));
  EXPECT_EQ(cache->matrix("other", WeightFormat::kQ8_0, 33, 64, *pool_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache->matrix("q8", WeightFormat::kF16, 33, 64, *pool_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache->matrix("q8", WeightFormat::kQ8_0, 34, 64, *pool_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache->matrix("q8", WeightFormat::kQ8_0, 33, 96, *pool_).error().code, ErrorCode::kNotFound);
}

TEST_F(WeightCacheTest, WhatIsNotFinishedIsNotThere) {
  {
    auto writer = std::move(*WeightCacheWriter::create(path_));
    writer->add("q8", matrices_[1].second);
  }
  EXPECT_EQ(read()->code, ErrorCode::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(path_.parent_path()));
}

TEST_F(WeightCacheTest, RefusesEveryTruncation) {
  ASSERT_TRUE(write());
  const std::vector<char> whole = content();
  Random random(4);
  for (int i = 0; i < 200; ++i) {
    replace({whole.begin(), whole.begin() + static_cast<long>(random.below(whole.size()))});
    const auto error = read();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::kDataLoss) << error->message;
  }
}

TEST_F(WeightCacheTest, NoticesEveryChangedByteThatIsRead) {
  ASSERT_TRUE(write());
  const std::vector<char> whole = content();
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    std::vector<char> changed = whole;
    // Half of them in the directory and the footer, which are small.
    const std::size_t at = i % 2 == 0 ? random.below(whole.size()) : whole.size() - 1 - random.below(1000);
    changed[at] = static_cast<char>(changed[at] ^ (1 << random.below(8)));
    replace(changed);
    const auto error = read();  // bytes between matrices are not read: then all comes back as it was
    if (error) {
      EXPECT_EQ(error->code, ErrorCode::kDataLoss) << error->message;
    }
  }
}

TEST_F(WeightCacheTest, SaysWhereItCannotWrite) {
  const auto writer = WeightCacheWriter::create("/proc/nobody/writes/here");
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(writer.error().message.find("/proc/nobody/writes/here"), std::string::npos);
}

TEST_F(WeightCacheTest, RemovesWhatAKilledWriterLeftAndNothingElse) {
  std::filesystem::create_directories(path_.parent_path());
  const std::filesystem::path abandoned = path_.string() + ".1", other = path_.string() + "x";
  std::ofstream(abandoned) << "half of";
  std::ofstream(other) << "not ours";
  auto busy = WeightCacheWriter::create(path_);
  ASSERT_TRUE(busy);
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  EXPECT_TRUE(std::filesystem::exists(other));
  const std::string writing = path_.string() + "." + std::to_string(getpid());
  ASSERT_TRUE(std::filesystem::exists(writing));
  const std::filesystem::path neighbour = path_.string() + ".2";
  std::filesystem::rename(writing, neighbour);  // as if another process were writing it
  ASSERT_TRUE(write());
  EXPECT_TRUE(std::filesystem::exists(neighbour));
  busy->reset();
}

TEST_F(WeightCacheTest, AFullDiskIsAnErrorInTheEnd) {
  std::filesystem::create_directories(path_.parent_path());
  // The temporary file's name is known: make it one that is always full.
  std::filesystem::create_symlink("/dev/full", path_.string() + "." + std::to_string(getpid()));
  const Result<void> written = write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kResourceExhausted) << written.error().message;
}

}  // namespace
}  // namespace longshore::model
