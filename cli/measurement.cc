#include "cli/measurement.h"

#include <boost/json.hpp>
#include <cmath>
#include <fstream>

namespace longshore::cli {

Result<void> write_json(const std::string& path, const std::vector<Measurement>& measurements) {
  boost::json::array array;
  for (const Measurement& measurement : measurements) {
    boost::json::object parameters;
    for (const auto& [name, value] : measurement.text_parameters) parameters[name] = value;
    for (const auto& [name, value] : measurement.parameters)
      if (std::floor(value) == value) parameters[name] = static_cast<std::int64_t>(value);
      else parameters[name] = value;
    array.push_back({{"name", measurement.name},
                     {"value", measurement.value},
                     {"unit", measurement.unit},
                     {"limit", measurement.limit ? boost::json::value(*measurement.limit) : nullptr},
                     {"parameters", std::move(parameters)}});
  }
  std::ofstream file(path, std::ios::trunc);
  file << boost::json::serialize(array) << "\n";
  file.flush();
  if (!file) return make_error(ErrorCode::kNotFound, "--json: cannot write ", path);
  return {};
}

}  // namespace longshore::cli
