#include "tercel/static_norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/words.h"
#include "graph/infer.h"
#include "graph/verify.h"
#include "quant/observe.h"
#include "quant/pictures.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tercel/session.h"
#include "tune/norm_fit.h"
#include "tune/norm_sites.h"

namespace tercel {
namespace {

constexpr size_t kSensitivityPictures = 32;

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

/// The part of a network that makes `to` of its own inputs and, where it is not empty, of `from`, which becomes a
/// further input.
Model part_of(const Model& model, const std::string& from, const std::string& to) {
  Graph graph = model.impl().graph.clone();
  if (!from.empty()) {
    Value* value = graph.find_value(from);
    Value* input = graph.add_input(from + "_given", value->type);
    graph.replace_uses(value, input);
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) graph.set_output(i, graph.find_value(to));
  graph.drop_unused();
  return model_of(model, std::move(graph));
}

/// Segmented forward pass: one value of a network for every picture, advanced from value to value in running order, so
/// that no part of the network runs twice.
class SegmentedPass {
 public:
  SegmentedPass(const std::vector<Array>& inputs, const SessionOptions& options) : inputs_(inputs), options_(options) {}

  /// The values of `to`. `model` may have changed after the value reached so far.
  const std::vector<Array>& advance(const Model& model, const std::string& to) {
    if (to == at_) return values_;
    Session session(part_of(model, at_, to), options_);
    std::vector<Array> next;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      std::vector<Array> given{inputs_[i]};
      if (!at_.empty()) given.push_back(std::move(values_[i]));
      next.push_back(std::move(session.run(given).at(0)));
    }
    values_ = std::move(next);
    at_ = to;
    return values_;
  }

 private:
  const std::vector<Array>& inputs_;
  const SessionOptions& options_;
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
    const auto count = static_cast<size_t>(options.pictures);
    auto [measured, held_out] = split_pictures(find_pictures(folder), count, count, options.seed);
    report_.estimator = options.estimator;
    report_.max_drop = options.max_drop;
    find_sites();
    measured_ = load_inputs(original_, measured, original_.preprocessing(), options.progress, options.warn);
    held_out_ = load_inputs(original_, held_out, original_.preprocessing(), options.progress, options.warn);
    report_.measured = measured_.size();
    report_.held_out = held_out_.size();
    classes_ = held_out.classes;
  }

  StaticNormResult run() {
    Session session(original_, session_options_);
    reference_ = answers_of(session, held_out_);
    const Evaluation itself = evaluate(reference_, reference_, classes_);
    report_.original_top1 = classes_.empty() ? -1 : itself.top1;
    rank(session);
    choose();
    for (size_t i = 0; i < sites_.size(); ++i)
      if (std::find(chosen_.begin(), chosen_.end(), i) != chosen_.end()) report_.sites[i].fixed = true;
    std::sort(report_.trials.begin(), report_.trials.end(),
              [](const StaticNormTrial& a, const StaticNormTrial& b) { return a.fixed < b.fixed; });
    return {finished(), report_};
  }

 private:
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
    const std::vector<Array> few(measured_.begin(), measured_.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                            kSensitivityPictures, measured_.size())));
    const Answers reference = answers_of(original, few);
    SegmentedPass pass(measured_, session_options_);
    for (size_t i = 0; i < sites_.size(); ++i) {
      report_progress("rank norms", i, sites_.size());
      const std::vector<Array>& x = pass.advance(original_, sites_[i].input);
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
  };

  /// Fixes the `count` least sensitive sites, in running order.
  Converted convert(size_t count) const {
    Converted out{{order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count)}, {}, {}, {}};
    std::sort(out.sites.begin(), out.sites.end());
    out.graph = original_.impl().graph.clone();
    SegmentedPass before(measured_, session_options_), now(measured_, session_options_);
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
    const Evaluation evaluation = evaluate(reference_, answers_of(session, held_out_), classes_);
    out.trial = {static_cast<int>(count), evaluation.agreement, classes_.empty() ? -1 : evaluation.top1, evaluation.kl};
    return out;
  }

  /// In points.
  double drop(const StaticNormTrial& trial) const {
    return 100 * (trial.top1 < 0 ? 1 - trial.agreement : report_.original_top1 - trial.top1);
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
    size_t good = 0, bad = sites_.size() + 1;
    while (bad - good > 1) {
      const size_t middle = (good + bad) / 2;
      Converted converted = convert(middle);
      report_.trials.push_back(converted.trial);
      if (drop(converted.trial) > options_.max_drop) {
        bad = middle;
      } else {
        good = middle;
        take(std::move(converted));
      }
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
  std::vector<Array> measured_, held_out_;
  std::vector<int> classes_;
  Answers reference_;
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
