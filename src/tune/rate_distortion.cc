#include "tune/rate_distortion.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace tercel::inline tune {
namespace {

constexpr double kOctaves = 1.5;  // either way
constexpr double kGrid = 8;       // of an octave
constexpr double kLeastKl = 1e-9;
constexpr size_t kFewestPictures = 8;

double on_grid(double octaves) { return std::exp2(std::round(octaves * kGrid) / kGrid); }

Bounds bounds_of(size_t genes) { return {std::vector<double>(genes, -kOctaves), std::vector<double>(genes, kOctaves)}; }

/// One step of successive halving: this part of the evaluations on this part of the pictures.
struct Stage {
  double evaluations, pictures, spread;
};
constexpr Stage kStages[] = {{0.5, 0.125, 0.1}, {0.3, 0.5, 0.05}, {0.2, 1, 0.03}};

/// What both searches share.
class Refinement {
 public:
  Refinement(RateDistortion& problem, double step_scale, const RefineOptions& options)
      : problem_(problem), step_scale_(step_scale), options_(options), first_(problem.evaluations()) {
    rate_ = problem.exchange_rate(step_scale);
    result_.before = result_.after = problem.measure(step_scale, {});
    least_ = rate_.merit(result_.before);
  }

  int left() const { return options_.evaluations - used(); }
  bool stopped() const { return result_.stopped; }
  double merit(const Genome& genome, size_t pictures) {
    return rate_.merit(problem_.measure(step_scale_, genome, pictures));
  }

  /// Keeps the genome if it is the best yet, on all pictures.
  bool offer(const Genome& genome) {
    const RatePoint point = problem_.measure(step_scale_, genome);
    const bool better = rate_.merit(point) < least_;
    if (better) {
      least_ = rate_.merit(point);
      result_.genome = genome;
      result_.after = point;
    }
    return better;
  }

  /// False: stop.
  bool report_progress() {
    if (options_.progress &&
        !options_.progress("refine per-layer scales", std::min(1.0, used() / (1.0 * options_.evaluations))))
      result_.stopped = true;
    return !result_.stopped;
  }

  Refined result() {
    result_.gain = rate_.merit(result_.before) - least_;
    result_.evaluations = used();
    return result_;
  }

 private:
  int used() const { return problem_.evaluations() - first_; }

  RateDistortion& problem_;
  double step_scale_;
  const RefineOptions& options_;
  int first_;
  ExchangeRate rate_;
  Refined result_;
  double least_ = 0;
};

}  // namespace

double ExchangeRate::merit(const RatePoint& point) const {
  return std::log(static_cast<double>(std::max<int64_t>(point.bytes, 1))) +
         std::log(std::max(point.kl, kLeastKl)) / slope;
}

RateDistortion::RateDistortion(Compressor& compressor, const std::vector<Array>& pictures, const Answers& reference,
                               Allocation allocation, int threads)
    : compressor_(compressor), pictures_(pictures), reference_(reference), allocation_(allocation), threads_(threads) {}

Settings RateDistortion::settings(double step_scale, const Genome& genome) const {
  Settings settings = compressor_.settings(step_scale, allocation_);
  if (genome.empty()) return settings;
  TERCEL_CHECK(genome.size() >= genes());
  const auto lambda_factor = static_cast<float>(on_grid(genome[genes() - 1]));
  for (size_t i = 0; i < settings.parts.size(); ++i) {
    settings.parts[i].step *= static_cast<float>(on_grid(genome[i]));
    settings.parts[i].lambda *= lambda_factor;
  }
  return settings;
}

RatePoint RateDistortion::measure(double step_scale, const Genome& genome, size_t count) {
  TERCEL_CHECK(count > 0 && count <= pictures());
  ++evaluations_;
  const Coded coded = code(step_scale, genome);
  if (some_.size() != count) some_.assign(pictures_.begin(), pictures_.begin() + static_cast<std::ptrdiff_t>(count));
  SessionOptions options;
  options.threads = threads_;
  Session session(compressor_.with(coded), options);
  const Answers wanted(reference_.begin(), reference_.begin() + static_cast<std::ptrdiff_t>(count));
  return {coded.bytes(), evaluate(wanted, answers_of(session, some_)).kl};
}

ExchangeRate RateDistortion::exchange_rate(double step_scale) {
  const RatePoint fine = measure(step_scale / std::exp2(0.25), {}), coarse = measure(step_scale * std::exp2(0.25), {});
  const double bytes =
      std::log(static_cast<double>(fine.bytes) / static_cast<double>(std::max<int64_t>(coarse.bytes, 1)));
  const double kl = std::log(std::max(coarse.kl, kLeastKl) / std::max(fine.kl, kLeastKl));
  ExchangeRate rate;
  // Where the answers hardly change, or change by chance, bytes must not seem free.
  if (bytes > 0) rate.slope = std::clamp(kl / bytes, 1.0, 32.0);
  return rate;
}

Refined refine(RateDistortion& problem, double step_scale, const RefineOptions& options) {
  Refinement work(problem, step_scale, options);
  const int budget = work.left();
  Genome best(problem.genes(), 0.0);
  for (const Stage& stage : kStages) {
    const auto share = static_cast<size_t>(std::ceil(stage.pictures * static_cast<double>(problem.pictures())));
    const size_t pictures = std::min(problem.pictures(), std::max(share, kFewestPictures));
    EvolveOptions search;
    // One of each stage's is spent on all pictures, to see whether its best is better indeed.
    search.evaluations = std::min(static_cast<int>(stage.evaluations * budget), work.left()) - 1;
    if (search.evaluations < 2) continue;
    search.start = {best};
    search.spread = stage.spread;
    search.seed = options.seed;
    search.progress = [&](std::string_view, double) { return work.report_progress(); };
    const Evolved found = evolve_one([&](const Genome& g) { return Objectives{work.merit(g, pictures)}; },
                                     bounds_of(best.size()), search);
    if (work.offer(found.best.at(0).genes)) best = found.best[0].genes;
    if (work.stopped()) break;
  }
  return work.result();
}

Refined refine_greedily(RateDistortion& problem, double step_scale, const RefineOptions& options) {
  Refinement work(problem, step_scale, options);
  const std::vector<Part>& parts = problem.compressor().parts();
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return parts[a].elements() > parts[b].elements(); });
  Genome best(problem.genes(), 0.0);
  for (bool better = true; better && work.left() > 0 && !work.stopped();) {
    better = false;
    for (size_t part : order) {
      const Genome around = best;
      for (int quarter = -4; quarter <= 4 && work.left() > 0; ++quarter) {
        if (quarter == 0) continue;
        Genome trial = around;
        trial[part] = std::clamp(trial[part] + quarter / 4.0, -kOctaves, kOctaves);
        if (work.offer(trial)) best = trial, better = true;
        if (!work.report_progress()) return work.result();
      }
    }
  }
  return work.result();
}

Evolved evolve_rate_front(RateDistortion& problem, double step_scale, const RefineOptions& options) {
  Bounds bounds = bounds_of(problem.genes() + 1);
  bounds.low.back() = -1;
  bounds.high.back() = 1;
  EvolveOptions search;
  search.evaluations = options.evaluations;
  search.seed = options.seed;
  search.progress = options.progress;
  search.stage = "evolve a front";
  for (double octaves : {0.0, -1.0, -0.5, 0.5, 1.0}) {
    search.start.emplace_back(problem.genes() + 1, 0.0);
    search.start.back().back() = octaves;
  }
  return evolve_front(
      [&](const Genome& genome) {
        const RatePoint point = problem.measure(step_scale * on_grid(genome.back()), genome);
        return Objectives{static_cast<double>(point.bytes), point.kl};
      },
      bounds, search);
}

}  // namespace tercel::inline tune
