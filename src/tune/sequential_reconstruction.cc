#include "tune/sequential_reconstruction.h"

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

constexpr int64_t kSlices = 4;  // of the inputs, summed apart: the same sums with any number of threads
constexpr int64_t kKeptBytes = int64_t{1} << 30;  // live sets of all inputs

/// A layer whose output error is being measured, for each slice of the inputs.
struct LayerFit {
  size_t part;
  std::vector<CorrectionFit> whole;  // empty: only a factor and the bias
  std::vector<OutputFit> output;
  Target target;
};

class SequentialReconstruction {
 public:
  SequentialReconstruction(Compressor& compressor, const Settings& settings)
      : compressor_(compressor),
        settings_(settings),
        graph_(compressor.model().impl().graph),
        sized_(sized(compressor)),
        reference_(compressor.inputs()),
        quantized_(compressor.inputs()) {
    const std::vector<Part>& parts = compressor.parts();
    coded_.parts.resize(parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      part_of_[parts[i].name] = i;
      if (parts[i].kind != Part::Kind::linear) coded_.parts[i] = uncorrected(i);
    }
    for (const LinearSite& site : compressor.sites()) ++readers_[site.weights];
  }

  /// Layers that read the same value, first .. last - 1 of the sites.
  void layers(size_t first, size_t last) {
    const std::vector<LinearSite>& sites = compressor_.sites();
    std::vector<LayerFit> fits;
    std::vector<std::string> values;
    for (size_t s = first; s < last; ++s) {
      std::optional<LayerFit> fitted = fit_of(sites[s]);
      if (!fitted) continue;
      if (fitted->whole.empty()) coded_.parts[fitted->part] = uncorrected(fitted->part);  // its own error counts too
      values.push_back(fitted->target.value);
      fits.push_back(std::move(*fitted));
    }
    if (fits.empty()) return;
    values.push_back(sites[first].input);
    measure(fits, values, sites[first].node);
    for (const LayerFit& fitted : fits) coded_.parts[fitted.part] = corrected(fitted);
  }

  /// Quantizes the parts that no layer has corrected.
  void rest(size_t first, size_t last) {
    for (size_t s = first; s < last; ++s) {
      const auto part = part_of_.find(compressor_.sites()[s].weights);
      if (part != part_of_.end() && coded_.parts[part->second] == nullptr)
        coded_.parts[part->second] = uncorrected(part->second);
    }
  }

  Coded finish() {
    rest(0, compressor_.sites().size());
    coded_.vectors = compressor_.code_vectors(settings_.vector_steps, coded_.parts);
    return std::move(coded_);
  }

 private:
  std::shared_ptr<const CodedPart> uncorrected(size_t part) {
    return compressor_.code_part(part, settings_.parts[part]);
  }

  /// What to fit for a layer; nothing where it cannot be corrected.
  std::optional<LayerFit> fit_of(const LinearSite& site) const {
    const auto at = part_of_.find(site.weights);
    if (at == part_of_.end() || readers_.at(site.weights) != 1) return std::nullopt;
    const size_t part = at->second;
    const Moments* moments = compressor_.moments(part);
    if (moments == nullptr || compressor_.parts()[part].kind != Part::Kind::linear) return std::nullopt;
    if (CorrectionFit::can(site, *moments, compressor_.curvature(part)))
      return LayerFit{part, std::vector<CorrectionFit>(kSlices, {site, *moments}), {}, target_of(site, graph_)};
    if (site.bias.empty()) return std::nullopt;
    return LayerFit{part, {}, std::vector<OutputFit>(kSlices, OutputFit(site)), target_of(site, graph_)};
  }

  std::shared_ptr<const CodedPart> corrected(const LayerFit& fitted) const {
    std::shared_ptr<CodedPart> part;
    std::vector<float> bias;
    if (fitted.whole.empty()) {
      part = std::make_shared<CodedPart>(*coded_.parts[fitted.part]);
      const bool bias_only = fitted.target.joins_stream || part->as_is;
      OutputFit::Result fit = OutputFit::fit(fitted.output, bias_only ? std::vector<float>() : bias_now(fitted.part));
      part->matrix.step *= static_cast<float>(fit.factor);
      bias = std::move(fit.bias);
    } else {
      Correction correction = CorrectionFit::fit(fitted.whole, compressor_.curvature(fitted.part));
      std::vector<float> weights = compressor_.weights_of(fitted.part);
      for (size_t j = 0; j < weights.size(); ++j) weights[j] += correction.weights[j];
      // Where the quantized network is destroyed so far, there is nothing to fit.
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
  void measure(std::vector<LayerFit>& fits, const std::vector<std::string>& values, const Node* node) {
    coded_.vectors = compressor_.code_vectors(settings_.vector_steps, coded_.parts);
    const Model now = compressor_.with(coded_);
    const std::vector<Array>& inputs = compressor_.inputs();
    const auto next =
        live_set_before(sized_.impl().graph, twin_of(node), kKeptBytes / (2 * static_cast<int64_t>(inputs.size())));
    const std::vector<std::string>* live_set = next ? &*next : nullptr;
    const Isa isa = chosen_isa();
    const ThreadScope scope(compressor_.threads() == 0 ? hardware_threads() : compressor_.threads());
    // Threads divide inputs, not layers, so that none waits for another. Runners are costly: one pair per thread.
    parallel_for(kSlices, div_up<int64_t>(kSlices, current_threads()), [&](int64_t begin, int64_t end) {
      const ThreadScope alone(1);
      SegmentedForward::Runner before(reference_, compressor_.model(), values, live_set),
          after(quantized_, now, values, live_set);
      Workspace workspace;
      for (auto slice = static_cast<size_t>(begin); slice < static_cast<size_t>(end); ++slice)
        for (size_t k = slice; k < inputs.size(); k += kSlices) {
          const std::vector<Array> wanted = before.run(k), got = after.run(k);
          for (size_t f = 0; f < fits.size(); ++f) {
            if (fits[f].whole.empty()) fits[f].output[slice].add(wanted[f], got[f]);
            else fits[f].whole[slice].add(k, got.back(), wanted[f], got[f], isa, workspace);
          }
        }
    });
    if (!next) return;
    reference_.move(*next);
    quantized_.move(*next);
  }

  Compressor& compressor_;
  const Settings& settings_;
  const Graph& graph_;
  const Model sized_;  // with the extents of the inputs, which give the size of the live set
  std::map<std::string, size_t> part_of_;
  std::map<std::string, int> readers_;      // sites by weights
  SegmentedForward reference_, quantized_;  // the reference network, and the network quantized so far
  Coded coded_;
};

}  // namespace

Coded reconstruct_sequentially(Compressor& compressor, const Settings& settings, const Progress& progress) {
  SequentialReconstruction work(compressor, settings);
  const std::vector<LinearSite>& sites = compressor.sites();
  for (size_t first = 0, last = 0; first < sites.size(); first = last) {
    while (last < sites.size() && sites[last].input == sites[first].input) ++last;
    work.layers(first, last);
    work.rest(first, last);
    if (progress && !progress("compensate errors", static_cast<double>(last) / static_cast<double>(sites.size())))
      break;
  }
  return work.finish();
}

}  // namespace tercel::inline tune
