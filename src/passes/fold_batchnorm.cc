#include "passes/fold_batchnorm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "passes/linear_bias.h"
#include "passes/linear_weights.h"
#include "passes/match.h"

namespace tercel::inline passes {
namespace {

struct Affine {
  std::vector<double> scale, shift;
};

/// The per-channel affine map that a BatchNormalization with constant statistics is.
std::optional<Affine> affine_of(const Node& norm) {
  for (size_t i = 1; i <= 4; ++i)
    if (!is_f32_constant(norm.input(i))) return std::nullopt;
  const auto gamma = norm.input(1)->constant.to_doubles(), beta = norm.input(2)->constant.to_doubles();
  const auto mean = norm.input(3)->constant.to_doubles(), variance = norm.input(4)->constant.to_doubles();
  const double epsilon = norm.attrs.get_float("epsilon");
  Affine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    affine.scale.push_back(gamma[c] / std::sqrt(variance[c] + epsilon));
    affine.shift.push_back(beta[c] - mean[c] * affine.scale[c]);
  }
  return affine;
}

/// Weights whose elements come in runs of `per` for one output channel; the channels of a group follow one another
/// `span` at a time, and groups take `group_size` elements.
struct ChannelOrder {
  int64_t per = 1, span = 1, group_size = 0;
};

double bound_scaled(const Tensor& weights, const std::vector<double>& scale) {
  double most = 0;
  for (double s : scale) most = std::max(most, std::abs(s));
  return most * static_cast<double>(weights.bound());
}

/// Every element times the scale of its output channel.
Tensor scaled(const Tensor& weights, const std::vector<double>& scale, const ChannelOrder& order) {
  return edited_later(weights, bound_scaled(weights, scale),
                      [scale, order, count = weights.elements()](float* elements) {
                        parallel_for(count / order.per, 1 + (1 << 16) / order.per, [&](int64_t begin, int64_t end) {
                          for (int64_t run = begin; run < end; ++run) {
                            const int64_t first = run * order.per, group = first / order.group_size;
                            const double factor = scale[static_cast<size_t>(group * order.span + run % order.span)];
                            for (int64_t i = first; i < first + order.per; ++i)
                              elements[i] = static_cast<float>(static_cast<double>(elements[i]) * factor);
                          }
                        });
                      });
}

bool fold_into(Graph& graph, Node& norm, Node& linear, PassContext& context) {
  const Value* weights = linear.input(1);
  const Value* bias = linear.input(2);
  const auto refuse = [&](const char* why) {
    context.notes.push_back(fmt::format("{} stays: {}", norm.describe(), why));
    return false;
  };
  if (sole_user(graph, linear.output()) != &norm) return refuse("others read the value before it");
  if (!is_f32_constant(weights) || (bias != nullptr && !is_f32_constant(bias)))
    return refuse("the weights before it are not constant");
  const auto affine = affine_of(norm);
  if (!affine) return refuse("its statistics are not constant");
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(static_cast<float>(v)); });
  };
  // Infinity times a weight of 0 is NaN, where infinity times the sum would not be.
  if (!finite(affine->scale) || !finite(affine->shift)) return refuse("its scale or shift is not finite");
  const auto channels = static_cast<int64_t>(affine->scale.size());

  const Dims& dims = weights->type.dims;
  int64_t span = 1, per = 1, groups = 1;
  if (linear.is("Conv")) {
    span = dims[0];
    for (size_t i = 1; i < dims.size(); ++i) per *= dims[i];
  } else if (linear.is("ConvTranspose")) {
    groups = linear.attrs.get_int("group");
    span = dims[1];
    for (size_t i = 2; i < dims.size(); ++i) per *= dims[i];
  } else {  // Gemm
    const bool transposed = linear.attrs.get_bool("transB");
    if (linear.attrs.get_float("alpha") != 1 || (bias != nullptr && linear.attrs.get_float("beta") != 1))
      return refuse("the Gemm before it scales its operands");
    span = dims[transposed ? 0 : 1];
    per = transposed ? dims[1] : 1;
  }
  if (span * groups != channels) return refuse("it has another number of channels");
  if (bias != nullptr && !is_column_vector(bias, channels)) return refuse("the bias before it is not per channel");

  if (!fits_f32(bound_scaled(weights->constant, affine->scale)))
    return refuse("the weights before it are not finite, or would not be with its scale");
  if (weights->constant.elements() == 0) return refuse("its weights are empty");
  Tensor new_weights = scaled(weights->constant, affine->scale, {per, span, weights->constant.elements() / groups});
  std::vector<float> new_bias(static_cast<size_t>(channels));
  for (size_t c = 0; c < new_bias.size(); ++c) {
    const double before =
        bias == nullptr ? 0.0 : static_cast<double>(bias->constant.at<float>(static_cast<int64_t>(c)));
    new_bias[c] = static_cast<float>(before * affine->scale[c] + affine->shift[c]);
  }
  // New constants, not edits: exporters let several nodes share one initializer.
  graph.set_input(&linear, 1, graph.add_constant(weights->name + "_bn", std::move(new_weights)));
  graph.set_input(&linear, 2, graph.add_constant(norm.input(2)->name + "_bn", Tensor::of<float>({channels}, new_bias)));
  take_over(graph, norm.output(), linear.output());
  return true;
}

}  // namespace

int fold_batchnorm(Graph& graph, PassContext& context) {
  return for_each_node(graph, [&](Node& norm) {
    if (!norm.is("BatchNormalization") || norm.input(0)->producer == nullptr) return false;
    Node& linear = *norm.input(0)->producer;
    if (!linear.is("Conv") && !linear.is("ConvTranspose") && !linear.is("Gemm")) return false;
    return fold_into(graph, norm, linear, context);
  });
}

}  // namespace tercel::inline passes
