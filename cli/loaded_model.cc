#include "cli/loaded_model.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <utility>

#include "cli/model_path.h"
#include "runtime/base/log.h"
#include "runtime/model/vocabulary.h"

namespace longshore::cli {
namespace {

// One line that is written over; nothing where stderr is no terminal.
void show_progress(std::uint64_t done, std::uint64_t total) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\rloading weights: %3.0f %%%s", 100.0 * static_cast<double>(done) / static_cast<double>(total),
               done >= total ? "\r\033[K" : "");
}

}  // namespace

unsigned default_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return static_cast<unsigned>(std::clamp(CPU_COUNT(&allowed), 1, 256));
}

Result<ModelFile> open_model(const std::string& model) {
  ModelFile opened;
  Result<std::string> path = find_model(model);
  if (!path) return path.error();
  opened.path = *path;
  opened.name = opened.path == model ? std::filesystem::path(model).stem().string() : model;

  const Result<model::FileStamp> before = model::stamp_of(opened.path);
  Result<std::unique_ptr<model::GgufFile>> file = model::GgufFile::open(opened.path);
  if (!file) return file.error();
  opened.file = std::move(*file);
  if (const Result<model::FileStamp> now = model::stamp_of(opened.path); before && now && *before == *now) opened.stamp = *now;
  Result<model::ModelConfig> config = model::parse_model_config(*opened.file);
  if (!config) return config.error();
  opened.config = std::move(*config);
  Result<text::VocabularyData> vocabulary = model::read_vocabulary(*opened.file);
  if (!vocabulary) return vocabulary.error();
  Result<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return make_error(tokenizer.error().code, opened.path, ": ", tokenizer.error().message);
  opened.tokenizer = std::move(*tokenizer);
  if (opened.tokenizer->vocabulary_size() > opened.config.vocabulary)
    return make_error(ErrorCode::kInvalidArgument, opened.path, ": the tokenizer has ",
                      opened.tokenizer->vocabulary_size(), " tokens, the embedding ", opened.config.vocabulary,
                      " rows");
  if (const std::string cached = weight_cache_of(opened.path); opened.stamp && !cached.empty()) {
    Result<std::unique_ptr<model::WeightCache>> weights = model::WeightCache::open(cached, *opened.stamp);
    if (weights) {
      opened.weights = std::move(*weights);
      opened.file->assume_sha256(opened.weights->model());
    } else if (weights.error().code != ErrorCode::kNotFound) {
      log::info("{}: the weights are converted anew", weights.error().message);
    }
  }
  return opened;
}

namespace {

// Converts the weights, and keeps them for the next start if that can be done.
Result<std::unique_ptr<model::Decoder>> convert(ModelFile& model, kernels::Isa isa, ThreadPool& pool) {
  std::unique_ptr<model::WeightCacheWriter> writer;
  const auto warn = [](const Error& error) {
    log::warn("the converted weights are not kept for the next start: {}", error.message);
  };
  if (const std::string path = weight_cache_of(model.path); model.stamp && !path.empty()) {
    Result<std::unique_ptr<model::WeightCacheWriter>> made = model::WeightCacheWriter::create(path);
    if (made) writer = std::move(*made);
    else warn(made.error());
  }
  // The hash takes a core for seconds where the CPU has no instruction for it: beside the loading, not after it.
  std::jthread hashing([&file = *model.file] { file.sha256(); });
  Result<std::unique_ptr<model::Decoder>> decoder = model::Decoder::load(
      *model.file, model.config, kernels::kernel_table(isa), pool, show_progress, {nullptr, writer.get()});
  hashing.join();
  if (decoder && writer)
    if (const Result<void> kept = writer->finish(*model.stamp, model.file->sha256()); !kept) warn(kept.error());
  return decoder;
}

Result<std::unique_ptr<model::Decoder>> load_decoder(ModelFile& model, kernels::Isa isa, ThreadPool& pool) {
  if (model.weights) {
    Result<std::unique_ptr<model::Decoder>> decoder = model::Decoder::load(
        *model.file, model.config, kernels::kernel_table(isa), pool, show_progress, {model.weights.get(), nullptr});
    const bool is_damaged = !decoder && (decoder.error().code == ErrorCode::kDataLoss || decoder.error().code == ErrorCode::kNotFound);
    if (!is_damaged) return decoder;
    log::warn("{}: the weights are converted anew", decoder.error().message);
  }
  return convert(model, isa, pool);
}

}  // namespace

Result<LoadedModel> load_model(const std::string& model, unsigned threads, kernels::Isa isa) {
  Result<ModelFile> opened = open_model(model);
  if (!opened) return opened.error();
  LoadedModel loaded;
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads == 0 ? default_threads() : threads);
  if (!pool) return pool.error();
  loaded.pool = std::move(*pool);
  Result<std::unique_ptr<model::Decoder>> decoder = load_decoder(*opened, isa, *loaded.pool);
  if (!decoder) return decoder.error();
  loaded.decoder = std::move(*decoder);
  loaded.path = std::move(opened->path);
  loaded.name = std::move(opened->name);
  loaded.tokenizer = std::move(opened->tokenizer);
  loaded.file = std::move(opened->file);
  loaded.file->release_pages();  // all of it has been read and packed
  return loaded;
}

}  // namespace longshore::cli
