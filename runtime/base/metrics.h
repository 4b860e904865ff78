#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore {

// The metrics of one process: the only place that knows prometheus-cpp. Names are ours (`longshore_...`), in base units
// (seconds, bytes, ratio 0-1); labels come from closed sets (model, node, role, transport, phase, reason), never request
// ids or addresses. Thread-safe; instruments live as long as the registry and may be kept by reference.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
  virtual double value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same instrument. A name keeps its first help text and kind.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const std::vector<double>& buckets,
                       const Labels& labels = {});

  // Prometheus text format 0.0.4.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Buckets in seconds that dashboards for other servers already use.
extern const std::vector<double> kTimeToFirstTokenBuckets;
extern const std::vector<double> kInterTokenBuckets;
extern const std::vector<double> kRequestBuckets;
extern const std::vector<double> kStepPhaseBuckets;

}  // namespace longshore
