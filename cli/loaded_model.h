#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"
#include "runtime/model/decoder.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model_config.h"
#include "runtime/text/tokenizer.h"

namespace longshore::cli {

// A model file without its weights: what a scheduler needs of it.
struct ModelFile {
  std::string path;
  std::string name;  // as the user gave it: a NAME of the table, or the file's stem
  std::unique_ptr<model::GgufFile> file;
  model::ModelConfig config;
  std::unique_ptr<text::Tokenizer> tokenizer;
  // As it was before it was opened; none if it has changed since, or its state cannot be told: then nothing is kept of it.
  std::optional<model::FileStamp> stamp;
  std::unique_ptr<model::WeightCache> weights;  // if an earlier start has left them
};
// Errors: those of finding and reading; each names the file.
Result<ModelFile> open_model(const std::string& model);

// A model file, ready to compute. Its weights are copies in kernel order; the file stays mapped for its names only.
struct LoadedModel {
  std::string path;
  std::string name;
  std::unique_ptr<model::GgufFile> file;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<model::Decoder> decoder;
  std::unique_ptr<text::Tokenizer> tokenizer;

  const model::ModelConfig& config() const { return decoder->config(); }
};

// `threads` 0: one for each allowed CPU. Prints progress to stderr where that is a terminal.
// Errors: those of finding, reading and loading; each names the file.
Result<LoadedModel> load_model(const std::string& model, unsigned threads, kernels::Isa isa);

unsigned default_threads();

}  // namespace longshore::cli
