#include "tune/code_in_order.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/bits.h"
#include "base/isa.h"
#include "base/threads.h"
#include "quant/correction.h"
#include "quant/segmented_forward.h"
#include "session/model_impl.h"

namespace tercel::inline tune {
namespace {

constexpr int64_t kShares = 4;  // of the inputs, summed apart: the same sums with any number of threads
constexpr int64_t kKeptBytes = int64_t{1} << 30;  // of all inputs, between two layers

/// A layer whose loss is being measured, over each share of the inputs.
struct Fitted {
  size_t part;
  std::vector<CorrectionFit> whole;  // empty: a factor and the bias
  std::vector<OutputFit> output;
  Target target;
};

class InOrder {
 public:
  InOrder(Compressor& compressor, const Settings& settings)
      : compressor_(compressor),
        settings_(settings),
        graph_(compressor.model().impl().graph),
        sized_(sized(compressor)),
        unspoilt_(compressor.inputs()),
        spoilt_(compressor.inputs()) {
    const std::vector<Part>& parts = compressor.parts();
    coded_.parts.resize(parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      part_of_[parts[i].name] = i;
      if (parts[i].kind != Part::Kind::linear) coded_.parts[i] = plain(i);
    }
    for (const LinearSite& site : compressor.sites()) ++readers_[site.weights];
  }

  /// Layers that read the same value, first .. last - 1 of the sites.
  void layers(size_t first, size_t last) {
    const std::vector<LinearSite>& sites = compressor_.sites();
    std::vector<Fitted> fits;
    std::vector<std::string> values;
    for (size_t s = first; s < last; ++s) {
      std::optional<Fitted> fitted = fit_of(sites[s]);
      if (!fitted) continue;
      if (fitted->whole.empty()) coded_.parts[fitted->part] = plain(fitted->part);  // its own loss counts too
      values.push_back(fitted->target.value);
      fits.push_back(std::move(*fitted));
    }
    if (fits.empty()) return;
    values.push_back(sites[first].input);
    measure(fits, values, sites[first].node);
    for (const Fitted& fitted : fits) coded_.parts[fitted.part] = corrected(fitted);
  }

  /// Parts that no layer has decided on, as they are.
  void rest(size_t first, size_t last) {
    for (size_t s = first; s < last; ++s) {
      const auto part = part_of_.find(compressor_.sites()[s].weights);
      if (part != part_of_.end() && coded_.parts[part->second] == nullptr)
        coded_.parts[part->second] = plain(part->second);
    }
  }

  Coded finish() {
    rest(0, compressor_.sites().size());
    coded_.vectors = compressor_.code_vectors(settings_.vector_steps, coded_.parts);
    return std::move(coded_);
  }

 private:
  std::shared_ptr<const CodedPart> plain(size_t part) { return compressor_.code_part(part, settings_.parts[part]); }

  /// What is to be fitted to a layer's loss, if anything.
  std::optional<Fitted> fit_of(const LinearSite& site) const {
    const auto at = part_of_.find(site.weights);
    if (at == part_of_.end() || readers_.at(site.weights) != 1) return std::nullopt;
    const size_t part = at->second;
    const Moments* moments = compressor_.moments(part);
    if (moments == nullptr || compressor_.parts()[part].kind != Part::Kind::linear) return std::nullopt;
    if (CorrectionFit::can(site, *moments, compressor_.curvature(part)))
      return Fitted{part, std::vector<CorrectionFit>(kShares, {site, *moments}), {}, target_of(site, graph_)};
    if (site.bias.empty()) return std::nullopt;
    return Fitted{part, {}, std::vector<OutputFit>(kShares, OutputFit(site)), target_of(site, graph_)};
  }

  std::shared_ptr<const CodedPart> corrected(const Fitted& fitted) const {
    std::shared_ptr<CodedPart> part;
    std::vector<float> bias;
    if (fitted.whole.empty()) {
      part = std::make_shared<CodedPart>(*coded_.parts[fitted.part]);
      const bool no_factor = fitted.target.joins_stream || part->as_is;
      OutputFit::Result fit = OutputFit::fit(fitted.output, no_factor ? std::vector<float>() : bias_now(fitted.part));
      part->matrix.step *= static_cast<float>(fit.factor);
      bias = std::move(fit.bias);
    } else {
      Correction correction = CorrectionFit::fit(fitted.whole, compressor_.curvature(fitted.part));
      std::vector<float> weights = compressor_.weights_of(fitted.part);
      for (size_t j = 0; j < weights.size(); ++j) weights[j] += correction.weights[j];
      // Where the network so far has broken down, there is nothing to fit.
      if (!std::all_of(weights.begin(), weights.end(), [](float w) { return std::isfinite(w); }))
        return compressor_.code_part(fitted.part, settings_.parts[fitted.part]);
      part = compressor_.make_part(fitted.part, settings_.parts[fitted.part], weights);
      if (part->as_is) return part;
      bias = std::move(correction.bias);
    }
    part->mean_error.resize(std::max(part->mean_error.size(), bias.size()));
    for (size_t r = 0; r < bias.size(); ++r) part->mean_error[r] += bias[r];
    return part;
  }

  std::vector<float> bias_now(size_t part) const {
    const Tensor& bias = graph_.find_value(compressor_.parts()[part].bias)->constant;
    std::vector<float> now(coded_.parts[part]->mean_error);
    now.resize(static_cast<size_t>(bias.elements()));
    for (size_t r = 0; r < now.size(); ++r) now[r] += bias.at<float>(static_cast<int64_t>(r));
    return now;
  }

  static Model sized(const Compressor& compressor) {
    const Model& model = compressor.model();
    if (compressor.inputs().empty()) return model;
    return model.with_shapes({{model.inputs().at(0).name, compressor.inputs().at(0).dims()}});
  }

  const Node* twin_of(const Node* node) const { return sized_.impl().graph.find_value(node->output()->name)->producer; }

  /// `values`: the target of each fit, then what all of them read.
  void measure(std::vector<Fitted>& fits, const std::vector<std::string>& values, const Node* node) {
    coded_.vectors = compressor_.code_vectors(settings_.vector_steps, coded_.parts);
    const Model now = compressor_.with(coded_);
    const std::vector<Array>& inputs = compressor_.inputs();
    const auto next =
        live_set_before(sized_.impl().graph, twin_of(node), kKeptBytes / (2 * static_cast<int64_t>(inputs.size())));
    const std::vector<std::string>* stand = next ? &*next : nullptr;
    const Isa isa = chosen_isa();
    const ThreadScope scope(compressor_.threads() == 0 ? hardware_threads() : compressor_.threads());
    // Threads share out inputs, not layers: nobody waits for anybody. Runners are costly: one pair per thread.
    parallel_for(kShares, div_up<int64_t>(kShares, current_threads()), [&](int64_t begin, int64_t end) {
      const ThreadScope alone(1);
      SegmentedForward::Runner before(unspoilt_, compressor_.model(), values, stand),
          after(spoilt_, now, values, stand);
      Workspace workspace;
      for (auto share = static_cast<size_t>(begin); share < static_cast<size_t>(end); ++share)
        for (size_t k = share; k < inputs.size(); k += kShares) {
          const std::vector<Array> wanted = before.run(k), got = after.run(k);
          for (size_t f = 0; f < fits.size(); ++f) {
            if (fits[f].whole.empty()) fits[f].output[share].add(wanted[f], got[f]);
            else fits[f].whole[share].add(k, got.back(), wanted[f], got[f], isa, workspace);
          }
        }
    });
    if (!next) return;
    unspoilt_.move(*next);
    spoilt_.move(*next);
  }

  Compressor& compressor_;
  const Settings& settings_;
  const Graph& graph_;
  const Model sized_;  // the same with the extents of the inputs: how much is to be kept shows there alone
  std::map<std::string, size_t> part_of_;
  std::map<std::string, int> readers_;  // sites by weights
  SegmentedForward unspoilt_, spoilt_;  // the network as it was, and as it is so far
  Coded coded_;
};

}  // namespace

Coded code_in_order(Compressor& compressor, const Settings& settings, const Progress& progress) {
  InOrder work(compressor, settings);
  const std::vector<LinearSite>& sites = compressor.sites();
  for (size_t first = 0, last = 0; first < sites.size(); first = last) {
    while (last < sites.size() && sites[last].input == sites[first].input) ++last;
    work.layers(first, last);
    work.rest(first, last);
    if (progress && !progress("layer by layer", static_cast<double>(last) / static_cast<double>(sites.size()))) break;
  }
  return work.finish();
}

}  // namespace tercel::inline tune
