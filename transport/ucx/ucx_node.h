#pragma once

#include "transport/transport.h"
#include "transport/ucx/ucx_address.h"
#include "transport/ucx/ucx_connection.h"
#include "transport/ucx/ucx_worker.h"
#include "transport/wait_policy.h"

#include <ucp/api/ucp.h>

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace longshore::transport {

using Connection = std::shared_ptr<UcxConnection>;

class UcxTransfer;

// The Transport on UCX. Its parts: ucx_transport.cc (what the owner calls), ucx_send.cc, ucx_receive.cc.
class UcxNode final : public Transport {
 public:
  explicit UcxNode(std::unique_ptr<UcxWorker> worker);
  ~UcxNode() override;
  Result<void> start();

  std::string address() const override { return to_text(worker_->address()); }
  Capabilities capabilities() const override { return {.name = "ucx"}; }
  Result<PeerId> connect(std::string_view address) override;
  void close(PeerId peer) override;
  MessagePool& messages() override { return messages_; }
  Result<void> send(PeerId peer, Message message) override;
  std::size_t progress(Receiver& receiver) override;
  void wait(std::chrono::nanoseconds timeout) override;
  void wake() override;
  Result<MemoryRegion> register_memory(std::span<const std::byte> bytes, MemoryKind kind) override;
  Result<std::unique_ptr<Transfer>> prepare(PeerId peer,
                                            std::span<const TransferPiece> pieces,
                                            const TransferOptions& options) override;
  Result<PathReport> path(PeerId peer) const override;
  LinkCounters counters(PeerId peer) const override;

 private:
  friend class UcxTransfer;
  struct Delivery {
    Connection connection;
    Message message;            // a message, or
    std::optional<Error> lost;  // the end
  };
  struct Region {
    std::span<const std::byte> bytes;
    std::size_t pins = 0;  // fragments that UCX still reads
  };
  struct HandlerArgument {
    UcxNode* node = nullptr;
    FragmentKind kind = FragmentKind::kGreeting;
  };

  void unregister_memory(RegionId region) override;

  // UCX calls these inside progress; they call nothing of UCX.
  static ucs_status_t on_fragment(void* argument,
                                  const void* header,
                                  std::size_t header_bytes,
                                  void* data,
                                  std::size_t bytes,
                                  const ucp_am_recv_param_t* param);
  static void on_endpoint_error(void* argument, ucp_ep_h endpoint, ucs_status_t status);
  static void on_sent(void* request, ucs_status_t status, void* argument);
  void take_greeting(const FragmentHeader& header, std::span<const std::byte> data);
  void take_message(const Connection& connection,
                    const FragmentHeader& header,
                    std::span<const std::byte> data);
  void deliver(const Connection& connection, Message message);
  void take_pull(const Connection& connection, const FragmentHeader& header, std::span<const std::byte> data);
  void take_piece(const Connection& connection,
                  const FragmentHeader& header,
                  std::span<const std::byte> data);
  void take_refusal(const Connection& connection,
                    const FragmentHeader& header,
                    std::span<const std::byte> data);
  void refuse(const Connection& connection, std::uint64_t ticket, const Error& error);
  void fail(const Connection& connection, Error error);

  Connection find(PeerId peer) const;
  Connection add_connection(std::uint64_t name, std::vector<std::byte> address);
  Result<void> open_endpoint(UcxConnection& connection);
  // Makes UCX progress, then does what its callbacks have asked for.
  void advance();
  void settle();
  void pump(const Connection& connection);
  bool send_fragment(const Connection& connection, const std::shared_ptr<Outgoing>& source);
  void send_whole(const Connection& connection, FragmentKind kind, const FragmentHeader& header, Message body);
  std::unique_ptr<UcxSend> take_send(const FragmentHeader& header);
  enum class Handed { kDone, kHeld, kFailed };
  Handed hand_over(const Connection& connection, FragmentKind kind, UcxSend& send, const std::byte* data,
                   std::size_t bytes);
  void enqueue(const Connection& connection, FragmentKind kind, FragmentHeader header, Message body);
  void drop(const Connection& connection, const Error& reason);
  void say_goodbye(const Connection& connection);
  bool is_ready() const {
    return !inbox_.empty() || transfers_ended_ > 0 || woken_.load(std::memory_order_acquire);
  }

  std::unique_ptr<UcxWorker> worker_;
  MessagePool messages_;
  Message probe_;
  HandlerArgument handler_arguments_[kFragmentKinds];

  std::unordered_map<PeerId, Connection> connections_;     // open ones
  std::unordered_map<std::uint64_t, Connection> by_name_;  // the same
  std::unordered_map<PeerId, LinkCounters> counters_;      // all that ever were
  std::vector<std::pair<void*, Connection>> closing_;      // endpoints that UCX is ending
  std::unordered_map<RegionId, Region> regions_;
  std::unordered_map<std::uint64_t, UcxTransfer*> transfers_;  // posted ones, by ticket
  std::vector<Connection> greeted_;                            // their endpoints are to be opened
  std::vector<Connection> failed_;                             // to be reported and ended
  std::deque<Delivery> inbox_;
  std::size_t transfers_ended_ = 0;  // since the last progress
  std::vector<std::unique_ptr<UcxSend>> spare_sends_;  // to be used again
  std::size_t sends_in_flight_ = 0;
  std::uint64_t sends_done_ = 0;
  WaitPolicy wait_policy_;
  std::atomic<bool> woken_{false};
  std::uint64_t identity_ = 0;
  std::uint64_t connections_made_ = 0;
  std::uint32_t last_peer_ = 0;
  std::uint64_t last_region_ = kProbeRegion.value;
  std::uint64_t last_ticket_ = 0;
};

}  // namespace longshore::transport
