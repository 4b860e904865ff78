#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/result.h"

namespace longshore::cli {

// One measured figure, as every benchmark of the project writes it (docs/benchmarks.md).
struct Measurement {
  std::string name;             // "prefill", "decode", ...
  double value = 0;
  std::string unit;             // "tok/s", "GB/s", "us", ...
  std::optional<double> limit;  // of the machine, in the same unit, where one was measured in the same run
  std::vector<std::pair<std::string, std::string>> text_parameters;
  std::vector<std::pair<std::string, double>> parameters;
};

// Errors: kNotFound when the file cannot be written.
Result<void> write_json(const std::string& path, const std::vector<Measurement>& measurements);

}  // namespace longshore::cli
