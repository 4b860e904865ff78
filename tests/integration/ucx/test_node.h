#pragma once

#include "transport/transport.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace longshore::transport {

// A transport that writes down what it is told.
struct TestNode final : Receiver {
  explicit TestNode(std::unique_ptr<Transport> owned) : transport(std::move(owned)) {}

  void on_message(PeerId peer, Message message) override {
    senders.push_back(peer);
    messages.push_back(std::move(message));
  }
  void on_peer_lost(PeerId peer, const Error& error) override { lost.emplace_back(peer, error); }

  Message filled(std::size_t size, unsigned seed) const {
    Message message = transport->messages().take(size);
    for (std::size_t i = 0; i < size; ++i)
      message.data()[i] = static_cast<std::byte>((i * 31 + seed * 7 + i / 251) & 255);
    return message;
  }

  std::unique_ptr<Transport> transport;
  std::vector<PeerId> senders;
  std::vector<Message> messages;
  std::vector<std::pair<PeerId, Error>> lost;
};

// Lets all nodes make progress on this thread until `done`, for two minutes at most.
inline bool run_until(const std::vector<TestNode*>& nodes, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    for (TestNode* node : nodes) node->transport->progress(*node);
  }
  return true;
}

inline bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace longshore::transport
