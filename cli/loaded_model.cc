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

  Result<std::unique_ptr<model::GgufFile>> file = model::GgufFile::open(opened.path);
  if (!file) return file.error();
  opened.file = std::move(*file);
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
  return opened;
}

Result<LoadedModel> load_model(const std::string& model, unsigned threads, kernels::Isa isa) {
  Result<ModelFile> opened = open_model(model);
  if (!opened) return opened.error();
  LoadedModel loaded;
  loaded.path = std::move(opened->path);
  loaded.name = std::move(opened->name);
  loaded.file = std::move(opened->file);
  loaded.tokenizer = std::move(opened->tokenizer);
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads == 0 ? default_threads() : threads);
  if (!pool) return pool.error();
  loaded.pool = std::move(*pool);
  // The hash takes a core for seconds where the CPU has no instruction for it: beside the loading, not after it.
  std::jthread hashing([&file = *loaded.file] { file.sha256(); });
  Result<std::unique_ptr<model::Decoder>> decoder =
      model::Decoder::load(*loaded.file, opened->config, kernels::kernel_table(isa), *loaded.pool, show_progress);
  if (!decoder) return decoder.error();
  loaded.decoder = std::move(*decoder);
  hashing.join();
  loaded.file->release_pages();  // all of it has been read and packed
  return loaded;
}

}  // namespace longshore::cli
