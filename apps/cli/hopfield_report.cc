#include "hopfield_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"

namespace tercel::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string points(double part) { return fmt::format("{:.2f}", 100 * part); }

std::string probability(double p) { return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p); }

Rows head_rows(const HopfieldComparison& c) {
  Rows rows{{"head", "accuracy %", "+-", c.shots > 0 ? "against trained" : "against network", "McNemar p", "tested",
             "stored", "running", "p50 us", "p95 us"}};
  for (const HopfieldComparisonRow& r : c.rows)
    rows.push_back({r.head, points(r.accuracy), points(r.deviation), fmt::format("{:+.2f}", 100 * r.difference),
                    probability(r.mcnemar), std::to_string(r.tested), bytes_text(static_cast<size_t>(r.bytes)),
                    bytes_text(static_cast<size_t>(r.memory)), fmt::format("{:.1f}", r.median_us),
                    fmt::format("{:.1f}", r.p95_us)});
  return rows;
}

Rows settling_rows(const HopfieldComparison& c) {
  Rows rows{{"networks that settle", "stored %", "inverse %", "spurious %", "unsettled %", "fell back %", "sweeps",
             "right to wrong %", "wrong to right %"}};
  for (const HopfieldComparisonRow& r : c.rows)
    if (r.settles)
      rows.push_back({r.head, points(r.settling.stored), points(r.settling.inverse), points(r.settling.spurious),
                      points(r.settling.unsettled), points(r.settling.fell_back),
                      fmt::format("{:.2f}", r.settling.sweeps), points(r.settling.right_to_wrong),
                      points(r.settling.wrong_to_right)});
  return rows;
}

Rows assignment_rows(const HopfieldComparison& c) {
  Rows rows{{"assignment", "mean cost", "least"}};
  for (const AssignmentComparison& a : c.assignments)
    rows.push_back({a.method, fmt::format("{:.4f}", a.mean), fmt::format("{:.4f}", a.least)});
  return rows;
}

std::string summary(const HopfieldComparison& c) {
  return fmt::format(
      "cut at {}: {} features, {} bits ({}), {} classes; heads fitted on {} pictures, drawn anew for each seed; all "
      "tested on the same pictures",
      c.cut, c.features, c.bits, c.binarization, c.classes,
      c.shots > 0 ? fmt::format("{} of each class of {}", c.shots, c.fitted)
                  : fmt::format("four fifths of {}", c.fitted));
}

constexpr double kWidth = 680, kLabel = 250;

/// A bar a head; what lies below the worst bar but 10 points is cut off.
std::string accuracy_chart(const HopfieldComparison& c) {
  double least = 1, most = 0;
  for (const HopfieldComparisonRow& r : c.rows) {
    least = std::min(least, r.accuracy);
    most = std::max(most, r.accuracy);
  }
  const double from = std::max(0.0, std::floor(10 * least) / 10), range = std::max(most - from, 0.01);
  std::string bars;
  double y = 8;
  for (const HopfieldComparisonRow& r : c.rows) {
    const double width = (kWidth - kLabel - 60) * (r.accuracy - from) / range;
    bars += fmt::format(
        "<text x=\"{0:.0f}\" y=\"{1:.0f}\" text-anchor=\"end\">{2}</text><rect x=\"{3:.0f}\" y=\"{4:.0f}\" "
        "width=\"{5:.1f}\" "
        "height=\"13\" class=\"{6}\"/><text x=\"{7:.1f}\" y=\"{1:.0f}\">{8}</text>\n",
        kLabel - 6, y + 11, html_escaped(r.head), kLabel, y, std::max(width, 1.0), r.settles ? "settles" : "direct",
        kLabel + std::max(width, 1.0) + 5, points(r.accuracy));
    y += 18;
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"accuracy of every head\">\n{}</svg>\n", kWidth,
      y + 8, bars);
}

/// Accuracy over stored bytes, which are on a logarithmic axis.
std::string size_chart(const HopfieldComparison& c) {
  constexpr double kHeight = 300, kLeft = 50;
  double low = 1e300, high = 1, least = 1, most = 0;
  for (const HopfieldComparisonRow& r : c.rows) {
    low = std::min(low, static_cast<double>(std::max<int64_t>(r.bytes, 1)));
    high = std::max(high, static_cast<double>(r.bytes));
    if (r.settles) continue;
    least = std::min(least, r.accuracy);
    most = std::max(most, r.accuracy);
  }
  const double span = std::max(std::log(high / low), 0.1), range = std::max(most - least, 0.01);
  std::string dots;
  for (const HopfieldComparisonRow& r : c.rows) {
    if (r.accuracy < least) continue;
    const double x =
        kLeft + (kWidth - 2 * kLeft) * std::log(static_cast<double>(std::max<int64_t>(r.bytes, 1)) / low) / span;
    const double y = 10 + kHeight * (1 - (r.accuracy - least) / range);
    dots +=
        fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" class=\"{}\"><title>{}: {} %, {}</title></circle>\n",
                    x, y, r.settles ? "settles" : "direct", html_escaped(r.head), points(r.accuracy),
                    bytes_text(static_cast<size_t>(r.bytes)));
  }
  for (double bytes = std::pow(10, std::ceil(std::log10(low))); bytes <= high; bytes *= 10)
    dots += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>\n",
                        kLeft + (kWidth - 2 * kLeft) * std::log(bytes / low) / span, kHeight + 34,
                        bytes_text(static_cast<size_t>(bytes)));
  for (const double part : {0.0, 0.5, 1.0})
    dots +=
        fmt::format("<text x=\"0\" y=\"{:.0f}\">{}</text>\n", 14 + kHeight * (1 - part), points(least + part * range));
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"accuracy over bytes\">\n{}</svg>\n",
                     kWidth, kHeight + 44, dots);
}

std::string convergence_chart(const HopfieldComparison& c) {
  constexpr double kHeight = 200, kLeft = 60;
  double low = 1e300, high = 0, evaluations = 1;
  for (const AssignmentComparison& a : c.assignments)
    for (const auto& [at, cost] : a.convergence) {
      low = std::min(low, cost);
      high = std::max(high, cost);
      evaluations = std::max(evaluations, static_cast<double>(at));
    }
  constexpr const char* kColours[] = {"#8a8a8a", "#1b7f5c", "#b5452c", "#2c5fb5"};
  const double range = std::max(high - low, 1e-9);
  std::string lines;
  for (size_t i = 0; i < c.assignments.size(); ++i) {
    std::string line;
    double last = 0;
    for (const auto& [at, cost] : c.assignments[i].convergence) {
      const double x = kLeft + (kWidth - kLeft - 10) * static_cast<double>(at) / evaluations;
      const double y = 10 + kHeight * (1 - (cost - low) / range);
      if (!line.empty()) line += fmt::format("{:.1f},{:.1f} ", x, last);  // a stair: the best holds until it is beaten
      line += fmt::format("{:.1f},{:.1f} ", x, y);
      last = y;
    }
    const char* colour = kColours[i % std::size(kColours)];
    lines += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", line, colour);
    lines +=
        fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" fill=\"{}\">{}</text>\n", kLeft + 140 * static_cast<double>(i),
                    kHeight + 34, colour, html_escaped(c.assignments[i].method));
  }
  lines += fmt::format("<text x=\"0\" y=\"14\">{:.2f}</text><text x=\"0\" y=\"{:.0f}\">{:.2f}</text>\n", high,
                       10 + kHeight, low);
  return fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"cost over evaluations\">\n{}</svg>\n", kWidth,
      kHeight + 44, lines);
}

std::string assignment_section(const HopfieldComparison& c) {
  return fmt::format("<h2>Patterns to networks</h2>\n<p>{}</p>\n{}\n{}\n", html_escaped(c.assignment_verdict),
                     convergence_chart(c), html_table(assignment_rows(c)));
}

}  // namespace

std::string to_text(const HopfieldComparison& c) {
  std::string out = summary(c) + "\n\n" + table(head_rows(c));
  if (std::any_of(c.rows.begin(), c.rows.end(), [](const auto& r) { return r.settles; }))
    out += "\n" + table(settling_rows(c));
  if (!c.assignments.empty()) out += "\n" + table(assignment_rows(c)) + c.assignment_verdict + "\n";
  return out;
}

Json to_json(const HopfieldComparison& c) {
  Json rows = Json::array(), assignments = Json::array();
  for (const HopfieldComparisonRow& r : c.rows) {
    Json row{{"head", r.head},           {"accuracy", r.accuracy},     {"deviation", r.deviation}, {"seeds", r.seeds},
             {"tested", r.tested},       {"difference", r.difference}, {"mcnemar_p", r.mcnemar},   {"bytes", r.bytes},
             {"memory_bytes", r.memory}, {"p50_us", r.median_us},      {"p95_us", r.p95_us}};
    if (r.settles)
      row["settling"] = {{"stored", r.settling.stored},
                         {"inverse", r.settling.inverse},
                         {"spurious", r.settling.spurious},
                         {"unsettled", r.settling.unsettled},
                         {"fell_back", r.settling.fell_back},
                         {"sweeps", r.settling.sweeps},
                         {"right_to_wrong", r.settling.right_to_wrong},
                         {"wrong_to_right", r.settling.wrong_to_right}};
    rows.push_back(std::move(row));
  }
  for (const AssignmentComparison& a : c.assignments)
    assignments.push_back({{"method", a.method}, {"mean", a.mean}, {"least", a.least}, {"convergence", a.convergence}});
  return {{"cut", c.cut},
          {"features", c.features},
          {"bits", c.bits},
          {"binarization", c.binarization},
          {"classes", c.classes},
          {"fitted", c.fitted},
          {"shots", c.shots},
          {"tested", c.tested},
          {"rows", rows},
          {"assignment",
           {{"patterns", c.assigned_patterns},
            {"networks", c.assignment_networks},
            {"evaluations", c.assignment_evaluations},
            {"seeds", c.assignment_seeds},
            {"methods", assignments},
            {"verdict", c.assignment_verdict}}}};
}

std::string to_html(const HopfieldComparison& c, const std::string& model) {
  const std::string body = fmt::format(
      R"(<h1>Heads on the same features</h1>
<p>{}: {}.</p>
<p>Green: named directly. Red: by networks that settle.</p>
<h2>Accuracy</h2>
{}
<h2>Accuracy over stored bytes</h2>
{}
<h2>Every head</h2>
{}
<h2>How networks settled</h2>
<p>Right to wrong: the nearest pattern named the class right, settling did not. Fell back: no network settled on a
stored pattern, and the nearest counted.</p>
{}
{})",
      html_escaped(model), html_escaped(summary(c)), accuracy_chart(c), size_chart(c), html_table(head_rows(c)),
      html_table(settling_rows(c)), c.assignments.empty() ? "" : assignment_section(c));
  return html_page("Heads: " + model,
                   ".direct { fill: #1b7f5c; } .settles { fill: #b5452c; } text { font-size: 11px; }\n", body);
}

}  // namespace tercel::cli
