#include "front_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "chart.h"
#include "html.h"

namespace tercel::cli {
namespace {

std::string point_text(const CompressPoint& p) {
  std::string text = fmt::format("{:.2f}x, {}: {:.1f} % agree, KL {:.4f}", p.ratio,
                                 bytes_text(static_cast<size_t>(p.bytes)), 100 * p.agreement, p.kl);
  if (p.top1 >= 0) text += fmt::format(", top-1 {:.1f} % (before: {:.1f} %)", 100 * p.top1, 100 * p.reference_top1);
  return text;
}

/// Percent against ratio. Dashed: the reference network.
std::string drawn(std::vector<CompressPoint> front) {
  std::sort(front.begin(), front.end(), [](const auto& a, const auto& b) { return a.ratio < b.ratio; });
  const bool labelled = front[0].top1 >= 0;
  Chart chart;
  Axis &x = chart.horizontal, &y = chart.vertical;
  y.take(100);
  for (const CompressPoint& p : front) {
    x.take(p.ratio);
    y.take(100 * p.agreement);
    if (labelled) y.take(100 * p.top1), y.take(100 * p.reference_top1);
  }
  x.round();
  y.round();
  std::string svg = chart.begin("agreement and top-1 against ratio", "times smaller than the ONNX file");
  const auto series = [&](const char* name, double before, auto&& percent) {
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" class=\"{3} before\"><title>{3} before: "
        "{4:.1f} %</title></line>\n",
        Chart::kLeft, Chart::kWidth - Chart::kRight, chart.y(before), name, before);
    std::string line, dots;
    for (const CompressPoint& p : front) {
      line += fmt::format("{:.1f},{:.1f} ", chart.x(p.ratio), chart.y(percent(p)));
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"{}\"><title>{}</title></circle>\n",
                          chart.x(p.ratio), chart.y(percent(p)), name, point_text(p));
    }
    svg += fmt::format("<polyline points=\"{}\" class=\"{}\"/>\n{}", line, name, dots);
  };
  series("agreement", 100, [](const CompressPoint& p) { return 100 * p.agreement; });
  if (labelled) series("top-1", 100 * front[0].reference_top1, [](const CompressPoint& p) { return 100 * p.top1; });
  return svg + "</svg>\n";
}

constexpr const char* kStyle = R"(polyline { fill: none; stroke-width: 2; }
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
      drawn(front), html_table(front_rows(front)));
  write_text(path, html_page("Accuracy against size: " + model.name(), std::string(kChartStyle) + kStyle, body));
}

}  // namespace tercel::cli
