#include "quant/migrate_scale.h"

#include <algorithm>
#include <cmath>

#include "passes/linear_bias.h"
#include "passes/linear_weights.h"
#include "passes/norm_readers.h"
#include "quant/observe.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

constexpr double kLeastPart = 1e-4;  // of the largest channel: a smaller one counts as so large

struct Place {
  Node* norm = nullptr;
  std::vector<Node*> linears;
  int64_t channels = 0;
  std::vector<double> largest;  // of each channel, on the inputs
};

std::vector<Place> find_places(const Graph& graph) {
  std::vector<Place> places;
  for (const auto& node : graph.nodes()) {
    if (!is_row_norm(*node)) continue;
    const int64_t channels = node->input(0)->type.dims.back();
    if (!is_column_vector(node->input(1), channels) ||
        (node->input(2) != nullptr && !is_column_vector(node->input(2), channels)))
      continue;
    LinearReaders readers = find_linear_readers(graph, node->output(), {"MatMul", "Gemm"});
    if (!readers.refusal.empty()) continue;
    const bool fit = std::all_of(readers.linears.begin(), readers.linears.end(),
                                 [&](const Node* linear) { return LinearWeights(*linear).inputs() == channels; });
    if (fit)
      places.push_back(
          {node.get(), std::move(readers.linears), channels, std::vector<double>(static_cast<size_t>(channels), 0.0)});
  }
  return places;
}

void raise_to_least_part(std::vector<double>& largest) {
  const double least = kLeastPart * *std::max_element(largest.begin(), largest.end());
  for (double& x : largest) x = std::max(x, least);
}

/// Powers of two.
std::vector<double> factors_of(Place& place) {
  std::vector<double> weights(static_cast<size_t>(place.channels), 0.0);
  for (const Node* linear : place.linears)
    LinearWeights(*linear).for_each([&](int64_t, int64_t i, int64_t, double w) {
      double& most = weights[static_cast<size_t>(i)];
      most = std::max(most, std::abs(w));
    });
  raise_to_least_part(weights);
  raise_to_least_part(place.largest);
  std::vector<double> factors;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double ideal = place.largest[i] / weights[i];
    factors.push_back(ideal > 0 && std::isfinite(ideal) ? std::exp2(std::nearbyint(std::log2(ideal) / 2)) : 1);
  }
  return factors;
}

/// A constant of one number per channel, divided by the factors.
Tensor divided(const Tensor& by_channel, const std::vector<double>& factors) {
  std::vector<double> values = by_channel.to_doubles();
  for (size_t i = 0; i < values.size(); ++i) values[i] /= factors[i];
  return rounded(values, by_channel.dims());
}

void apply(Graph& graph, Place& place) {
  const std::vector<double> factors = factors_of(place);
  const double most = *std::max_element(factors.begin(), factors.end());
  for (const Node* linear : place.linears)
    if (!fits_f32(std::max(1.0, most) * LinearWeights(*linear).bound())) return;
  for (size_t i : {size_t{1}, size_t{2}})
    if (const Value* given = place.norm->input(i); given != nullptr)
      graph.set_input(place.norm, i, graph.add_constant(given->name + "_even", divided(given->constant, factors)));
  for (Node* linear : place.linears) {
    const LinearWeights weights(*linear);
    const Tensor scaled =
        weights.edited_later(std::max(1.0, most) * weights.bound(),
                             {.edit = [factors](const OutputsPart& part) { part.scale_inputs(factors); }});
    graph.set_input(linear, 1, graph.add_constant(linear->input(1)->name + "_even", scaled));
  }
}

}  // namespace

Model with_even_channels(const Model& model, const std::vector<Array>& inputs, const SessionOptions& options,
                         const Progress& progress) {
  auto impl = changeable_copy(model);
  std::vector<Place> places = find_places(impl->graph);
  if (places.empty()) return model;
  std::vector<std::string> names;
  for (const Place& place : places) names.push_back(place.norm->output()->name);
  observe(
      model, names, inputs,
      [&](size_t, const std::vector<Array>& values) {
        for (size_t p = 0; p < places.size(); ++p) {
          std::vector<double>& largest = places[p].largest;
          size_t channel = 0;
          for (float x : values[p].floats()) {
            largest[channel] = std::max(largest[channel], std::abs(static_cast<double>(x)));
            channel = channel + 1 == largest.size() ? 0 : channel + 1;
          }
        }
      },
      options, progress);
  for (Place& place : places) apply(impl->graph, place);
  impl->graph.drop_unused();
  return Model(std::move(impl));
}

}  // namespace tercel::inline quant
