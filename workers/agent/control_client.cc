#include "workers/agent/control_client.h"

#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "transport/http/http_client.h"

namespace longshore::agent {
namespace json = boost::json;

struct ControlClient::State {
  explicit State(const http::HttpClientOptions& options) : client(options) {}
  http::HttpClient client;
};

namespace {

ErrorCode code_of(int status) {
  switch (status) {
    case 409: return ErrorCode::kAborted;
    case 412: return ErrorCode::kFailedPrecondition;
    case 429: case 503: case 504: return ErrorCode::kUnavailable;
    case 400: return ErrorCode::kInvalidArgument;
    default: return ErrorCode::kInternal;
  }
}

// The message of the error envelope, or the body as it is.
std::string told(const std::string& body) {
  json::error_code failed;
  const json::value value = json::parse(body, failed);
  if (!failed && value.is_object())
    if (const json::value* error = value.get_object().if_contains("error"); error != nullptr && error->is_object())
      if (const json::value* message = error->get_object().if_contains("message"); message != nullptr && message->is_string())
        return std::string(message->get_string());
  return body.substr(0, 200);
}

Result<json::object> exchange(http::HttpClient& client, std::string method, std::string path, std::string body) {
  http::Request request;
  request.method = std::move(method);
  request.path = path;
  request.body = std::move(body);
  if (!request.body.empty()) request.headers = {{"content-type", "application/json"}};
  const Result<http::Response> response = client.fetch(request);
  if (!response) return response.error();
  if (response->status != 200) return make_error(code_of(response->status), told(response->body));
  json::error_code failed;
  json::value value = json::parse(response->body, failed);
  if (failed || !value.is_object())
    return make_error(ErrorCode::kInternal, path, " of the scheduler answered with no JSON object");
  return std::move(value.get_object());
}

// Typed members of a reply; the first one that is absent or of another kind is the error.
class Members {
 public:
  Members(const json::object& object, std::string_view what) : object_(object), what_(what) {}

  std::uint64_t number(std::string_view name, std::uint64_t high) {
    json::error_code failed;
    const json::value* value = object_.if_contains(name);
    const std::uint64_t number = value != nullptr ? value->to_number<std::uint64_t>(failed) : 0;
    if (value == nullptr || failed || number > high) refuse(name);
    return number;
  }
  std::uint32_t number32(std::string_view name) { return static_cast<std::uint32_t>(number(name, UINT32_MAX)); }
  float real(std::string_view name) {
    json::error_code failed;
    const json::value* value = object_.if_contains(name);
    const float number = value != nullptr ? static_cast<float>(value->to_number<double>(failed)) : 0;
    if (value == nullptr || failed) refuse(name);
    return number;
  }
  std::string text(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    refuse(name);
    return {};
  }
  const json::array& array(std::string_view name) {
    static const json::array kNone;
    const json::value* value = object_.if_contains(name);
    if (value != nullptr && value->is_array()) return value->get_array();
    refuse(name);
    return kNone;
  }
  void refuse(std::string_view name) {
    if (!error_)
      error_ = make_error(ErrorCode::kInternal, what_, " of the scheduler has no usable ", name,
                          ": install the same release everywhere");
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const json::object& object_;
  std::string_view what_;
  std::optional<Error> error_;
};

Result<PlacementPlan> read_plan(const json::object& object) {
  Members members(object, "a plan");
  PlacementPlan plan;
  plan.generation = PlanGeneration{members.number("generation", UINT64_MAX)};
  for (const json::value& pattern : members.array("holders")) {
    std::vector<NodeId>& nodes = plan.holders.emplace_back();
    if (!pattern.is_array()) members.refuse("holders");
    else
      for (const json::value& node : pattern.get_array()) {
        json::error_code failed;
        nodes.push_back(NodeId{node.to_number<std::uint32_t>(failed)});
        if (failed) members.refuse("holders");
      }
  }
  if (members.error()) return *members.error();
  return plan;
}

}  // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::create(const std::string& target) {
  const std::size_t colon = target.rfind(':');
  std::uint16_t port = 0;
  const char* const end = target.data() + target.size();
  if (colon != std::string::npos) {
    const auto [rest, status] = std::from_chars(target.data() + colon + 1, end, port);
    if (status != std::errc() || rest != end) port = 0;
  }
  if (port == 0 || colon == 0)
    return make_error(ErrorCode::kInvalidArgument, "--scheduler is '", target,
                      "'; write HOST:PORT with the scheduler's --control-port");
  http::HttpClientOptions options;
  options.host = target.substr(0, colon);
  options.port = port;
  options.connect_timeout = std::chrono::seconds(2);
  options.read_timeout = std::chrono::seconds(2);  // an answer takes microseconds; a lease must not wait for one
  return std::unique_ptr<ControlClient>(new ControlClient(target, std::make_unique<State>(options)));
}

ControlClient::ControlClient(std::string target, std::unique_ptr<State> state)
    : target_(std::move(target)), state_(std::move(state)) {}

ControlClient::~ControlClient() = default;

void ControlClient::cancel() { state_->client.cancel(); }

Result<ServedModel> ControlClient::model() {
  const Result<json::object> reply = exchange(state_->client, "GET", "/model", "");
  if (!reply) return reply.error();
  Members members(*reply, "/model");
  ServedModel model;
  model.name = members.text("name");
  if (const auto digest = sha256_from_hex(members.text("sha256"))) model.model = *digest;
  else members.refuse("sha256");
  model.layers = members.number32("layers");
  model.kv_heads = members.number32("kv_heads");
  model.group = members.number32("group");
  model.head_dim = members.number32("head_dim");
  model.softcap = members.real("softcap");
  model.kv_type = members.text("kv_type");
  model.rows_max = members.number32("rows_max");
  model.lease = std::chrono::milliseconds(members.number32("lease_ms"));
  if (members.error()) return *members.error();
  return model;
}

Result<Lease> ControlClient::join(const Registration& registration) {
  const NodeDescriptor& node = registration.node;
  const json::object body{{"role", node.role == NodeRole::kCompute ? "compute" : "attention"},
                          {"name", node.name},
                          {"address", node.address},
                          {"admin", node.admin},
                          {"memory_bytes", node.memory_bytes},
                          {"read_bytes_per_second", node.read_bytes_per_second},
                          {"query_seconds", node.query_seconds},
                          {"step_seconds", node.step_seconds},
                          {"row_seconds", node.row_seconds},
                          {"cores", node.cores},
                          {"threads", node.threads},
                          {"model", to_hex(registration.model)},
                          {"numerics_version", registration.numerics_version},
                          {"wire_version", registration.wire_version},
                          {"generation_seen", registration.generation_seen.value}};
  const Result<json::object> reply = exchange(state_->client, "POST", "/register", json::serialize(body));
  if (!reply) return reply.error();
  Members members(*reply, "/register");
  Lease lease;
  lease.node = NodeId{members.number32("node")};
  lease.epoch = members.number("epoch", UINT64_MAX);
  lease.length = std::chrono::milliseconds(members.number32("lease_ms"));
  if (members.error()) return *members.error();
  return lease;
}

Result<Orders> ControlClient::heartbeat(const Lease& lease, const NodeState& state) {
  json::object body{{"node", lease.node.value}, {"epoch", lease.epoch}, {"prepared", state.prepared.value}};
  if (state.refused) {
    json::array unreachable;
    for (const NodeId node : state.unreachable) unreachable.push_back(node.value);
    body["refused"] = state.refused->value;
    body["unreachable"] = std::move(unreachable);
  }
  if (!state.links.empty()) {
    json::array& of_body = body.emplace("links", json::array()).first->value().get_array();
    for (const LinkReport& link : state.links)
      of_body.push_back({{"node", link.node.value},
                         {"transports", link.transports},
                         {"round_trip_seconds", link.round_trip_seconds},
                         {"bytes_per_second", link.bytes_per_second}});
  }
  const Result<json::object> reply = exchange(state_->client, "POST", "/heartbeat", json::serialize(body));
  if (!reply) return reply.error();
  Orders orders;
  if (const json::value* plan = reply->if_contains("prepare"); plan != nullptr && plan->is_object()) {
    Result<PlacementPlan> read = read_plan(plan->get_object());
    if (!read) return read.error();
    orders.prepare = std::make_shared<const PlacementPlan>(std::move(*read));
  }
  Members members(*reply, "/heartbeat");
  for (const json::value& value : members.array("attention")) {
    if (!value.is_object()) {
      members.refuse("attention");
      break;
    }
    Members of_node(value.get_object(), "an attention node");
    NodeDescriptor& node = orders.attention.emplace_back();
    node.id = NodeId{of_node.number32("node")};
    node.name = of_node.text("name");
    node.address = of_node.text("address");
    if (of_node.error()) return *of_node.error();
  }
  if (members.error()) return *members.error();
  return orders;
}

Result<void> ControlClient::leave(const Lease& lease) {
  const json::object body{{"node", lease.node.value}, {"epoch", lease.epoch}};
  const Result<json::object> reply = exchange(state_->client, "POST", "/leave", json::serialize(body));
  if (!reply) return reply.error();
  return {};
}

}  // namespace longshore::agent
