#include "runtime/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <span>

#include "runtime/text/utf8.h"

namespace longshore::text {
namespace {

// Source: the tokenizer.json of the models; llama.cpp's table of names. The last alternative of kGpt2 is spelled
// out, since our parts must cover the text.
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kSingleNumber = R"(\p{N})";
constexpr const char* kPunctuation = R"([\p{P}$+<=>^~|]+)";
constexpr const char* kNumbers = R"(\p{N}+)";
constexpr const char* kThreeDigits = R"([0-9][0-9][0-9])";

struct Family {
  std::string_view name;
  std::span<const char* const> stages;
  bool ignores_merges = false;
  bool adds_bos = false;
};

constexpr std::array kSmollmStages = {kSingleNumber, kGpt2};
constexpr std::array kGpt2Stages = {kGpt2};
constexpr std::array kQwen2Stages = {kQwen2};
constexpr std::array kLlama3Stages = {kLlama3};
constexpr std::array kDefaultStages = {kPunctuation, kGpt2, kNumbers, kThreeDigits};

constexpr std::array<Family, 14> kFamilies = {{
    {"default", kDefaultStages},
    {"", kDefaultStages},
    {"gpt-2", kGpt2Stages},
    {"smollm", kSmollmStages},
    {"starcoder", kSmollmStages},
    {"refact", kSmollmStages},
    {"command-r", kSmollmStages},
    {"codeshell", kSmollmStages},
    {"qwen2", kQwen2Stages},
    {"deepseek-r1-qwen", kQwen2Stages},
    {"llama-bpe", kLlama3Stages, true, true},
    {"llama3", kLlama3Stages, true, true},
    {"llama-v3", kLlama3Stages, true, true},
    {"falcon3", kLlama3Stages, true, true},
}};

const Family* find_family(std::string_view name) {
  const auto place = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return f.name == name; });
  return place == kFamilies.end() ? nullptr : &*place;
}

// Characters whose class in Unicode 15.1 differs from that of Unicode 14, which PCRE2 10.42 carries, and a
// character of the right class and the same length in UTF-8. Only letters, numbers, punctuation and space matter
// to the patterns; U+180E is no space since Unicode 6.3, but PCRE2 takes it for one.
struct StandIn {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t stand_in;
};
constexpr std::uint32_t kOther3 = 0xE000;     // private use
constexpr std::uint32_t kLetter4 = 0x20000;   // a Han letter
constexpr std::uint32_t kNumber4 = 0x1D7CE;   // mathematical bold digit zero
constexpr std::uint32_t kPunctuation4 = 0x10100;  // Aegean word separator line
constexpr std::array<StandIn, 21> kStandIns = {{
    {0x180E, 0x180E, kOther3},
    {0xD800, 0xDFFF, kOther3},  // surrogates, which PCRE2 refuses
    {0x1123F, 0x11240, kLetter4},
    {0x11B00, 0x11B09, kPunctuation4},
    {0x11F02, 0x11F02, kLetter4},
    {0x11F04, 0x11F10, kLetter4},
    {0x11F12, 0x11F33, kLetter4},
    {0x11F43, 0x11F4F, kPunctuation4},
    {0x11F50, 0x11F59, kNumber4},
    {0x1342F, 0x1342F, kLetter4},
    {0x13441, 0x13446, kLetter4},
    {0x1B132, 0x1B132, kLetter4},
    {0x1B155, 0x1B155, kLetter4},
    {0x1D2C0, 0x1D2D3, kNumber4},
    {0x1DF25, 0x1DF2A, kLetter4},
    {0x1E030, 0x1E06D, kLetter4},
    {0x1E4D0, 0x1E4EB, kLetter4},
    {0x1E4F0, 0x1E4F9, kNumber4},
    {0x2B739, 0x2B739, kLetter4},
    {0x2EBF0, 0x2EE5D, kLetter4},
    {0x31350, 0x323AF, kLetter4},
}};

const StandIn* find_stand_in(std::uint32_t code) {
  if (code < kStandIns.front().first) return nullptr;
  const auto after = std::upper_bound(kStandIns.begin(), kStandIns.end(), code,
                                      [](std::uint32_t at, const StandIn& entry) { return at < entry.first; });
  const StandIn* entry = &*std::prev(after);
  return code <= entry->last ? entry : nullptr;
}

// The text as llama.cpp reads it, and as the patterns see it: the same length, other only at stand-ins.
struct ReadText {
  std::string text;
  std::string seen;  // empty where it is the same
};

ReadText read_text(std::string_view bytes) {
  ReadText read;
  read.text.reserve(bytes.size() + 16);
  for (std::size_t at = 0; at < bytes.size();) {
    if (static_cast<std::uint8_t>(bytes[at]) < 0x80) {
      const std::size_t begin = at;
      while (at < bytes.size() && static_cast<std::uint8_t>(bytes[at]) < 0x80) ++at;
      read.text.append(bytes.substr(begin, at - begin));
      if (!read.seen.empty()) read.seen.append(bytes.substr(begin, at - begin));
      continue;
    }
    const Utf8Character character = read_character_leniently(bytes.substr(at));
    at += std::max<std::size_t>(character.bytes, 1);
    const std::size_t before = read.text.size();
    if (character.bytes == 0) {
      read.text.append(kReplacementCharacter);
    } else {
      append_utf8(character.code, read.text);
      if (const StandIn* entry = find_stand_in(character.code)) {
        if (read.seen.empty()) read.seen = read.text.substr(0, before);
        append_utf8(entry->stand_in, read.seen);
        continue;
      }
    }
    if (!read.seen.empty()) read.seen.append(read.text, before);
  }
  return read;
}

std::string pcre2_error_text(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using MatchData = std::unique_ptr<pcre2_match_data, MatchDataFree>;

}  // namespace

class PreTokenizer::Pattern {
 public:
  static Result<Pattern> compile(const char* expression) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    Pattern pattern;
    pattern.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED,
                                      PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr));
    if (!pattern.code_) {
      return make_error(ErrorCode::kFailedPrecondition, "PCRE2 refuses the pre-tokenizer pattern at ", offset, ": ",
                        pcre2_error_text(code));
    }
    // Where the system forbids executable memory this fails and the interpreter gives the same matches.
    (void)pcre2_jit_compile(pattern.code_.get(), PCRE2_JIT_COMPLETE);
    return pattern;
  }

  // Appends the ends of matches and of what lies between them, each part as if it were a text of its own.
  Result<void> cut_all(std::string_view text, const std::vector<std::size_t>& parts,
                       std::vector<std::size_t>& ends) const {
    const MatchData data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    std::size_t begin = 0;
    for (const std::size_t end : parts) {
      if (auto done = cut(text, begin, end, data.get(), ends); !done) return done.error();
      begin = end;
    }
    return {};
  }

 private:
  struct CodeFree {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };

  Result<void> cut(std::string_view text, std::size_t begin, std::size_t end, pcre2_match_data* data,
                   std::vector<std::size_t>& ends) const {
    while (begin < end) {
      const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), end, begin,
                                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data, nullptr);
      if (found == PCRE2_ERROR_NOMATCH) {
        ends.push_back(end);
        return {};
      }
      if (found < 0) {
        return make_error(ErrorCode::kInvalidArgument, "the text cannot be cut into words at byte ", begin, ": ",
                          pcre2_error_text(found));
      }
      const PCRE2_SIZE* match = pcre2_get_ovector_pointer(data);
      if (match[0] > begin) ends.push_back(match[0]);
      ends.push_back(match[1]);
      begin = match[1];
    }
    return {};
  }

  std::unique_ptr<pcre2_code, CodeFree> code_;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
  const Family* family = find_family(name);
  if (family == nullptr) {
    std::string known;
    for (const Family& each : kFamilies) {
      if (!each.name.empty()) known.append(known.empty() ? "" : ", ").append(each.name);
    }
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.pre is \"", name,
                      "\", a pre-tokenizer that is not supported; supported are ", known);
  }
  PreTokenizer result;
  result.ignores_merges_ = family->ignores_merges;
  for (const char* expression : family->stages) {
    auto pattern = Pattern::compile(expression);
    if (!pattern) return pattern.error();
    result.stages_.push_back(std::move(*pattern));
  }
  return result;
}

Result<Words> PreTokenizer::split(std::string_view text) const {
  ReadText read = read_text(text);
  const std::string_view seen = read.seen.empty() ? read.text : read.seen;
  std::vector<std::size_t> ends;
  if (!seen.empty()) ends.push_back(seen.size());
  for (const Pattern& stage : stages_) {
    std::vector<std::size_t> cut;
    cut.reserve(ends.size() + seen.size() / 4);
    if (auto done = stage.cut_all(seen, ends, cut); !done) return done.error();
    ends = std::move(cut);
  }
  return Words{std::move(read.text), std::move(ends)};
}

bool adds_bos_by_default(std::string_view pre_name) {
  const Family* family = find_family(pre_name);
  return family != nullptr && family->adds_bos;
}

}  // namespace longshore::text
