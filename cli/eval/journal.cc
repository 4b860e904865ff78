#include "cli/eval/journal.h"

#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>

namespace longshore::cli::eval {
namespace {

namespace json = boost::json;

constexpr std::string_view kFormat = "longshore eval 1";

std::string to_hex(double value) {
  std::array<char, 64> text;
  const auto [end, status] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::hex);
  return {text.data(), end};
}

json::object to_json(const RunResult& run) {
  json::array rows;
  for (const RunOfRows& row : run.rows)
    rows.push_back(json::array{row.rows, to_hex(row.kl), row.agreements, to_hex(row.dense_nll), to_hex(row.preset_nll)});
  return {{"positions", json::array{to_hex(run.positions.preset), to_hex(run.positions.dense)}},
          {"rows", std::move(rows)},
          {"right", run.grade.right},
          {"score", to_hex(run.grade.score)},
          {"answer", run.answer}};
}

json::object to_json(const SampleResult& result) {
  json::array presets;
  for (const RunResult& run : result.presets) presets.push_back(to_json(run));
  return {{"task", to_string(result.task)},
          {"index", result.index},
          {"prompt_tokens", result.prompt_tokens},
          {"depth", to_hex(result.depth)},
          {"answer_position", result.answer_position},
          {"dense", to_json(result.dense)},
          {"presets", std::move(presets)}};
}

// Reads the fields of one line; after the first that is missing or of another kind nothing counts.
class Fields {
 public:
  bool is_good() const { return is_good_; }

  const json::value& at(const json::value& of, std::string_view name) {
    const json::object* object = of.if_object();
    const json::value* found = object == nullptr ? nullptr : object->if_contains(name);
    return found == nullptr ? miss() : *found;
  }
  const json::value& at(const json::value& of, std::size_t index) {
    const json::array* array = of.if_array();
    return array == nullptr || index >= array->size() ? miss() : (*array)[index];
  }
  const json::array& array(const json::value& of) {
    static const json::array kNone;
    if (const json::array* array = of.if_array()) return *array;
    miss();
    return kNone;
  }
  std::string text(const json::value& of) {
    if (const json::string* text = of.if_string()) return std::string(*text);
    miss();
    return {};
  }
  std::uint32_t count(const json::value& of) {
    if (const std::int64_t* number = of.if_int64(); number != nullptr && *number >= 0 && *number <= UINT32_MAX)
      return static_cast<std::uint32_t>(*number);
    miss();
    return 0;
  }
  bool flag(const json::value& of) {
    if (const bool* flag = of.if_bool()) return *flag;
    miss();
    return false;
  }
  double number(const json::value& of) {
    const std::string digits = text(of);
    double value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::hex);
    if (status != std::errc() || end != digits.data() + digits.size()) miss();
    return value;
  }

 private:
  const json::value& miss() {
    static const json::value kNothing;
    is_good_ = false;
    return kNothing;
  }
  bool is_good_ = true;
};

RunResult read_run(const json::value& of, Fields& fields) {
  RunResult run;
  const json::value& positions = fields.at(of, "positions");
  run.positions = {fields.number(fields.at(positions, 0)), fields.number(fields.at(positions, 1))};
  for (const json::value& row : fields.array(fields.at(of, "rows"))) {
    RunOfRows read;
    read.rows = fields.count(fields.at(row, 0));
    read.kl = fields.number(fields.at(row, 1));
    read.agreements = fields.count(fields.at(row, 2));
    read.dense_nll = fields.number(fields.at(row, 3));
    read.preset_nll = fields.number(fields.at(row, 4));
    run.rows.push_back(read);
  }
  run.grade.right = fields.flag(fields.at(of, "right"));
  run.grade.score = fields.number(fields.at(of, "score"));
  run.answer = fields.text(fields.at(of, "answer"));
  return run;
}

std::optional<json::value> parse(const std::string& line) {
  json::error_code status;
  json::value value = json::parse(line, status);
  if (status) return std::nullopt;
  return value;
}

std::optional<SampleResult> read_result(const std::string& line, std::size_t presets) {
  const std::optional<json::value> value = parse(line);
  if (!value) return std::nullopt;
  Fields fields;
  SampleResult result;
  const Result<std::vector<Task>> task = parse_tasks({fields.text(fields.at(*value, "task"))});
  if (!task) return std::nullopt;
  result.task = task->front();
  result.index = fields.count(fields.at(*value, "index"));
  result.prompt_tokens = fields.count(fields.at(*value, "prompt_tokens"));
  result.depth = fields.number(fields.at(*value, "depth"));
  result.answer_position = fields.count(fields.at(*value, "answer_position"));
  result.dense = read_run(fields.at(*value, "dense"), fields);
  for (const json::value& run : fields.array(fields.at(*value, "presets"))) result.presets.push_back(read_run(run, fields));
  if (!fields.is_good() || result.presets.size() != presets) return std::nullopt;
  return result;
}

Result<void> check_identity(const std::string& path, const std::string& line, const RunIdentity& identity) {
  const std::optional<json::value> value = parse(line);
  Fields fields;
  const bool is_ours = value && fields.text(fields.at(*value, "format")) == kFormat && fields.is_good();
  if (!is_ours)
    return make_error(ErrorCode::kInvalidArgument, "--resume: ", path, " is no file of `longshore eval`: give another name");
  for (const auto& [name, expected] : identity) {
    Fields field;
    const std::string found = field.text(field.at(*value, name));
    if (!field.is_good() || found != expected)
      return make_error(ErrorCode::kInvalidArgument, "--resume: ", path, " is of another run: its ", name, " is '", found,
                        "', this run's is '", expected, "'; give another file, or the flags of that run");
  }
  return {};
}

std::string first_line(const RunIdentity& identity) {
  json::object object{{"format", kFormat}};
  for (const auto& [name, value] : identity) object[name] = value;
  return json::serialize(object);
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path, const RunIdentity& identity, std::size_t presets) {
  std::string text;
  std::error_code status;
  if (const std::uint64_t bytes = std::filesystem::file_size(path, status); !status) {
    if (bytes > kBytesMax)
      return make_error(ErrorCode::kInvalidArgument, "--resume: ", path, " has ", bytes, " bytes; at most ", kBytesMax,
                        " are read");
    std::ifstream in(path, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return make_error(ErrorCode::kNotFound, "--resume: cannot read ", path);
  }
  SampleResults finished;
  std::size_t begin = 0, number = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (number++ == 0) {
      if (Result<void> same = check_identity(path, line, identity); !same) return same.error();
      continue;
    }
    std::optional<SampleResult> result = read_result(line, presets);
    if (!result)
      return make_error(ErrorCode::kInvalidArgument, "--resume: line ", number, " of ", path,
                        " is not a sample of `longshore eval`: delete it, and it will be computed anew");
    finished.insert_or_assign({result->task, result->index}, std::move(*result));
  }
  // Without a line's end there was no line: what stands behind the last one was cut off.
  if (number == 0 && !text.empty() && !first_line(identity).starts_with(text))
    return make_error(ErrorCode::kInvalidArgument, "--resume: ", path, " is no file of `longshore eval`: give another name");
  if (begin < text.size()) std::filesystem::resize_file(path, begin, status);
  std::unique_ptr<Journal> journal(new Journal(path, std::move(finished)));
  journal->out_.open(path, std::ios::binary | std::ios::app);
  if (number == 0) journal->out_ << first_line(identity) << '\n' << std::flush;
  if (!journal->out_) return make_error(ErrorCode::kNotFound, "--resume: cannot write ", path);
  return journal;
}

Result<void> Journal::add(const SampleResult& result) {
  out_ << json::serialize(to_json(result)) << '\n' << std::flush;
  if (!out_) return make_error(ErrorCode::kResourceExhausted, "--resume: ", path_, " cannot be written");
  return {};
}

}  // namespace longshore::cli::eval
