#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "common.h"
#include "made_up_inputs.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

constexpr int kProfiledRuns = 10;

struct Flags {
  std::string model;
  int runs = 30;
  bool json = false, layers = false, why = false;
  ShapeFlags shape;
  RunFlags run;
};

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(std::lround(q * static_cast<double>(sorted.size() - 1)))];
}

std::string gflops(const StepReport& s) {
  return s.macs > 0 && s.ms > 0 ? fmt::format("{:.1f}", 2e-6 * static_cast<double>(s.macs) / s.ms) : "";
}

std::string percent(double ms, double total) { return fmt::format("{:.1f}", total > 0 ? 100 * ms / total : 0); }

double total_ms(const std::vector<StepReport>& steps) {
  double total = 0;
  for (const StepReport& s : steps) total += s.ms;
  return total;
}

/// One row for every step, the slowest first; with --why few of them, and beside each why no faster kernel does it.
void print_steps(std::vector<StepReport> steps, const Flags& flags) {
  constexpr size_t kSlowest = 10;
  const double total = total_ms(steps);
  const size_t count = steps.size();
  std::stable_sort(steps.begin(), steps.end(), [](const StepReport& a, const StepReport& b) { return a.ms > b.ms; });
  if (!flags.layers && count > kSlowest) steps.resize(kSlowest);
  std::vector<std::vector<std::string>> rows{{"ms", "%", "GFLOP/s", "node", "operator", "result", "kernel"}};
  if (flags.why) rows[0].push_back("why no other");
  for (const StepReport& s : steps) {
    rows.push_back({fmt::format("{:.3f}", s.ms), percent(s.ms, total), gflops(s), s.node, s.op, s.result, s.variant});
    if (flags.why)
      rows.back().push_back(s.why_nots.empty() ? "best variant" : fmt::format("{}", fmt::join(s.why_nots, "; ")));
  }
  print(table(rows));
  if (steps.size() < count)
    print(fmt::format("the {} slowest of {} steps, {} % of the time; --layers: all\n", steps.size(), count,
                      percent(total_ms(steps), total)));
}

/// One row for every kernel and operator.
void print_kinds(const std::vector<StepReport>& steps) {
  const double total = total_ms(steps);
  std::map<std::pair<std::string, std::string>, std::pair<int, StepReport>> groups;
  for (const StepReport& s : steps) {
    auto& [count, sum] = groups[{s.op, s.variant}];
    ++count;
    sum.ms += s.ms;
    sum.macs += s.macs;
  }
  std::vector<std::pair<double, std::vector<std::string>>> sorted;
  for (const auto& [key, value] : groups)
    sorted.push_back({value.second.ms,
                      {key.first, key.second, std::to_string(value.first), fmt::format("{:.3f}", value.second.ms),
                       percent(value.second.ms, total), gflops(value.second)}});
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<std::vector<std::string>> rows{{"operator", "kernel", "steps", "ms", "%", "GFLOP/s"}};
  for (auto& [ms, row] : sorted) rows.push_back(std::move(row));
  print(table(rows));
}

void run(const Flags& flags) {
  const Model model = load_with_warnings(flags.model);
  const InputShapes shapes = model.full_shapes(flags.shape.shapes(model));
  const SessionOptions options = flags.run.session();
  Session session(model, options);
  try {
    session.prepare(shapes);  // inputs of a network too large for this machine had better not be made up at all
  } catch (const Error& error) {
    if (error.code() == ErrorCode::limit) throw;  // anything else may be all right once the inputs have values
  }
  const std::vector<Array> inputs = made_up_inputs(model, shapes);
  // A benchmark of wrong answers is worthless: the plan is first compared with the reference kernels.
  SessionOptions reference = options;
  reference.engine = "reference";
  const std::vector<float> wanted = Session(model, reference).run(inputs).at(0).to_floats();
  const std::vector<float> got = session.run(inputs).at(0).to_floats();
  float largest = 0, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    if (std::isnan(wanted[i]) != std::isnan(got.at(i))) worst = std::numeric_limits<float>::infinity();
    worst = std::max(worst, std::abs(wanted[i] - got[i]));
  }
  const float allowed = options.precision == "bf16" ? 3e-2f : 1e-3f;  // 8 significant bits of every weight
  if (!(worst <= allowed * largest))
    throw std::runtime_error(fmt::format("the answers differ from the reference kernels' by {} of {}", worst, largest));

  std::vector<double> times;
  listen_for_interrupt();
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  for (int i = 0; i < flags.runs && !(interrupted() && i > 0); ++i) {
    const auto start = std::chrono::steady_clock::now();
    session.run(inputs);
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    if (terminal && times.back() * flags.runs > 2000)
      fmt::print(stderr, "\r{} of {} runs, {:.0f} s left ", i + 1, flags.runs,
                 times.back() * (flags.runs - i - 1) / 1000);
  }
  if (terminal) fmt::print(stderr, "\r\033[K");
  // After an interrupt no steps are timed.
  const PlanReport report = session.profile(inputs, interrupted() ? 0 : std::min(flags.runs, kProfiledRuns));
  std::sort(times.begin(), times.end());
  const double median = quantile(times, 0.5);
  int64_t macs = 0;
  for (const StepReport& s : report.steps) macs += s.macs;
  const double error = largest > 0 ? worst / largest : 0;

  if (flags.json) {
    Json json = to_json(report);
    json["model"] = flags.model;
    json["runs"] = times.size();
    json["median_ms"] = median;
    json["min_ms"] = times.front();
    json["p10_ms"] = quantile(times, 0.1);
    json["p90_ms"] = quantile(times, 0.9);
    json["gflops"] = 2e-6 * static_cast<double>(macs) / median;
    json["error"] = error;
    print(json);
  } else {
    print(fmt::format(
        "{}: median {:.2f} ms (10 % {:.2f}, 90 % {:.2f}, fastest {:.2f}; {} runs), {:.1f} GFLOP/s, {}, {} threads\n",
        flags.model, median, quantile(times, 0.1), quantile(times, 0.9), times.front(), times.size(),
        2e-6 * static_cast<double>(macs) / median, report.isa, report.threads));
    print(fmt::format(
        "activations {} (without reuse {}), scratch {}, weights {}; largest difference from the reference {:.1e} "
        "of the largest output\n\n",
        bytes_text(report.arena_bytes), bytes_text(report.unshared_bytes), bytes_text(report.scratch_bytes),
        bytes_text(report.weight_bytes), error));
  }
  if (interrupted()) throw Interrupted{fmt::format("after {} of {} runs", times.size(), flags.runs)};
  if (flags.json) return;
  if (flags.layers || flags.why) print_steps(report.steps, flags);
  else print_kinds(report.steps);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("bench", "Time a model on this machine: median, spread, time per layer");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_option("-n,--runs", flags->runs, "Timed runs")->check(CLI::Range(1, 1000000));
  command->add_flag("--layers", flags->layers, "A row for every step, the slowest first, instead of one for each kind");
  command->add_flag("--why", flags->why,
                    "The slowest steps, and beside each why no faster kernel does it; with --layers: all steps");
  command->add_flag("--json", flags->json, "For programs");
  flags->shape.add_to(*command);
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli
