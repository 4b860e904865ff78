#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/node_descriptor.h"
#include "transport/message.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

// How two nodes meet, measure each other and part.
namespace longshore::wire {

// Who speaks, and what both sides must agree on before anything else is said.
struct Hello {
  std::string node;  // name in plans and metrics
  NodeId id;
  NodeRole role = NodeRole::kCompute;
  Sha256 model{};                      // of the model file
  std::uint32_t numerics_version = 0;  // of the arithmetic (docs/determinism.md)
  std::string kv_layout;               // element type and order inside a block
  std::uint64_t block_bytes = 0;       // of one KvBlock
  std::uint32_t layers = 0, kv_heads = 0, head_dim = 0;
  PlanGeneration generation;
  std::uint64_t ask = 0;
  bool operator==(const Hello&) const = default;
};

// The other side's own Hello, or why it refuses.
struct HelloReply {
  Hello hello;
  std::optional<Error> error;
};

// Errors: kFailedPrecondition naming the first thing that differs (model, numerics version, KV layout, block
// bytes, shapes), both values, and what to do. The wire version is checked with every frame.
Result<void> check_agreement(const Hello& ours, const Hello& theirs);

struct Ping {
  std::uint64_t ask = 0;
  std::uint64_t sent_nanoseconds = 0;  // of the asker's clock; comes back unchanged
  bool operator==(const Ping&) const = default;
};

// The sender stops; nothing more will be answered.
struct ShutDown {
  std::string reason;
  bool operator==(const ShutDown&) const = default;
};

transport::Message encode(const Hello& hello, transport::MessagePool& pool);
transport::Message encode(const HelloReply& reply, transport::MessagePool& pool);
transport::Message encode_ping(const Ping& ping, transport::MessagePool& pool);
transport::Message encode_pong(const Ping& ping, transport::MessagePool& pool);
transport::Message encode(const ShutDown& notice, transport::MessagePool& pool);
// Errors: those of open_frame; kInvalidArgument naming the field and its limit.
Result<Hello> decode_hello(std::span<const std::byte> frame);
Result<HelloReply> decode_hello_reply(std::span<const std::byte> frame);
Result<Ping> decode_ping(std::span<const std::byte> frame);
Result<Ping> decode_pong(std::span<const std::byte> frame);
Result<ShutDown> decode_shut_down(std::span<const std::byte> frame);

}  // namespace longshore::wire
