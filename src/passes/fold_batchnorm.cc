#include "passes/fold_batchnorm.h"

#include <cmath>

#include "base/error.h"
#include "passes/linear_bias.h"
#include "passes/match.h"

namespace tercel {
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

/// Weights with output channel c multiplied by scale[c]. `channel(i)` says which channel element i belongs to.
template <typename Channel>
Tensor scaled(const Tensor& weights, const std::vector<double>& scale, Channel&& channel) {
  Tensor out(DType::f32, weights.dims());
  auto* dst = reinterpret_cast<float*>(out.mutable_data());
  for (int64_t i = 0; i < weights.elements(); ++i)
    dst[i] = static_cast<float>(static_cast<double>(weights.at<float>(i)) * scale[static_cast<size_t>(channel(i))]);
  return out;
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
  const auto channels = static_cast<int64_t>(affine->scale.size());

  const Dims& dims = weights->type.dims;
  int64_t span = 1, per = 1;  // channel of element i: (i / per) % span, plus group for transposed convolutions
  int64_t groups = 1;
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

  const int64_t group_size = groups == 1 ? 1 : weights->constant.elements() / groups;
  Tensor new_weights = scaled(weights->constant, affine->scale,
                              [&](int64_t i) { return (groups == 1 ? 0 : i / group_size) * span + (i / per) % span; });
  std::vector<float> new_bias(static_cast<size_t>(channels));
  for (size_t c = 0; c < new_bias.size(); ++c) {
    const double before =
        bias == nullptr ? 0.0 : static_cast<double>(bias->constant.at<float>(static_cast<int64_t>(c)));
    new_bias[c] = static_cast<float>(before * affine->scale[c] + affine->shift[c]);
  }
  // New constants, not edits: exporters let several nodes share one initialiser.
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

}  // namespace tercel
