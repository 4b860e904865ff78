#include "cli/cluster_file.h"

#include <cmath>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <toml++/toml.h>

#include "cli/cluster_flags.h"

namespace longshore::cli {
namespace {

// Reads the keys of one [[node]]; the first that is wrong stays as the error.
class NodeTable {
 public:
  NodeTable(const std::string& path, std::size_t index, const toml::table& table)
      : where_(path + ": node " + std::to_string(index)), table_(table) {}

  bool has(std::string_view key) const { return table_.contains(key); }

  std::string text(std::string_view key) {
    known_.emplace(key);
    const std::optional<std::string> value = table_[key].value<std::string>();
    if (!value || value->empty()) refuse(key, "it must be a text");
    return value.value_or("");
  }

  double bytes(std::string_view key) {
    const std::string value = text(key);
    if (error_) return 0;
    const Result<std::uint64_t> number = parse_bytes(std::string(key), value);
    if (!number) refuse(key, number.error().message);
    return number ? static_cast<double>(*number) : 0;
  }

  double number(std::string_view key, std::optional<double> absent) {
    known_.emplace(key);
    if (absent && !table_.contains(key)) return *absent;
    const std::optional<double> value = table_[key].value<double>();
    if (!value || !std::isfinite(*value) || *value < 0) refuse(key, "it must be a number of at least 0");
    return value.value_or(0);
  }

  void refuse(std::string_view key, const std::string& why) {
    if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, where_, ", key ", key, ": ", why);
  }

  const std::optional<Error>& finish() {
    for (const auto& [key, value] : table_)
      if (!known_.contains(key.str())) refuse(key.str(), "there is no such key");
    return error_;
  }

 private:
  std::string where_;
  const toml::table& table_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

Result<NodeDescriptor> read_node(NodeTable table, std::size_t index) {
  NodeDescriptor node;
  node.id = NodeId{static_cast<std::uint32_t>(index)};
  node.name = table.text("name");
  const std::string role = table.text("role");
  if (role != "compute" && role != "attention") table.refuse("role", "it may be compute or attention");
  node.role = role == "compute" ? NodeRole::kCompute : NodeRole::kAttention;
  node.memory_bytes = static_cast<std::uint64_t>(table.bytes("memory"));
  node.read_bytes_per_second = table.bytes("read_bandwidth");
  node.link_bytes_per_second = table.bytes("link_bandwidth");
  node.link_latency_seconds = 1e-6 * table.number("link_latency_us", std::nullopt);
  if (table.has("cores")) node.cores = table.text("cores");
  node.query_seconds = 1e-6 * table.number("query_us", 0);
  node.threads = static_cast<unsigned>(table.number("threads", 0));
  node.price_per_hour = table.number("price_per_hour", 0);
  if (const std::optional<Error>& error = table.finish()) return *error;
  return node;
}

}  // namespace

Result<std::vector<NodeDescriptor>> read_cluster_file(const std::string& path) {
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {  // the library's only way to say so
    std::ostringstream text;
    text << path << ": " << error.description() << " at " << error.source().begin;
    return make_error(ErrorCode::kInvalidArgument, text.str());
  }
  const toml::array* nodes = file["node"].as_array();
  if (nodes == nullptr || nodes->empty() || !nodes->is_array_of_tables())
    return make_error(ErrorCode::kInvalidArgument, path, ": it must have at least one [[node]]");
  std::vector<NodeDescriptor> result;
  for (const toml::node& element : *nodes) {
    Result<NodeDescriptor> node = read_node(NodeTable(path, result.size(), *element.as_table()), result.size());
    if (!node) return node.error();
    result.push_back(std::move(*node));
  }
  return result;
}

}  // namespace longshore::cli
