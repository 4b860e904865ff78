#pragma once

#include "transport/http/reply.h"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace longshore::http {

// How the answer to one request must be written.
struct ReplyForm {
  std::string request_id;
  bool keep_alive = true;  // the connection may serve another request
  bool chunked = true;     // HTTP/1.1; an older client gets streams that end with the connection
  bool with_body = true;   // false: HEAD
};

// The bytes of one answer between the handler that makes them and the connection that sends them. May outlive
// both the connection and the server: whoever produces tokens holds it.
class PendingReply final : public Reply {
 public:
  // `wake` is called when the connection has something to do, until detach(); it must not call back.
  PendingReply(std::weak_ptr<boost::asio::io_context> io,
               std::function<void()> wake,
               ReplyForm form,
               std::uint64_t stream_bytes_max);

  void post(std::function<void()> action) override;
  void send(Response response) override;
  void begin(Response head) override;
  void write(std::string piece) override;
  void end() override;
  void on_abandoned(std::function<void(Abandoned)> callback) override;
  void on_idle(Duration interval, std::function<void()> callback) override;

  // The connection's side.
  std::string take();  // bytes ready for the wire; empty if none
  bool complete() const {
    return stage_ == Stage::kEnded && wire_.empty() && body_.empty() && !last_chunk_due_;
  }
  bool overflowed() const { return overflowed_; }
  int status() const { return status_; }  // 0 before there is one
  const std::string& request_id() const { return form_.request_id; }
  bool closes() const { return !form_.keep_alive; }  // the connection ends with this answer
  Duration idle_interval() const { return idle_interval_; }
  void idle();
  // Tells the handler, once. For kStopping what it still writes is sent; else the reply is detached too.
  void abandon(Abandoned reason);
  // The connection is through with it.
  void detach();

 private:
  enum class Stage { kWaiting, kStreaming, kEnded };

  void start(const Response& head, std::optional<std::uint64_t> body_bytes);
  bool is_detached() const { return !wake_; }
  void wake() const;

  std::weak_ptr<boost::asio::io_context> io_;
  std::function<void()> wake_;  // empty once detached
  ReplyForm form_;
  std::uint64_t stream_bytes_max_;
  Stage stage_ = Stage::kWaiting;
  int status_ = 0;
  bool overflowed_ = false;
  std::string wire_;  // framed
  std::string body_;  // of a stream, to be framed by take()
  bool last_chunk_due_ = false;
  std::optional<Abandoned> abandoned_;
  std::function<void(Abandoned)> on_abandoned_;
  std::function<void()> on_idle_;
  Duration idle_interval_{};
};

}  // namespace longshore::http
