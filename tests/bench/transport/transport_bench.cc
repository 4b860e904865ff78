// Messages and pulls between two processes over each transport, beside UCX's own ucx_perftest of the same sizes, alternately.
//
//   transport_bench [--rounds N] [--json FILE]
//
// Ours: half the median round trip of an echoed message (queries and partials have 3 to 16 KiB), and the rate of pulls of
// blocks of 64 KiB, 4 MiB at a time, both between two processes that wait as nodes do (Transport::wait). UCX's: ucp_am_lat
// (half a round trip, the median, of two processes that only spin), ucp_am_bw and ucp_get, with peer-error handling.

#include "transport/path_probe.h"
#include "transport/ucx/ucx_transport.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

// Of all rounds; `theirs` is what ucx_perftest's `test` gave.
struct Row {
  std::string name, transport, test;
  std::size_t bytes;
  std::string unit;
  std::vector<double> ours, theirs;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

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
  return median(std::move(times)) / 2;
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

// The other process: echoes until the first one has gone.
struct Child {
  pid_t pid = -1;
  std::string address;
};

Child start_child(const std::string& tls, const char* self) {
  int output[2];
  if (pipe(output) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  const char* arguments[] = {self, "--child", tls.c_str(), nullptr};
  Child child;
  posix_spawn(&child.pid, self, &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  for (char c = 0; read(output[0], &c, 1) == 1 && c != '\n';) child.address += c;
  close(output[0]);
  return child;
}

void measure(const std::string& name, const std::string& tls, const char* self, int rounds, std::vector<Row>& rows) {
  const Child child = start_child(tls, self);
  std::vector<Row> mine;
  for (const std::size_t bytes : {64, 4096, 8192, 16384})
    mine.push_back({"message_latency", tls, "ucp_am_lat", bytes, "us", {}, {}});
  mine.push_back({"pull", tls, "ucp_am_bw", 65536, "GB/s", {}, {}});
  mine.push_back({"pull", tls, "ucp_get", 65536, "GB/s", {}, {}});
  {
    const auto transport = create_ucx_transport(options_of(tls));
    const auto peer =
        transport ? (*transport)->connect(child.address) : longshore::Result<PeerId>(transport.error());
    if (!peer) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), peer.error().message.c_str());
      std::exit(1);
    }
    Asker asker;
    latency(**transport, *peer, 64, 1000);
    for (int round = 0; round < rounds; ++round) {
      const auto path = measure_path(**transport, *peer, asker, std::chrono::seconds(5));
      if (!path) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), path.error().message.c_str());
        std::exit(1);
      }
      if (round == 0) std::printf("%s: lanes %s\n", name.c_str(), path->transports.c_str());
      for (Row& row : mine) {
        const bool is_latency = row.unit == "us";
        row.ours.push_back(is_latency ? latency(**transport, *peer, row.bytes, 5000) : path->pull_bytes_per_second * 1e-9);
        const double theirs = perftest(tls, row.test, row.bytes, is_latency ? 20000 : 5000, is_latency ? 1 : 5);
        row.theirs.push_back(is_latency ? theirs : theirs * 1.048576e-3);
      }
    }
  }
  waitpid(child.pid, nullptr, 0);
  rows.insert(rows.end(), mine.begin(), mine.end());
}

bool write_json(const std::string& path, const std::vector<Row>& rows) {
  std::ofstream file(path);
  file << "[\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    file << R"(  {"name": ")" << row.name << R"(", "value": )" << median(row.ours) << R"(, "unit": ")" << row.unit
         << R"(", "limit": )" << median(row.theirs) << R"(, "parameters": {"transport": ")" << row.transport
         << R"(", "bytes": )" << row.bytes << R"(, "peer": "ucx_perftest )" << row.test << R"("}})"
         << (i + 1 < rows.size() ? ",\n" : "\n");
  }
  file << "]\n";
  return static_cast<bool>(file.flush());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--child") == 0) return run_child(argv[2]);
  int rounds = 3;
  std::string json;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--rounds" && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
      rounds = std::atoi(argv[i + 1]);
    } else if (flag == "--json" && i + 1 < argc) {
      json = argv[i + 1];
    } else {
      std::fprintf(stderr, "usage: transport_bench [--rounds N] [--json FILE]\n");
      return 2;
    }
  }
  std::vector<Row> rows;
  measure("shared memory", "posix,sysv,self", argv[0], rounds, rows);
  measure("TCP over loopback", "tcp", argv[0], rounds, rows);
  std::printf("%-16s %-16s %7s  %9s %9s        of ucx_perftest\n", "", "transport", "bytes", "ours", "UCX's");
  for (const Row& row : rows)
    std::printf("%-16s %-16s %7zu  %9.2f %9.2f %-5s  %5.2f of %s\n", row.name.c_str(), row.transport.c_str(), row.bytes,
                median(row.ours), median(row.theirs), row.unit.c_str(), median(row.ours) / median(row.theirs),
                row.test.c_str());
  if (!json.empty() && !write_json(json, rows)) {
    std::fprintf(stderr, "cannot write %s\n", json.c_str());
    return 1;
  }
  return 0;
}
