#include "runtime/model/vocabulary.h"

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore::model {
namespace {

// Reads keys one after the other and keeps the first error, so that the list below reads as a list.
class KeyReader {
 public:
  explicit KeyReader(const GgufFile& file) : file_(file) {}

  const std::optional<Error>& error() const { return error_; }

  std::string required_text(std::string_view key) {
    auto value = file_.get<std::string_view>(key);
    if (value) return std::string(*value);
    keep(std::move(value).error());
    return {};
  }

  std::string text(std::string_view key) { return file_.find(key) == nullptr ? std::string() : required_text(key); }

  std::optional<bool> flag(std::string_view key) { return optional<bool>(key); }

  std::optional<TokenId> token(std::string_view key) {
    const auto value = optional<std::uint32_t>(key);
    if (!value) return std::nullopt;
    if (*value > static_cast<std::uint32_t>(std::numeric_limits<TokenId>::max())) {
      keep(make_error(ErrorCode::kInvalidArgument, file_.name(), ": ", key, " is ", *value,
                      ", more than a vocabulary can hold"));
      return std::nullopt;
    }
    return static_cast<TokenId>(*value);
  }

  template <typename T>
  std::vector<T> array(std::string_view key) {
    return optional<std::vector<T>>(key).value_or(std::vector<T>());
  }

  std::vector<std::string> texts(std::string_view key) {
    const auto views = array<std::string_view>(key);
    return {views.begin(), views.end()};
  }

 private:
  template <typename T>
  std::optional<T> optional(std::string_view key) {
    if (file_.find(key) == nullptr) return std::nullopt;
    auto value = file_.get<T>(key);
    if (value) return std::move(*value);
    keep(std::move(value).error());
    return std::nullopt;
  }

  void keep(Error error) {
    if (!error_) error_ = std::move(error);
  }

  const GgufFile& file_;
  std::optional<Error> error_;
};

}  // namespace

Result<text::VocabularyData> read_vocabulary(const GgufFile& file) {
  KeyReader read(file);
  text::VocabularyData data;
  data.model = read.required_text("tokenizer.ggml.model");
  data.pre = read.text("tokenizer.ggml.pre");
  data.tokens = read.texts("tokenizer.ggml.tokens");
  data.scores = read.array<float>("tokenizer.ggml.scores");
  data.kinds = read.array<std::int32_t>("tokenizer.ggml.token_type");
  data.merges = read.texts("tokenizer.ggml.merges");
  data.bos = read.token("tokenizer.ggml.bos_token_id");
  data.eos = read.token("tokenizer.ggml.eos_token_id");
  data.eot = read.token("tokenizer.ggml.eot_token_id");
  data.eom = read.token("tokenizer.ggml.eom_token_id");
  data.unknown = read.token("tokenizer.ggml.unknown_token_id");
  data.padding = read.token("tokenizer.ggml.padding_token_id");
  data.fim_padding = read.token("tokenizer.ggml.fim_pad_token_id");
  data.fim_repository = read.token("tokenizer.ggml.fim_rep_token_id");
  data.fim_separator = read.token("tokenizer.ggml.fim_sep_token_id");
  data.add_bos = read.flag("tokenizer.ggml.add_bos_token");
  data.add_eos = read.flag("tokenizer.ggml.add_eos_token");
  data.add_space_prefix = read.flag("tokenizer.ggml.add_space_prefix");
  data.chat_template = read.text("tokenizer.chat_template");
  if (read.error()) return *read.error();
  return data;
}

}  // namespace longshore::model
