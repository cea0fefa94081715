#include "tercel/compress.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "codec/trellis.h"
#include "pack/pack.h"
#include "quant/pictures.h"
#include "session/model_impl.h"
#include "tune/code_in_order.h"
#include "tune/compressor.h"
#include "tune/rate_distortion.h"

namespace tercel {
namespace {

codec::Profile coding(CodingProfile profile) {
  switch (profile) {
    case CodingProfile::max: return codec::Profile::max;
    case CodingProfile::balanced: return codec::Profile::balanced;
    case CodingProfile::fast: break;
  }
  return codec::Profile::fast;
}

constexpr double kMostRatio = 1000;
constexpr double kSizeTolerance = 2e-3;              // of the size asked for, below it
constexpr double kRatioMissed = 1e-2;                // of the ratio asked for, to be told
constexpr int kInOrder = 5;                          // from this effort on, layers make good what was lost before them
constexpr int kSomeOfARatio = 2, kManyOfARatio = 4;  // networks in order, of which the best is kept; from effort 6 on
constexpr int kTries = 3;                            // to come nearer to what was asked for that way

/// Networks that a search may measure, by effort; below that the closed form decides alone.
int polish_evaluations(int effort) {
  switch (effort) {
    case 7: return 100;
    case 8: return 300;
    case 9: return 1000;
    default: return 0;
  }
}

void check(const CompressOptions& options) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) fail_input("{}: {} is not in {}..{}", name, value, low, high);
  };
  within("max_drop", options.max_drop, 0, 100);
  within("target_ratio", options.target_ratio, 0, kMostRatio);
  within("effort", options.effort, 1, 9);
  within("calibration_pictures", options.calibration_pictures, 1, 100000);
  within("tuning_pictures", options.tuning_pictures, 1, 100000);
  within("judging_pictures", options.judging_pictures, 1, 100000);
  if (options.pictures.empty() && !options.lossless && options.target_ratio == 0)
    fail_input(
        "without pictures nobody can say what is lost: give a folder of pictures (--calibrate), a ratio "
        "(--target-ratio) or --lossless");
  codec::check_trellis(options.trellis);
  if (polish_evaluations(options.effort) == 0 || options.lossless) return;
  if (options.pictures.empty()) fail_input("effort {}: a search needs pictures to try candidates on", options.effort);
  if (!can_evolve())
    fail_unsupported(
        "effort {}: above 6 an evolutionary search decides, and this Tercel was built without pagmo "
        "(Debian: libpagmo-dev)",
        options.effort);
}

/// Temperatures of the answers that errors are weighed by. A network that ends in a softmax is often sure of itself
/// altogether: its own answers leave a few pictures to learn from, softened ones weigh what its answers never show.
/// Neither is always better (VGG-16, docs/compression.md), so both are tried.
std::vector<double> temperatures(const Model& lean, const CompressOptions& options) {
  const double soft = MomentOptions().temperature;
  if (options.pictures.empty() || options.lossless || !ends_in_softmax(lean)) return {soft};
  if (options.effort < kInOrder) return {1};
  return {soft, 1};
}

Session session_of(const Model& model, const CompressOptions& options) {
  SessionOptions how;
  how.threads = options.threads;
  return Session(model, how);
}

/// Pictures in three parts that share none, and what the network as it was answers to the last two.
struct Trials {
  std::vector<Array> calibration, tuning, judging;
  std::vector<int> tuning_classes, judging_classes;
  Answers tuning_answers, judging_answers;

  Trials(const Model& lean, const CompressOptions& options) {
    if (options.pictures.empty()) return;
    const auto size = [](int count) { return static_cast<size_t>(count); };
    const PictureSet all = find_pictures(options.pictures);
    if (all.size() < 4)
      fail_input("{}: {} pictures are too few to measure, choose and judge", options.pictures.string(), all.size());
    const auto [measured, judged] = split_pictures(all, size(options.calibration_pictures + options.tuning_pictures),
                                                   size(options.judging_pictures), options.seed);
    const auto [calibrated, tuned] =
        split_pictures(measured, size(options.calibration_pictures), size(options.tuning_pictures), options.seed);
    const Preprocessing how = options.preprocessing.value_or(lean.preprocessing());
    calibration = load_inputs(lean, calibrated, how, options.progress);
    tuning = load_inputs(lean, tuned, how, options.progress);
    judging = load_inputs(lean, judged, how, options.progress);
    tuning_classes = tuned.classes;
    judging_classes = judged.classes;
    Session session = session_of(lean, options);
    tuning_answers = answers_of(session, tuning, options.progress);
    judging_answers = answers_of(session, judging, options.progress);
  }
};

class Job {
 public:
  /// Of a network that has been optimised; `parameters` it had before. Trials and options outlive this object.
  Job(const Model& lean, int64_t parameters, const Trials& trials, const CompressOptions& options, double temperature)
      : options_(options),
        parameters_(parameters),
        lean_(lean),
        trials_(trials),
        compressor_(lean_, options.lossless ? std::vector<Array>() : trials_.calibration, coding(options.profile),
                    options.threads, options.progress, temperature, options.trellis, options.seed) {
    search_ =
        std::make_unique<RateDistortion>(compressor_, trials_.tuning, trials_.tuning_answers,
                                         options.effort == 1 ? Allocation::equal : Allocation::fisher, options.threads);
    if (options.lossless) return;
    const Coded typical = compressor_.code(settings(1));
    overhead_ = static_cast<int64_t>(file_of(typical).size()) - typical.bytes();
  }

  Settings settings(double strength) const { return search_->settings(strength, shares_); }
  int64_t parameters() const { return parameters_; }

  double ratio_of(int64_t bytes) const { return 4.0 * static_cast<double>(parameters()) / static_cast<double>(bytes); }
  double ratio_at(double strength) { return ratio_of(compressor_.code(settings(strength)).bytes() + overhead_); }

  /// Points lost on the tuning pictures.
  double drop_at(double strength) { return 100 * try_out(compressor_.code(settings(strength))).top1_drop(); }

  /// On the tuning pictures.
  Judgement try_out(const Coded& coded) {
    ++drops_;
    const Model model = compressor_.with(coded);
    Session session = session_of(model, options_);
    return judge(trials_.tuning_answers, answers_of(session, trials_.tuning), trials_.tuning_classes);
  }

  /// The strength at which `grows` (an increasing function of it) passes `target`.
  template <typename Function>
  double solve(Function&& grows, double target, int steps, const char* stage, double low = 1.0 / 64, double high = 64) {
    for (int i = 0; i < steps; ++i) {  // log-bisection
      const double middle = std::sqrt(low * high);
      (grows(middle) <= target ? low : high) = middle;
      if (!tell(stage, (i + 1.0) / steps)) break;
    }
    return low;
  }

  /// Bytes follow strength so evenly (in logarithms) that the secant is there within a few networks; what it has not
  /// found to a thousandth by then, bisection does. Once stopped, what was measured last is the best there is.
  double strength_for_ratio(double ratio) {
    const double target = std::log(ratio);
    const double bottom = std::log(1.0 / 64);
    double low = bottom, high = std::log(64.0);
    double at = 0, value = std::log(ratio_at(1)) - target, best = low;
    double before = at, value_before = value;
    constexpr int kSteps = 12;
    for (int i = 0; i < kSteps && std::fabs(high - low) > 1e-4; ++i) {
      if (value <= 0) low = best = std::max(low, at);
      else high = std::min(high, at);
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
    return std::exp(best);
  }

  /// The strength that keeps what was promised, by the closed form first; then, where effort allows, by better shares.
  double strength_for_options() {
    const bool by_ratio = options_.target_ratio > 0;
    const double strength = by_ratio
                                ? strength_for_ratio(options_.target_ratio)
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

  /// Looks for better shares of the parts around this strength; false where none were found.
  bool polish(double strength) {
    PolishOptions options;
    options.evaluations = polish_evaluations(options_.effort);
    if (options.evaluations == 0) return false;
    options.seed = options_.seed;
    options.progress = [&](std::string_view stage, double done) { return tell(stage, done); };
    shares_ = tercel::polish(*search_, strength, options).genome;
    return !shares_.empty();
  }

  bool stopped() const { return stopped_; }

  Compressed finish(const Coded& coded) {
    std::string file = file_of(coded);
    const Model model = read_back(file);
    CompressReport report;
    report.result = point(model, static_cast<int64_t>(file.size()));
    report.parameters = parameters();
    report.evaluations = drops_ + search_->evaluations();
    report.weighed_by = compressor_.weighed_by();
    report.notes = compressor_.notes();
    if (const double asked = options_.target_ratio;
        asked > 0 && std::fabs(report.result.ratio / asked - 1) > kRatioMissed)
      report.notes.push_back(fmt::format("{:.2f}x smaller, not the {:.2f}x asked for: {}", report.result.ratio, asked,
                                         stopped_
                                             ? "stopped before it was found"
                                             : "steps are as far apart as the search goes, or it found none nearer"));
    if (!trials_.judging.empty() && report.result.pictures == 0) report.notes.push_back("stopped before it was judged");
    const pack::Sizes sizes = pack::sizes(std::as_bytes(std::span(file)));
    report.graph_bytes = sizes.graph + sizes.directory;
    report.vector_bytes = sizes.vectors;
    report.matrix_bytes = sizes.matrices + sizes.lossless;
    for (size_t i = 0; i < coded.parts.size(); ++i) {
      const Part& part = compressor_.parts()[i];
      report.layers.push_back(
          {part.name, part.layer, part.rows, part.columns, static_cast<double>(coded.parts[i]->matrix.step),
           8.0 * static_cast<double>(coded.parts[i]->bytes) / static_cast<double>(part.elements())});
    }
    return Compressed(std::move(file), model, std::move(report));
  }

  Compressed lossless() {
    std::map<std::string, pack::Coding> codings;
    for (const auto& value : lean_.impl().graph.values())
      if (value->is_constant() && value->constant.bytes() >= 64) codings[value->name] = pack::Lossless{};
    std::string file = pack::write(lean_.impl().graph, codings, codec::file_options(coding(options_.profile)));
    CompressReport report;
    const Model model = read_back(file);
    report.result = point(model, static_cast<int64_t>(file.size()));
    report.parameters = parameters();
    report.weighed_by = "nothing";
    const pack::Sizes sizes = pack::sizes(std::as_bytes(std::span(file)));
    report.graph_bytes = sizes.graph + sizes.directory;
    report.matrix_bytes = sizes.lossless;
    return Compressed(std::move(file), model, std::move(report));
  }

  CompressPoint point_of(const Coded& coded) { return point(compressor_.with(coded), coded.bytes() + overhead_); }

  /// As well as the effort allows.
  Coded code(double strength) {
    return in_order() && !stopped_ ? in_order_at(strength).coded : compressor_.code(settings(strength));
  }

  /// The network to be written: within the ratio or the drop, though the closed form has chosen the strength.
  Coded choose() {
    double strength = strength_for_options();
    Coded closed_form = compressor_.code(settings(strength));
    if (!in_order() || stopped_) return closed_form;
    const Tried plain = tried(std::move(closed_form));
    Tried best = better_in_order(strength, plain);
    if (stopped_) return best.coded;
    if (options_.target_ratio > 0) return best_at_ratio(strength, std::move(best));
    // Layers that make good leave room: as much divergence as the closed form's network had, and no more drop. The
    // strength was chosen by the closed form's drop, which says nothing of theirs.
    double kl = best.judgement.kl;
    if (drops_too_much(best)) best = plain;
    for (int i = 0; i < kTries && !stopped_; ++i) {
      const double bolder = strength * std::sqrt(plain.judgement.kl / std::max(kl, 1e-9));
      if (!(bolder > 1.01 * strength)) break;
      Tried trial = in_order_at(bolder);
      if (stopped_ || trial.judgement.kl > plain.judgement.kl || drops_too_much(trial)) break;
      strength = bolder;
      kl = trial.judgement.kl;
      best = std::move(trial);
    }
    return best.coded;
  }

 private:
  /// A network, and how it does on the tuning pictures: they are run once for each.
  struct Tried {
    Coded coded;
    Judgement judgement;
  };

  Tried tried(Coded coded) {
    const Judgement judgement = try_out(coded);
    return {std::move(coded), judgement};
  }

  bool drops_too_much(const Tried& t) const { return 100 * t.judgement.top1_drop() > options_.max_drop; }

  /// The closed form's network of this strength, or the one in order: few inputs may show layers losses that others do
  /// not have.
  Tried better_in_order(double strength, Tried plain) {
    Tried made = tried(code_in_order(compressor_, settings(strength),
                                     [&](std::string_view stage, double done) { return tell(stage, done); }));
    return made.judgement.kl <= plain.judgement.kl ? made : plain;
  }

  Tried in_order_at(double strength) { return better_in_order(strength, tried(compressor_.code(settings(strength)))); }

  /// Networks in order whose strengths hardly differ may diverge by half as much again (ViT-Ti): of some that reach the
  /// ratio, the best on the tuning pictures.
  Coded best_at_ratio(double strength, Tried last) {
    std::optional<Tried> best;
    const int wanted = options_.effort > kInOrder ? kManyOfARatio : kSomeOfARatio;
    for (int made = 1, reach = 0;; ++made) {
      const double lacking = std::log(options_.target_ratio / ratio_of(last.coded.bytes() + overhead_));
      if (lacking <= 0) {
        ++reach;
        if (!best || last.judgement.kl < best->judgement.kl) best = last;
      }
      if (stopped_ || reach == wanted || made == wanted + kTries) return best ? best->coded : last.coded;
      strength *= std::exp(2 * std::max(lacking, 0.0) + kSizeTolerance);
      last = in_order_at(strength);
    }
  }

  bool in_order() const { return options_.effort >= kInOrder && !trials_.calibration.empty(); }

  /// Once told to stop, a search ends with its best, and what is left to be done is done.
  bool tell(std::string_view stage, double done) {
    stopped_ = stopped_ || (options_.progress && !options_.progress(stage, done));
    return !stopped_;
  }

  std::string file_of(const Coded& coded) const {
    std::map<std::string, pack::Coding> codings;
    for (size_t i = 0; i < coded.parts.size(); ++i) {
      const Part& part = compressor_.parts()[i];
      codings[part.name] = pack::CodedMatrix{
          std::shared_ptr<const codec::QuantisedMatrix>(coded.parts[i], &coded.parts[i]->matrix), part.transposed};
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

  Model read_back(const std::string& file) const {
    onnx::ReadResult read = pack::read(std::as_bytes(std::span(file)));
    return Model(std::make_shared<Model::Impl>(
        Model::Impl{lean_.name(), std::move(read.graph), std::move(read.warnings), lean_.diary()}));
  }

  CompressPoint point(const Model& model, int64_t bytes) const {
    CompressPoint p;
    p.bytes = bytes;
    p.ratio = ratio_of(bytes);
    if (trials_.judging.empty()) return p;
    Session session = session_of(model, options_);
    Answers answers;
    try {
      answers = answers_of(session, trials_.judging, stopped_ ? Progress{} : options_.progress);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::stopped) throw;
      return p;  // the network is there, and not judged
    }
    const Judgement j = judge(trials_.judging_answers, answers, trials_.judging_classes);
    p.pictures = static_cast<int>(j.inputs);
    p.agreement = j.agreement;
    p.kl = j.kl;
    p.top1 = j.top1;
    p.reference_top1 = j.reference_top1;
    return p;
  }

  const CompressOptions& options_;
  int64_t parameters_;  // of the network as it was: the ratio's numerator
  Model lean_;
  const Trials& trials_;
  Compressor compressor_;
  std::unique_ptr<RateDistortion> search_;
  Genome shares_;         // of the parts; empty: the closed form's
  int64_t overhead_ = 0;  // of a file, besides streams
  int drops_ = 0;         // networks run to see what is lost
  bool stopped_ = false;
};

}  // namespace

CodingProfile parse_profile(std::string_view word) {
  for (CodingProfile p : {CodingProfile::max, CodingProfile::balanced, CodingProfile::fast})
    if (to_string(p) == word) return p;
  fail_input("profile '{}': there are max, balanced and fast", word);
}

std::string_view to_string(CodingProfile profile) { return codec::to_string(coding(profile)); }

void Compressed::save(const std::filesystem::path& path) const {
  AtomicFile file(path);
  file.write(*file_);
  file.commit();
}

Compressed compress(const Model& model, const CompressOptions& options) {
  check(options);
  return at_place([&] { return model.name(); },
                  [&] {
                    const Model lean = optimize(model);
                    const Trials trials(lean, options);
                    const std::vector<double> all = temperatures(lean, options);
                    std::optional<Compressed> best;
                    double best_price = 0;
                    for (double temperature : all) {
                      try {
                        Job job(lean, model.parameters(), trials, options, temperature);
                        if (options.lossless) return job.lossless();
                        const Coded coded = job.choose();
                        const double price = all.size() > 1 && options.target_ratio > 0
                                                 ? job.try_out(coded).kl
                                                 : static_cast<double>(coded.bytes());
                        // A search that was stopped has not come to the size asked for: its price says nothing.
                        if (!best || (!job.stopped() && price < best_price)) {
                          best = job.finish(coded);
                          best_price = price;
                        }
                        if (job.stopped()) break;
                      } catch (const Error& error) {
                        if (!best || error.code() != ErrorCode::stopped) throw;
                        break;  // told to stop while measuring again: the first is the best so far
                      }
                    }
                    return *std::move(best);
                  });
}

std::vector<CompressPoint> compression_front(const Model& model, const std::vector<double>& ratios,
                                             const CompressOptions& options) {
  if (options.pictures.empty()) fail_input("a front needs a folder of pictures to judge on (--calibrate)");
  check(options);
  for (double ratio : ratios)
    if (!(ratio > 0 && ratio <= kMostRatio)) fail_input("ratios: {}, wanted above 0 and at most {}", ratio, kMostRatio);
  return at_place([&] { return model.name(); },
                  [&] {
                    CompressOptions quiet = options;
                    quiet.progress = {};
                    std::vector<CompressPoint> front;
                    std::vector<double> divergence;  // on the tuning pictures, which choose
                    const Model lean = optimize(model);
                    const Trials trials(lean, quiet);
                    const std::vector<double> all = temperatures(lean, options);
                    size_t done = 0;
                    for (double temperature : all) {
                      Job job(lean, model.parameters(), trials, quiet, temperature);
                      if (!ratios.empty()) job.polish(job.strength_for_ratio(ratios[ratios.size() / 2]));
                      for (size_t i = 0; i < ratios.size(); ++i) {
                        const Coded coded = job.code(job.strength_for_ratio(ratios[i]));
                        const double kl = all.size() > 1 ? job.try_out(coded).kl : 0;
                        if (i == front.size()) {
                          front.emplace_back();
                          divergence.push_back(std::numeric_limits<double>::infinity());
                        }
                        if (kl < divergence[i]) {
                          front[i] = job.point_of(coded);
                          divergence[i] = kl;
                        }
                        if (options.progress && !options.progress("trade size against answers",
                                                                  static_cast<double>(++done) /
                                                                      static_cast<double>(all.size() * ratios.size())))
                          return front;
                      }
                    }
                    return front;
                  });
}

}  // namespace tercel
