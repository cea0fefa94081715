#include "tune/compress_job.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "quant/widen.h"
#include "tune/compress_report.h"
#include "tune/drop_check.h"
#include "tune/effort.h"
#include "tune/sequential_reconstruction.h"

namespace tercel::inline tune {
namespace {

constexpr double kSizeTolerance = 2e-3;  // of the size asked for, below it
constexpr double kFinest = 1.0 / 64, kCoarsest = 64;
constexpr int kTries = 3;          // further ones that miss the ratio
constexpr int kHeldOutChecks = 4;  // each with finer steps
constexpr double kStricter = 0.1;  // each check: part of the drop asked for
// Bytes of streams below which the overhead of the file matters: then the file is written to count it.
constexpr int64_t kFewBytes = int64_t{1} << 16;

bool all_zero(const std::vector<int32_t>& levels) {
  return std::all_of(levels.begin(), levels.end(), [](int32_t level) { return level == 0; });
}

}  // namespace

CompressJob::CompressJob(const Model& optimized, const Given& given, const PictureSplits& splits,
                         const CompressOptions& options, double temperature)
    : options_(options),
      given_(given),
      optimized_(optimized),
      splits_(splits),
      compressor_(optimized_, splits_.calibration, coding(options.profile), options.threads, options.progress,
                  temperature, options.trellis, options.seed) {
  search_ = std::make_unique<RateDistortion>(compressor_, splits_.tuning, splits_.tuning_answers,
                                             effort_of(options.effort).fisher ? Allocation::fisher : Allocation::equal,
                                             options.threads);
  const Coded typical = compressor_.code(settings(1));
  overhead_ = static_cast<int64_t>(assembled(typical).size()) - typical.bytes();
}

/// Upper bound of the drop on the tuning pictures, in points.
double CompressJob::drop_at(double step_scale) { return evaluated(compressor_.code(settings(step_scale))).lost; }

Evaluation CompressJob::try_out(const Coded& coded) {
  ++evaluations_;
  return splits_.try_out(compressor_.with(coded), options_);
}

/// The step scale at which `grows`, an increasing function, reaches `target`.
template <typename Function>
double CompressJob::solve(Function&& grows, double target, int steps, const char* stage, double low, double high) {
  for (int i = 0; i < steps; ++i) {  // log-bisection
    const double middle = std::sqrt(low * high);
    (grows(middle) <= target ? low : high) = middle;
    if (!report_progress(stage, (i + 1.0) / steps)) break;
  }
  return low;
}

/// log(bytes) is nearly linear in log(step scale): the secant method converges within a few networks, and bisection is
/// the fallback. Where sizes jump over the one asked for, the smaller file is taken. When stopped, the last network
/// measured.
double CompressJob::step_scale_for_ratio(double ratio) {
  const double target = std::log(ratio);
  const double bottom = std::log(kFinest), top = std::log(kCoarsest);
  double low = bottom, high = top;
  double at = 0, value = std::log(ratio_at(1)) - target, best = low;
  double before = at, value_before = value, missing = -1;
  constexpr int kSteps = 12;
  for (int i = 0; i < kSteps && std::fabs(high - low) > 1e-4; ++i) {
    if (value <= 0) {
      low = best = std::max(low, at);
      missing = value;
    } else {
      high = std::min(high, at);
    }
    if (value <= 0 && value > -kSizeTolerance) break;
    if (!report_progress("choose sizes", (i + 1.0) / kSteps)) return std::exp(low == bottom ? at : best);
    const double slope = at == before ? 0.5 : (value - value_before) / (at - before);
    double next = at - (value + kSizeTolerance / 2) / slope;
    if (!(slope > 0) || !(next > low && next < high)) next = (low + high) / 2;
    before = at;
    value_before = value;
    at = next;
    value = std::log(ratio_at(std::exp(at))) - target;
  }
  if (missing < -kRatioTolerance) return std::exp(high);
  return std::exp(best);
}

/// The step scale within the ratio or the drop: by the closed form first, then, where the effort has a search, with
/// refined per-layer scales.
double CompressJob::step_scale_for_options() {
  const bool by_ratio = options_.target_ratio > 0;
  const double step_scale = by_ratio
                                ? step_scale_for_ratio(options_.target_ratio)
                                : solve([&](double s) { return drop_at(s); }, options_.max_drop, 10, "choose steps");
  if (stopped_ || !refine(step_scale)) return step_scale;
  // Refined scales must not diverge more than the closed form within the same ratio or drop.
  const RatePoint before = search_->measure(step_scale, {});
  const double again = by_ratio ? step_scale_for_ratio(options_.target_ratio)
                                : solve(
                                      [&](double s) {
                                        const double kl = search_->measure(s, layer_scales_).kl;
                                        return drop_at(s) <= options_.max_drop ? kl : before.kl + kl;
                                      },
                                      before.kl, 8, "choose steps again", step_scale / 4, step_scale * 4);
  const RatePoint after = search_->measure(again, layer_scales_);
  if (by_ratio ? after.kl < before.kl : after.bytes < before.bytes) return again;
  layer_scales_.clear();
  return step_scale;
}

bool CompressJob::refine(double step_scale) {
  RefineOptions options;
  options.evaluations = effort_of(options_.effort).evaluations;
  if (options.evaluations == 0 || compressor_.parts().empty()) return false;
  options.seed = options_.seed;
  options.progress = [&](std::string_view stage, double done) { return report_progress(stage, done); };
  layer_scales_ = tercel::refine(*search_, step_scale, options).genome;
  return !layer_scales_.empty();
}

Coded CompressJob::code(double step_scale) {
  return compensates_errors() && !stopped_ ? compensated_at(step_scale).coded : compressor_.code(settings(step_scale));
}

Coded CompressJob::choose() {
  double step_scale = step_scale_for_options();
  Coded coded = chosen_at(step_scale);
  if (!splits_.drops) return coded;
  promise_ = DropPromise{options_.max_drop, 0, 0, false, "stopped before it was checked"};
  for (int check = 0; check < kHeldOutChecks && !stopped_; ++check) {
    // The same pictures are used again: each check has a stricter limit.
    promise_ = check_drop(compressor_.with(coded), splits_, options_, options_.max_drop * (1 - kStricter * check));
    if (!splits_.suffice()) {
      promise_->promised = false;
      promise_->why_not = fmt::format("{} pictures are too few", splits_.pictures());
      break;
    }
    if (promise_->promised || check + 1 == kHeldOutChecks ||
        !report_progress("check held-out pictures", (check + 1.0) / kHeldOutChecks))
      break;
    step_scale *= std::clamp((1 - kStricter) * options_.max_drop / promise_->bound, 0.5, 0.9);
    coded = code(step_scale);
  }
  return coded;
}

/// Adds error compensation to the step scale that the closed form has chosen.
Coded CompressJob::chosen_at(double& step_scale) {
  Coded closed_form = compressor_.code(settings(step_scale));
  if (!compensates_errors() || stopped_) return closed_form;
  const Evaluated plain = evaluated(std::move(closed_form));
  Evaluated best = better_with_compensation(step_scale, plain);
  if (stopped_) return best.coded;
  if (options_.target_ratio > 0) {
    Coded compensated = best_at_ratio(step_scale, std::move(best));
    // All candidates with error compensation may be above the size; the closed form's network is not.
    return ratio_of(compensated) < options_.target_ratio * (1 - kRatioTolerance) ? plain.coded : compensated;
  }
  // Error compensation allows coarser steps: up to the divergence of the closed form's network, within the drop. The
  // step scale was chosen by the closed form's drop, so the drop is checked again.
  double kl = best.evaluation.kl;
  if (drops_too_much(best)) best = plain;
  for (int i = 0; i < kTries && !stopped_; ++i) {
    const double coarser = std::min(step_scale * std::sqrt(plain.evaluation.kl / std::max(kl, 1e-9)), kCoarsest);
    if (!(coarser > 1.01 * step_scale)) break;
    Evaluated trial = compensated_at(coarser);
    if (stopped_ || trial.evaluation.kl > plain.evaluation.kl || drops_too_much(trial)) break;
    step_scale = coarser;
    kl = trial.evaluation.kl;
    best = std::move(trial);
  }
  return best.coded;
}

bool CompressJob::keeps_promise(const Coded& coded) {
  if (options_.target_ratio > 0 || splits_.tuning.empty()) return true;
  // A promise on all pictures holds even where the bound from the tuning pictures alone is above the limit.
  return (promise_ && promise_->promised) || !drops_too_much(evaluated(coded));
}

bool CompressJob::all_levels_are_zero(const Coded& coded) const {
  bool any = false;
  for (const auto& part : coded.parts) {
    if (part == nullptr || part->as_is) continue;
    any = true;
    if (!all_zero(part->matrix.levels)) return false;
  }
  return any;
}

std::string CompressJob::out_of_reach(const Coded& coded, double asked, bool forced) const {
  const double got = ratio_of(coded);
  if (all_levels_are_zero(coded))
    return fmt::format("{:.4g}x is out of reach: at {:.4g}x all weights are zero; ask for less", asked, got);
  if (!forced && got < asked * (1 - kRatioTolerance))
    return fmt::format("{:.4g}x is out of reach: the coarsest steps give {:.4g}x; ask for less", asked, got);
  return "";
}

CompressJob::Evaluated CompressJob::evaluated(Coded coded) {
  ++evaluations_;
  const Answers answers = splits_.tuning_answers_of(compressor_.with(coded), options_);
  Evaluated t{std::move(coded), evaluate(splits_.tuning_answers, answers, splits_.tuning_classes)};
  if (!splits_.drops) return t;
  t.lost = 100 * splits_.drops->estimate(splits_.tuning_answers, answers).bound;
  if (loses_too_many(t.evaluation, options_.max_drop)) t.lost = std::max(t.lost, 100 * t.evaluation.top1_drop());
  return t;
}

/// The closed form's network of this step scale, or the one with error compensation, whichever diverges less: a fit on
/// few pictures may not generalize.
CompressJob::Evaluated CompressJob::better_with_compensation(double step_scale, Evaluated plain) {
  Evaluated fitted =
      evaluated(reconstruct_sequentially(compressor_, settings(step_scale), [&](std::string_view stage, double done) {
        return report_progress(stage, done);
      }));
  if (plain.evaluation.kl < fitted.evaluation.kl) return plain;
  return fitted;
}

CompressJob::Evaluated CompressJob::compensated_at(double step_scale) {
  return better_with_compensation(step_scale, evaluated(compressor_.code(settings(step_scale))));
}

/// Networks with error compensation whose step scales hardly differ may differ in divergence by half (ViT-Ti): of
/// several that reach the ratio, the best on the tuning pictures.
Coded CompressJob::best_at_ratio(double step_scale, Evaluated last) {
  std::optional<Evaluated> best;
  const int wanted = effort_of(options_.effort).candidates;
  for (int made = 1, reach = 0;; ++made) {
    const double lacking = std::log(options_.target_ratio / ratio_of(last.coded));
    if (lacking <= 0) {
      ++reach;
      if (!best || last.evaluation.kl < best->evaluation.kl) best = last;
    }
    const bool no_further = step_scale >= kCoarsest;
    if (stopped_ || no_further || reach == wanted || made == wanted + kTries) return best ? best->coded : last.coded;
    step_scale = std::min(step_scale * std::exp(2 * std::max(lacking, 0.0) + kSizeTolerance), kCoarsest);
    last = compensated_at(step_scale);
  }
}

bool CompressJob::compensates_errors() const {
  return effort_of(options_.effort).error_compensation && !splits_.calibration.empty();
}

/// After a stop, a search ends with its best candidate, and the file is still written.
bool CompressJob::report_progress(std::string_view stage, double done) {
  stopped_ = stopped_ || (options_.progress && !options_.progress(stage, done));
  return !stopped_;
}

int64_t CompressJob::bytes_of(const Coded& coded) const {
  return coded.bytes() < kFewBytes ? static_cast<int64_t>(assembled(coded).size()) : coded.bytes() + overhead_;
}

Compressed CompressJob::finish(const Coded& coded) {
  std::string file = assembled(coded);
  const Model model = read_back(file, optimized_);
  CompressReport report;
  report.parameters = given_.parameters;
  report.given_bytes = given_.bytes;
  report.result.bytes = static_cast<int64_t>(file.size());
  report.result.ratio = ratio_of(report.result.bytes);
  report.result.asked = options_.target_ratio;
  splits_.evaluate_into(report.result, widened(model), options_, stopped_ ? Progress{} : options_.progress);
  splits_.count_into(report);
  report.promise = promise_;
  report.evaluations = evaluations_ + search_->evaluations();
  report.weighed_by = compressor_.weighed_by();
  report.notes = compressor_.notes();
  add_notes(report, options_, stopped_);
  count_bytes(report, file);
  report.layers = layer_reports(compressor_, coded);
  return Compressed(std::move(file), model, std::move(report));
}

CompressPoint CompressJob::point_of(const Coded& coded) const {
  CompressPoint point;
  point.bytes = bytes_of(coded);
  point.ratio = ratio_of(point.bytes);
  splits_.evaluate_into(point, compressor_.with(coded), options_, options_.progress);
  return point;
}

}  // namespace tercel::inline tune
