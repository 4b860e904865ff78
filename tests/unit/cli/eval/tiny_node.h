#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "cli/eval/sequence_steps.h"
#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/kernel_table.h"
#include "tests/support/tiny_gguf.h"
#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {

// A compute node with a small model of random weights, which says nothing sensible but attends to all that it may.
class TinyNode : public testing::Test {
 protected:
  TinyNode() {
    test::TinyGguf tiny;
    tiny.layers = 2;
    tiny.head_dim = 64;
    tiny.vocabulary = static_cast<std::uint32_t>(tokenizer_->vocabulary_size());
    bytes_ = tiny.build().build();
    file_ = std::move(*model::GgufFile::parse("tiny.gguf", bytes_));
    fill_weights();
    pool_ = std::move(*ThreadPool::create(2));
    decoder_ = std::move(*model::Decoder::load(*file_, *model::parse_model_config(*file_),
                                               kernels::kernel_table(*kernels::parse_isa("auto")), *pool_));
    store_ = std::move(*kv::KvStore::create({Dtype::kF16, decoder_->config().head_dim}, 1 << 24));
    node_ = std::move(*compute::ComputeNode::create(*decoder_, *store_, Sha256{}, nullptr, {}, metrics_, clock_));
    steps_.emplace(*node_);
  }

  std::vector<TokenId> random_tokens(std::size_t count, std::uint64_t seed) const {
    Random random(seed, 1);
    std::vector<TokenId> tokens;
    for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>(random.below(256)));
    return tokens;
  }

  std::unique_ptr<text::Tokenizer> tokenizer_ = byte_tokenizer();
  std::unique_ptr<ThreadPool> pool_;
  // What the node refers to, before it.
  std::vector<std::byte> bytes_;
  std::unique_ptr<model::GgufFile> file_;
  std::unique_ptr<model::Decoder> decoder_;
  std::unique_ptr<kv::KvStore> store_;
  Metrics metrics_;
  ManualClock clock_;
  std::unique_ptr<compute::ComputeNode> node_;
  std::optional<SequenceSteps> steps_;

 private:
  void fill_weights() {
    Random random(1);
    for (const model::GgufTensor& tensor : file_->tensors()) {
      const double spread = 2 / std::sqrt(static_cast<double>(tensor.row_elements()));
      std::vector<float> values(tensor.elements(), 1.0f);
      if (tensor.rank > 1)
        for (float& value : values) value = static_cast<float>(spread * (2 * random.uniform() - 1));
      std::memcpy(bytes_.data() + (tensor.bytes.data() - bytes_.data()), values.data(), tensor.bytes.size());
    }
  }
};

}  // namespace longshore::cli::eval
