#pragma once

#include "runtime/base/clock.h"
#include "transport/http/message.h"

#include <functional>
#include <memory>
#include <string>

namespace longshore::http {

enum class Abandoned {
  kClientLeft,  // it closed the connection; nothing written from now on arrives
  kTooSlow,     // it did not take what was written: the buffer's limit or the write deadline was reached
  kStopping,    // the server stops now; what is written within a second still arrives
};

// The answer of one request, filled by whoever handles it: either send, or begin, write any number of times,
// end.
//
// Thread: `post` may be called from any; all else runs on the server's I/O thread, where posted actions and
// the callbacks run one at a time, in order. After the reply is complete or abandoned every call does
// nothing, and both callbacks have been dropped.
class Reply {
 public:
  virtual ~Reply() = default;

  // Runs the action on the I/O thread; dropped unrun once the server is gone.
  virtual void post(std::function<void()> action) = 0;
  // The whole answer at once.
  virtual void send(Response response) = 0;
  // Status and headers of an answer that follows piece by piece (`head.body` is its first piece).
  virtual void begin(Response head) = 0;
  // Queues a piece; never blocks. Beyond the server's stream_bytes_max the reply is abandoned as kTooSlow,
  // from a posted action, not from inside this call.
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;
  // Called at most once, when nobody waits for the rest any more: free what the request holds.
  virtual void on_abandoned(std::function<void(Abandoned)> callback) = 0;
  // Called each time that nothing was sent for `interval`.
  virtual void on_idle(Duration interval, std::function<void()> callback) = 0;
};

// Called with a whole request. Must see to it that the reply is completed sooner or later.
using Handler = std::function<void(Request, std::shared_ptr<Reply>)>;

// A handler that answers at once.
Handler respond(std::function<Response(const Request&)> answer);

enum class HandlerThread {
  kIo,      // for handlers that take microseconds
  kWorker,  // one of the server's few worker threads: parsing, tokenizing, anything that may wait a little
};

struct Route {
  std::string method;  // "GET" also answers HEAD
  std::string path;    // exact
  Handler handler;     // thread-safe if it runs on workers
  HandlerThread thread = HandlerThread::kWorker;
};

}  // namespace longshore::http
