#pragma once

#include <string>
#include <vector>

namespace longshore::cli::eval {

struct ScatterPoint {
  double x = 0, y = 0;
  std::string series;  // decides the colour, and stands in the legend
  std::string label;   // beside the point
};

// Points over the shares [0, 1] of positions read, as inline SVG. The vertical axis begins at 0 and ends at `y_max`, or at
// the largest point where that is 0; points that are no finite numbers stand at its end.
struct Scatter {
  std::string y_name;
  double y_max = 0;
  std::vector<ScatterPoint> points;
};
std::string to_svg(const Scatter& scatter);

// A text for HTML and SVG: & < > " are written as entities.
std::string escape(const std::string& text);

}  // namespace longshore::cli::eval
