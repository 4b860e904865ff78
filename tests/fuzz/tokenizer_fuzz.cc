// Any bytes through both kinds of tokenizer, over vocabularies small enough to make here. The first byte chooses the
// pre-tokenizer and what is trusted; the rest is the text, and, cut at its newlines, also a vocabulary.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/text/incremental_text.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/runtime/text/small_vocabulary.h"

namespace longshore::text {
namespace {

constexpr std::array<const char*, 5> kFamilies = {"gpt-2", "smollm", "qwen2", "llama-bpe", "default"};

struct Tokenizers {
  std::array<std::unique_ptr<Tokenizer>, kFamilies.size()> bpe;
  std::unique_ptr<Tokenizer> spm;

  Tokenizers() {
    for (std::size_t i = 0; i < kFamilies.size(); ++i) {
      VocabularyData data = small_bpe(kFamilies[i]);
      data.add_bos = false;
      bpe[i] = std::move(*Tokenizer::create(std::move(data)));
    }
    spm = std::move(*Tokenizer::create(small_spm()));
  }
};

bool is_valid_utf8(std::string_view text) {
  IncrementalText stream;
  return stream.append(text) == text && !stream.holds_back();
}

void check_round_trip(const Tokenizer& tokenizer, std::string_view text, bool trusted, bool is_identity) {
  const auto ids = tokenizer.encode(text, {.add_special = true, .parse_special = trusted});
  CHECK(ids);
  for (const TokenId id : *ids) {
    CHECK(tokenizer.is_valid(id));
    CHECK(trusted || !tokenizer.is_control(id) || id == tokenizer.bos()) << "a user's text became control token " << id;
  }
  if (is_identity) CHECK(tokenizer.decode(*ids) == text);
}

// A hostile vocabulary: created or refused, and where created, usable.
void check_vocabulary(std::string_view bytes, bool is_spm) {
  VocabularyData data = is_spm ? small_spm() : small_bpe();
  for (std::size_t line = 0; !bytes.empty(); ++line) {
    const std::string_view entry = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(entry.size() + 1, bytes.size()));
    if (line % 2 == 0) {
      add_token(data, entry, static_cast<TokenKind>(line / 2 % 8), static_cast<float>(entry.size()));
    } else {
      data.merges.emplace_back(entry);
    }
  }
  const auto tokenizer = Tokenizer::create(std::move(data));
  if (!tokenizer) return;
  CHECK((*tokenizer)->encode("hello <|im_start|> \xFF", {.parse_special = true}));
  for (TokenId id = 0; (*tokenizer)->is_valid(id); ++id) (void)(*tokenizer)->piece(id);
}

}  // namespace
}  // namespace longshore::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longshore::text;
  static const Tokenizers tokenizers;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool trusted = (data[0] & 0x80) != 0;
  check_round_trip(*tokenizers.bpe[data[0] % kFamilies.size()], text, trusted, is_valid_utf8(text));
  check_round_trip(*tokenizers.spm, text, trusted, false);
  check_vocabulary(text, trusted);
  return 0;
}
