#pragma once

#include "runtime/base/result.h"
#include "transport/endpoint.h"
#include "transport/memory_region.h"
#include "transport/message.h"
#include "transport/ucx/ucx_fragments.h"

#include <ucp/api/ucp.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace longshore::transport {

class UcxNode;

// Something to send: a message, a request or a piece of a region, cut into fragments as it leaves.
struct Outgoing {
  FragmentKind kind = FragmentKind::kMessage;
  FragmentHeader header;  // of the next fragment
  Message body;           // what `data` points into, unless it is a region
  const std::byte* data = nullptr;
  std::size_t size = 0;
  std::size_t sent = 0;
  RegionId region;  // of a piece
};

// A message of which some fragments have come.
struct Incoming {
  Message message;
  std::size_t bytes_left = 0;
};

// One connection of a UcxTransport. Plain state: UcxTransport does what is to be done with it.
struct UcxConnection {
  UcxNode* node = nullptr;
  PeerId id;
  std::uint64_t name = 0;  // FragmentHeader::connection
  ucp_ep_h endpoint = nullptr;
  std::vector<std::byte> address;  // of the other worker
  bool announced = false;          // the owner knows its id
  bool closed = false;             // it has ended, from either side
  bool closed_here = false;        // by the owner, who hears nothing more of it
  std::optional<Error> failure;    // to be reported

  std::uint64_t next_to_send = 0;  // message numbers
  std::uint64_t next_to_deliver = 0;
  std::map<std::uint64_t, Incoming> incoming;
  std::size_t incoming_bytes = 0;

  std::deque<std::shared_ptr<Outgoing>> messages;  // these first
  std::deque<std::shared_ptr<Outgoing>> pieces;
  std::size_t in_flight = 0;  // fragments that UCX has not let go of

  LinkCounters* counters = nullptr;
};

// One fragment on its way. While UCX holds it, header and data must stay where they are.
struct UcxSend {
  FragmentHeader header;
  Message body;                      // the data of a message of one fragment, or
  std::shared_ptr<Outgoing> source;  // what owns the data of others
  std::shared_ptr<UcxConnection> connection;
  UcxNode* node = nullptr;
};

}  // namespace longshore::transport
