#include "static_norm_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace tercel::cli {
namespace {

std::string percent(double part) { return part < 0 ? "-" : fmt::format("{:.1f} %", 100 * part); }

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

Json trial_json(const StaticNormTrial& trial) {
  Json json{{"fixed", trial.fixed}, {"agreement", trial.agreement}, {"kl", trial.kl}};
  if (trial.top1 >= 0) json["top1"] = trial.top1;
  return json;
}

std::vector<std::vector<std::string>> site_rows(const StaticNormReport& report) {
  std::vector<std::vector<std::string>> rows{{"norm", "spread of sigma", "harm alone (nats)", "residual", "decision"}};
  for (const StaticNormSite& site : report.sites)
    rows.push_back({site.node, fmt::format("{:.3f}", site.spread), fmt::format("{:.5f}", site.harm),
                    fmt::format("{:.4f}", site.residual), site.fixed ? "fixed" : "exact"});
  return rows;
}

std::vector<std::vector<std::string>> trial_rows(const StaticNormReport& report) {
  std::vector<std::vector<std::string>> rows{{"fixed", "agreement", "top-1", "KL (nats)", ""}};
  for (const StaticNormTrial& trial : report.trials)
    rows.push_back({std::to_string(trial.fixed), percent(trial.agreement), percent(trial.top1),
                    fmt::format("{:.4f}", trial.kl), trial.fixed == report.chosen.fixed ? "chosen" : ""});
  return rows;
}

std::string html_table(const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    out += "<tr>";
    for (const std::string& cell : rows[r]) out += fmt::format("<{0}>{1}</{0}>", r == 0 ? "th" : "td", escaped(cell));
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

/// One bar a norm; height by harm.
std::string harm_chart(const StaticNormReport& report) {
  constexpr double kStep = 26, kHeight = 160;
  double most = 1e-12;
  for (const StaticNormSite& site : report.sites) most = std::max(most, site.harm);
  std::string bars;
  for (size_t i = 0; i < report.sites.size(); ++i) {
    const StaticNormSite& site = report.sites[i];
    const double height = std::max(1.0, kHeight * site.harm / most);
    bars += fmt::format(
        "<rect x=\"{:.0f}\" y=\"{:.1f}\" width=\"20\" height=\"{:.1f}\" class=\"{}\"><title>{}: {:.5f} nats</title>"
        "</rect>\n",
        10 + kStep * static_cast<double>(i), 10 + kHeight - height, height, site.fixed ? "fixed" : "exact",
        escaped(site.node), site.harm);
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" aria-label=\"harm of every norm\">\n{2}<text x=\"10\" "
      "y=\"{3:.0f}\">norms in running order; the tallest is {4:.4f} nats</text>\n</svg>\n",
      20 + kStep * static_cast<double>(report.sites.size()), kHeight + 40, bars, kHeight + 30, most);
}

}  // namespace

std::string to_text(const StaticNormReport& report) {
  std::string out = fmt::format("moments by {}, measured on {} pictures, judged on {} others; {} of {} norms fixed\n",
                                to_string(report.estimator), report.measured, report.judged, report.chosen.fixed,
                                report.sites.size());
  out += fmt::format("agreement {}, top-1 {} (before {}), KL {:.4f} nats\n\n", percent(report.chosen.agreement),
                     percent(report.chosen.top1), percent(report.original_top1), report.chosen.kl);
  out += table(trial_rows(report)) + "\n" + table(site_rows(report));
  for (const std::string& note : report.exact) out += note + "\n";
  return out;
}

Json to_json(const StaticNormReport& report) {
  Json sites = Json::array(), trials = Json::array();
  for (const StaticNormSite& site : report.sites)
    sites.push_back({{"node", site.node},
                     {"spread", site.spread},
                     {"harm", site.harm},
                     {"residual", site.residual},
                     {"fixed", site.fixed}});
  for (const StaticNormTrial& trial : report.trials) trials.push_back(trial_json(trial));
  Json json{{"estimator", to_string(report.estimator)},
            {"max_drop", report.max_drop},
            {"measured", report.measured},
            {"judged", report.judged}};
  if (report.original_top1 >= 0) json["original_top1"] = report.original_top1;
  json["chosen"] = trial_json(report.chosen);
  json["trials"] = trials;
  json["sites"] = sites;
  json["exact"] = report.exact;
  return json;
}

std::string to_html(const StaticNormReport& report, const std::string& model) {
  return fmt::format(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fixed moments: {0}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
th, td {{ padding: 0.2em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }}
svg {{ width: 100%; }}
.fixed {{ fill: #1b7f5c; }} .exact {{ fill: #b9b9b9; }}
</style>
</head>
<body>
<h1>Layer normalisation with fixed moments</h1>
<p>{0}: {1} of {2} norms fixed, by <b>{3}</b>. Measured on {4} pictures, judged on {5} others:
agreement {6}, top-1 {7} (before {8}), KL divergence {9:.4f} nats.</p>
<h2>What each norm costs alone</h2>
<p>Green: fixed. Grey: kept exact.</p>
{10}
<h2>What was tried</h2>
{11}
<h2>Every norm</h2>
{12}
</body>
</html>
)",
                     escaped(model), report.chosen.fixed, report.sites.size(), to_string(report.estimator),
                     report.measured, report.judged, percent(report.chosen.agreement), percent(report.chosen.top1),
                     percent(report.original_top1), report.chosen.kl, harm_chart(report),
                     html_table(trial_rows(report)), html_table(site_rows(report)));
}

}  // namespace tercel::cli
