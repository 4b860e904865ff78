#pragma once

#include "transport/http/reply.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace longshore::testing {

// A reply that keeps what was written, on the test's thread; posted actions run at once.
class RecordedReply final : public http::Reply {
 public:
  void post(std::function<void()> action) override { action(); }
  void send(http::Response response) override {
    if (!over()) sent = std::move(response);
    release();
  }
  void begin(http::Response head) override {
    if (!over()) begun = std::move(head);
  }
  void write(std::string piece) override {
    if (!over()) stream += piece;
  }
  void end() override {
    ended = true;
    release();
  }
  void on_abandoned(std::function<void(http::Abandoned)> callback) override {
    abandoned_ = std::move(callback);
  }
  void on_idle(Duration, std::function<void()> callback) override { idle_ = std::move(callback); }

  void abandon(http::Abandoned reason) {
    const auto callback = std::exchange(abandoned_, nullptr);
    if (callback) callback(reason);
    if (reason != http::Abandoned::kStopping) release();
  }
  void idle() {
    const auto callback = idle_;
    if (callback) callback();
  }
  bool over() const { return ended || sent; }
  bool holds_callbacks() const { return abandoned_ || idle_; }

  std::optional<http::Response> sent, begun;
  std::string stream;
  bool ended = false;

 private:
  void release() {
    abandoned_ = nullptr;
    idle_ = nullptr;
  }
  std::function<void(http::Abandoned)> abandoned_;
  std::function<void()> idle_;
};

}  // namespace longshore::testing
