#include "tercel/static_norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "base/words.h"
#include "graph/infer.h"
#include "graph/verify.h"
#include "quant/observe.h"
#include "quant/pictures.h"
#include "quant/segmented_forward.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tercel/session.h"
#include "tune/drop_check.h"
#include "tune/norm_fit.h"
#include "tune/norm_sites.h"
#include "tune/picture_splits.h"

namespace tercel {
namespace {

constexpr size_t kSensitivityPictures = 32;
constexpr double kStricter = 0.9;  // of the limit, for each further check

// A spread of sigma above which a few tokens carry most of the activation. Such a norm alone has a low sensitivity, but
// with others fixed before it the outliers move, and what was fitted on some pictures fails on others: these come last.
// (ViT-Ti: 12 sites by sensitivity alone gave a KL divergence of 5.5 nats; see docs/transformers.md.)
constexpr double kOutliers = 1;

constexpr std::array<std::pair<NormEstimator, std::string_view>, 6> kEstimators{
    {{NormEstimator::scalar, "scalar"},
     {NormEstimator::position, "position"},
     {NormEstimator::channel, "channel"},
     {NormEstimator::affine, "affine"},
     {NormEstimator::ridge, "ridge"},
     {NormEstimator::position_ridge, "position_ridge"}}};

Model model_of(const Model& like, Graph graph) { return Model(impl_with(like, std::move(graph))); }

/// One value of a network for every picture, advanced from norm to norm in running order, so that no part of the
/// network runs twice.
class ValueInRunningOrder {
 public:
  explicit ValueInRunningOrder(const std::vector<Array>& inputs) : inputs_(inputs), pass_(inputs) {}

  /// The values of `to`. `model` may have changed after the value reached so far.
  const std::vector<Array>& advance(const Model& model, const std::string& to) {
    if (to == at_) return values_;
    const std::vector<std::string> next{to};
    values_.resize(inputs_.size());
    const auto count = static_cast<int64_t>(inputs_.size());
    // A runner is costly: one per thread.
    parallel_for(count, div_up<int64_t>(count, current_threads()), [&](int64_t begin, int64_t end) {
      const ThreadScope alone(1);
      SegmentedForward::Runner runner(pass_, model, next, &next);
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        values_[i] = std::move(runner.run(i).at(0));
    });
    pass_.move(next);
    at_ = to;
    return values_;
  }

 private:
  const std::vector<Array>& inputs_;
  SegmentedForward pass_;
  std::string at_;
  std::vector<Array> values_;
};

struct Fit {
  NormMap map;
  double spread, residual;
};

/// x: what the products will read; x0: what the norm of the original network reads.
Fit fit_map(const NormSite& site, NormEstimator estimator, const std::vector<Array>& x, const std::vector<Array>& x0) {
  const auto moments_of = [&](NormEstimator kind, std::vector<double> scales) {
    NormMoments moments(site, kind, std::move(scales));
    for (size_t i = 0; i < x.size(); ++i) moments.add(x[i].floats(), x0[i].floats());
    return moments;
  };
  std::vector<double> scales;
  if (estimator == NormEstimator::position_ridge) scales = moments_of(NormEstimator::position, {}).position_scales();
  const NormMoments moments = moments_of(estimator, std::move(scales));
  Fit fit{moments.fit(), moments.spread(), 0};
  fit.residual = moments.residual(fit.map);
  return fit;
}

class Fixer {
 public:
  Fixer(const Model& model, const std::filesystem::path& folder, const StaticNormOptions& options)
      : options_(options), original_(optimize(dequantized(model))) {
    session_options_.threads = options.threads;
    report_.estimator = options.estimator;
    report_.max_drop = options.max_drop;
    const PictureSet all = without_copies(find_pictures(folder), options.warn);
    const auto count = static_cast<size_t>(options.pictures);
    auto [measured, others] = split_pictures(all, count, count, options.seed);
    find_sites();
    if (promises() && all.size() < PictureSplits::kFewestToPromise)
      fail_input(
          "{}: {} pictures are too few to promise a drop: give at least {}, or say how many norms to fix, whatever is "
          "lost (--sites)",
          folder.string(), all.size(), PictureSplits::kFewestToPromise);
    // Half of the others choose how many norms are fixed, the other half checks the choice.
    std::pair<PictureSet, PictureSet> halves;
    if (others.size() > 1) halves = split_pictures(others, others.size() / 2, others.size(), options.seed);
    else halves.second = std::move(others);
    splits_.emplace(original_, all, std::move(measured), std::move(halves.first), std::move(halves.second),
                    splitting());
    report_.measured = splits_->calibration.size();
    report_.held_out = splits_->tuning.size() + splits_->held_out.size();
  }

  StaticNormResult run() {
    const ThreadScope threads(options_.threads == 0 ? hardware_threads() : options_.threads);
    Session session(original_, session_options_);
    const Evaluation itself = evaluated(splits_->tuning_answers, splits_->held_out_answers);
    report_.original_top1 = splits_->held_out_classes.empty() ? -1 : itself.top1;
    rank(session);
    choose();
    for (size_t i = 0; i < sites_.size(); ++i)
      if (std::find(chosen_.begin(), chosen_.end(), i) != chosen_.end()) report_.sites[i].fixed = true;
    std::sort(report_.trials.begin(), report_.trials.end(),
              [](const StaticNormTrial& a, const StaticNormTrial& b) { return a.fixed < b.fixed; });
    return {finished(), report_};
  }

 private:
  /// Is the number of norms chosen by max_drop?
  bool promises() const { return options_.sites.empty(); }

  /// What the pictures are read and a promise is checked with.
  CompressOptions splitting() const {
    CompressOptions options;
    options.max_drop = options_.max_drop;
    options.threads = options_.threads;
    options.progress = options_.progress;
    options.warn = options_.warn;
    return options;
  }

  /// On all pictures that measured nothing.
  Evaluation evaluated(Answers tuning, const Answers& held_out) const {
    const auto joined = [](Answers first, const Answers& second) {
      first.insert(first.end(), second.begin(), second.end());
      return first;
    };
    std::vector<int> classes = splits_->tuning_classes;
    classes.insert(classes.end(), splits_->held_out_classes.begin(), splits_->held_out_classes.end());
    return evaluate(joined(splits_->tuning_answers, splits_->held_out_answers), joined(std::move(tuning), held_out),
                    classes);
  }

  void find_sites() {
    const Graph& graph = original_.impl().graph;
    for (NormSite& site : find_norm_sites(graph, report_.exact)) {
      NormMap probe;
      const ValueType& type = graph.find_value(site.input)->type;
      const bool by_position =
          options_.estimator == NormEstimator::position || options_.estimator == NormEstimator::position_ridge;
      if (by_position) {
        int64_t rows = 1;
        for (size_t i = 1; i + 1 < type.dims.size(); ++i) rows *= std::max<int64_t>(type.dims[i], 1);
        probe.row_scale.resize(static_cast<size_t>(rows));
      }
      if (const std::string why = refuse_map(graph, site, probe); !why.empty()) {
        report_.exact.push_back(fmt::format("node '{}' (LayerNormalization) stays: {}", site.node, why));
        continue;
      }
      report_.sites.push_back({site.node, 0, 0, 0, false});
      sites_.push_back(std::move(site));
    }
    if (sites_.empty())
      fail_input("{}: has no layer normalization whose moments could be fixed{}{}", original_.name(),
                 report_.exact.empty() ? "" : ": ", report_.exact.empty() ? "" : report_.exact.front());
    for (int count : options_.sites)
      if (count < 1 || count > static_cast<int>(sites_.size()))
        fail_input("{}: {} of {} layer normalizations cannot be fixed", original_.name(), count, sites_.size());
  }

  void report_progress(std::string_view stage, size_t done, size_t of) const {
    if (options_.progress && !options_.progress(stage, static_cast<double>(done) / static_cast<double>(of)))
      fail(ErrorCode::stopped, "stopped while fixing norms");
  }

  /// Fixes each site alone and sorts them by sensitivity.
  void rank(Session& original) {
    const std::vector<Array>& measured = splits_->calibration;
    const std::vector<Array> few(measured.begin(), measured.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                          kSensitivityPictures, measured.size())));
    const Answers reference = answers_of(original, few);
    ValueInRunningOrder value(measured);
    for (size_t i = 0; i < sites_.size(); ++i) {
      report_progress("rank norms", i, sites_.size());
      const std::vector<Array>& x = value.advance(original_, sites_[i].input);
      const Fit fit = fit_map(sites_[i], options_.estimator, x, x);
      Graph graph = original_.impl().graph.clone();
      fix_norm(graph, sites_[i], fit.map);
      Session session(model_of(original_, std::move(graph)), session_options_);
      report_.sites[i].spread = fit.spread;
      report_.sites[i].residual = fit.residual;
      report_.sites[i].sensitivity = evaluate(reference, answers_of(session, few)).kl;
    }
    order_.resize(sites_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    const auto key = [&](size_t i) {
      return std::pair(report_.sites[i].spread >= kOutliers, report_.sites[i].sensitivity);
    };
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  }

  struct Converted {
    std::vector<size_t> sites;
    std::vector<double> residuals;
    Graph graph;
    StaticNormTrial trial;
    double lost = 0;  // points, at 95 % confidence not more, by the tuning pictures
  };

  /// Fixes the `count` least sensitive sites, in running order.
  Converted convert(size_t count) const {
    Converted out{{order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count)}, {}, {}, {}, 0};
    std::sort(out.sites.begin(), out.sites.end());
    out.graph = original_.impl().graph.clone();
    ValueInRunningOrder before(splits_->calibration), now(splits_->calibration);
    for (size_t i : out.sites) {
      report_progress("fix norms", out.residuals.size(), count);
      const std::vector<Array>& x0 = before.advance(original_, sites_[i].input);
      const std::vector<Array>& x = now.advance(model_of(original_, out.graph.clone()), sites_[i].input);
      const Fit fit = fit_map(sites_[i], options_.estimator, x, x0);
      fix_norm(out.graph, sites_[i], fit.map);
      out.residuals.push_back(fit.residual);
    }
    infer_types(out.graph);
    verify(out.graph, "fix_norms");
    Session session(model_of(original_, out.graph.clone()), session_options_);
    const Answers tuning = answers_of(session, splits_->tuning);
    const Evaluation all = evaluated(tuning, answers_of(session, splits_->held_out));
    out.trial = {static_cast<int>(count), all.agreement, report_.original_top1 < 0 ? -1 : all.top1, all.kl};
    if (!promises()) return out;
    out.lost = 100 * splits_->drops->estimate(splits_->tuning_answers, tuning).bound;
    const Evaluation tuned = evaluate(splits_->tuning_answers, tuning, splits_->tuning_classes);
    if (loses_too_many(tuned, options_.max_drop)) out.lost = std::max(out.lost, 100 * tuned.top1_drop());
    return out;
  }

  void take(Converted converted) {
    chosen_ = converted.sites;
    for (size_t i = 0; i < chosen_.size(); ++i) report_.sites[chosen_[i]].residual = converted.residuals[i];
    graph_ = std::move(converted.graph);
    report_.chosen = converted.trial;
  }

  void choose() {
    graph_ = original_.impl().graph.clone();
    report_.chosen = {0, 1, report_.original_top1, 0};
    report_.trials.push_back(report_.chosen);
    for (int count : options_.sites) {
      Converted converted = convert(static_cast<size_t>(count));
      report_.trials.push_back(converted.trial);
      take(std::move(converted));
    }
    if (!options_.sites.empty()) return;
    // More sites lose more: bisect for the most that may be fixed.
    std::vector<Converted> within;  // ascending
    size_t good = 0, bad = sites_.size() + 1;
    while (bad - good > 1) {
      const size_t middle = (good + bad) / 2;
      Converted converted = convert(middle);
      report_.trials.push_back(converted.trial);
      if (converted.lost > options_.max_drop) {
        bad = middle;
      } else {
        good = middle;
        within.push_back(std::move(converted));
      }
    }
    promise(std::move(within));
  }

  /// Takes the last of these candidates that the held-out pictures do not speak against. The same pictures are used
  /// again, so each check has a stricter limit; where none is left, no norm is fixed, and nothing is lost.
  void promise(std::vector<Converted> within) {
    report_.promise = DropPromise{options_.max_drop, 0, 0, true, ""};
    for (double limit = options_.max_drop; !within.empty(); limit *= kStricter) {
      Converted converted = std::move(within.back());
      within.pop_back();
      const DropPromise checked =
          check_drop(model_of(original_, converted.graph.clone()), *splits_, splitting(), limit);
      if (!checked.promised) continue;
      report_.promise = checked;
      return take(std::move(converted));
    }
  }

  Model finished() const {
    PassReport pass{"fix_norms", static_cast<int>(chosen_.size()), {}};
    for (size_t i = 0; i < sites_.size(); ++i)
      if (!report_.sites[i].fixed)
        pass.notes.push_back(fmt::format("node '{}' (LayerNormalization) stays exact: alone it costs {:.4f} nats",
                                         sites_[i].node, report_.sites[i].sensitivity));
    auto impl = impl_with(original_, graph_.clone());
    impl->pass_log.push_back(std::move(pass));
    return Model(std::move(impl));
  }

  StaticNormOptions options_;
  Model original_;
  SessionOptions session_options_;
  std::vector<NormSite> sites_;
  std::optional<PictureSplits> splits_;
  std::vector<size_t> order_;  // sites, the least sensitive first
  std::vector<size_t> chosen_;
  Graph graph_;
  StaticNormReport report_;
};

}  // namespace

std::string_view to_string(NormEstimator estimator) { return word_of(kEstimators, estimator); }

NormEstimator parse_norm_estimator(std::string_view name) {
  if (const auto estimator = kind_of(kEstimators, name)) return *estimator;
  fail_input("there is no estimator of moments '{}': wanted one of {}", name, words_of(kEstimators));
}

StaticNormResult fix_norms(const Model& model, const std::filesystem::path& folder, const StaticNormOptions& options) {
  if (options.pictures < 1) fail_input("{} pictures: wanted at least one", options.pictures);
  if (!(options.max_drop >= 0)) fail_input("max_drop is {}, wanted points of 0 or more", options.max_drop);
  return Fixer(model, folder, options).run();
}

}  // namespace tercel
