#include "static_norm_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "drop_promise.h"
#include "html.h"

namespace tercel::cli {
namespace {

std::string percent(double part) { return part < 0 ? "-" : fmt::format("{:.1f} %", 100 * part); }

Json trial_json(const StaticNormTrial& trial) {
  Json json{{"fixed", trial.fixed}, {"agreement", trial.agreement}, {"kl", trial.kl}};
  if (trial.top1 >= 0) json["top1"] = trial.top1;
  return json;
}

std::vector<std::vector<std::string>> site_rows(const StaticNormReport& report) {
  std::vector<std::vector<std::string>> rows{{"norm", "spread of sigma", "sensitivity (nats)", "residual", "decision"}};
  for (const StaticNormSite& site : report.sites)
    rows.push_back({site.node, fmt::format("{:.3f}", site.spread), fmt::format("{:.5f}", site.sensitivity),
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

std::string what_is_promised(const StaticNormReport& report) {
  if (report.chosen.fixed == 0) return "no norm can be fixed with that promise: the network is as it was";
  return promise_text(*report.promise, report.original_top1 >= 0 ? "top-1" : "agreement");
}

/// One bar per norm; its height is the sensitivity.
std::string sensitivity_chart(const StaticNormReport& report) {
  constexpr double kStep = 26, kHeight = 160;
  double most = 1e-12;
  for (const StaticNormSite& site : report.sites) most = std::max(most, site.sensitivity);
  std::string bars;
  for (size_t i = 0; i < report.sites.size(); ++i) {
    const StaticNormSite& site = report.sites[i];
    const double height = std::max(1.0, kHeight * site.sensitivity / most);
    bars += fmt::format(
        "<rect x=\"{:.0f}\" y=\"{:.1f}\" width=\"20\" height=\"{:.1f}\" class=\"{}\"><title>{}: {:.5f} nats</title>"
        "</rect>\n",
        10 + kStep * static_cast<double>(i), 10 + kHeight - height, height, site.fixed ? "fixed" : "exact",
        html_escaped(site.node), site.sensitivity);
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" aria-label=\"sensitivity of every norm\">\n{2}<text x=\"10\" "
      "y=\"{3:.0f}\">norms in running order; the tallest is {4:.4f} nats</text>\n</svg>\n",
      20 + kStep * static_cast<double>(report.sites.size()), kHeight + 40, bars, kHeight + 30, most);
}

}  // namespace

std::string to_text(const StaticNormReport& report) {
  std::string out = fmt::format(
      "moments by {}, measured on {} pictures, evaluated on {} held-out pictures; {} of {} norms fixed\n",
      to_string(report.estimator), report.measured, report.held_out, report.chosen.fixed, report.sites.size());
  out += fmt::format("agreement {}, top-1 {} (before {}), KL {:.4f} nats\n", percent(report.chosen.agreement),
                     percent(report.chosen.top1), percent(report.original_top1), report.chosen.kl);
  if (report.promise) out += what_is_promised(report) + "\n";
  out += "\n";
  out += table(trial_rows(report)) + "\n" + table(site_rows(report));
  for (const std::string& note : report.exact) out += note + "\n";
  return out;
}

Json to_json(const StaticNormReport& report) {
  Json sites = Json::array(), trials = Json::array();
  for (const StaticNormSite& site : report.sites)
    sites.push_back({{"node", site.node},
                     {"spread", site.spread},
                     {"harm", site.sensitivity},
                     {"residual", site.residual},
                     {"fixed", site.fixed}});
  for (const StaticNormTrial& trial : report.trials) trials.push_back(trial_json(trial));
  Json json{{"estimator", to_string(report.estimator)},
            {"max_drop", report.max_drop},
            {"measured", report.measured},
            {"judged", report.held_out}};
  if (report.original_top1 >= 0) json["original_top1"] = report.original_top1;
  json["chosen"] = trial_json(report.chosen);
  if (report.promise) json["promise"] = promise_json(*report.promise);
  json["trials"] = trials;
  json["sites"] = sites;
  json["exact"] = report.exact;
  return json;
}

std::string to_html(const StaticNormReport& report, const std::string& model) {
  const std::string body = fmt::format(
      R"(<h1>Layer normalization with fixed moments</h1>
<p>{0}: {1} of {2} norms fixed, by <b>{3}</b>. Measured on {4} pictures, evaluated on {5} held-out pictures:
agreement {6}, top-1 {7} (before {8}), KL divergence {9:.4f} nats. {13}</p>
<h2>Sensitivity of each norm</h2>
<p>Green: fixed. Grey: kept exact.</p>
{10}
<h2>Candidates</h2>
{11}
<h2>Every norm</h2>
{12}
)",
      html_escaped(model), report.chosen.fixed, report.sites.size(), to_string(report.estimator), report.measured,
      report.held_out, percent(report.chosen.agreement), percent(report.chosen.top1), percent(report.original_top1),
      report.chosen.kl, sensitivity_chart(report), html_table(trial_rows(report)), html_table(site_rows(report)),
      report.promise ? html_escaped(what_is_promised(report)) : "");
  return html_page("Fixed moments: " + model, ".fixed { fill: #1b7f5c; } .exact { fill: #b9b9b9; }\n", body);
}

}  // namespace tercel::cli
