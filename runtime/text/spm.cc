#include "runtime/text/spm.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

namespace longshore::text {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// One symbol while the text is merged: a run of bytes, in a list through indices. Bytes are at most kTextBytesMax
// and three times as many after escaping, so 32 bits hold every offset.
struct Link {
  std::uint32_t begin;
  std::uint32_t size;  // 0: merged into its left neighbour
  std::uint32_t previous;
  std::uint32_t next;
};

struct Pair {
  float score;
  std::uint32_t left;
  std::uint32_t size;  // of both together; another size means that one of the two has been merged since
};

// Heap order: the best pair on top is the one of highest score, then the leftmost.
struct ComesLater {
  bool operator()(const Pair& a, const Pair& b) const {
    return a.score < b.score || (a.score == b.score && a.left > b.left);
  }
};

// By the lead byte alone, as llama.cpp does: bytes that are no character stay together or alone, and become byte
// tokens in the end either way.
constexpr std::size_t character_bytes(char lead) {
  constexpr std::uint8_t kBytes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return kBytes[static_cast<std::uint8_t>(lead) >> 4];
}

std::vector<Link> split_characters(std::string_view text) {
  std::vector<Link> links;
  links.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min(character_bytes(text[at]), text.size() - at);
    const auto index = static_cast<std::uint32_t>(links.size());
    links.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size),
                     index == 0 ? kNone : index - 1, index + 1});
    at += size;
  }
  if (!links.empty()) links.back().next = kNone;
  return links;
}

// Marker tokens come from trusted text only; merging must not make one out of a user's letters.
bool may_be_merged(const Vocabulary& vocabulary, TokenId id) {
  return vocabulary.kind(id) != TokenKind::kControl && vocabulary.kind(id) != TokenKind::kUnknown;
}

}  // namespace

Result<SpmModel> SpmModel::create(const Vocabulary& vocabulary) {
  SpmModel model;
  for (unsigned byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    const std::string written = std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">";
    auto id = vocabulary.find(written);
    if (!id) id = vocabulary.find(std::string(1, static_cast<char>(byte)));
    if (!id) {
      return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.tokens has no token ", written,
                        "; an SPM vocabulary needs one for each byte");
    }
    model.byte_tokens_[byte] = *id;
  }
  return model;
}

void SpmModel::encode(const Vocabulary& vocabulary, std::string_view text, std::vector<TokenId>& out) const {
  std::vector<Link> links = split_characters(text);
  const auto token_at = [&](std::uint32_t begin, std::uint32_t size) -> std::optional<TokenId> {
    const auto id = vocabulary.find(text.substr(begin, size));
    return id && may_be_merged(vocabulary, *id) ? id : std::nullopt;
  };
  std::vector<Pair> heap;
  const auto consider = [&](std::uint32_t left) {
    if (left == kNone || links[left].next == kNone) return false;
    const std::uint32_t size = links[left].size + links[links[left].next].size;
    const auto token = token_at(links[left].begin, size);
    if (token) heap.push_back({vocabulary.score(*token), left, size});
    return token.has_value();
  };
  for (std::uint32_t i = 0; i < links.size(); ++i) consider(i);
  std::make_heap(heap.begin(), heap.end(), ComesLater());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), ComesLater());
    const Pair pair = heap.back();
    heap.pop_back();
    Link& left = links[pair.left];
    if (left.size == 0 || left.next == kNone || left.size + links[left.next].size != pair.size) continue;
    Link& right = links[left.next];
    left.size = pair.size;
    right.size = 0;
    left.next = right.next;
    if (left.next != kNone) links[left.next].previous = pair.left;
    if (consider(left.previous)) std::push_heap(heap.begin(), heap.end(), ComesLater());
    if (consider(pair.left)) std::push_heap(heap.begin(), heap.end(), ComesLater());
  }

  for (std::uint32_t i = links.empty() ? kNone : 0; i != kNone; i = links[i].next) {
    if (const auto token = token_at(links[i].begin, links[i].size)) {
      out.push_back(*token);
      continue;
    }
    for (const char byte : text.substr(links[i].begin, links[i].size)) {
      out.push_back(byte_tokens_[static_cast<std::uint8_t>(byte)]);
    }
  }
}

}  // namespace longshore::text
