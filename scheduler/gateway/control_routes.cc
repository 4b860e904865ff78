#include "scheduler/gateway/control_routes.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "scheduler/gateway/explanation_json.h"
#include "scheduler/gateway/field_reader.h"
#include "scheduler/gateway/json_writer.h"

namespace longshore::gateway {
namespace {

constexpr std::int64_t kIntegerMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kNameBytesMax = 128;
constexpr std::size_t kAddressBytesMax = std::size_t{64} << 10;  // UCX: some hundred bytes for each network device
constexpr std::size_t kAdminBytesMax = 300;                      // a DNS name and a port
constexpr std::size_t kCoresBytesMax = 4096;                     // a boot's id and a mask of CPUs
constexpr std::size_t kNodesMax = 1024;

http::Response ok(JsonWriter& json) { return {.body = json.take()}; }

http::Response refuse(const Error& error) {
  http::ApiError told = http::to_api_error(error);
  if (error.code == ErrorCode::kFailedPrecondition) told.status = 412;
  if (error.code == ErrorCode::kAborted) told.status = 409;
  return http::error_response(told);
}

// All fields are needed: one that is absent is an older or newer node, or not a node.
void require(FieldReader& fields, std::string_view name) {
  if (fields.find(name) == nullptr) fields.refuse(name, std::string(name) + " is missing");
}

std::uint64_t number(FieldReader& fields, std::string_view name, std::int64_t high = kIntegerMax) {
  require(fields, name);
  return static_cast<std::uint64_t>(fields.integer(name, 0, high).value_or(0));
}

std::uint32_t number32(FieldReader& fields, std::string_view name) {
  return static_cast<std::uint32_t>(number(fields, name, std::numeric_limits<std::uint32_t>::max()));
}

// Ends up in logs, plans and metric labels.
std::string node_name(FieldReader& fields) {
  require(fields, "name");
  std::string name = fields.string("name");
  const auto is_legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || name.size() > kNameBytesMax || !std::ranges::all_of(name, is_legal))
    fields.refuse("name", "name must be 1 to " + std::to_string(kNameBytesMax) + " letters, digits, '.', '_' or '-'");
  return name;
}

std::string text(FieldReader& fields, std::string_view name, std::size_t bytes_max) {
  require(fields, name);
  std::string text = fields.string(name);
  if (text.empty() || text.size() > bytes_max)
    fields.refuse(name, std::string(name) + " has " + std::to_string(text.size()) + " bytes; it must have 1 to " +
                            std::to_string(bytes_max));
  return text;
}

std::vector<NodeId> node_list(FieldReader& fields, std::string_view name) {
  std::vector<NodeId> nodes;
  const boost::json::value* value = fields.find(name);
  const auto refuse = [&] {
    fields.refuse(name, std::string(name) + " must be an array of at most " + std::to_string(kNodesMax) + " node ids");
  };
  if (value == nullptr || !value->is_array() || value->get_array().size() > kNodesMax) {
    refuse();
    return nodes;
  }
  for (const boost::json::value& element : value->get_array()) {
    boost::json::error_code error;
    nodes.push_back(NodeId{element.to_number<std::uint32_t>(error)});
    if (error) refuse();
  }
  return nodes;
}

double seconds_or_rate(FieldReader& fields, std::string_view name, float low, float high) {
  require(fields, name);
  return fields.number(name, low, low, high);
}

std::int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

http::Response model(const service::ControlService& control) {
  const service::ServedModel& model = control.model();
  JsonWriter json;
  json.begin_object();
  json.key("name").string(model.name);
  json.key("sha256").string(to_hex(model.agreement.model));
  json.key("layers").number(std::int64_t{model.layers});
  json.key("kv_heads").number(std::int64_t{model.kv_heads});
  json.key("group").number(std::int64_t{model.group});
  json.key("head_dim").number(std::int64_t{model.head_dim});
  json.key("softcap").number(model.softcap);
  json.key("kv_type").string(model.kv_type);
  json.key("context").number(std::int64_t{model.context_tokens});
  json.key("rows_max").number(std::int64_t{model.rows_max});
  json.key("lease_ms").number(milliseconds(model.lease));
  json.end_object();
  return ok(json);
}

void write_nodes(JsonWriter& json, std::string_view key, std::span<const NodeId> nodes) {
  json.key(key).begin_array();
  for (const NodeId node : nodes) json.number(std::int64_t{node.value});
  json.end_array();
}

http::Response members(const service::ControlService& control) {
  const service::ControlService::View view = control.view();
  JsonWriter json;
  json.begin_object();
  json.key("generation").number(static_cast<std::int64_t>(view.generation.value));
  json.key("plan").string(view.plan);
  json.key("why").string(view.why);
  write_nodes(json, "holders", view.holders);
  write_nodes(json, "replicas", view.replicas);
  json.key("members").begin_array();
  for (const NodeDescriptor& node : view.members) {
    json.begin_object();
    json.key("node").number(std::int64_t{node.id.value});
    json.key("role").string(node.role == NodeRole::kCompute ? "compute" : "attention");
    json.key("name").string(node.name);
    json.key("admin").string(node.admin);
    json.key("memory_bytes").number(static_cast<std::int64_t>(node.memory_bytes));
    json.key("read_bytes_per_second").number(node.read_bytes_per_second);
    json.key("threads").number(std::int64_t{node.threads});
    json.end_object();
  }
  json.end_array().end_object();
  return ok(json);
}

http::Response join(service::ControlService& control, FieldReader& fields) {
  cluster::Registration registration;
  NodeDescriptor& node = registration.node;
  const std::string role = fields.string("role");
  if (role != "compute" && role != "attention") fields.refuse("role", "role must be compute or attention");
  node.role = role == "compute" ? NodeRole::kCompute : NodeRole::kAttention;
  node.name = node_name(fields);
  node.address = text(fields, "address", kAddressBytesMax);
  node.admin = text(fields, "admin", kAdminBytesMax);
  node.memory_bytes = number(fields, "memory_bytes");
  node.read_bytes_per_second = seconds_or_rate(fields, "read_bytes_per_second", 1, 1e18f);
  node.query_seconds = seconds_or_rate(fields, "query_seconds", 0, 1e6f);
  node.step_seconds = seconds_or_rate(fields, "step_seconds", 0, 1e6f);
  node.row_seconds = seconds_or_rate(fields, "row_seconds", 0, 1e6f);
  node.cores = text(fields, "cores", kCoresBytesMax);
  node.threads = static_cast<unsigned>(number(fields, "threads", 65536));
  const std::optional<Sha256> model = sha256_from_hex(fields.string("model"));
  if (!model) fields.refuse("model", "model must be a SHA-256 of 64 hexadecimal digits");
  else registration.agreement.model = *model;
  registration.agreement.numerics_version = number32(fields, "numerics_version");
  registration.agreement.wire_version = number32(fields, "wire_version");
  registration.generation_seen = PlanGeneration{number(fields, "generation_seen")};
  if (fields.error()) return http::error_response(*fields.error());
  const Result<cluster::Lease> lease = control.join(registration);
  if (!lease) return refuse(lease.error());
  JsonWriter json;
  json.begin_object();
  json.key("node").number(std::int64_t{lease->node.value});
  json.key("epoch").number(static_cast<std::int64_t>(lease->epoch.value));
  json.key("lease_ms").number(milliseconds(lease->length));
  json.end_object();
  return ok(json);
}

NodeId node_of(FieldReader& fields) { return NodeId{number32(fields, "node")}; }

void write_plan(JsonWriter& json, const PlacementPlan& plan) {
  json.begin_object();
  json.key("generation").number(static_cast<std::int64_t>(plan.generation.value));
  json.key("holders").begin_array();
  for (const std::vector<NodeId>& pattern : plan.holders) {
    json.begin_array();
    for (const NodeId node : pattern) json.number(std::int64_t{node.value});
    json.end_array();
  }
  json.end_array().end_object();
}

// The links of a heartbeat; absent means none.
std::vector<LinkReport> read_links(FieldReader& fields) {
  std::vector<LinkReport> links;
  const boost::json::value* value = fields.find("links");
  if (value == nullptr) return links;
  if (!value->is_array()) {
    fields.refuse_value("links", *value, "an array");
    return links;
  }
  for (const boost::json::value& element : value->get_array()) {
    if (!element.is_object()) {
      fields.refuse_value("links", element, "an array of objects");
      return links;
    }
    FieldReader of_link(element.get_object(), "links[" + std::to_string(links.size()) + "].");
    LinkReport& link = links.emplace_back();
    link.node = node_of(of_link);
    link.transports = of_link.string("transports");
    link.round_trip_seconds = of_link.number("round_trip_seconds", 0, 0, 1e6f);
    link.bytes_per_second = of_link.number("bytes_per_second", 0, 0, 1e18f);
    if (of_link.error()) {
      fields.refuse("links", of_link.error()->message);
      return links;
    }
  }
  return links;
}

http::Response heartbeat(service::ControlService& control, FieldReader& fields) {
  service::Heartbeat beat;
  beat.node = node_of(fields);
  beat.epoch = cluster::RegistrationEpoch{number(fields, "epoch")};
  beat.prepared = PlanGeneration{number(fields, "prepared")};
  if (fields.find("refused") != nullptr)
    beat.refused = {PlanGeneration{number(fields, "refused")}, node_list(fields, "unreachable")};
  beat.links = read_links(fields);
  if (fields.error()) return http::error_response(*fields.error());
  const Result<service::Orders> orders = control.heartbeat(beat);
  if (!orders) return refuse(orders.error());
  JsonWriter json;
  json.begin_object();
  if (orders->prepare) write_plan(json.key("prepare"), *orders->prepare);
  json.key("attention").begin_array();
  for (const NodeDescriptor& node : orders->attention) {
    json.begin_object();
    json.key("node").number(std::int64_t{node.id.value});
    json.key("name").string(node.name);
    json.key("address").string(node.address);
    json.end_object();
  }
  json.end_array().end_object();
  return ok(json);
}

http::Response leave(service::ControlService& control, FieldReader& fields) {
  const NodeId node = node_of(fields);
  const cluster::RegistrationEpoch epoch{number(fields, "epoch")};
  if (fields.error()) return http::error_response(*fields.error());
  control.leave(node, epoch);
  return {.body = "{}"};
}

using Answer = http::Response (*)(service::ControlService&, FieldReader&);

http::Handler read_then(service::ControlService& control, Answer answer) {
  return http::respond([&control, answer](const http::Request& request) {
    const Parsed<boost::json::object> body = parse_object(request.body);
    if (const auto* error = std::get_if<http::ApiError>(&body)) return http::error_response(*error);
    FieldReader fields(std::get<boost::json::object>(body));
    return answer(control, fields);
  });
}

}  // namespace

std::vector<http::Route> control_routes(service::ControlService& control) {
  return {{"GET", "/model", http::respond([&control](const http::Request&) { return model(control); })},
          {"GET", "/members", http::respond([&control](const http::Request&) { return members(control); })},
          explain_route([&control] { return control.explain(); }),
          {"POST", "/register", read_then(control, join)},
          {"POST", "/heartbeat", read_then(control, heartbeat)},
          {"POST", "/leave", read_then(control, leave)}};
}

}  // namespace longshore::gateway
