// Messages and pulls between two processes over each transport, beside UCX's own ucx_perftest in the same
// run.
//
//   transport_bench [--json FILE]
//
// Ours: half the round trip of an echoed message, and the rate of pulls of 64 KiB pieces, 4 MiB at a time,
// both between two processes that wait as nodes do (Transport::wait). UCX's: ucp_am_lat (half a round trip,
// two processes that only spin), ucp_am_bw and ucp_get of 1 MiB, with peer-error handling, over the same
// transport.

#include "transport/path_probe.h"
#include "transport/ucx/ucx_transport.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

using namespace longshore::transport;
using Steady = std::chrono::steady_clock;

constexpr int kPerftestPort = 13990;

struct Figure {
  std::string name, transport;
  std::size_t bytes;
  double value;
  std::string unit, limit;
};

struct Echo final : Receiver {
  explicit Echo(Transport& t) : transport(t) {}
  void on_message(PeerId peer, Message message) override { (void)transport.send(peer, std::move(message)); }
  void on_peer_lost(PeerId, const longshore::Error&) override { gone = true; }
  Transport& transport;
  bool gone = false;
};

struct Asker final : Receiver {
  void on_message(PeerId, Message message) override { answer = std::move(message); }
  void on_peer_lost(PeerId, const longshore::Error& error) override {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    std::exit(1);
  }
  Message answer;
};

UcxOptions options_of(const std::string& tls) {
  return {.tls = tls, .net_devices = tls == "tcp" ? "lo" : ""};
}

int run_child(const std::string& tls) {
  const auto transport = create_ucx_transport(options_of(tls));
  if (!transport) return 1;
  std::printf("%s\n", (*transport)->address().c_str());
  std::fflush(stdout);
  Echo echo(**transport);
  while (!echo.gone) {
    (*transport)->wait(std::chrono::seconds(1));
    (*transport)->progress(echo);
  }
  return 0;
}

// Microseconds: half the median round trip of `bytes`.
double latency(Transport& transport, PeerId peer, std::size_t bytes, int rounds) {
  Asker asker;
  Message ball = transport.messages().take(bytes);
  std::memset(ball.data(), 1, bytes);
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Steady::now();
    (void)transport.send(peer, std::move(ball));
    while (asker.answer.size() == 0) {
      transport.wait(std::chrono::seconds(1));
      transport.progress(asker);
    }
    times.push_back(std::chrono::duration<double, std::micro>(Steady::now() - start).count());
    ball = std::move(asker.answer);
    asker.answer = Message();
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2] / 2;
}

// The last line of what `command` prints, word `column` of it; -1 if there is none.
double last_line_word(const std::string& command, int column) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return -1;
  char line[512];
  std::string last;
  while (std::fgets(line, sizeof line, pipe) != nullptr) last = line;
  if (pclose(pipe) != 0) return -1;
  double value = -1;
  char* at = last.data();
  for (int i = 0; i <= column; ++i) {
    char* end = nullptr;
    value = std::strtod(at, &end);
    if (end == at) return -1;
    at = end;
  }
  return value;
}

double perftest(const std::string& tls, const std::string& test, std::size_t bytes, int rounds, int column) {
  const std::string settings =
      "UCX_TLS=" + tls + " UCX_POSIX_ERROR_HANDLING=y UCX_SYSV_ERROR_HANDLING=y UCX_LOG_LEVEL=fatal ";
  const std::string port = " -p " + std::to_string(kPerftestPort);
  std::FILE* server = popen((settings + "timeout 60 ucx_perftest" + port + " >/dev/null 2>&1").c_str(), "r");
  double value = -1;
  for (int i = 0; i < 20 && value < 0; ++i) {  // until the server listens
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    value =
        last_line_word(settings + "timeout 60 ucx_perftest" + port + " localhost -f -e -t " + test + " -s " +
                           std::to_string(bytes) + " -n " + std::to_string(rounds) + " -w 100 2>/dev/null",
                       column);
  }
  if (server != nullptr) pclose(server);
  return value;
}

void measure(const std::string& name,
             const std::string& tls,
             const char* self,
             std::vector<Figure>& figures) {
  int output[2];
  if (pipe(output) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  const char* arguments[] = {self, "--child", tls.c_str(), nullptr};
  pid_t child = -1;
  posix_spawn(&child, self, &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  std::string address;
  for (char c = 0; read(output[0], &c, 1) == 1 && c != '\n';) address += c;
  close(output[0]);

  {
    const auto transport = create_ucx_transport(options_of(tls));
    const auto peer =
        transport ? (*transport)->connect(address) : longshore::Result<PeerId>(transport.error());
    if (!peer) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), peer.error().message.c_str());
      std::exit(1);
    }
    Asker asker;
    latency(**transport, *peer, 64, 1000);
    const auto path = measure_path(**transport, *peer, asker, std::chrono::seconds(5));
    std::printf("%s: lanes %s\n", name.c_str(),
                path ? path->transports.c_str() : path.error().message.c_str());
    const std::string wire = path ? path->transports : tls;
    for (const std::size_t bytes :
         {std::size_t{64}, std::size_t{16} << 10, std::size_t{256} << 10, std::size_t{4} << 20})
      figures.push_back({"message_latency", wire, bytes,
                         latency(**transport, *peer, bytes, bytes > 100000 ? 200 : 5000), "us",
                         "two copies"});
    if (path)
      figures.push_back({"pull", wire, 65536, path->pull_bytes_per_second * 1e-9, "GB/s", "two copies"});
  }
  waitpid(child, nullptr, 0);
  figures.push_back({"ucx_perftest_am_lat", tls, 64, perftest(tls, "ucp_am_lat", 64, 20000, 1), "us", ""});
  figures.push_back({"ucx_perftest_am_bw", tls, 1 << 20,
                     perftest(tls, "ucp_am_bw", 1 << 20, 500, 5) / 1e3 * 1.048576, "GB/s", ""});
  figures.push_back({"ucx_perftest_get", tls, 1 << 20,
                     perftest(tls, "ucp_get", 1 << 20, 200, 5) / 1e3 * 1.048576, "GB/s", ""});
}

void write_json(const std::string& path, const std::vector<Figure>& figures) {
  std::ofstream file(path);
  file << "[\n";
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const Figure& figure = figures[i];
    file << "  {\"name\": \"" << figure.name << "\", \"value\": " << figure.value << ", \"unit\": \""
         << figure.unit << "\", \"limit\": \"" << figure.limit << "\", \"parameters\": {\"transport\": \""
         << figure.transport << "\", \"bytes\": " << figure.bytes << "}}"
         << (i + 1 < figures.size() ? "," : "") << "\n";
  }
  file << "]\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--child") == 0) return run_child(argv[2]);
  if (argc != 1 && !(argc == 3 && std::strcmp(argv[1], "--json") == 0)) {
    std::fprintf(stderr, "transport_bench [--json FILE]\n");
    return 2;
  }
  std::vector<Figure> figures;
  measure("shared memory", "posix,sysv,self", argv[0], figures);
  measure("TCP over loopback", "tcp", argv[0], figures);
  for (const Figure& figure : figures)
    std::printf("%-22s %-18s %9zu B  %9.2f %s\n", figure.name.c_str(), figure.transport.c_str(), figure.bytes,
                figure.value, figure.unit.c_str());
  if (argc == 3) write_json(argv[2], figures);
  return 0;
}
