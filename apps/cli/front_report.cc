#include "front_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "html.h"

namespace tercel::cli {
namespace {

// Wide enough for the labels, and small enough that they can be read where the page is 360 pixels wide.
constexpr double kWidth = 480, kHeight = 320, kLeft = 48, kRight = 16, kTop = 12, kBottom = 44;

/// An axis on round numbers.
struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity(), step = 1;

  void take(double value) {
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

std::string point_text(const CompressPoint& p) {
  std::string text = fmt::format("{:.2f}x, {}: {:.1f} % agree, KL {:.4f}", p.ratio,
                                 bytes_text(static_cast<size_t>(p.bytes)), 100 * p.agreement, p.kl);
  if (p.top1 >= 0) text += fmt::format(", top-1 {:.1f} % (before: {:.1f} %)", 100 * p.top1, 100 * p.reference_top1);
  return text;
}

/// Percent against ratio. Dashed: the reference network.
std::string chart(std::vector<CompressPoint> front) {
  std::sort(front.begin(), front.end(), [](const auto& a, const auto& b) { return a.ratio < b.ratio; });
  const bool labelled = front[0].top1 >= 0;
  Axis x, y;
  y.take(100);
  for (const CompressPoint& p : front) {
    x.take(p.ratio);
    y.take(100 * p.agreement);
    if (labelled) y.take(100 * p.top1), y.take(100 * p.reference_top1);
  }
  x.round();
  y.round();
  const auto place_x = [&](double v) { return kLeft + x.part(v) * (kWidth - kLeft - kRight); };
  const auto place_y = [&](double v) { return kHeight - kBottom - y.part(v) * (kHeight - kTop - kBottom); };
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"agreement and top-1 against ratio\">\n",
                  kWidth, kHeight);
  for (double v = x.low; v <= x.high + x.step / 2; v += x.step)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" class=\"grid\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "class=\"middle\">{4:g}</text>\n",
        place_x(v), kTop, kHeight - kBottom, kHeight - kBottom + 16, v);
  for (double v = y.low; v <= y.high + y.step / 2; v += y.step)
    svg += fmt::format(
        "<line y1=\"{0:.1f}\" y2=\"{0:.1f}\" x1=\"{1}\" x2=\"{2}\" class=\"grid\"/><text x=\"{3}\" y=\"{0:.1f}\" "
        "dy=\"4\" class=\"end\">{4:g}</text>\n",
        place_y(v), kLeft, kWidth - kRight, kLeft - 6, v);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" class=\"middle\">times smaller than the ONNX file</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 8);
  const auto series = [&](const char* name, double before, auto&& percent) {
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" class=\"{3} before\"><title>{3} before: "
        "{4:.1f} %</title></line>\n",
        kLeft, kWidth - kRight, place_y(before), name, before);
    std::string line, dots;
    for (const CompressPoint& p : front) {
      line += fmt::format("{:.1f},{:.1f} ", place_x(p.ratio), place_y(percent(p)));
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"{}\"><title>{}</title></circle>\n",
                          place_x(p.ratio), place_y(percent(p)), name, point_text(p));
    }
    svg += fmt::format("<polyline points=\"{}\" class=\"{}\"/>\n{}", line, name, dots);
  };
  series("agreement", 100, [](const CompressPoint& p) { return 100 * p.agreement; });
  if (labelled) series("top-1", 100 * front[0].reference_top1, [](const CompressPoint& p) { return 100 * p.top1; });
  return svg + "</svg>\n";
}

constexpr const char* kStyle = R"(svg { max-width: 40em; display: block; }
svg text { font-size: 11px; fill: #444; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: #ddd; }
polyline { fill: none; stroke-width: 2; }
.agreement { stroke: #1b7f5c; } circle.agreement { fill: #1b7f5c; } b.agreement { color: #1b7f5c; }
.top-1 { stroke: #b3541e; } circle.top-1 { fill: #b3541e; } b.top-1 { color: #b3541e; }
.before { stroke-dasharray: 6 4; }
)";

}  // namespace

std::vector<std::vector<std::string>> front_rows(const std::vector<CompressPoint>& front) {
  const bool labelled = !front.empty() && front[0].top1 >= 0;
  std::vector<std::vector<std::string>> rows{{"ratio", "bytes", "agreement %", "KL", "top-1 %"}};
  if (!labelled) rows[0].pop_back();
  for (const CompressPoint& p : front) {
    rows.push_back({fmt::format("{:.2f}", p.ratio), fmt::format("{}", p.bytes),
                    fmt::format("{:.1f}", 100 * p.agreement), fmt::format("{:.4f}", p.kl)});
    if (labelled) rows.back().push_back(fmt::format("{:.1f}", 100 * p.top1));
  }
  if (labelled) rows.push_back({"before", "", "100.0", "0.0000", fmt::format("{:.1f}", 100 * front[0].reference_top1)});
  return rows;
}

void write_front(const std::vector<CompressPoint>& front, const Model& model, const std::string& preprocess,
                 const std::string& path) {
  if (front.empty()) throw Error(ErrorCode::bad_input, "the chart would have no point: give --ratios");
  const int64_t parameters = model.parameters();
  const bool labelled = front[0].top1 >= 0;
  const std::string body = fmt::format(
      R"(<h1>Accuracy against size</h1>
<p>{0}: {1} parameters in {2}. Each size was evaluated on the same {3} held-out pictures.
Preprocessing: {4}.</p>
<p><b class="agreement">Agreement</b>: pictures that get the class that the reference network gives.{5} Dashed: the reference network.</p>
{6}
{7}
<p>ratio: bytes of the ONNX file / bytes of the file. KL: mean Kullback-Leibler divergence of the answers from those of
the reference network, in nats; 0 is equal, and below 0.01 a change is hard to find.</p>
)",
      html_escaped(model.name()), scaled(static_cast<double>(parameters)),
      bytes_text(static_cast<size_t>(model.parameter_bytes())), front[0].pictures, html_escaped(preprocess),
      labelled ? fmt::format(" <b class=\"top-1\">Top-1</b>: pictures that get the class of their label, {:.1f} % "
                             "before.",
                             100 * front[0].reference_top1)
               : "",
      chart(front), html_table(front_rows(front)));
  write_text(path, html_page("Accuracy against size: " + model.name(), kStyle, body));
}

}  // namespace tercel::cli
