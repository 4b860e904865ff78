#include "scheduler/gateway/explanation_json.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/gateway/field_reader.h"
#include "scheduler/gateway/json_writer.h"

namespace longshore::gateway {
namespace {

constexpr std::int64_t kIntegerMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint32_t kIdMax = std::numeric_limits<std::uint32_t>::max();

void put(JsonWriter& json, std::string_view name, std::uint64_t value) {
  json.key(name).number(static_cast<std::int64_t>(std::min<std::uint64_t>(value, kIntegerMax)));
}

void write_node(JsonWriter& json, const NodeDescriptor& node) {
  json.begin_object();
  put(json, "node", node.id.value);
  json.key("role").string(node.role == NodeRole::kCompute ? "compute" : "attention");
  json.key("name").string(node.name);
  json.key("cores").string(node.cores);
  put(json, "memory_bytes", node.memory_bytes);
  json.key("read_bytes_per_second").number(node.read_bytes_per_second);
  json.key("query_seconds").number(node.query_seconds);
  json.key("step_seconds").number(node.step_seconds);
  json.key("row_seconds").number(node.row_seconds);
  json.key("link_latency_seconds").number(node.link_latency_seconds);
  json.key("link_bytes_per_second").number(node.link_bytes_per_second);
  put(json, "threads", node.threads);
  json.end_object();
}

void write_cost(JsonWriter& json, const placement::NodeCost& cost) {
  json.begin_object();
  put(json, "node", cost.node.value);
  json.key("name").string(cost.name);
  json.key("share").number(cost.share);
  put(json, "bytes_held", cost.bytes_held);
  put(json, "bytes_read", cost.bytes_read);
  put(json, "bytes_sent", cost.bytes_sent);
  json.key("read_seconds").number(cost.read_seconds);
  json.key("link_seconds").number(cost.link_seconds);
  json.key("latency_seconds").number(cost.latency_seconds);
  json.key("step_seconds").number(cost.step_seconds);
  put(json, "tokens_lost", cost.tokens_lost);
  json.end_object();
}

void write_option(JsonWriter& json, const placement::PlanOption& option) {
  json.begin_object();
  json.key("name").string(option.name);
  put(json, "generation", option.plan.generation.value);
  json.key("holders").begin_array();
  for (const std::vector<NodeId>& pattern : option.plan.holders) {
    json.begin_array();
    for (const NodeId node : pattern) json.number(std::int64_t{node.value});
    json.end_array();
  }
  json.end_array();
  json.key("dense_seconds").number(option.cost.dense_seconds);
  json.key("attention_seconds").number(option.cost.attention_seconds);
  json.key("step_seconds").number(option.cost.step_seconds);
  put(json, "kv_leaves", option.cost.kv_leaves);
  json.key("fits").boolean(option.cost.fits);
  put(json, "tokens_lost_max", option.cost.tokens_lost_max);
  json.key("nodes").begin_array();
  for (const placement::NodeCost& cost : option.cost.nodes) write_cost(json, cost);
  json.end_array().end_object();
}

// Reads one object; the first field that is wrong, here or below, is kept.
class Fields {
 public:
  Fields(const boost::json::object& object, std::string path, std::optional<http::ApiError>& error)
      : object_(object), path_(std::move(path)), reader_(object_, path_), error_(error) {}
  ~Fields() {
    if (!error_ && reader_.error()) error_ = reader_.error();
  }

  std::string text(std::string_view name) {
    require(name);
    return reader_.string(name);
  }
  std::uint64_t number(std::string_view name, std::int64_t high = kIntegerMax) {
    require(name);
    return static_cast<std::uint64_t>(reader_.integer(name, 0, high).value_or(0));
  }
  NodeId node() { return NodeId{static_cast<std::uint32_t>(number("node", kIdMax))}; }
  double real(std::string_view name) {
    require(name);
    return static_cast<double>(reader_.number(name, 0, 0, 1e18f));
  }
  bool boolean(std::string_view name) {
    require(name);
    return reader_.boolean(name, false);
  }
  bool is_null(std::string_view name) const { return reader_.find(name) == nullptr; }

  template <typename Read>
  void object(std::string_view name, Read read) {
    const boost::json::value* value = require(name);
    if (value == nullptr) return;
    if (!value->is_object()) return reader_.refuse_value(name, *value, "an object");
    Fields fields(value->get_object(), reader_.full_name(name) + ".", error_);
    read(fields);
  }
  // Elements that are objects; paths are relative to this one.
  template <typename Read>
  void objects(std::string_view name, Read read) {
    elements(name, [&](const boost::json::value& element, const std::string& path) {
      if (!element.is_object()) return reader_.refuse_value(path, element, "an object");
      Fields fields(element.get_object(), reader_.full_name(path) + ".", error_);
      read(fields);
    });
  }
  template <typename Read>
  void elements(std::string_view name, Read read) {
    const boost::json::value* value = require(name);
    if (value == nullptr) return;
    if (!value->is_array()) return reader_.refuse_value(name, *value, "an array");
    std::size_t index = 0;
    for (const boost::json::value& element : value->get_array())
      read(element, std::string(name) + "[" + std::to_string(index++) + "]");
  }
  void refuse_value(const std::string& path, const boost::json::value& value, std::string_view range) {
    reader_.refuse_value(path, value, range);
  }

 private:
  const boost::json::value* require(std::string_view name) {
    const boost::json::value* value = reader_.find(name);
    if (value == nullptr) reader_.refuse(name, reader_.full_name(name) + " is missing");
    return value;
  }

  const boost::json::object& object_;
  std::string path_;
  FieldReader reader_;
  std::optional<http::ApiError>& error_;
};

NodeDescriptor read_node(Fields& fields) {
  NodeDescriptor node;
  node.id = fields.node();
  node.role = fields.text("role") == "compute" ? NodeRole::kCompute : NodeRole::kAttention;
  node.name = fields.text("name");
  node.cores = fields.text("cores");
  node.memory_bytes = fields.number("memory_bytes");
  node.read_bytes_per_second = fields.real("read_bytes_per_second");
  node.query_seconds = fields.real("query_seconds");
  node.step_seconds = fields.real("step_seconds");
  node.row_seconds = fields.real("row_seconds");
  node.link_latency_seconds = fields.real("link_latency_seconds");
  node.link_bytes_per_second = fields.real("link_bytes_per_second");
  node.threads = static_cast<unsigned>(fields.number("threads", 65536));
  return node;
}

placement::NodeCost read_cost(Fields& fields) {
  placement::NodeCost cost;
  cost.node = fields.node();
  cost.name = fields.text("name");
  cost.share = fields.real("share");
  cost.bytes_held = fields.number("bytes_held");
  cost.bytes_read = fields.number("bytes_read");
  cost.bytes_sent = fields.number("bytes_sent");
  cost.read_seconds = fields.real("read_seconds");
  cost.link_seconds = fields.real("link_seconds");
  cost.latency_seconds = fields.real("latency_seconds");
  cost.step_seconds = fields.real("step_seconds");
  cost.tokens_lost = fields.number("tokens_lost");
  return cost;
}

placement::PlanOption read_option(Fields& fields) {
  placement::PlanOption option;
  option.name = fields.text("name");
  option.plan.generation = PlanGeneration{fields.number("generation")};
  fields.elements("holders", [&](const boost::json::value& pattern, const std::string& path) {
    if (!pattern.is_array()) return fields.refuse_value(path, pattern, "an array");
    std::vector<NodeId>& nodes = option.plan.holders.emplace_back();
    for (const boost::json::value& node : pattern.get_array()) {
      boost::json::error_code failed;
      nodes.push_back(NodeId{node.to_number<std::uint32_t>(failed)});
      if (failed) return fields.refuse_value(path, node, "node ids");
    }
  });
  option.cost.dense_seconds = fields.real("dense_seconds");
  option.cost.attention_seconds = fields.real("attention_seconds");
  option.cost.step_seconds = fields.real("step_seconds");
  option.cost.kv_leaves = fields.number("kv_leaves");
  option.cost.fits = fields.boolean("fits");
  option.cost.tokens_lost_max = fields.number("tokens_lost_max");
  fields.objects("nodes", [&](Fields& node) { option.cost.nodes.push_back(read_cost(node)); });
  return option;
}

}  // namespace

std::string explanation_json(const placement::Explanation& explanation) {
  const placement::PlanReport& report = explanation.report;
  JsonWriter json;
  json.begin_object();
  json.key("model").string(explanation.model);
  json.key("kv_type").string(explanation.kv_type);
  put(json, "sequences", explanation.workload.sequences);
  put(json, "context_tokens", explanation.workload.context_tokens);
  json.key("nodes").begin_array();
  for (const NodeDescriptor& node : explanation.nodes) write_node(json, node);
  json.end_array();
  write_option(json.key("chosen"), report.chosen);
  json.key("why").string(report.why);
  json.key("next_best");
  if (report.next_best) write_option(json, *report.next_best);
  else json.null();
  json.key("why_not").string(report.why_not);
  json.key("idle").begin_array();
  for (const placement::IdleNode& idle : report.idle) {
    json.begin_object();
    put(json, "node", idle.node.value);
    json.key("name").string(idle.name);
    json.key("why").string(idle.why);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

Result<placement::Explanation> parse_explanation(std::string_view text) {
  const Parsed<boost::json::object> body = parse_object(text);
  std::optional<http::ApiError> error;
  placement::Explanation explanation;
  if (const auto* wrong = std::get_if<http::ApiError>(&body)) {
    error = *wrong;
  } else {
    Fields fields(std::get<boost::json::object>(body), "", error);
    explanation.model = fields.text("model");
    explanation.kv_type = fields.text("kv_type");
    explanation.workload.sequences = static_cast<std::uint32_t>(fields.number("sequences", kIdMax));
    explanation.workload.context_tokens = fields.number("context_tokens");
    fields.objects("nodes", [&](Fields& node) { explanation.nodes.push_back(read_node(node)); });
    placement::PlanReport& report = explanation.report;
    fields.object("chosen", [&](Fields& chosen) { report.chosen = read_option(chosen); });
    report.why = fields.text("why");
    if (!fields.is_null("next_best"))
      fields.object("next_best", [&](Fields& next) { report.next_best = read_option(next); });
    report.why_not = fields.text("why_not");
    fields.objects("idle", [&](Fields& idle) {
      placement::IdleNode& node = report.idle.emplace_back();
      node.node = idle.node();
      node.name = idle.text("name");
      node.why = idle.text("why");
    });
  }
  if (error)
    return make_error(ErrorCode::kInternal, "the explanation cannot be read: ", error->message,
                      "; install the same release everywhere");
  return explanation;
}

http::Route explain_route(std::function<Result<placement::Explanation>()> explain) {
  return {"GET", "/explain", http::respond([explain = std::move(explain)](const http::Request&) -> http::Response {
            const Result<placement::Explanation> explanation = explain();
            if (!explanation) return http::error_response(http::to_api_error(explanation.error()));
            http::Response response;
            response.body = explanation_json(*explanation);
            return response;
          })};
}

}  // namespace longshore::gateway
