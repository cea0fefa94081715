#include "fpga_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "chart.h"
#include "html.h"

namespace tercel::cli {
namespace {

std::string megabytes(int64_t bytes) { return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6); }

Json point_json(const DesignPoint& point) { return Json::parse(to_json(point)); }

Json to_json(const FpgaResources& r) {
  return {
      {"dsp_blocks", r.dsp_blocks}, {"ram_blocks", std::round(r.ram_blocks)}, {"logic_alms", std::round(r.logic_alms)}};
}

Json to_json(const DesignEstimate& e) {
  Json json{{"point", point_json(e.point)},
            {"latency_ms", e.latency_ms},
            {"resources", to_json(e.resources)},
            {"energy_proxy_mj", e.energy_mj},
            {"cycles", e.cycles},
            {"ddr_bytes", e.ddr_bytes},
            {"macs", e.macs}};
  if (!e.why_not.empty()) json["why_not"] = e.why_not;
  return json;
}

Json to_json(const LayerEstimate& l) {
  return {{"name", l.name},
          {"kind", l.kind},
          {"macs", l.macs},
          {"ms", l.ms},
          {"bottleneck", to_string(l.bottleneck)},
          {"utilization", l.utilization},
          {"cycles", l.cycles},
          {"compute_cycles", l.compute_cycles},
          {"weight_wait_cycles", l.weight_wait_cycles},
          {"window_load_cycles", l.window_load_cycles},
          {"pool_cycles", l.pool_cycles},
          {"write_cycles", l.write_cycles},
          {"ddr_cycles", l.ddr_cycles},
          {"fill_cycles", l.fill_cycles},
          {"separate_cycles", l.separate_cycles},
          {"feature_bytes", l.feature_bytes},
          {"weight_bytes", l.weight_bytes},
          {"addend_bytes", l.addend_bytes},
          {"written_bytes", l.written_bytes}};
}

Json layers_json(const std::vector<LayerEstimate>& layers) {
  Json json = Json::array();
  for (const LayerEstimate& layer : layers) json.push_back(to_json(layer));
  return json;
}

/// Useful work by what the multipliers could have done.
double utilization(const DesignEstimate& e) {
  return static_cast<double>(e.macs) / (static_cast<double>(e.cycles) * e.point.vec * e.point.lane);
}

double figure(const FpgaBoard& board, const std::string& name) {
  for (const FpgaFigure& f : board.figures)
    if (f.name == name) return f.value;
  return 1;
}

std::string resources_text(const FpgaResources& r, const FpgaBoard& board) {
  const auto part = [&](double value, const char* name) { return 100 * value / figure(board, name); };
  return fmt::format("{:.0f} DSP blocks ({:.0f} %), {:.0f} RAM blocks ({:.0f} %), {:.0f} ALMs ({:.0f} %)", r.dsp_blocks,
                     part(r.dsp_blocks, "dsp_blocks"), r.ram_blocks, part(r.ram_blocks, "ram_blocks"), r.logic_alms,
                     part(r.logic_alms, "logic_alms"));
}

std::string estimate_text(const DesignEstimate& e, const FpgaBoard& board) {
  return fmt::format(
      "point      {}\nresources  {}\nenergy     {:.2f} mJ a picture (proxy: 160 pJ a DDR byte, 0.3 pJ a "
      "multiplier and clock)\nmultipliers {:.1f} % used; {:.1f} M clocks at {:.0f} MHz, {} to and from DDR\n",
      to_string(e.point), resources_text(e.resources, board), e.energy_mj, 100 * utilization(e),
      static_cast<double>(e.cycles) / 1e6, e.point.clock_mhz, megabytes(e.ddr_bytes));
}

std::vector<std::vector<std::string>> front_rows(const std::vector<DesignEstimate>& front) {
  std::vector<std::vector<std::string>> rows{{"ms", "DSP", "RAM", "ALMs", "energy mJ", "vec x lane, window_x"}};
  for (const DesignEstimate& e : front)
    rows.push_back({fmt::format("{:.2f}", e.latency_ms), fmt::format("{:.0f}", e.resources.dsp_blocks),
                    fmt::format("{:.0f}", e.resources.ram_blocks), fmt::format("{:.0f}", e.resources.logic_alms),
                    fmt::format("{:.2f}", e.energy_mj), short_text(e.point)});
  return rows;
}

std::string layers_text(std::vector<LayerEstimate> layers, bool all) {
  constexpr size_t kShown = 10;
  if (all || layers.size() <= kShown) return table(layer_rows(layers));
  std::stable_sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.ms > b.ms; });
  const size_t count = layers.size();
  layers.resize(kShown);
  return table(layer_rows(layers)) +
         fmt::format("the {} slowest of {} layers; --layers: all, in running order\n", kShown, count);
}

/// "12 by compute (71 % of the time), 3 by DDR (29 %)".
std::string bottlenecks_text(const std::vector<LayerEstimate>& layers) {
  double total = 0;
  for (const LayerEstimate& l : layers) total += l.ms;
  std::string text;
  for (Bottleneck b : {Bottleneck::compute, Bottleneck::window_load, Bottleneck::pool, Bottleneck::write,
                       Bottleneck::ddr, Bottleneck::launch}) {
    int count = 0;
    double ms = 0;
    for (const LayerEstimate& l : layers)
      if (l.bottleneck == b) ++count, ms += l.ms;
    if (count > 0)
      text += fmt::format("{}{} by {} ({:.0f} % of the time)", text.empty() ? "" : ", ", count, to_string(b),
                          100 * ms / total);
  }
  return text;
}

/// Of the front, the fastest for each number of DSP blocks: few enough to read.
std::vector<DesignEstimate> staircase(const std::vector<DesignEstimate>& front) {
  std::vector<DesignEstimate> steps;
  for (const DesignEstimate& e : front)  // by latency
    if (steps.empty() || e.resources.dsp_blocks < steps.back().resources.dsp_blocks) steps.push_back(e);
  return steps;
}

std::string interval_text(double ms, const LatencyInterval& interval) {
  return fmt::format("{:.2f} .. {:.2f} ms", ms * interval.low, ms * interval.high);
}

/// Latency against DSP blocks: the front, and the best.
std::string front_chart(const ExploreReport& report) {
  Chart chart;
  chart.horizontal.take(0);
  chart.vertical.take(0);
  // The slowest designs would press all others flat: points beyond twenty times the best are in the table alone.
  const double most = 20 * report.best.latency_ms;
  for (const DesignEstimate& e : report.front) {
    if (e.latency_ms > most) continue;
    chart.horizontal.take(e.resources.dsp_blocks);
    chart.vertical.take(e.latency_ms * report.interval.high);
  }
  chart.horizontal.round();
  chart.vertical.round();
  std::string svg = chart.begin("latency against DSP blocks", "DSP blocks (up: ms a picture)");
  for (const DesignEstimate& e : report.front) {
    if (e.latency_ms > most) continue;
    const double x = chart.x(e.resources.dsp_blocks);
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" class=\"interval\"/><circle cx=\"{0:.1f}\" "
        "cy=\"{3:.1f}\" r=\"{4}\" class=\"{5}\"><title>{6}: {7:.2f} ms, {8:.0f} DSP, {9:.0f} RAM, {10:.2f} mJ</title>"
        "</circle>\n",
        x, chart.y(e.latency_ms * report.interval.low), chart.y(e.latency_ms * report.interval.high),
        chart.y(e.latency_ms), e.point == report.best.point ? 6 : 4, e.point == report.best.point ? "best" : "point",
        html_escaped(short_text(e.point)), e.latency_ms, e.resources.dsp_blocks, e.resources.ram_blocks, e.energy_mj);
  }
  return svg + "</svg>\n";
}

std::string css_class(Bottleneck b) {
  std::string name(to_string(b));
  std::replace(name.begin(), name.end(), ' ', '-');
  return "by-" + name;
}

/// One bar a layer, as long as its time, coloured by what bounds it.
std::string layer_chart(const std::vector<LayerEstimate>& layers) {
  constexpr double kRow = 14, kLabel = 150, kWidth = 480, kValue = 52;
  double most = 0;
  for (const LayerEstimate& l : layers) most = std::max(most, l.ms);
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"time of each layer\">\n",
                                kWidth, kRow * static_cast<double>(layers.size()) + 4);
  double y = 2;
  for (const LayerEstimate& l : layers) {
    std::string name = l.name;  // the end tells layers apart
    if (name.size() > 24) {
      size_t from = name.size() - 21;
      while (from < name.size() && (static_cast<unsigned char>(name[from]) & 0xC0) == 0x80) ++from;  // no half letters
      name = "..." + name.substr(from);
    }
    const double length = (kWidth - kLabel - kValue) * l.ms / most;
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" class=\"end\">{}</text><rect x=\"{:.0f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:.0f}\" class=\"{}\"><title>{}: {:.3f} ms, {}, {:.0f} % of the multipliers used</title></rect>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\">{:.2f}</text>\n",
        kLabel - 4, y + 10, html_escaped(name), kLabel, y, length, kRow - 3, css_class(l.bottleneck),
        html_escaped(l.name), l.ms, to_string(l.bottleneck), 100 * l.utilization, kLabel + length + 4, y + 10, l.ms);
    y += kRow;
  }
  return svg + "</svg>\n";
}

constexpr const char* kStyle = R"(.interval { stroke: #9bc4b3; stroke-width: 3; }
.point { fill: #1b7f5c; } .best { fill: #b3541e; }
rect.by-compute, b.by-compute { fill: #1b7f5c; color: #1b7f5c; } rect.by-DDR, b.by-DDR { fill: #b3541e; color: #b3541e; }
rect.by-window-load, b.by-window-load { fill: #7a5ea8; color: #7a5ea8; } rect.by-pool, b.by-pool { fill: #3d7fb8; color: #3d7fb8; }
rect.by-write, b.by-write { fill: #a88a1e; color: #a88a1e; } rect.by-launch, b.by-launch { fill: #777; color: #777; }
)";

std::string quantity_text(double value) {
  return value < 1000 ? fmt::format("{:.4g}", value) : fmt::format("{:.0f}", value);
}

}  // namespace

std::string short_text(const DesignPoint& point) {
  return fmt::format("{} x {}, {}", point.vec, point.lane, point.window_x);
}

std::vector<std::vector<std::string>> layer_rows(const std::vector<LayerEstimate>& layers) {
  std::vector<std::vector<std::string>> rows{{"layer", "kind", "MACs", "ms", "clocks", "bound by", "used %", "DDR MB"}};
  for (const LayerEstimate& l : layers)
    rows.push_back({l.name, l.kind, scaled(static_cast<double>(l.macs)), fmt::format("{:.3f}", l.ms),
                    fmt::format("{}", l.cycles), std::string(to_string(l.bottleneck)),
                    fmt::format("{:.1f}", 100 * l.utilization),
                    fmt::format("{:.2f}", static_cast<double>(l.ddr_bytes()) / 1e6)});
  return rows;
}

std::string to_text(const ExploreReport& report, const std::string& model, bool all_layers, bool all_points) {
  std::string text = fmt::format(
      "{}: {} layers, {}MACs; board {} ({}, {})\nbudget     {:.0f} DSP blocks, {:.0f} RAM blocks, {:.0f} ALMs; "
      "{} design points looked at\n",
      model, report.layers.size(), scaled(static_cast<double>(report.best.macs)), report.board.name, report.board.title,
      report.board.device, report.max_dsp, report.max_ram, report.max_logic, report.points);
  text += fmt::format(
      "\nlatency    {:.2f} ms a picture, {:.0f} pictures a second; interval {} ({} {})\n{}bound by   {}\n\n{}\n",
      report.best.latency_ms, 1000 / report.best.latency_ms, interval_text(report.best.latency_ms, report.interval),
      report.interval.points, report.interval.basis, estimate_text(report.best, report.board),
      bottlenecks_text(report.layers), layers_text(report.layers, all_layers));
  const std::vector<DesignEstimate> steps = staircase(report.front);
  text += fmt::format("what can be traded: {}\n{}",
                      all_points
                          ? fmt::format("the front, {} points that none beats in latency, DSP, RAM and energy together",
                                        report.front.size())
                          : fmt::format("the fastest for each number of DSP blocks; --front: all {} points that none "
                                        "beats in latency, DSP, RAM and energy together",
                                        report.front.size()),
                      table(front_rows(all_points ? report.front : steps)));
  if (!report.notes.empty()) text += "\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

Json to_json(const ExploreReport& report, const std::string& model) {
  Json front = Json::array();
  for (const DesignEstimate& e : report.front) front.push_back(to_json(e));
  return {
      {"model", model},
      {"board", to_json(report.board)},
      {"budget", {{"dsp_blocks", report.max_dsp}, {"ram_blocks", report.max_ram}, {"logic_alms", report.max_logic}}},
      {"points", report.points},
      {"feasible", !report.front.empty()},
      {report.front.empty() ? "nearest" : "best", to_json(report.best)},
      {"latency_interval",
       {{"low_ms", report.best.latency_ms * report.interval.low},
        {"high_ms", report.best.latency_ms * report.interval.high},
        {"low_factor", report.interval.low},
        {"high_factor", report.interval.high},
        {"points", report.interval.points},
        {"basis", report.interval.basis}}},
      {"layers", layers_json(report.layers)},
      {"front", front},
      {"notes", report.notes}};
}

std::string to_html(const ExploreReport& report, const std::string& model) {
  std::string notes, legend;
  for (const std::string& note : report.notes) notes += "<li>" + html_escaped(note) + "</li>\n";
  for (const FpgaFigure& f : report.board.figures)
    notes += fmt::format("<li>{} = {:g}{}: {}</li>\n", f.name, f.value, f.assumed ? " (assumed)" : "",
                         html_escaped(f.source));
  for (Bottleneck b : {Bottleneck::compute, Bottleneck::ddr, Bottleneck::window_load, Bottleneck::pool,
                       Bottleneck::write, Bottleneck::launch})
    legend += fmt::format("{}<b class=\"{}\">{}</b>", legend.empty() ? "" : ", ", css_class(b), to_string(b));
  const std::string body = fmt::format(
      R"(<h1>{0} on {1}</h1>
<p>By the models, the fastest design that fits takes <b>{2:.2f} ms</b> a picture ({3} by {4} {5}): {6}.
{7}. Nothing here was measured on this board.</p>
<h2>What can be traded</h2>
<p>Every point is a design that none beats in latency, DSP blocks, RAM blocks and energy together; the bar is the interval
of the latency. {8} design points were looked at.</p>
{9}
<h2>Where the time goes</h2>
<p>Milliseconds of each layer, coloured by what keeps it from being faster: {10}.</p>
{11}
{12}
<h2>All points of the front</h2>
<details><summary>{15} points</summary>
{13}</details>
<h2>What this rests on</h2>
<ul>
{14}</ul>
)",
      html_escaped(model), html_escaped(report.board.title), report.best.latency_ms,
      interval_text(report.best.latency_ms, report.interval), report.interval.points,
      html_escaped(report.interval.basis), html_escaped(to_string(report.best.point)),
      resources_text(report.best.resources, report.board), report.points, front_chart(report), legend,
      layer_chart(report.layers), html_table(layer_rows(report.layers)), html_table(front_rows(report.front)), notes,
      report.front.size());
  return html_page(model + " on " + report.board.title, std::string(kChartStyle) + kStyle, body);
}

std::string to_text(const DesignReport& report, bool all_layers) {
  const FpgaBoard board = fpga_board(report.estimate.point.board);
  return fmt::format("latency    {:.2f} ms a picture\n{}bound by   {}\n\n{}", report.estimate.latency_ms,
                     estimate_text(report.estimate, board), bottlenecks_text(report.layers),
                     layers_text(report.layers, all_layers));
}

Json to_json(const DesignReport& report) {
  Json json = to_json(report.estimate);
  json["layers"] = layers_json(report.layers);
  return json;
}

std::string to_text(const FpgaBoard& board) {
  std::vector<std::vector<std::string>> rows;
  for (const FpgaFigure& f : board.figures)
    rows.push_back({"  " + f.name, fmt::format("{:g}", f.value), f.assumed ? "assumed" : "", f.source});
  return fmt::format("{}: {}, {}\n{}", board.name, board.title, board.device, table(rows));
}

Json to_json(const FpgaBoard& board) {
  Json figures = Json::object();
  for (const FpgaFigure& f : board.figures)
    figures[f.name] = {{"value", f.value}, {"source", f.source}, {"assumed", f.assumed}};
  return {{"name", board.name}, {"title", board.title}, {"device", board.device}, {"figures", figures}};
}

std::vector<ErrorGate> error_gates(const std::vector<FpgaComparison>& rows) {
  std::vector<ErrorGate> gates{{"A", "latency_ms", "held_out", 0.015}, {"B", "latency_ms", "fitted", 0.04},
                               {"D", "latency_ms", "held_out", 0.04},  {"A", "dsp", "fitted", 0.01},
                               {"A", "ram_blocks", "fitted", 0.04},    {"A", "logic", "fitted", 0.04}};
  for (ErrorGate& gate : gates) {
    for (const FpgaComparison& row : rows) {
      if (row.set != gate.set || row.quantity != gate.quantity || row.use != gate.use) continue;
      ++gate.rows;
      gate.mean += std::abs(row.error());
      gate.worst = std::max(gate.worst, std::abs(row.error()));
    }
    if (gate.rows > 0) gate.mean /= gate.rows;
  }
  return gates;
}

std::string to_text(const std::vector<FpgaComparison>& rows, const std::vector<ErrorGate>& gates) {
  std::vector<std::vector<std::string>> cells{
      {"set", "board", "network", "layer", "vec x lane", "quantity", "published", "model", "error %", "use"}};
  for (const FpgaComparison& row : rows)
    cells.push_back({row.set, row.board, row.network, row.layer, fmt::format("{} x {}", row.vec, row.lane),
                     row.quantity, quantity_text(row.published), quantity_text(row.predicted),
                     fmt::format("{:+.1f}", 100 * row.error()), row.use});
  std::string text =
      table(cells) +
      "\nuse: fitted (constants come from these), held_out, new_board (predicted before it was compared), apart "
      "(lanes that are no power of two, or a configuration that is not published whole), trend\nsources stand "
      "in src/fpga/published/*.csv\n\n";
  for (const ErrorGate& gate : gates)
    text += fmt::format("set {}, {}, {}: mean error {:.2f} %, worst {:.2f} %, {} rows; promised at most {:g} %: {}\n",
                        gate.set, gate.quantity, gate.use, 100 * gate.mean, 100 * gate.worst, gate.rows,
                        100 * gate.target, gate.met() ? "kept" : "BROKEN");
  return text;
}

Json to_json(const std::vector<FpgaComparison>& rows, const std::vector<ErrorGate>& gates) {
  Json all = Json::array(), summary = Json::array();
  for (const FpgaComparison& row : rows)
    all.push_back({{"set", row.set},
                   {"board", row.board},
                   {"network", row.network},
                   {"layer", row.layer},
                   {"vec", row.vec},
                   {"lane", row.lane},
                   {"clock_mhz", row.clock_mhz},
                   {"quantity", row.quantity},
                   {"published", row.published},
                   {"predicted", row.predicted},
                   {"error", row.error()},
                   {"use", row.use}});
  for (const ErrorGate& gate : gates)
    summary.push_back({{"set", gate.set},
                       {"quantity", gate.quantity},
                       {"use", gate.use},
                       {"rows", gate.rows},
                       {"mean", gate.mean},
                       {"worst", gate.worst},
                       {"target", gate.target},
                       {"kept", gate.met()}});
  return {{"rows", all}, {"summary", summary}};
}

}  // namespace tercel::cli
