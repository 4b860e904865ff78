#include "runtime/text/tokenizer.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/text/byte_alphabet.h"

namespace longshore::text {
namespace {

constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";  // U+2581, how SPM writes a space

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(from, at);
    out.append(text.substr(at, found - at));
    if (found == std::string_view::npos) return out;
    out.append(to);
    at = found + from.size();
  }
}

// "<0x41>": the byte that a byte token stands for.
std::string byte_token_piece(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c & ~0x20) - 'A' + 10; };
  const bool well_formed = text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') &&
                           text.find_first_not_of("0123456789ABCDEFabcdef", 3) == 5;
  if (!well_formed) return std::string(text);
  return std::string(1, static_cast<char>(digit(text[3]) * 16 + digit(text[4])));
}

std::string make_piece(const Vocabulary& vocabulary, TokenId id) {
  const std::string& text = vocabulary.text(id);
  if (vocabulary.is_control(id)) return text;
  switch (vocabulary.kind(id)) {
    case TokenKind::kNormal:
      return vocabulary.model() == Vocabulary::Model::kBpe ? decode_alphabet(text)
                                                           : replace_all(text, kEscapedSpace, " ");
    case TokenKind::kByte: return byte_token_piece(text);
    case TokenKind::kUserDefined: return text;
    default: return {};
  }
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)), splitter_(vocabulary_) {
  pieces_.reserve(vocabulary_.size());
  for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
    pieces_.push_back(make_piece(vocabulary_, static_cast<TokenId>(i)));
  }
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(VocabularyData data) {
  const std::string pre = data.pre;
  const std::vector<std::string> merges = std::move(data.merges);
  std::string chat_template = std::move(data.chat_template);
  auto vocabulary = Vocabulary::create(std::move(data));
  if (!vocabulary) return vocabulary.error();
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer(std::move(*vocabulary)));
  tokenizer->chat_template_ = std::move(chat_template);
  if (tokenizer->vocabulary_.model() == Vocabulary::Model::kSpm) {
    auto spm = SpmModel::create(tokenizer->vocabulary_);
    if (!spm) return spm.error();
    tokenizer->spm_ = std::move(*spm);
    return tokenizer;
  }
  auto pre_tokenizer = PreTokenizer::create(pre);
  if (!pre_tokenizer) return pre_tokenizer.error();
  auto bpe = BpeModel::create(tokenizer->vocabulary_, merges);
  if (!bpe) return bpe.error();
  tokenizer->pre_tokenizer_ = std::move(*pre_tokenizer);
  tokenizer->bpe_ = std::move(*bpe);
  return tokenizer;
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TrustedRange> trusted;
  if (options.parse_special && !text.empty()) trusted.push_back({0, text.size()});
  return encode_ranges(text, trusted, options.add_special);
}

Result<std::vector<TokenId>> Tokenizer::encode(std::span<const TextSegment> segments, bool add_special) const {
  std::string text;
  std::vector<TrustedRange> trusted;
  for (const TextSegment& segment : segments) {
    const std::size_t begin = text.size();
    text += segment.text;
    if (segment.trust == TextSegment::Trust::kUser || segment.text.empty()) continue;
    if (!trusted.empty() && trusted.back().end == begin) {
      trusted.back().end = text.size();
    } else {
      trusted.push_back({begin, text.size()});
    }
  }
  return encode_ranges(text, trusted, add_special);
}

Result<std::vector<TokenId>> Tokenizer::encode_ranges(std::string_view text,
                                                      const std::vector<TrustedRange>& trusted,
                                                      bool add_special) const {
  if (text.size() > kTextBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, "the text has ", text.size(), " bytes; at most ", kTextBytesMax,
                      " are encoded at once");
  }
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 2);
  if (add_special && adds_bos()) out.push_back(*bos());
  bool after_special = true;
  for (const SpecialSplitter::Fragment& fragment : splitter_.split(text, trusted)) {
    if (fragment.token) {
      out.push_back(*fragment.token);
    } else {
      const std::string_view plain = text.substr(fragment.begin, fragment.end - fragment.begin);
      if (auto done = spm_ ? append_spm(plain, after_special, out) : append_bpe(plain, out); !done) {
        return done.error();
      }
    }
    after_special = fragment.token.has_value();
  }
  if (add_special && vocabulary_.adds_eos()) out.push_back(*eos());
  return out;
}

Result<void> Tokenizer::append_spm(std::string_view text, bool after_special, std::vector<TokenId>& out) const {
  std::string escaped = after_special && vocabulary_.adds_space_prefix() ? std::string(kEscapedSpace) : std::string();
  escaped += replace_all(text, " ", kEscapedSpace);
  spm_->encode(vocabulary_, escaped, out);
  return {};
}

Result<void> Tokenizer::append_bpe(std::string_view text, std::vector<TokenId>& out) const {
  const auto words = pre_tokenizer_->split(text);
  if (!words) return words.error();
  std::size_t begin = 0;
  for (const std::size_t end : words->ends) {
    const std::string_view word = std::string_view(words->text).substr(begin, end - begin);
    begin = end;
    if (pre_tokenizer_->ignores_merges() && bpe_->append_whole_word(vocabulary_, word, out)) continue;
    bpe_->encode_word(word, out);
  }
  return {};
}

std::string_view Tokenizer::piece(TokenId token) const {
  CHECK(is_valid(token)) << token << " of " << vocabulary_size();
  return pieces_[static_cast<std::size_t>(token)];
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, DecodeOptions options) const {
  std::string out;
  bool after_control = true;
  for (const TokenId token : tokens) {
    std::string_view text = piece(token);
    if (is_control(token)) {
      if (options.render_control) out += text;
      after_control = true;  // encode puts a space before whatever follows a marker
      continue;
    }
    const bool prefixed = options.strip_space_prefix && vocabulary_.adds_space_prefix() && after_control;
    if (prefixed && text.starts_with(' ')) text.remove_prefix(1);
    after_control = false;
    out += text;
  }
  return out;
}

bool Tokenizer::is_end(TokenId token) const {
  const auto ends = end_tokens();
  return std::binary_search(ends.begin(), ends.end(), token);
}

}  // namespace longshore::text
