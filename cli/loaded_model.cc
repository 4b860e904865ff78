#include "cli/loaded_model.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
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

Result<LoadedModel> load_model(const std::string& model, unsigned threads, kernels::Isa isa) {
  LoadedModel loaded;
  Result<std::string> path = find_model(model);
  if (!path) return path.error();
  loaded.path = *path;
  loaded.name = loaded.path == model ? std::filesystem::path(model).stem().string() : model;

  Result<std::unique_ptr<model::GgufFile>> file = model::GgufFile::open(loaded.path);
  if (!file) return file.error();
  loaded.file = std::move(*file);
  Result<model::ModelConfig> config = model::parse_model_config(*loaded.file);
  if (!config) return config.error();
  Result<text::VocabularyData> vocabulary = model::read_vocabulary(*loaded.file);
  if (!vocabulary) return vocabulary.error();
  Result<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return make_error(tokenizer.error().code, loaded.path, ": ", tokenizer.error().message);
  loaded.tokenizer = std::move(*tokenizer);
  if (loaded.tokenizer->vocabulary_size() > config->vocabulary)
    return make_error(ErrorCode::kInvalidArgument, loaded.path, ": the tokenizer has ",
                      loaded.tokenizer->vocabulary_size(), " tokens, the embedding ", config->vocabulary, " rows");

  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads == 0 ? default_threads() : threads);
  if (!pool) return pool.error();
  loaded.pool = std::move(*pool);
  Result<std::unique_ptr<model::Decoder>> decoder =
      model::Decoder::load(*loaded.file, *config, kernels::kernel_table(isa), *loaded.pool, show_progress);
  if (!decoder) return decoder.error();
  loaded.decoder = std::move(*decoder);
  return loaded;
}

}  // namespace longshore::cli
