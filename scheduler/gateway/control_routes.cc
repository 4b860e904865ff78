#include "scheduler/gateway/control_routes.h"

#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "scheduler/gateway/explanation_json.h"
#include "scheduler/gateway/field_reader.h"
#include "scheduler/gateway/json_writer.h"

namespace longshore::gateway {
namespace {

constexpr std::int64_t kIntegerMax = std::numeric_limits<std::int64_t>::max();

http::Response ok(JsonWriter& json) { return {.body = json.take()}; }

http::Response refuse(const Error& error) {
  http::ApiError told = http::to_api_error(error);
  if (error.code == ErrorCode::kFailedPrecondition) told.status = 412;
  if (error.code == ErrorCode::kAborted) told.status = 409;
  return http::error_response(told);
}

std::uint64_t number(FieldReader& fields, std::string_view name, std::int64_t high = kIntegerMax) {
  return static_cast<std::uint64_t>(fields.integer(name, 0, high).value_or(0));
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

http::Response members(const service::ControlService& control) {
  const service::ControlService::View view = control.view();
  JsonWriter json;
  json.begin_object();
  json.key("generation").number(static_cast<std::int64_t>(view.generation.value));
  json.key("plan").string(view.plan);
  json.key("why").string(view.why);
  json.key("holders").begin_array();
  for (const NodeId node : view.holders) json.number(std::int64_t{node.value});
  json.end_array();
  json.key("members").begin_array();
  for (const NodeDescriptor& node : view.members) {
    json.begin_object();
    json.key("node").number(std::int64_t{node.id.value});
    json.key("role").string(node.role == NodeRole::kCompute ? "compute" : "attention");
    json.key("name").string(node.name);
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
  node.name = fields.string("name");
  node.address = fields.string("address");
  node.memory_bytes = number(fields, "memory_bytes");
  node.read_bytes_per_second = fields.number("read_bytes_per_second", 0, 0, 1e18f);
  node.query_seconds = fields.number("query_seconds", 0, 0, 1e6f);
  node.step_seconds = fields.number("step_seconds", 0, 0, 1e6f);
  node.row_seconds = fields.number("row_seconds", 0, 0, 1e6f);
  node.cores = fields.string("cores");
  node.threads = static_cast<unsigned>(number(fields, "threads", 65536));
  const std::optional<Sha256> model = sha256_from_hex(fields.string("model"));
  if (!model) fields.refuse("model", "model must be a SHA-256 of 64 hexadecimal digits");
  else registration.agreement.model = *model;
  constexpr std::int64_t kVersionMax = std::numeric_limits<std::uint32_t>::max();
  registration.agreement.numerics_version = static_cast<std::uint32_t>(number(fields, "numerics_version", kVersionMax));
  registration.agreement.wire_version = static_cast<std::uint32_t>(number(fields, "wire_version", kVersionMax));
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

NodeId node_of(FieldReader& fields) {
  return NodeId{static_cast<std::uint32_t>(number(fields, "node", std::numeric_limits<std::uint32_t>::max()))};
}

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
  if (fields.find("refused") != nullptr) beat.refused = PlanGeneration{number(fields, "refused")};
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
