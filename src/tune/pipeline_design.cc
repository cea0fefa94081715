#include "tune/pipeline_design.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "base/check.h"
#include "base/error.h"
#include "fpga/cycle_model.h"
#include "fpga/design_point.h"
#include "fpga/published.h"
#include "fpga/resource_model.h"
#include "search/evolve.h"

namespace tercel::inline tune {
namespace {

// Energy per event at 45 nm: Horowitz, "Computing's energy problem", ISSCC 2014: DRAM 1.3 to 2.6 nJ per 64 bits, an
// 8-bit product 0.2 pJ and a 32-bit addition 0.1 pJ. An FPGA needs more for both; only their ratio guides the search.
constexpr double kPicojoulePerDdrByte = 160, kPicojoulePerMultiplierClock = 0.3;

// The space: powers of two, and windows as PipeCNN's authors explore them.
constexpr int kVecs = 8, kLanes = 9, kWindows = 14;

DesignPoint point_at(int vec, int lane, int window, const ExploreOptions& options) {
  DesignPoint point;
  point.vec = 1 << vec;
  point.lane = 1 << lane;
  point.window_x = window + 1;
  point.board = options.board;
  point.clock_mhz = options.clock_mhz;
  return point;
}

std::array<double, 4> objectives_of(const DesignEstimate& e) {
  return {e.latency_ms, e.resources.dsp_blocks, e.resources.ram_blocks, e.energy_mj};
}

/// How far beyond the budget: 1 is at its limit.
double load(const DesignEstimate& e, const FpgaBudget& budget) {
  return std::max({e.resources.dsp_blocks / budget.dsp, e.resources.ram_blocks / budget.ram,
                   e.resources.logic_alms / budget.logic});
}

/// Points that none beats in all objectives, by latency; of equal ones the first.
std::vector<DesignEstimate> front_of(const std::vector<DesignEstimate>& fitting) {
  std::vector<DesignEstimate> front;
  for (size_t i = 0; i < fitting.size(); ++i) {
    const auto mine = objectives_of(fitting[i]);
    bool beaten = false;
    for (size_t j = 0; j < fitting.size() && !beaten; ++j) {
      const auto theirs = objectives_of(fitting[j]);
      beaten =
          theirs == mine ? j < i : std::equal(theirs.begin(), theirs.end(), mine.begin(), std::less_equal<double>());
    }
    if (!beaten) front.push_back(fitting[i]);
  }
  std::stable_sort(front.begin(), front.end(), [](const DesignEstimate& a, const DesignEstimate& b) {
    return objectives_of(a) < objectives_of(b);
  });
  return front;
}

/// Every point looked at, once.
class Explorer {
 public:
  Explorer(std::span<const LayerShape> layers, const Board& board, const ExploreOptions& options)
      : layers_(layers), board_(board), options_(options), budget_(budget_of(board, options)) {}

  ExploreReport run() {
    if (options_.search == DesignSearch::exact) enumerate();
    else evolve();
    std::vector<DesignEstimate> all, fitting;
    for (const auto& [indices, e] : seen_) {
      all.push_back(e);
      if (e.why_not.empty()) fitting.push_back(e);
    }
    ExploreReport report{.board = describe(board_)};
    report.max_dsp = budget_.dsp;
    report.max_ram = budget_.ram;
    report.max_logic = budget_.logic;
    report.points = static_cast<int64_t>(all.size());
    report.front = front_of(fitting);
    report.best = report.front.empty() ? nearest(all) : frugal(report.front);
    report.layers = estimate_layers(layers_, report.best.point, board_, Kernels::tercel);
    return report;
  }

 private:
  using Indices = std::array<int, 3>;

  const DesignEstimate& look_at(const Indices& at) {
    const auto found = seen_.find(at);
    if (found != seen_.end()) return found->second;
    return seen_.emplace(at, estimated(point_at(at[0], at[1], at[2], options_))).first->second;
  }

  /// Words of few channels may need buffers that no design point can have: such a point fits nowhere.
  DesignEstimate estimated(const DesignPoint& point) const {
    try {
      return estimate(completed(point, layers_, board_), layers_, board_, Kernels::tercel, budget_);
    } catch (const Error& error) {
      constexpr double kNone = std::numeric_limits<double>::infinity();
      return {.point = point, .resources = {kNone, kNone, kNone}, .why_not = error.what()};
    }
  }

  DesignEstimate nearest(const std::vector<DesignEstimate>& all) const {
    return *std::min_element(all.begin(), all.end(), [&](const DesignEstimate& a, const DesignEstimate& b) {
      return load(a, budget_) < load(b, budget_);
    });
  }

  /// Windows of one output are the fastest by a hair, since less is read before the first result, but read everything
  /// several times.
  static DesignEstimate frugal(const std::vector<DesignEstimate>& front) {
    const DesignEstimate* best = &front.front();
    for (const DesignEstimate& e : front)
      if (e.latency_ms <= 1.005 * front.front().latency_ms && e.energy_mj < best->energy_mj) best = &e;
    return *best;
  }

  void enumerate() {
    for (int vec = 0; vec < kVecs; ++vec) {
      for (int lane = 0; lane < kLanes; ++lane)
        for (int window = 0; window < kWindows; ++window) look_at({vec, lane, window});
      if (options_.progress && !options_.progress("explore", static_cast<double>(vec + 1) / kVecs))
        throw Error(ErrorCode::stopped, "stopped");
    }
  }

  /// NSGA-II. Points that do not fit are worse than all that do, the more the further they are beyond the budget.
  void evolve() {
    const Bounds bounds{{0, 0, 0}, {kVecs, kLanes, kWindows}};
    EvolveOptions options;
    options.objectives = 4;
    options.evaluations = 1200;
    options.population = 40;
    options.seed = options_.seed;
    options.stage = "explore";
    options.progress = options_.progress;
    const auto measure = [&](const Genome& genes) {
      const auto index = [&](size_t i, int count) { return std::min(static_cast<int>(genes[i]), count - 1); };
      const DesignEstimate& e = look_at({index(0, kVecs), index(1, kLanes), index(2, kWindows)});
      if (!e.why_not.empty()) return Objectives(4, 1e12 * load(e, budget_));
      const auto values = objectives_of(e);
      return Objectives(values.begin(), values.end());
    };
    if (evolve_front(measure, bounds, options).stopped) throw Error(ErrorCode::stopped, "stopped");
  }

  std::span<const LayerShape> layers_;
  const Board& board_;
  const ExploreOptions& options_;
  FpgaBudget budget_;
  std::map<Indices, DesignEstimate> seen_;
};

}  // namespace

FpgaBudget budget_of(const Board& board, const ExploreOptions& options) {
  const auto limit = [&](const char* what, double asked, const FpgaFigure& there, double share) {
    if (asked == 0) return share * there.value;
    if (!(asked > 0)) fail_input("{} is {}, wanted more than 0", what, asked);
    if (asked > there.value)
      fail_input("{} is {}, but board {} has {} {}", what, asked, board.name, there.value, there.name);
    return asked;
  };
  return {limit("max_dsp", options.max_dsp, board.dsp_blocks, 0.9),
          limit("max_ram", options.max_ram, board.ram_blocks, 0.8),
          limit("max_logic", options.max_logic, board.logic_alms, 0.7)};
}

DesignEstimate estimate(const DesignPoint& point, std::span<const LayerShape> layers, const Board& board,
                        Kernels kernels, const FpgaBudget& budget) {
  TERCEL_CHECK(!layers.empty());
  DesignEstimate e{.point = point};
  for (const LayerEstimate& layer : estimate_layers(layers, point, board, kernels)) {
    e.latency_ms += layer.ms;
    e.cycles += layer.cycles;
    e.ddr_bytes += layer.ddr_bytes();
    e.macs += layer.macs;
  }
  const auto batch = static_cast<double>(layers[0].batch);
  e.latency_ms /= batch;
  e.resources = estimate_resources(point, board);
  e.energy_mj = 1e-9 *
                (kPicojoulePerDdrByte * static_cast<double>(e.ddr_bytes) +
                 kPicojoulePerMultiplierClock * point.vec * point.lane * static_cast<double>(e.cycles)) /
                batch;
  const auto beyond = [&](const char* what, double need, double most) {
    if (need > most)
      e.why_not += fmt::format("{}{:.0f} {}, at most {:.0f}", e.why_not.empty() ? "" : "; ", need, what, most);
  };
  beyond("DSP blocks", e.resources.dsp_blocks, budget.dsp);
  beyond("RAM blocks", e.resources.ram_blocks, budget.ram);
  beyond("ALMs of logic", e.resources.logic_alms, budget.logic);
  return e;
}

ExploreReport explore(std::span<const LayerShape> layers, const Board& board, const ExploreOptions& options) {
  if (options.clock_mhz != 0 && !(options.clock_mhz >= 20 && options.clock_mhz <= 1000))
    fail_input("clock_mhz is {}, wanted 20 to 1000", options.clock_mhz);
  ExploreReport report = Explorer(layers, board, options).run();
  const bool calibrated = options.board == "de5net";
  report.interval = latency_interval(calibrated);
  std::string assumed;
  for (const FpgaFigure& figure : report.board.figures)
    if (figure.assumed) assumed += fmt::format("{}{}", assumed.empty() ? "" : ", ", figure.name);
  if (!assumed.empty()) report.notes.push_back(fmt::format("assumed of this board, not read in a source: {}", assumed));
  if (!within_published_range(report.best.point, board))
    report.notes.push_back(
        "RAM and logic are extrapolated: builds were published for Stratix V up to vec x lane = 256 (early reports of "
        "Arria 10 with 512 and 1024 lie 8 and 13 % below the law for RAM)");
  if (board.family == Family::cyclone_v)
    report.notes.push_back("no build of this family was fitted: RAM and logic are bounds from below");
  report.notes.push_back(
      "the interval is PipeCNN's kernels on hardware; Tercel's were never synthesized, their cycles are checked by "
      "simulation alone");
  return report;
}

}  // namespace tercel::inline tune
