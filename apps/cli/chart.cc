#include "chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tercel::cli {

void Axis::take(double value) {
  low = std::min(low, value);
  high = std::max(high, value);
}

void Axis::round() {
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

std::string Chart::begin(const std::string& what, const std::string& below) const {
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, what);
  for (double v = horizontal.low; v <= horizontal.high + horizontal.step / 2; v += horizontal.step)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" class=\"grid\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "class=\"middle\">{4:g}</text>\n",
        x(v), kTop, kHeight - kBottom, kHeight - kBottom + 16, v);
  for (double v = vertical.low; v <= vertical.high + vertical.step / 2; v += vertical.step)
    svg += fmt::format(
        "<line y1=\"{0:.1f}\" y2=\"{0:.1f}\" x1=\"{1}\" x2=\"{2}\" class=\"grid\"/><text x=\"{3}\" y=\"{0:.1f}\" "
        "dy=\"4\" class=\"end\">{4:g}</text>\n",
        y(v), kLeft, kWidth - kRight, kLeft - 6, v);
  return svg + fmt::format("<text x=\"{}\" y=\"{}\" class=\"middle\">{}</text>\n", (kLeft + kWidth - kRight) / 2,
                           kHeight - 8, below);
}

const char* const kChartStyle = R"(svg { max-width: 40em; display: block; }
svg text { font-size: 11px; fill: #444; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: #ddd; }
)";

}  // namespace tercel::cli
