#include "cli/eval/svg_scatter.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cli/eval/format_text.h"

namespace longshore::cli::eval {
namespace {

constexpr double kWidth = 760, kHeight = 380, kLeft = 70, kRight = 30, kTop = 40, kBottom = 50;  // pixels
constexpr int kTicks = 5;
// Colours that people who confuse red and green tell apart. Source: Okabe & Ito 2008, "Color Universal Design".
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"};

double at_x(double x) { return kLeft + std::clamp(x, 0.0, 1.0) * (kWidth - kLeft - kRight); }
double at_y(double share) { return kHeight - kBottom - std::clamp(share, 0.0, 1.0) * (kHeight - kTop - kBottom); }

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  std::string svg = format_text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
  svg += escape(text);
  svg += "</text>\n";
  return svg;
}

// The names of points: on the side of the middle, one above or below another where they would overlap, and once where
// several points of a name lie together.
class Labels {
 public:
  std::string place(double x, double y, const std::string& text) {
    const double line = y < at_y(0.5) ? kLine : -kLine;
    double at = y + 4;
    for (const Placed* other = near(x, at); other != nullptr; other = near(x, at)) {
      if (other->text == text) return "";
      at += line;
    }
    placed_.push_back({x, at, text});
    const bool is_left = x < at_x(0.5);
    return text_at(is_left ? x + 9 : x - 9, at, is_left ? "start" : "end", text);
  }

 private:
  struct Placed {
    double x, y;
    std::string text;
  };
  static constexpr double kLine = 13, kNear = 150;  // pixels: the height of a name, and the width of most

  const Placed* near(double x, double y) const {
    for (const Placed& other : placed_)
      if (std::abs(other.x - x) < kNear && std::abs(other.y - y) < kLine) return &other;
    return nullptr;
  }

  std::vector<Placed> placed_;
};

std::string axes(const Scatter& scatter, double y_max) {
  std::string svg;
  for (int tick = 0; tick <= kTicks; ++tick) {
    const double share = static_cast<double>(tick) / kTicks, x = at_x(share), y = at_y(share);
    svg += format_text("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", kLeft, y, at_x(1), y);
    svg += format_text("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", x, at_y(0), x, at_y(1));
    svg += text_at(kLeft - 8, y + 4, "end", format_text("%.3g", share * y_max));
    svg += text_at(x, at_y(0) + 18, "middle", format_text("%.0f %%", 100 * share));
  }
  svg += text_at(at_x(0.5), kHeight - 8, "middle", "positions read, of what the dense run reads");
  svg += format_text("<text transform=\"translate(16 %.1f) rotate(-90)\" text-anchor=\"middle\">", at_y(0.5));
  svg += escape(scatter.y_name);
  svg += "</text>\n";
  return svg;
}

}  // namespace

std::string to_svg(const Scatter& scatter) {
  double y_max = scatter.y_max;
  std::vector<std::string> series;
  for (const ScatterPoint& point : scatter.points) {
    if (scatter.y_max == 0 && std::isfinite(point.y)) y_max = std::max(y_max, point.y);
    if (std::find(series.begin(), series.end(), point.series) == series.end()) series.push_back(point.series);
  }
  if (y_max <= 0) y_max = 1;
  std::string svg = format_text("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", kWidth, kHeight);
  svg += axes(scatter, y_max);
  const auto colour_of = [&](const std::string& name) {
    const auto index = static_cast<std::size_t>(std::find(series.begin(), series.end(), name) - series.begin());
    return kColours[index % std::size(kColours)];
  };
  Labels labels;
  for (const ScatterPoint& point : scatter.points) {
    const double x = at_x(point.x), y = at_y(std::isfinite(point.y) ? point.y / y_max : 1);
    svg += format_text("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x, y, colour_of(point.series));
    svg += labels.place(x, y, point.label);
  }
  for (std::size_t s = 0; s < series.size(); ++s) {
    const double x = kLeft + 110 * static_cast<double>(s), y = 16;
    svg += format_text("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x, y - 4, colour_of(series[s]));
    svg += text_at(x + 10, y, "start", series[s]);
  }
  svg += "</svg>\n";
  return svg;
}

std::string escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  return escaped;
}

}  // namespace longshore::cli::eval
