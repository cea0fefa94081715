#include "passes/linear_weights.h"

#include <memory>

#include "passes/match.h"
#include "tensor/element_source.h"

namespace tercel {
namespace {

bool transposes(const Node& linear, std::string_view attr) {
  return !linear.is("MatMul") && linear.attrs.get_bool(attr);
}

}  // namespace

Tensor edited_later(const Tensor& before, std::function<void(float* elements)> edit) {
  return {DType::f32, before.dims(),
          std::make_shared<ElementSource>(before.bytes(), [before, edit = std::move(edit)](std::byte* to) {
            before.move_elements(to);
            edit(reinterpret_cast<float*>(to));
          })};
}

bool LinearWeights::readable(const Node& linear) {
  return is_f32_constant(linear.input(1)) && linear.input(1)->type.dims.size() == 2 && !transposes(linear, "transA");
}

LinearWeights::LinearWeights(const Node& linear)
    : LinearWeights(linear.input(1)->constant, transposes(linear, "transB")) {}

LinearWeights::LinearWeights(Tensor tensor, bool transposed) : tensor_(std::move(tensor)), transposed_(transposed) {
  k_ = tensor_.dims()[transposed_ ? 1 : 0];
  n_ = tensor_.dims()[transposed_ ? 0 : 1];
}

std::vector<double> LinearWeights::weighted_sum(const std::vector<double>& factor) const {
  std::vector<double> sums(static_cast<size_t>(n_), 0.0);
  const Floats from(tensor_);
  // Columns of the result are shared out, so that each is summed in one order.
  parallel_for(n_, 1 + (1 << 16) / (k_ + 1), [&](int64_t begin, int64_t end) {
    if (transposed_) {
      for (int64_t j = begin; j < end; ++j)
        for (int64_t i = 0; i < k_; ++i)
          sums[static_cast<size_t>(j)] += factor[static_cast<size_t>(i)] * from[j * k_ + i];
      return;
    }
    for (int64_t i = 0; i < k_; ++i) {
      const double f = factor[static_cast<size_t>(i)];
      for (int64_t j = begin; j < end; ++j) sums[static_cast<size_t>(j)] += f * from[i * n_ + j];
    }
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
