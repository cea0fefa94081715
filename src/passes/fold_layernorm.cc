#include "passes/fold_layernorm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "passes/linear_bias.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline passes {
namespace {

bool all_equal(const std::vector<double>& values, double wanted) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (double v : values) most = std::max(most, std::abs(v));
  return most;
}

/// Of beta W, in magnitude.
double bound_of_shift(const LinearWeights& weights, const std::vector<double>& beta) {
  double sum = 0;
  for (double b : beta) sum += std::abs(b);
  return sum == 0 ? 0 : sum * weights.bound();
}

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// What scale and bias of a norm make of the weights and the bias of a product that reads it. Both are computed when a
/// kernel wants them, and both from the weights as they were: which are read, or decoded, once if the scaled weights
/// are asked for first.
class Folded {
 public:
  Folded(LinearWeights weights, std::vector<double> gamma, std::vector<double> beta, bool shifts)
      : weights_(std::move(weights)), gamma_(std::move(gamma)), beta_(std::move(beta)), shifts_(shifts) {}

  int64_t outputs() const { return weights_.outputs(); }
  double bound_of_shift() const { return tercel::bound_of_shift(weights_, beta_); }

  /// Row i of W times gamma[i]. `self` shares this object with the tensor.
  Tensor scaled(const std::shared_ptr<Folded>& self) const {
    return weights_.edited_later(largest(gamma_) * weights_.bound(), {.edit = [self](const OutputsPart& part) {
                                   if (self->shifts_) self->keep(part);
                                   part.scale_inputs(self->gamma_);
                                 }});
  }

  /// beta W.
  std::vector<double> shift() {
    const std::lock_guard lock(mutex_);
    if (known_ != outputs()) shift_ = LinearWeights(weights_).weighted_sum(beta_);
    known_ = outputs();
    return shift_;
  }

 private:
  /// Of some outputs, before they are scaled.
  void keep(const OutputsPart& part) {
    {
      const std::lock_guard lock(mutex_);
      if (known_ == outputs()) return;
    }
    const std::vector<double> shift = part.weighted_sum(beta_);
    const std::lock_guard lock(mutex_);
    if (known_ == outputs()) return;
    shift_.resize(static_cast<size_t>(outputs()), kUnknown);
    for (int64_t j = 0; j < part.count(); ++j) {
      double& at = shift_[static_cast<size_t>(part.first() + j)];
      if (std::isnan(at)) ++known_;
      at = shift[static_cast<size_t>(j)];
    }
  }

  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();  // shifts are finite: fold() has looked

  const LinearWeights weights_;
  const std::vector<double> gamma_, beta_;
  const bool shifts_;
  std::mutex mutex_;
  std::vector<double> shift_;
  int64_t known_ = 0;  // of its elements
};

bool fold(Graph& graph, Node& norm, PassContext& context) {
  const auto refuse = [&](const std::string& why) {
    context.notes.push_back(fmt::format("{} keeps its scale: {}", norm.describe(), why));
    return false;
  };
  if (!norm.is("LayerNormalization")) return false;
  if (!is_row_norm(norm)) return refuse("it is not over the last axis alone, in f32, of known extent");
  const int64_t size = norm.input(0)->type.dims.back();
  for (size_t i : {size_t{1}, size_t{2}})
    if (norm.input(i) != nullptr && !is_column_vector(norm.input(i), size))
      return refuse(i == 1 ? "it is no constant of one number per channel" : "its bias is no constant like that");
  const std::vector<double> gamma = norm.input(1)->constant.to_doubles();
  const std::vector<double> beta = norm.input(2) == nullptr ? std::vector<double>(static_cast<size_t>(size), 0.0)
                                                            : norm.input(2)->constant.to_doubles();
  if (all_equal(gamma, 1) && norm.input(2) == nullptr) return false;  // nothing left to fold
  // Infinity times a weight of 0 is NaN, where infinity times the normalized value need not be.
  if (!all_finite(gamma) || !all_finite(beta)) return refuse("it, or its bias, is not finite");
  const LinearReaders readers = find_linear_readers(graph, norm.output(), {"MatMul", "Gemm"});
  if (!readers.refusal.empty()) return refuse(readers.refusal);
  const bool shifts = !all_equal(beta, 0);
  if (readers.padded && shifts) return refuse("zeros are added to its result, which its bias would fill");
  for (const Node* linear : readers.linears) {
    const LinearWeights weights(*linear);
    if (weights.inputs() != size) return refuse(fmt::format("{} reads rows of another size", linear->describe()));
    if (!fits_f32(std::max(1.0, largest(gamma)) * weights.bound()) || !fits_f32(bound_of_shift(weights, beta)))
      return refuse(fmt::format("weights of {} are not finite, or would not be with it", linear->describe()));
    if (shifts && !takes_bias(*linear, weights.outputs()))
      return refuse(fmt::format("the bias of {} is not one constant number per column", linear->describe()));
  }
  for (Node* linear : readers.linears) {
    const auto folded = std::make_shared<Folded>(LinearWeights(*linear), gamma, beta, shifts);
    graph.set_input(linear, 1, graph.add_constant(linear->input(1)->name + "_ln", folded->scaled(folded)));
    if (shifts)
      add_bias(graph, *linear, folded->outputs(), folded->bound_of_shift(), [folded] { return folded->shift(); });
  }
  const std::vector<double> ones(static_cast<size_t>(size), 1.0);
  graph.set_input(&norm, 1, graph.add_constant("ones", rounded(ones, {size})));
  if (norm.inputs.size() > 2) graph.set_input(&norm, 2, nullptr);
  norm.inputs.resize(2);
  return true;
}

}  // namespace

int fold_layernorm(Graph& graph, PassContext& context) {
  return for_each_node(graph, [&](Node& node) { return fold(graph, node, context); });
}

}  // namespace tercel::inline passes
