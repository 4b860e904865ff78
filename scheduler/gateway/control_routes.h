#pragma once

#include <vector>

#include "scheduler/service/control_service.h"
#include "transport/http/reply.h"

namespace longshore::gateway {

// The control plane as HTTP and JSON, for a port of its own in a trusted network:
//   GET  /model      what a node must know of the model
//   GET  /members    who is in, and the current plan
//   GET  /explain    the current plan and why (explanation_json.h); 503 while there is none
//   POST /register   {role, name, address, admin, memory_bytes, read_bytes_per_second, query_seconds, step_seconds,
//                    row_seconds, cores, threads, model, numerics_version, wire_version, generation_seen}
//                    -> {node, epoch, lease_ms}; 412 naming what differs
//   POST /heartbeat  {node, epoch, prepared, refused?, unreachable?, links?: [{node, transports, round_trip_seconds,
//                    bytes_per_second}]} -> {prepare?: {generation, holders}, attention: [...]};
//                    409: the lease is over
//   POST /leave      {node, epoch}
// A body with a field that is absent, of another kind or out of range is answered 400, naming the field.
// `control` outlives the routes' server.
std::vector<http::Route> control_routes(service::ControlService& control);

}  // namespace longshore::gateway
