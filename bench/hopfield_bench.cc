// hopfield_bench latency | capacity | assignment: what docs/hopfield.md says of memories, measured.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "base/threads.h"
#include "hopfield/overlaps.h"
#include "hopfield/patterns_testing.h"
#include "hopfield/recall.h"
#include "hopfield/rule.h"
#include "kernels/menu.h"
#include "quant/widen.h"
#include "tune/hopfield_cut.h"
#include "tune/labelled_pictures.h"
#include "tune/pattern_assignment.h"

using namespace tercel;

namespace {

struct Spread {
  double median, p95;
};

Spread spread_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 95 / 100]};
}

// ---- latency ----

/// Runs the kernel that the menu gives; its answer is checked against the reference before anything is timed.
void latency(int64_t patterns, int64_t bits) {
  Rng rng(1);
  Tensor x(DType::f32, {1, bits}), rows(DType::u8, {patterns, bits / 8}), classes(DType::i64, {patterns});
  for (int64_t i = 0; i < bits; ++i) reinterpret_cast<float*>(x.mutable_data())[i] = static_cast<float>(rng.normal());
  for (size_t i = 0; i < rows.bytes(); ++i) rows.mutable_data()[i] = static_cast<std::byte>(rng.next());
  for (int64_t k = 0; k < patterns; ++k) reinterpret_cast<int64_t*>(classes.mutable_data())[k] = k;
  const Attrs attrs{{"beta", 0.02f}, {"class_count", patterns}};
  const std::string_view op = "ai.tercel.SoftmaxMemory";
  std::vector<float> wanted(static_cast<size_t>(patterns)), got(wanted.size());
  fmt::print("{} patterns of {} bits, one thread\n", patterns, bits);
  for (const Isa& isa : machine_isas()) {
    Problem problem{op, &attrs, {}, {}, isa, 1};
    problem.src = {{DType::f32, x.dims()},
                   {DType::u8, rows.dims(), Layout::plain, rows},
                   {DType::i64, classes.dims(), Layout::plain, classes}};
    problem.dst = {{DType::f32, {1, patterns}}};
    const std::byte* src[] = {x.data(), rows.data(), classes.data()};
    const ThreadScope one(1);
    for (const Variant& variant : menu(op)) {
      const auto kernel = variant.make(problem);
      Buffer scratch(kernel->scratch_bytes());
      std::vector<float>& y = variant.name == "ref" ? wanted : got;
      std::byte* dst[] = {reinterpret_cast<std::byte*>(y.data())};
      const auto run = [&] { kernel->run({src, dst, scratch.data()}); };
      std::vector<double> times;
      for (int i = 0; i < (variant.name == "ref" ? 3 : 2000); ++i) {
        const Stopwatch watch;
        run();
        times.push_back(1000 * watch.ms());
      }
      const Spread spread = spread_of(times);
      fmt::print("  {:<20} {:<16} median {:.2f} us, p95 {:.2f} us\n", to_string(isa), variant.name, spread.median,
                 spread.p95);
    }
    for (size_t k = 0; k < wanted.size(); ++k)
      if (std::fabs(wanted[k] - got[k]) > 1e-4f * std::max(1.0f, std::fabs(wanted[k])))
        fail_input("wrong answer for pattern {}: {} instead of {}", k, got[k], wanted[k]);
    fmt::print("  {:<20} answers checked\n", to_string(isa));
  }
}

// ---- capacity ----

struct CapacityPoint {
  std::string patterns, rule;
  int64_t bits, count;
  double fixed, recalled;  // parts of the stored patterns
};

/// Patterns of correlated units: as real features, a few hidden causes set many units.
BitPatterns correlated_patterns(int64_t bits, int64_t count, uint64_t seed) {
  constexpr int kCauses = 24;
  Rng rng(seed);
  std::vector<double> loads(static_cast<size_t>(bits * kCauses)), offsets(static_cast<size_t>(bits));
  for (double& load : loads) load = rng.normal();
  for (double& offset : offsets) offset = 1.5 * rng.normal();
  BitPatterns patterns(bits, count);
  for (int64_t k = 0; k < count; ++k) {
    double causes[kCauses];
    for (double& cause : causes) cause = rng.normal();
    for (int64_t i = 0; i < bits; ++i) {
      double sum = offsets[static_cast<size_t>(i)] * 2;
      for (int c = 0; c < kCauses; ++c) sum += loads[static_cast<size_t>(i * kCauses + c)] * causes[c] / 2;
      if (sum + rng.normal() > 0) BitPatterns::flip(patterns.row(k), i);
    }
  }
  return patterns;
}

CapacityPoint measure(const BitPatterns& patterns, std::string_view kind, std::string_view rule) {
  const auto network = find_rule(rule).learn(patterns, {0.2});
  Rng rng(7);
  int64_t fixed = 0, recalled = 0;
  const int64_t tried = std::min<int64_t>(patterns.count(), 40);
  for (int64_t t = 0; t < tried; ++t) {
    const int64_t k = t * patterns.count() / tried;
    RecallOptions one_sweep;
    one_sweep.max_sweeps = 1;
    fixed += recall(*network, patterns.row_span(k), one_sweep).changes == 0 ? 1 : 0;
    const StateMatch match =
        match_state(recall(*network, disturbed(patterns.row_span(k), patterns.bits(), 0.1, rng)).state, patterns);
    recalled += match.kind == StateKind::stored && match.pattern == k ? 1 : 0;
  }
  const auto of = static_cast<double>(tried);
  return {std::string(kind), std::string(rule), patterns.bits(), patterns.count(), fixed / of, recalled / of};
}

constexpr double kWidth = 620, kHeight = 220, kLeft = 60, kTop = 40, kPanel = kTop + kHeight + 50;
constexpr std::pair<std::string_view, std::string_view> kColours[] = {
    {"hebb", "#b5452c"}, {"storkey", "#c08a1a"}, {"pseudo_inverse", "#1b7f5c"}, {"softmax", "#2c5fb5"}};

/// Part recalled against patterns stored, on a logarithmic scale; its upper edge is at `top`.
std::string panel(const std::vector<CapacityPoint>& points, const std::string& kind, int64_t bits, double top) {
  const auto x = [&](double count) { return kLeft + kWidth * std::log2(count) / std::log2(static_cast<double>(bits)); };
  const auto y = [&](double part) { return top + kTop + kHeight * (1 - part); };
  std::string body = fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.0f}\" font-weight=\"bold\">{} patterns of {} bits</text>\n"
      "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" fill=\"none\" stroke=\"#999\"/>\n",
      kLeft, top + kTop - 12, kind, bits, kLeft, top + kTop, kWidth, kHeight);
  for (const auto& [rule, colour] : kColours) {
    std::string line;
    for (const CapacityPoint& p : points)
      if (p.patterns == kind && p.rule == rule)
        line += fmt::format("{:.1f},{:.1f} ", x(static_cast<double>(p.count)), y(p.recalled));
    body += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", line, colour);
    const double capacity = find_rule(rule).capacity(bits);
    if (std::isfinite(capacity))
      body += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
          "stroke-dasharray=\"4 4\"/>\n",
          x(capacity), y(1), y(0), colour);
  }
  for (int64_t count = 1; count <= bits; count *= 4)
    body += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>\n",
                        x(static_cast<double>(count)), y(0) + 16, count);
  for (const double part : {0.0, 0.5, 1.0})
    body += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{:.0f} %</text>\n", kLeft - 6, y(part) + 4,
                        100 * part);
  return body;
}

std::string chart(const std::vector<CapacityPoint>& points, const std::vector<std::string>& kinds, int64_t bits) {
  const double width = kLeft + kWidth + 20, height = kPanel * static_cast<double>(kinds.size()) + 40;
  std::string body, legend;
  double at = kLeft, top = 20;
  for (const auto& [rule, colour] : kColours) {
    legend += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" fill=\"{}\">{}</text>\n", at, height - 8, colour, rule);
    at += 150;
  }
  for (const std::string& kind : kinds) {
    body += panel(points, kind, bits, top);
    top += kPanel;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" "
      "font-family=\"sans-serif\" "
      "font-size=\"12\">\n<title>Part of the stored patterns that a network recalls from 10 % flipped units, against "
      "the "
      "patterns it stores</title>\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"white\"/>\n"
      "<text x=\"{2:.0f}\" y=\"20\">Recalled from 10 % flipped units, against patterns stored. Dashed: the formulas "
      "for "
      "random patterns.</text>\n{3}{4}</svg>\n",
      width, height, kLeft, body, legend);
}

/// Codes of so many pictures, drawn by a seed, by the signs of the network's features.
BitPatterns real_patterns(const std::string& path, const std::string& data, const std::string& cut, int count) {
  const Model model = dequantized(load(path));
  const LabelledPictures pictures = LabelledPictures::open(data).some(static_cast<size_t>(count), 1);
  const OutputTable table = outputs_of(features_model(model, find_cut(model, cut), false), pictures, 0, "features", {});
  // Drawn in an order that mixes the classes.
  std::vector<int64_t> order(static_cast<size_t>(table.count()));
  std::iota(order.begin(), order.end(), int64_t{0});
  Rng rng(1);
  shuffle(order, rng);
  return BitPatterns::of_signs(table.values, table.width).selected(order);
}

void capacity(int64_t bits, const std::string& csv, const std::string& svg, const BitPatterns* real) {
  std::vector<CapacityPoint> points;
  if (real != nullptr) bits = real->bits();
  const std::vector<std::string> kinds = real != nullptr ? std::vector<std::string>{"random", "correlated", "real"}
                                                         : std::vector<std::string>{"random", "correlated"};
  fmt::print("{:<12} {:<16} {:>8} {:>10} {:>10}\n", "patterns", "rule", "count", "fixed", "recalled");
  for (const std::string& kind : kinds)
    for (const char* rule : {"hebb", "storkey", "pseudo_inverse", "softmax"})
      for (double count = 2; count < 1.001 * static_cast<double>(bits); count *= std::sqrt(2.0)) {
        const auto number = static_cast<int64_t>(std::lround(count));
        if (kind == "real" && number > real->count()) break;
        std::vector<int64_t> first(static_cast<size_t>(number));
        std::iota(first.begin(), first.end(), int64_t{0});
        points.push_back(measure(kind == "random"       ? random_patterns(bits, number, 3)
                                 : kind == "correlated" ? correlated_patterns(bits, number, 3)
                                                        : real->selected(first),
                                 kind, rule));
        const CapacityPoint& p = points.back();
        fmt::print("{:<12} {:<16} {:>8} {:>9.0f}% {:>9.0f}%\n", p.patterns, p.rule, p.count, 100 * p.fixed,
                   100 * p.recalled);
      }
  for (const Rule& rule : all_rules())
    fmt::print("formula: {} holds {:.1f} random patterns of {} bits\n", rule.name, rule.capacity(bits), bits);
  if (!csv.empty()) {
    std::ofstream out(csv);
    out << "patterns,rule,bits,count,fixed,recalled\n";
    for (const CapacityPoint& p : points)
      out << fmt::format("{},{},{},{},{:.4f},{:.4f}\n", p.patterns, p.rule, p.bits, p.count, p.fixed, p.recalled);
  }
  if (!svg.empty()) std::ofstream(svg) << chart(points, kinds, bits);
}

// ---- assignment ----

void assignment(int evaluations) {
  struct Case {
    std::string_view name;
    BitPatterns (*patterns)(int64_t, int64_t, uint64_t);
    int64_t count;
    int32_t networks;
  };
  const auto random = [](int64_t bits, int64_t count, uint64_t seed) { return random_patterns(bits, count, seed); };
  const Case cases[] = {{"random", random, 10, 3},   {"correlated", correlated_patterns, 10, 3},
                        {"random", random, 40, 5},   {"correlated", correlated_patterns, 40, 5},
                        {"random", random, 100, 10}, {"correlated", correlated_patterns, 100, 10}};
  fmt::print("{} evaluations each, ten seeds: mean cost (least is best)\n", evaluations);
  fmt::print("{:<26} {:>10} {:>10} {:>10} {:>14}  wins of genetic over greedy, random\n", "patterns / networks",
             "random", "greedy", "genetic", "from greedy");
  for (const Case& c : cases) {
    double sums[4] = {};
    int over_greedy = 0, over_random = 0;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      const PatternAssignmentProblem problem(c.patterns(256, c.count, seed), c.networks);
      double costs[4];
      int at = 0;
      for (const AssignmentMethod method :
           {AssignmentMethod::random, AssignmentMethod::greedy, AssignmentMethod::genetic, AssignmentMethod::genetic}) {
        AssignmentOptions options;
        options.method = method;
        options.evaluations = evaluations;
        options.seed = seed;
        options.start_greedy = at == 3;
        costs[at] = assign_patterns(problem, options).cost;
        sums[at] += costs[at] / 10;
        ++at;
      }
      over_greedy += costs[2] < costs[1] - 1e-12 ? 1 : 0;
      over_random += costs[2] < costs[0] - 1e-12 ? 1 : 0;
    }
    fmt::print("{:<26} {:>10.4f} {:>10.4f} {:>10.4f} {:>14.4f}  {} of 10, {} of 10\n",
               fmt::format("{} {} / {}", c.name, c.count, c.networks), sums[0], sums[1], sums[2], sums[3], over_greedy,
               over_random);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Memories, measured", "hopfield_bench");
  app.require_subcommand(1);
  int64_t patterns = 1000, bits = 4096, capacity_bits = 256;
  int evaluations = 6000;
  std::string csv, svg, model, data, cut;
  CLI::App* time = app.add_subcommand("latency", "The softmax memory, answers checked first");
  time->add_option("--patterns", patterns);
  time->add_option("--bits", bits);
  time->callback([&] { latency(patterns, bits); });
  CLI::App* many = app.add_subcommand("capacity", "Patterns recalled against patterns stored, by rule");
  many->add_option("--bits", capacity_bits);
  many->add_option("--csv", csv);
  many->add_option("--svg", svg);
  many->add_option("--model", model, "Also the codes of pictures, as many bits as it has features at the cut");
  many->add_option("--data", data, "Those pictures, labelled");
  many->add_option("--cut", cut);
  many->callback([&] {
    if (model.empty()) return capacity(capacity_bits, csv, svg, nullptr);
    const BitPatterns real = real_patterns(model, data, cut, 2000);
    capacity(capacity_bits, csv, svg, &real);
  });
  CLI::App* assign = app.add_subcommand("assignment", "Genetic against greedy and random");
  assign->add_option("--evaluations", evaluations);
  assign->callback([&] { assignment(evaluations); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
