#include "chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "tercel/error.h"

namespace tercel::cli {
namespace {

constexpr double kWidth = 760, kHeight = 440, kLeft = 64, kRight = 24, kTop = 48, kBottom = 56;
constexpr const char* kColours[] = {"#1f6f8b", "#c8553d", "#588157", "#7b2d8b"};

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

/// An axis from `low` to `high` on round numbers.
struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity(), step = 1;

  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void round() {
    if (high <= low) high = low + 1;
    const double rough = (high - low) / 6, decade = std::pow(10.0, std::floor(std::log10(rough)));
    for (double factor : {1.0, 2.0, 5.0, 10.0})
      if (factor * decade >= rough) {
        step = factor * decade;
        break;
      }
    low = std::floor(low / step) * step;
    high = std::ceil(high / step) * step;
  }
  double part(double value) const { return (value - low) / (high - low); }
};

}  // namespace

void write_html(const Chart& chart, const std::string& path) {
  Axis x, y;
  for (const Series& series : chart.series)
    for (const auto& [px, py] : series.points) {
      x.take(px);
      y.take(py);
    }
  if (!(x.low <= x.high)) throw Error(ErrorCode::bad_input, "a chart without points");
  x.round();
  y.round();
  const auto place_x = [&](double v) { return kLeft + x.part(v) * (kWidth - kLeft - kRight); };
  const auto place_y = [&](double v) { return kHeight - kBottom - y.part(v) * (kHeight - kTop - kBottom); };

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<text x=\"{2}\" y=\"24\" font-size=\"15\">{3}</text>\n",
      kWidth, kHeight, kLeft, escaped(chart.title));
  for (double v = x.low; v <= x.high + x.step / 2; v += x.step)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" "
        "y=\"{3}\" text-anchor=\"middle\">{4:g}</text>\n",
        place_x(v), kTop, kHeight - kBottom, kHeight - kBottom + 18, v);
  for (double v = y.low; v <= y.high + y.step / 2; v += y.step)
    svg += fmt::format(
        "<line y1=\"{0:.1f}\" y2=\"{0:.1f}\" x1=\"{1}\" x2=\"{2}\" stroke=\"#ddd\"/><text x=\"{3}\" "
        "y=\"{0:.1f}\" dy=\"4\" text-anchor=\"end\">{4:g}</text>\n",
        place_y(v), kLeft, kWidth - kRight, kLeft - 8, v);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kWidth - kRight) / 2,
                     kHeight - 14, escaped(chart.x_axis));
  svg += fmt::format("<text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                     (kTop + kHeight - kBottom) / 2, escaped(chart.y_axis));
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const char* colour = kColours[s % std::size(kColours)];
    std::string line, dots;
    for (const auto& [px, py] : chart.series[s].points) {
      if (!std::isfinite(px) || !std::isfinite(py)) continue;
      line += fmt::format("{:.1f},{:.1f} ", place_x(px), place_y(py));
      dots += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"><title>{:g}: {:.4g}</title></circle>\n",
          place_x(px), place_y(py), colour, px, py);
    }
    svg +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n{}", line, colour, dots);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>\n", kLeft + 12,
                       kHeight - kBottom - 12 - 16 * static_cast<double>(chart.series.size() - 1 - s), colour,
                       escaped(chart.series[s].name));
  }
  svg += "</svg>\n";
  std::ofstream file(path);
  file << "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" << escaped(chart.title)
       << "</title>\n<body>\n"
       << svg << "</body></html>\n";
  file.close();
  if (!file) throw Error(ErrorCode::io, path + ": cannot be written");
}

}  // namespace tercel::cli
