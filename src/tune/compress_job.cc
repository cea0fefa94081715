#include "tune/compress_job.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "pack/pack.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tune/code_in_order.h"

namespace tercel::inline tune {
namespace {

constexpr double kSizeTolerance = 2e-3;  // of the size asked for, below it
constexpr double kRatioMissed = 1e-2;    // of the ratio asked for, to be told
constexpr double kFinest = 1.0 / 64, kCoarsest = 64;
constexpr int kInOrder = 5;                          // from this effort on, layers make good what was lost before them
constexpr int kSomeOfARatio = 2, kManyOfARatio = 4;  // networks in order, of which the best is kept; from effort 6 on
constexpr int kTries = 3;                            // to come nearer to what was asked for that way
constexpr int kLooks = 4;                            // at the held-out pictures, each at gentler steps
constexpr double kStricter = 0.1;                    // each look, of the drop asked for
constexpr double kByChance = 0.05;                   // what is less likely is no chance
constexpr int64_t kFewBytes = int64_t{1} << 16;      // of streams: what a file adds to them is worth knowing exactly

/// Networks that a search may measure, by effort; below that the closed form decides alone.
int polish_evaluations(int effort) {
  switch (effort) {
    case 7: return 100;
    case 8: return 300;
    case 9: return 1000;
    default: return 0;
  }
}

bool all_zero(const std::vector<int32_t>& levels) {
  return std::all_of(levels.begin(), levels.end(), [](int32_t level) { return level == 0; });
}

}  // namespace

CompressJob::CompressJob(const Model& lean, const Given& given, const Trials& trials, const CompressOptions& options,
                         double temperature)
    : options_(options),
      given_(given),
      lean_(lean),
      trials_(trials),
      compressor_(lean_, trials_.calibration, coding(options.profile), options.threads, options.progress, temperature,
                  options.trellis, options.seed) {
  search_ =
      std::make_unique<RateDistortion>(compressor_, trials_.tuning, trials_.tuning_answers,
                                       options.effort == 1 ? Allocation::equal : Allocation::fisher, options.threads);
  const Coded typical = compressor_.code(settings(1));
  overhead_ = static_cast<int64_t>(file_of(typical).size()) - typical.bytes();
}

/// Points lost at most, by the tuning pictures.
double CompressJob::drop_at(double strength) { return tried(compressor_.code(settings(strength))).lost; }

Evaluation CompressJob::try_out(const Coded& coded) {
  ++drops_;
  return trials_.try_out(compressor_.with(coded), options_);
}

/// The strength at which `grows` (an increasing function of it) passes `target`.
template <typename Function>
double CompressJob::solve(Function&& grows, double target, int steps, const char* stage, double low, double high) {
  for (int i = 0; i < steps; ++i) {  // log-bisection
    const double middle = std::sqrt(low * high);
    (grows(middle) <= target ? low : high) = middle;
    if (!tell(stage, (i + 1.0) / steps)) break;
  }
  return low;
}

/// Bytes follow strength so evenly (in logarithms) that the secant is there within a few networks; what it has not
/// found to a thousandth by then, bisection does. Where sizes jump over the one asked for, the smaller. Once stopped,
/// what was measured last is the best there is.
double CompressJob::strength_for_ratio(double ratio) {
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
    if (!tell("choose sizes", (i + 1.0) / kSteps)) return std::exp(low == bottom ? at : best);
    const double slope = at == before ? 0.5 : (value - value_before) / (at - before);
    double next = at - (value + kSizeTolerance / 2) / slope;
    if (!(slope > 0) || !(next > low && next < high)) next = (low + high) / 2;
    before = at;
    value_before = value;
    at = next;
    value = std::log(ratio_at(std::exp(at))) - target;
  }
  if (missing < -kRatioMissed) return std::exp(high);
  return std::exp(best);
}

/// The strength that keeps what was promised, by the closed form first; then, where effort allows, by better shares.
double CompressJob::strength_for_options() {
  const bool by_ratio = options_.target_ratio > 0;
  const double strength = by_ratio ? strength_for_ratio(options_.target_ratio)
                                   : solve([&](double s) { return drop_at(s); }, options_.max_drop, 10, "choose steps");
  if (stopped_ || !polish(strength)) return strength;
  // The closed form's answers are the measure: within the same ratio or drop, its divergence must not be passed.
  const RatePoint before = search_->measure(strength, {});
  const double again = by_ratio ? strength_for_ratio(options_.target_ratio)
                                : solve(
                                      [&](double s) {
                                        const double kl = search_->measure(s, shares_).kl;
                                        return drop_at(s) <= options_.max_drop ? kl : before.kl + kl;
                                      },
                                      before.kl, 8, "choose steps again", strength / 4, strength * 4);
  const RatePoint after = search_->measure(again, shares_);
  if (by_ratio ? after.kl < before.kl : after.bytes < before.bytes) return again;
  shares_.clear();
  return strength;
}

bool CompressJob::polish(double strength) {
  PolishOptions options;
  options.evaluations = polish_evaluations(options_.effort);
  if (options.evaluations == 0 || compressor_.parts().empty()) return false;
  options.seed = options_.seed;
  options.progress = [&](std::string_view stage, double done) { return tell(stage, done); };
  shares_ = tercel::polish(*search_, strength, options).genome;
  return !shares_.empty();
}

Coded CompressJob::code(double strength) {
  return in_order() && !stopped_ ? in_order_at(strength).coded : compressor_.code(settings(strength));
}

Coded CompressJob::choose() {
  double strength = strength_for_options();
  Coded coded = chosen_at(strength);
  if (!trials_.drops) return coded;
  promise_ = DropPromise{options_.max_drop, 0, 0, false, "stopped before it was checked"};
  for (int look = 0; look < kLooks && !stopped_; ++look) {
    // The same pictures are looked at again: each time they must say a little more.
    promise_ = checked(coded, options_.max_drop * (1 - kStricter * look));
    if (!trials_.suffice()) {
      promise_->promised = false;
      promise_->why_not = fmt::format("{} pictures are too few", trials_.pictures());
      break;
    }
    if (promise_->promised || look + 1 == kLooks || !tell("check", (look + 1.0) / kLooks)) break;
    strength *= std::clamp((1 - kStricter) * options_.max_drop / promise_->bound, 0.5, 0.9);
    coded = code(strength);
  }
  return coded;
}

/// What all pictures that no level was chosen by say to a network: may a loss within `limit` be promised?
DropPromise CompressJob::checked(const Coded& coded, double limit) const {
  const Model model = compressor_.with(coded);
  Session session = session_of(model, options_);
  const Answers held_out = answers_of(session, trials_.judging);
  Answers before = trials_.tuning_answers, after = answers_of(session, trials_.tuning);
  const Evaluation tuned = evaluate(before, after, trials_.tuning_classes);
  before.insert(before.end(), trials_.judging_answers.begin(), trials_.judging_answers.end());
  after.insert(after.end(), held_out.begin(), held_out.end());
  const DropEstimate all = trials_.drops->estimate(before, after);
  // Nothing at all was chosen by these: no margin, but no optimism either.
  const DropEstimate unseen = trials_.drops->estimate(trials_.judging_answers, held_out);
  DropPromise promise{options_.max_drop, 100 * std::max(all.drop, unseen.drop), 100 * all.bound, false, ""};
  const Evaluation j = evaluate(trials_.judging_answers, held_out, trials_.judging_classes);
  const auto changed = static_cast<size_t>(std::lround((1 - j.agreement) * static_cast<double>(j.inputs)));
  const double expected = all.flips_bound * static_cast<double>(j.inputs);
  if (chance_of(changed, expected) < kByChance)
    promise.why_not =
        fmt::format("{} of the {} pictures held out change their class, where at most {:.1f} are expected", changed,
                    j.inputs, expected);
  else if (std::max(promise.estimate, promise.bound) > limit)
    promise.why_not =
        fmt::format("by the pictures held out {:.2g} points are lost, and up to {:.2g} cannot be ruled out",
                    promise.estimate, promise.bound);
  else if (counts_too_many(tuned))
    promise.why_not = fmt::format("{:.2g} points are lost on the pictures to choose by", 100 * tuned.top1_drop());
  promise.promised = promise.why_not.empty();
  return promise;
}

/// Within the ratio or the drop, though the closed form has chosen the strength.
Coded CompressJob::chosen_at(double& strength) {
  Coded closed_form = compressor_.code(settings(strength));
  if (!in_order() || stopped_) return closed_form;
  const Tried plain = tried(std::move(closed_form));
  Tried best = better_in_order(strength, plain);
  if (stopped_) return best.coded;
  if (options_.target_ratio > 0) {
    Coded in_order = best_at_ratio(strength, std::move(best));
    // Few tries may all end above the size, which the closed form's steps were chosen for.
    return ratio_of(in_order) < options_.target_ratio * (1 - kRatioMissed) ? plain.coded : in_order;
  }
  // Layers that make good leave room: as much divergence as the closed form's network had, and no more drop. The
  // strength was chosen by the closed form's drop, which says nothing of theirs.
  double kl = best.judgement.kl;
  if (drops_too_much(best)) best = plain;
  for (int i = 0; i < kTries && !stopped_; ++i) {
    const double bolder = std::min(strength * std::sqrt(plain.judgement.kl / std::max(kl, 1e-9)), kCoarsest);
    if (!(bolder > 1.01 * strength)) break;
    Tried trial = in_order_at(bolder);
    if (stopped_ || trial.judgement.kl > plain.judgement.kl || drops_too_much(trial)) break;
    strength = bolder;
    kl = trial.judgement.kl;
    best = std::move(trial);
  }
  return best.coded;
}

bool CompressJob::keeps_promise(const Coded& coded) {
  if (options_.target_ratio > 0 || trials_.tuning.empty()) return true;
  // What all pictures promise holds, though the tuning pictures alone may leave a little more doubt.
  return (promise_ && promise_->promised) || !drops_too_much(tried(coded));
}

bool CompressJob::is_void(const Coded& coded) const {
  bool any = false;
  for (const auto& part : coded.parts) {
    if (part == nullptr || part->as_is) continue;
    any = true;
    if (!all_zero(part->matrix.levels)) return false;
  }
  return any;
}

/// One picture may be lost by chance. More are believed whatever the estimate says.
bool CompressJob::counts_too_many(const Evaluation& j) const {
  return j.top1_drop() * static_cast<double>(j.inputs) > 1.5 && 100 * j.top1_drop() > options_.max_drop;
}

CompressJob::Tried CompressJob::tried(Coded coded) {
  ++drops_;
  const Answers answers = trials_.tuning_answers_of(compressor_.with(coded), options_);
  Tried t{std::move(coded), evaluate(trials_.tuning_answers, answers, trials_.tuning_classes)};
  if (!trials_.drops) return t;
  t.lost = 100 * trials_.drops->estimate(trials_.tuning_answers, answers).bound;
  if (counts_too_many(t.judgement)) t.lost = std::max(t.lost, 100 * t.judgement.top1_drop());
  return t;
}

/// The closed form's network of this strength, or the one in order: few inputs may show layers losses that others do
/// not have.
CompressJob::Tried CompressJob::better_in_order(double strength, Tried plain) {
  Tried made = tried(code_in_order(compressor_, settings(strength),
                                   [&](std::string_view stage, double done) { return tell(stage, done); }));
  return made.judgement.kl <= plain.judgement.kl ? made : plain;
}

CompressJob::Tried CompressJob::in_order_at(double strength) {
  return better_in_order(strength, tried(compressor_.code(settings(strength))));
}

/// Networks in order whose strengths hardly differ may diverge by half as much again (ViT-Ti): of some that reach the
/// ratio, the best on the tuning pictures.
Coded CompressJob::best_at_ratio(double strength, Tried last) {
  std::optional<Tried> best;
  const int wanted = options_.effort > kInOrder ? kManyOfARatio : kSomeOfARatio;
  for (int made = 1, reach = 0;; ++made) {
    const double lacking = std::log(options_.target_ratio / ratio_of(last.coded));
    if (lacking <= 0) {
      ++reach;
      if (!best || last.judgement.kl < best->judgement.kl) best = last;
    }
    const bool no_further = strength >= kCoarsest;
    if (stopped_ || no_further || reach == wanted || made == wanted + kTries) return best ? best->coded : last.coded;
    strength = std::min(strength * std::exp(2 * std::max(lacking, 0.0) + kSizeTolerance), kCoarsest);
    last = in_order_at(strength);
  }
}

bool CompressJob::in_order() const { return options_.effort >= kInOrder && !trials_.calibration.empty(); }

/// Once told to stop, a search ends with its best, and what is left to be done is done.
bool CompressJob::tell(std::string_view stage, double done) {
  stopped_ = stopped_ || (options_.progress && !options_.progress(stage, done));
  return !stopped_;
}

int64_t CompressJob::bytes_of(const Coded& coded) const {
  return coded.bytes() < kFewBytes ? static_cast<int64_t>(file_of(coded).size()) : coded.bytes() + overhead_;
}

std::string CompressJob::file_of(const Coded& coded) const {
  std::map<std::string, pack::Coding> codings;
  for (const auto& value : lean_.impl().graph.values())
    if (value->is_constant()) codings[value->name] = pack::Lossless{};
  for (size_t i = 0; i < coded.parts.size(); ++i) {
    const Part& part = compressor_.parts()[i];
    if (coded.parts[i] == nullptr || coded.parts[i]->as_is) continue;
    codings[part.name] = pack::CodedMatrix{
        std::shared_ptr<const codec::QuantizedMatrix>(coded.parts[i], &coded.parts[i]->matrix), part.transposed};
  }
  size_t at = 0;
  for (size_t v = 0; v < coded.vectors.steps.size(); ++v) {
    const std::string& name = compressor_.vectors()[v];
    const auto count = static_cast<size_t>(lean_.impl().graph.find_value(name)->constant.elements());
    const auto first = coded.vectors.levels.begin() + static_cast<std::ptrdiff_t>(at);
    codings[name] = pack::CodedVector{coded.vectors.steps[v], {first, first + static_cast<std::ptrdiff_t>(count)}};
    at += count;
  }
  return pack::write(lean_.impl().graph, codings, codec::file_options(coding(options_.profile)));
}

Compressed CompressJob::finish(const Coded& coded) {
  std::string file = file_of(coded);
  const Model model = read_back(file, lean_);
  CompressReport report;
  report.parameters = given_.parameters;
  report.given_bytes = given_.bytes;
  report.result.bytes = static_cast<int64_t>(file.size());
  report.result.ratio = ratio_of(report.result.bytes);
  report.result.asked = options_.target_ratio;
  trials_.judge_into(report.result, widened(model), options_, stopped_ ? Progress{} : options_.progress);
  trials_.count_into(report);
  report.promise = promise_;
  report.evaluations = drops_ + search_->evaluations();
  report.weighed_by = compressor_.weighed_by();
  report.notes = compressor_.notes();
  if (const double asked = options_.target_ratio;
      asked > 0 && std::fabs(report.result.ratio / asked - 1) > kRatioMissed)
    report.notes.push_back(fmt::format("{:.4g}x smaller, not the {:.4g}x asked for: {}", report.result.ratio, asked,
                                       stopped_ ? "stopped before it was found"
                                       : report.result.ratio > asked
                                           ? "the finest levels take no more bytes, or sizes jump over that one"
                                           : "steps are as far apart as the search goes"));
  if (const CompressPoint& r = report.result; promise_ && promise_->promised && r.pictures > 0) {
    const double lost = r.top1 >= 0 ? r.reference_top1 - r.top1 : 1 - r.agreement;
    if (100 * lost > options_.max_drop)
      report.notes.push_back(
          fmt::format("on the {} pictures held out {:.0f} of them are lost, which so few may by chance", r.pictures,
                      lost * r.pictures));
  }
  if (!trials_.judging.empty() && report.result.pictures == 0) report.notes.push_back("stopped before it was judged");
  count_bytes(report, file);
  for (size_t i = 0; i < coded.parts.size(); ++i) {
    const Part& part = compressor_.parts()[i];
    report.layers.push_back({part.name, part.layer, part.rows, part.columns,
                             static_cast<double>(coded.parts[i]->matrix.step),
                             8.0 * static_cast<double>(coded.parts[i]->bytes) / static_cast<double>(part.elements())});
  }
  return Compressed(std::move(file), model, std::move(report));
}

CompressPoint CompressJob::point_of(const Coded& coded) const {
  CompressPoint point;
  point.bytes = bytes_of(coded);
  point.ratio = ratio_of(point.bytes);
  trials_.judge_into(point, compressor_.with(coded), options_, options_.progress);
  return point;
}

Model read_back(const std::string& file, const Model& as) {
  onnx::ReadResult read = pack::read(std::as_bytes(std::span(file)));
  return Model(std::make_shared<Model::Impl>(
      Model::Impl{as.name(), std::move(read.graph), std::move(read.warnings), as.pass_log()}));
}

void count_bytes(CompressReport& report, const std::string& file) {
  const pack::Sizes sizes = pack::sizes(std::as_bytes(std::span(file)));
  report.graph_bytes = sizes.graph + sizes.directory;
  report.vector_bytes = sizes.vectors;
  report.matrix_bytes = sizes.matrices + sizes.lossless;
}

}  // namespace tercel::inline tune
