#include "cli/eval/svg_heat_map.h"

#include <algorithm>

#include "cli/eval/format_text.h"
#include "cli/eval/svg_scatter.h"

namespace longshore::cli::eval {
namespace {

constexpr double kCellWidth = 48, kCellHeight = 28, kHead = 24;  // pixels
constexpr double kLetterWidth = 7.5;                             // of the page's font, roughly

// From orange (wrong) over white to blue (right): told apart by everybody, and in grey by their darkness.
std::string colour(double share) {
  const auto mix = [](double from, double to, double part) { return from + (to - from) * part; };
  const double part = share < 0.5 ? 2 * share : 2 * share - 1;
  if (share < 0.5) return format_text("rgb(%.0f,%.0f,%.0f)", mix(213, 255, part), mix(94, 255, part), mix(0, 255, part));
  return format_text("rgb(%.0f,%.0f,%.0f)", mix(255, 86, part), mix(255, 180, part), mix(255, 233, part));
}

}  // namespace

std::string to_svg(const HeatMap& map) {
  std::size_t longest = 0;
  for (const HeatMap::Row& row : map.rows) longest = std::max(longest, row.name.size());
  const double left = kLetterWidth * static_cast<double>(longest) + 12;
  const double width = left + kCellWidth * static_cast<double>(map.columns.size());
  const double height = kHead + kCellHeight * static_cast<double>(map.rows.size());
  std::string svg =
      format_text("<svg viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" role=\"img\">\n", width, height, width);
  for (std::size_t c = 0; c < map.columns.size(); ++c) {
    svg +=
        format_text("<text x=\"%.1f\" y=\"16\" text-anchor=\"middle\">", left + kCellWidth * (static_cast<double>(c) + 0.5));
    svg += escape(map.columns[c]);
    svg += "</text>\n";
  }
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kHead + kCellHeight * static_cast<double>(r);
    svg += format_text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", left - 8, y + 19);
    svg += escape(map.rows[r].name);
    svg += "</text>\n";
    for (std::size_t c = 0; c < map.rows[r].cells.size(); ++c) {
      const std::optional<double> share = map.rows[r].cells[c];
      if (!share) continue;
      const double x = left + kCellWidth * static_cast<double>(c);
      svg += format_text("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, kCellWidth - 2,
                         kCellHeight - 2, colour(*share).c_str());
      svg += format_text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>\n", x + kCellWidth / 2 - 1, y + 19,
                         100 * *share);
    }
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace longshore::cli::eval
