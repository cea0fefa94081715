#include "passes/linear_weights.h"

#include "passes/match.h"

namespace tercel {
namespace {

bool transposes(const Node& linear, std::string_view attr) {
  return !linear.is("MatMul") && linear.attrs.get_bool(attr);
}

}  // namespace

bool LinearWeights::readable(const Node& linear) {
  return is_f32_constant(linear.input(1)) && linear.input(1)->type.dims.size() == 2 && !transposes(linear, "transA");
}

LinearWeights::LinearWeights(const Node& linear)
    : tensor_(linear.input(1)->constant), transposed_(transposes(linear, "transB")) {
  k_ = tensor_.dims()[transposed_ ? 1 : 0];
  n_ = tensor_.dims()[transposed_ ? 0 : 1];
}

std::vector<double> LinearWeights::weighted_sum(const std::vector<double>& factor) const {
  std::vector<double> sums(static_cast<size_t>(n_), 0.0);
  for_each([&](int64_t, int64_t i, int64_t j, double w) {
    sums[static_cast<size_t>(j)] += factor[static_cast<size_t>(i)] * w;
  });
  return sums;
}

std::vector<double> LinearWeights::output_mean() const {
  std::vector<double> means(static_cast<size_t>(k_), 0.0);
  for_each([&](int64_t, int64_t i, int64_t, double w) { means[static_cast<size_t>(i)] += w; });
  for (double& mean : means) mean /= static_cast<double>(n_);
  return means;
}

Tensor rounded(const std::vector<double>& values, Dims dims) {
  return Tensor::of<float>(std::move(dims), std::vector<float>(values.begin(), values.end()));
}

}  // namespace tercel
