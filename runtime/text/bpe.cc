#include "runtime/text/bpe.h"

#include <algorithm>
#include <limits>
#include <string>

#include "runtime/text/byte_alphabet.h"

namespace longshore::text {
namespace {

constexpr std::size_t kMergesMax = 1u << 23;

constexpr std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
  return std::uint64_t{left} << 32 | right;
}

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// One symbol of a word while it is merged; a list through indices, in which merged symbols go away.
struct Link {
  std::uint32_t symbol;  // kNone: merged into its left neighbour
  std::uint32_t previous;
  std::uint32_t next;
};

struct Pair {
  std::uint32_t rank;
  std::uint32_t left;  // index of the link
  std::uint32_t left_symbol;
  std::uint32_t right_symbol;
  std::uint32_t result;
};

// Heap order: the best pair on top is the one of lowest rank, then the leftmost.
struct ComesLater {
  bool operator()(const Pair& a, const Pair& b) const {
    return a.rank > b.rank || (a.rank == b.rank && a.left > b.left);
  }
};

// Names every text that appears in merges: by token id where it is a token, else by a number from V up.
class SymbolTable {
 public:
  explicit SymbolTable(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  std::uint32_t find_or_add(std::string_view text) {
    if (const auto id = vocabulary_.find(text)) return static_cast<std::uint32_t>(*id);
    const auto next = static_cast<std::uint32_t>(vocabulary_.size() + beyond_.size());
    return beyond_.emplace(text, next).first->second;
  }

  // The tokens of each symbol from V up: one per byte of its text that is a token by itself.
  std::vector<std::vector<TokenId>> beyond_tokens() const {
    std::vector<std::vector<TokenId>> tokens(beyond_.size());
    for (const auto& [text, symbol] : beyond_) {
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (const auto id = vocabulary_.find(std::string_view(text).substr(i, 1))) {
          tokens[symbol - vocabulary_.size()].push_back(*id);
        }
      }
    }
    return tokens;
  }

 private:
  const Vocabulary& vocabulary_;
  std::unordered_map<std::string, std::uint32_t> beyond_;
};

}  // namespace

Result<BpeModel> BpeModel::create(const Vocabulary& vocabulary, const std::vector<std::string>& merges) {
  if (merges.size() > kMergesMax) {
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.merges has ", merges.size(),
                      " entries; at most ", kMergesMax, " are read");
  }
  BpeModel model;
  model.vocabulary_size_ = vocabulary.size();
  SymbolTable symbols(vocabulary);
  for (unsigned byte = 0; byte < 256; ++byte) {
    model.byte_symbols_[byte] = symbols.find_or_add(alphabet_character(static_cast<std::uint8_t>(byte)));
  }
  model.merges_.reserve(merges.size());
  std::string joined;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.merges[", rank, "] is \"", merge,
                        "\", not two symbols with a space between them");
    }
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const Merge entry{static_cast<std::uint32_t>(rank), symbols.find_or_add(joined)};
    model.merges_.emplace(pair_key(symbols.find_or_add(left), symbols.find_or_add(right)), entry);
  }
  model.beyond_tokens_ = symbols.beyond_tokens();
  return model;
}

const BpeModel::Merge* BpeModel::find_merge(Symbol left, Symbol right) const {
  const auto place = merges_.find(pair_key(left, right));
  return place == merges_.end() ? nullptr : &place->second;
}

void BpeModel::append_tokens(Symbol symbol, std::vector<TokenId>& out) const {
  if (symbol < vocabulary_size_) {
    out.push_back(static_cast<TokenId>(symbol));
    return;
  }
  const auto& tokens = beyond_tokens_[symbol - vocabulary_size_];
  out.insert(out.end(), tokens.begin(), tokens.end());
}

void BpeModel::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  std::vector<Link> links(word.size());
  for (std::uint32_t i = 0; i < links.size(); ++i) {
    links[i] = {byte_symbols_[static_cast<std::uint8_t>(word[i])], i == 0 ? kNone : i - 1,
                i + 1 == links.size() ? kNone : i + 1};
  }
  std::vector<Pair> heap;
  const auto consider = [&](std::uint32_t left) {
    if (left == kNone || links[left].next == kNone) return false;
    const Symbol left_symbol = links[left].symbol;
    const Symbol right_symbol = links[links[left].next].symbol;
    const Merge* merge = find_merge(left_symbol, right_symbol);
    if (merge != nullptr) heap.push_back({merge->rank, left, left_symbol, right_symbol, merge->result});
    return merge != nullptr;
  };
  for (std::uint32_t i = 0; i < links.size(); ++i) consider(i);
  std::make_heap(heap.begin(), heap.end(), ComesLater());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), ComesLater());
    const Pair pair = heap.back();
    heap.pop_back();
    Link& left = links[pair.left];
    if (left.symbol != pair.left_symbol || left.next == kNone || links[left.next].symbol != pair.right_symbol) {
      continue;  // one of the two has been merged since
    }
    Link& right = links[left.next];
    right.symbol = kNone;
    left.symbol = pair.result;
    left.next = right.next;
    if (left.next != kNone) links[left.next].previous = pair.left;
    if (consider(left.previous)) std::push_heap(heap.begin(), heap.end(), ComesLater());
    if (consider(pair.left)) std::push_heap(heap.begin(), heap.end(), ComesLater());
  }
  for (std::uint32_t i = word.empty() ? kNone : 0; i != kNone; i = links[i].next) append_tokens(links[i].symbol, out);
}

bool BpeModel::append_whole_word(const Vocabulary& vocabulary,
                                 std::string_view word,
                                 std::vector<TokenId>& out) const {
  std::string written;
  written.reserve(word.size() * 2);
  for (const char byte : word) written.append(alphabet_character(static_cast<std::uint8_t>(byte)));
  const auto id = vocabulary.find(written);
  if (!id || vocabulary.kind(*id) == TokenKind::kControl || vocabulary.kind(*id) == TokenKind::kUnknown) return false;
  out.push_back(*id);
  return true;
}

}  // namespace longshore::text
