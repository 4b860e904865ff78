#include "runtime/model/weight_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/checksum.h"
#include "runtime/kernels/tile_layout.h"

namespace longshore::model {
namespace {

namespace json = boost::json;

constexpr std::string_view kMagic = "LSWEIGHT";
constexpr std::uint64_t kAlignment = 4096;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // read and checked at once: it stays in L2
constexpr std::uint64_t kDirectoryBytesMax = std::uint64_t{64} << 20;

struct Footer {
  std::uint64_t offset = 0, bytes = 0, checksum = 0;
  std::array<char, 8> magic{};
};
static_assert(sizeof(Footer) == 32);

std::size_t pieces_of(std::uint64_t bytes) { return (bytes + kPieceBytes - 1) / kPieceBytes; }

bool read_at(int file, std::uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const ssize_t got = pread(file, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

Error damaged(std::string_view what) {
  return make_error(ErrorCode::kDataLoss, "the weight cache is damaged: ", what);
}

json::object to_json(const FileStamp& stamp) {
  return {{"bytes", stamp.bytes}, {"device", stamp.device}, {"inode", stamp.inode}, {"modified_ns", stamp.modified_ns}};
}

std::uint64_t number(const json::object& object, std::string_view key) {
  return object.at(key).to_number<std::uint64_t>();
}

FileStamp stamp_from(const json::object& object) {
  return {number(object, "bytes"), number(object, "device"), number(object, "inode"),
          object.at("modified_ns").to_number<std::int64_t>()};
}

}  // namespace

Result<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat found {};
  if (stat(file.c_str(), &found) != 0)
    return make_error(ErrorCode::kNotFound, file.string(), ": ", std::strerror(errno));
  return FileStamp{static_cast<std::uint64_t>(found.st_size), found.st_dev, found.st_ino,
                   found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
}

Result<std::unique_ptr<WeightCache>> WeightCache::open(const std::filesystem::path& path, const FileStamp& model_file) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return make_error(ErrorCode::kNotFound, path.string(), ": ", std::strerror(errno));
  std::unique_ptr<WeightCache> cache(new WeightCache(file));
  struct stat found {};
  if (fstat(file, &found) != 0) return make_error(ErrorCode::kNotFound, path.string(), ": ", std::strerror(errno));
  if (Result<void> read = cache->read_directory(model_file, static_cast<std::uint64_t>(found.st_size)); !read)
    return make_error(read.error().code, path.string(), ": ", read.error().message);
  return cache;
}

WeightCache::~WeightCache() { ::close(file_); }

Result<void> WeightCache::read_directory(const FileStamp& model_file, std::uint64_t file_bytes) {
  std::array<char, 8> magic{};
  Footer footer;
  if (file_bytes < kMagic.size() + sizeof footer || !read_at(file_, 0, std::as_writable_bytes(std::span(magic))) ||
      !read_at(file_, file_bytes - sizeof footer, std::as_writable_bytes(std::span(&footer, 1))) ||
      std::string_view(magic.data(), magic.size()) != kMagic ||
      std::string_view(footer.magic.data(), footer.magic.size()) != kMagic)
    return damaged("it does not begin and end as one");
  const std::uint64_t directory_end = file_bytes - sizeof footer;
  if (footer.bytes > kDirectoryBytesMax || footer.offset > directory_end || footer.bytes != directory_end - footer.offset)
    return damaged("its directory lies outside the file");
  std::string text(footer.bytes, '\0');
  if (!read_at(file_, footer.offset, std::as_writable_bytes(std::span(text)))) return damaged("its directory ends early");
  if (longshore::checksum(std::as_bytes(std::span(text))) != footer.checksum) return damaged("its directory's checksum is wrong");
  try {
    const json::value parsed = json::parse(text);
    const json::object& directory = parsed.as_object();
    if (number(directory, "layout") != kernels::kTileLayoutVersion)
      return make_error(ErrorCode::kFailedPrecondition, "it was written by another version");
    if (stamp_from(directory.at("model_file").as_object()) != model_file)
      return make_error(ErrorCode::kFailedPrecondition, "the model file has changed since");
    const std::optional<Sha256> model = sha256_from_hex(json::value_to<std::string>(directory.at("sha256")));
    if (!model) return damaged("its SHA-256 is none");
    model_ = *model;
    for (const json::value& value : directory.at("matrices").as_array()) {
      const json::object& matrix = value.as_object();
      Entry entry{json::value_to<std::string>(matrix.at("format")),
                  number(matrix, "outputs"),
                  number(matrix, "inputs"),
                  number(matrix, "offset"),
                  number(matrix, "bytes"),
                  {}};
      for (const json::value& sum : matrix.at("checksums").as_array()) entry.checksums.push_back(sum.to_number<std::uint64_t>());
      if (entry.offset > footer.offset || entry.bytes > footer.offset - entry.offset ||
          entry.checksums.size() != pieces_of(entry.bytes))
        return damaged("a matrix lies outside the file");
      entries_.emplace(json::value_to<std::string>(matrix.at("name")), std::move(entry));
    }
  } catch (const std::exception& wrong) {
    return damaged(wrong.what());
  }
  return {};
}

Result<kernels::PackedMatrix> WeightCache::matrix(std::string_view name, kernels::WeightFormat format, std::size_t outputs,
                                                  std::size_t inputs, ThreadPool& pool) const {
  const auto found = entries_.find(std::string(name));
  if (found == entries_.end() || found->second.format != kernels::to_string(format) ||
      found->second.outputs != outputs || found->second.inputs != inputs)
    return make_error(ErrorCode::kNotFound, "the weight cache has no ", kernels::to_string(format), " matrix ",
                      std::string(name), " of ", outputs, " x ", inputs);
  const Entry& entry = found->second;
  Result<Buffer> storage = Buffer::allocate(entry.bytes);
  if (!storage) return storage.error();
  std::atomic<bool> is_good{true};
  pool.for_each(entry.checksums.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t piece = begin; piece < end && is_good; ++piece) {
      const std::size_t first = piece * kPieceBytes;
      const std::span<std::byte> bytes = storage->bytes().subspan(first, std::min(kPieceBytes, entry.bytes - first));
      if (!read_at(file_, entry.offset + first, bytes) || longshore::checksum(bytes) != entry.checksums[piece]) is_good = false;
    }
  });
  if (!is_good) return make_error(ErrorCode::kDataLoss, "the weight cache is damaged: matrix ", std::string(name), " is not what was written");
  return kernels::PackedMatrix::from_packed(format, outputs, inputs, std::move(*storage));
}

namespace {

// Files that a writer of `path` left behind when it was killed: nobody holds their lock.
void remove_abandoned(const std::filesystem::path& path) {
  const std::string prefix = path.filename().string() + ".";
  std::error_code failed;
  std::filesystem::directory_iterator entry(path.parent_path(), failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    std::error_code ignored;
    if (!entry->path().filename().string().starts_with(prefix) || !entry->is_regular_file(ignored)) continue;
    const int file = ::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) unlink(entry->path().c_str());
    ::close(file);
  }
}

}  // namespace

Result<std::unique_ptr<WeightCacheWriter>> WeightCacheWriter::create(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  std::filesystem::path temporary = path;
  temporary += ".";
  temporary += std::to_string(getpid());
  remove_abandoned(path);
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0)
    return make_error(ErrorCode::kFailedPrecondition, temporary.string(), ": ", std::strerror(errno));
  flock(file, LOCK_EX | LOCK_NB);  // until it is closed, also by this process's death
  return std::unique_ptr<WeightCacheWriter>(new WeightCacheWriter(path, std::move(temporary), file));
}

WeightCacheWriter::WeightCacheWriter(std::filesystem::path path, std::filesystem::path temporary, int file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {
  write(std::as_bytes(std::span(kMagic)));
}

WeightCacheWriter::~WeightCacheWriter() {
  if (file_ < 0) return;
  ::close(file_);
  unlink(temporary_.c_str());
}

void WeightCacheWriter::write(std::span<const std::byte> bytes) {
  offset_ += bytes.size();
  while (!error_ && !bytes.empty()) {
    const ssize_t put = ::write(file_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const bool is_full = errno == ENOSPC || errno == EDQUOT;
      error_ = make_error(is_full ? ErrorCode::kResourceExhausted : ErrorCode::kFailedPrecondition, temporary_.string(),
                          ": ", std::strerror(errno));
      return;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void WeightCacheWriter::align() {
  static constexpr std::array<std::byte, kAlignment> kZeros{};
  write(std::span(kZeros).first((kAlignment - offset_ % kAlignment) % kAlignment));
}

void WeightCacheWriter::add(std::string_view name, const kernels::PackedMatrix& matrix) {
  if (error_) return;
  align();
  const std::span<const std::byte> bytes = matrix.packed_bytes();
  json::array checksums;
  for (std::size_t first = 0; first < bytes.size(); first += kPieceBytes)
    checksums.emplace_back(longshore::checksum(bytes.subspan(first, std::min(kPieceBytes, bytes.size() - first))));
  const json::object entry{{"name", name},
                           {"format", kernels::to_string(matrix.format())},
                           {"outputs", matrix.outputs()},
                           {"inputs", matrix.inputs()},
                           {"offset", offset_},
                           {"bytes", bytes.size()},
                           {"checksums", std::move(checksums)}};
  if (!matrices_.empty()) matrices_ += ",\n";
  matrices_ += json::serialize(entry);
  write(bytes);
}

Result<void> WeightCacheWriter::finish(const FileStamp& model_file, const Sha256& model) {
  const json::object head{
      {"layout", kernels::kTileLayoutVersion}, {"sha256", to_hex(model)}, {"model_file", to_json(model_file)}};
  std::string directory = json::serialize(head);
  directory.pop_back();
  directory.append(", \"matrices\": [\n").append(matrices_).append("]}\n");
  Footer footer{offset_, directory.size(), longshore::checksum(std::as_bytes(std::span(directory))), {}};
  std::ranges::copy(kMagic, footer.magic.begin());
  write(std::as_bytes(std::span(directory)));
  write(std::as_bytes(std::span(&footer, 1)));
  if (error_) return *error_;
  // Not waiting for the disk: what a crash leaves out of it the checksums will tell.
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    return make_error(errno == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kFailedPrecondition, path_.string(),
                      ": ", std::strerror(errno));
  ::close(std::exchange(file_, -1));
  return {};
}

}  // namespace longshore::model
