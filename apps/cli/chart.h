// Line charts as self-contained HTML (inline SVG, no scripts, no fonts from elsewhere).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tercel::cli {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Chart {
  std::string title, x_axis, y_axis;
  std::vector<Series> series;
};

/// Writes the file. Throws Error where it cannot be written, and for charts without points.
void write_html(const Chart& chart, const std::string& path);

}  // namespace tercel::cli
