#include "transport/http/pending_reply.h"

#include <boost/asio/post.hpp>

#include <array>
#include <charconv>
#include <utility>

namespace longshore::http {
namespace {

// The chunk of RFC 9112 section 7.1: size in hex, bytes.
void append_chunk(std::string& wire, std::string_view bytes) {
  std::array<char, 16> size;
  const auto end = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16).ptr;
  wire.append(size.data(), end).append("\r\n").append(bytes).append("\r\n");
}

}  // namespace

PendingReply::PendingReply(std::weak_ptr<boost::asio::io_context> io,
                           std::function<void()> wake,
                           ReplyForm form,
                           std::uint64_t stream_bytes_max)
    : io_(std::move(io)),
      wake_(std::move(wake)),
      form_(std::move(form)),
      stream_bytes_max_(stream_bytes_max) {}

void PendingReply::post(std::function<void()> action) {
  if (const auto io = io_.lock()) boost::asio::post(*io, std::move(action));
}

void PendingReply::start(const Response& head, std::optional<std::uint64_t> body_bytes) {
  status_ = head.status;
  if (!body_bytes && !form_.chunked) form_.keep_alive = false;
  wire_ += form_.chunked ? "HTTP/1.1 " : "HTTP/1.0 ";
  wire_ += std::to_string(head.status);
  wire_ += ' ';
  wire_ += reason_phrase(head.status);
  wire_ += "\r\n";
  const auto header = [&](std::string_view name, std::string_view value) {
    wire_.append(name).append(": ").append(value).append("\r\n");
  };
  header("Content-Type", head.content_type);
  if (body_bytes)
    header("Content-Length", std::to_string(*body_bytes));
  else if (form_.chunked)
    header("Transfer-Encoding", "chunked");
  header("Connection", form_.keep_alive ? "keep-alive" : "close");
  header("X-Request-Id", form_.request_id);
  for (const auto& [name, value] : head.headers) header(name, value);
  wire_ += "\r\n";
}

void PendingReply::send(Response response) {
  if (stage_ != Stage::kWaiting || is_detached()) return;
  start(response, response.body.size());
  if (form_.with_body) wire_ += response.body;
  stage_ = Stage::kEnded;
  wake();
}

void PendingReply::begin(Response head) {
  if (stage_ != Stage::kWaiting || is_detached()) return;
  start(head, std::nullopt);
  stage_ = Stage::kStreaming;
  write(std::move(head.body));
  wake();
}

void PendingReply::write(std::string piece) {
  if (stage_ != Stage::kStreaming || is_detached() || piece.empty() || overflowed_) return;
  if (body_.size() + piece.size() > stream_bytes_max_)
    overflowed_ = true;
  else
    body_ += piece;
  wake();
}

void PendingReply::end() {
  if (stage_ != Stage::kStreaming || is_detached()) return;
  stage_ = Stage::kEnded;
  last_chunk_due_ = form_.chunked;
  wake();
}

std::string PendingReply::take() {
  std::string wire = std::exchange(wire_, {});
  if (!body_.empty() && form_.with_body) {
    if (form_.chunked)
      append_chunk(wire, body_);
    else
      wire += body_;
  }
  body_.clear();
  if (std::exchange(last_chunk_due_, false) && form_.with_body) wire += "0\r\n\r\n";
  return wire;
}

void PendingReply::on_abandoned(std::function<void(Abandoned)> callback) {
  if (abandoned_) return callback(*abandoned_);
  if (!is_detached() && stage_ != Stage::kEnded) on_abandoned_ = std::move(callback);
}

void PendingReply::on_idle(Duration interval, std::function<void()> callback) {
  if (is_detached() || stage_ == Stage::kEnded) return;
  idle_interval_ = interval;
  on_idle_ = std::move(callback);
  wake();
}

void PendingReply::idle() {
  const auto callback = on_idle_;  // it may set another
  if (callback && stage_ != Stage::kEnded) callback();
}

void PendingReply::abandon(Abandoned reason) {
  const bool first = !abandoned_ && stage_ != Stage::kEnded;
  if (first) abandoned_ = reason;
  auto callback = std::exchange(on_abandoned_, nullptr);
  if (reason != Abandoned::kStopping) detach();
  if (first && callback) callback(reason);
}

void PendingReply::detach() {
  wake_ = nullptr;
  wire_.clear();
  body_.clear();
  on_abandoned_ = nullptr;
  on_idle_ = nullptr;
}

void PendingReply::wake() const {
  if (wake_) wake_();
}

}  // namespace longshore::http
