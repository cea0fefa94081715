// What charts in HTML reports share: axes on round numbers, and a frame with a grid.
#pragma once

#include <limits>
#include <string>

namespace tercel::cli {

/// An axis on round numbers.
struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity(), step = 1;

  void take(double value);
  void round();
  double part(double value) const { return (value - low) / (high - low); }
};

/// An inline SVG: begin(), whatever is drawn at x() and y(), "</svg>". Wide enough for the labels, and small enough
/// that they can be read where the page is 360 pixels wide.
struct Chart {
  static constexpr double kWidth = 480, kHeight = 320, kLeft = 48, kRight = 16, kTop = 12, kBottom = 44;
  Axis horizontal, vertical;

  double x(double value) const { return kLeft + horizontal.part(value) * (kWidth - kLeft - kRight); }
  double y(double value) const { return kHeight - kBottom - vertical.part(value) * (kHeight - kTop - kBottom); }
  /// `what` is for readers that cannot see it; `below` stands under the horizontal axis.
  std::string begin(const std::string& what, const std::string& below) const;
};

/// CSS for the frame.
extern const char* const kChartStyle;

}  // namespace tercel::cli
