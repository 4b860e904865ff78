#pragma once

#include <optional>
#include <string>
#include <vector>

namespace longshore::cli::eval {

// Shares [0, 1] as coloured cells with their figures, as inline SVG: a row for each run, a column for each depth.
struct HeatMap {
  struct Row {
    std::string name;
    std::vector<std::optional<double>> cells;  // [columns]; none: not measured
  };
  std::vector<std::string> columns;
  std::vector<Row> rows;
};
std::string to_svg(const HeatMap& map);

}  // namespace longshore::cli::eval
