// Derivatives of operators that work element by element.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/ref/broadcast.h"
#include "quant/gradient_rule.h"

namespace tercel::inline quant {
namespace {

constexpr int64_t kGrain = 16384;

/// into += gradient * slope(element of `from`)
template <typename Slope>
void scale_by(RuleContext& c, const float* from, Slope&& slope) {
  if (c.into[0] == nullptr) return;
  float* into = c.into[0];
  const float* gradient = c.gradients[0];
  parallel_for(c.count(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) into[i] += gradient[i] * slope(from[i]);
  });
}

/// A function whose slope follows from its argument.
template <auto slope>
void by_operand(RuleContext& c) {
  scale_by(c, c.operands[0], [](float x) { return slope(x); });
}

/// A function whose slope follows from its result.
template <auto slope>
void by_result(RuleContext& c) {
  scale_by(c, c.results[0], [](float y) { return slope(y); });
}

void leaky_relu(RuleContext& c) {
  const float alpha = c.node.attrs.get_float("alpha");
  scale_by(c, c.operands[0], [=](float x) { return x < 0 ? alpha : 1.0f; });
}

void elu(RuleContext& c) {
  const float alpha = c.node.attrs.get_float("alpha");
  scale_by(c, c.operands[0], [=](float x) { return x < 0 ? alpha * std::exp(x) : 1.0f; });
}

void clip(RuleContext& c) {
  const auto bound = [&](size_t operand, float otherwise) {
    return operand < c.operands.size() && c.operands[operand] != nullptr ? c.operands[operand][0] : otherwise;
  };
  const float low = bound(1, -INFINITY), high = bound(2, INFINITY);
  scale_by(c, c.operands[0], [=](float x) { return x > low && x < high ? 1.0f : 0.0f; });
}

void hard_sigmoid(RuleContext& c) {
  const float alpha = c.node.attrs.get_float("alpha"), beta = c.node.attrs.get_float("beta");
  scale_by(c, c.operands[0], [=](float x) {
    const float y = alpha * x + beta;
    return y > 0 && y < 1 ? alpha : 0.0f;
  });
}

constexpr float kInverseSqrt2Pi = 0.3989422804014327f;

/// d(x Phi(x)) = Phi(x) + x phi(x), or the derivative of its approximation by tanh.
void gelu(RuleContext& c) {
  if (c.node.attrs.get_string("approximate") == "tanh") {
    scale_by(c, c.operands[0], [](float x) {
      constexpr float kSqrt2OverPi = 0.7978845608028654f, kCubic = 0.044715f;
      const float t = std::tanh(kSqrt2OverPi * (x + kCubic * x * x * x));
      return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * kSqrt2OverPi * (1 + 3 * kCubic * x * x);
    });
  } else {
    scale_by(c, c.operands[0], [](float x) {
      return 0.5f * (1 + std::erf(x * 0.7071067811865476f)) + x * kInverseSqrt2Pi * std::exp(-0.5f * x * x);
    });
  }
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

// Where a function has a corner, the slope is that of one of its sides.
float relu_slope(float y) { return y > 0 ? 1.0f : 0.0f; }
float sigmoid_slope(float y) { return y * (1 - y); }
float tanh_slope(float y) { return 1 - y * y; }
float sqrt_slope(float y) { return 0.5f / y; }
float exp_slope(float y) { return y; }
float reciprocal_slope(float y) { return -y * y; }
float hard_swish_slope(float x) { return x <= -3 ? 0.0f : x >= 3 ? 1.0f : x / 3 + 0.5f; }
float erf_slope(float x) { return 1.1283791670955126f * std::exp(-x * x); }
float log_slope(float x) { return 1 / x; }
float abs_slope(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f; }
float softplus_slope(float x) { return sigmoid(x); }

void negate(RuleContext& c) {
  scale_by(c, c.gradients[0], [](float) { return -1.0f; });
}

/// slope(a, b, y) of an operator of two broadcast operands, with respect to `own` of them.
template <typename Slope>
void broadcast_slope(RuleContext& c, size_t own, Slope&& slope) {
  float* into = c.into[own];
  if (into == nullptr) return;
  const float* gradient = c.gradients[0];
  const Dims& dims = c.result_dims();
  const int64_t count = count_elements(dims);
  // Elements that were not asked for may be absent; the gradient stands in for them, and the slope looks past it.
  const float* a = c.operands[0] != nullptr ? c.operands[0] : gradient;
  const float* b = c.operands[1] != nullptr ? c.operands[1] : gradient;
  const int64_t other = c.count(1 - own);
  if (c.count(own) == count && (other == count || other == 1)) {
    const int64_t step_a = c.count(0) == count ? 1 : 0, step_b = c.count(1) == count ? 1 : 0;
    parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) into[i] += gradient[i] * slope(a[i * step_a], b[i * step_b]);
    });
    return;
  }
  const std::array strides{broadcast_strides(c.dims(0), dims), broadcast_strides(c.dims(1), dims)};
  walk(dims, strides,
       [&](int64_t i, const auto& at) { into[own == 0 ? at[0] : at[1]] += gradient[i] * slope(a[at[0]], b[at[1]]); });
}

void add(RuleContext& c) {
  for (size_t own : {0, 1}) broadcast_slope(c, own, [](float, float) { return 1.0f; });
}

void subtract(RuleContext& c) {
  broadcast_slope(c, 0, [](float, float) { return 1.0f; });
  broadcast_slope(c, 1, [](float, float) { return -1.0f; });
}

void multiply(RuleContext& c) {
  broadcast_slope(c, 0, [](float, float b) { return b; });
  broadcast_slope(c, 1, [](float a, float) { return a; });
}

void divide(RuleContext& c) {
  broadcast_slope(c, 0, [](float, float b) { return 1 / b; });
  broadcast_slope(c, 1, [](float a, float b) { return -a / (b * b); });
}

/// b is constant.
void power(RuleContext& c) {
  if (c.operands[1] == nullptr) fail_unsupported("gradient: {}: the exponent is not f32", c.node.describe());
  broadcast_slope(c, 0, [](float a, float b) {
    if (b == 2) return 2 * a;
    return b == 0 ? 0.0f : b * std::pow(a, b - 1);
  });
}

}  // namespace

std::span<const GradientRule> elementwise_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"Add", kAllOperands, kNothing, add},
      {"Sub", kAllOperands, kNothing, subtract},
      {"Mul", kAllOperands, kOthers, multiply},
      {"Div", kAllOperands, kOwn | kOthers, divide},
      {"Pow", 1, kOwn | kOthers, power},
      {"Relu", 1, kResult, by_result<relu_slope>},
      {"Sigmoid", 1, kResult, by_result<sigmoid_slope>},
      {"Tanh", 1, kResult, by_result<tanh_slope>},
      {"Sqrt", 1, kResult, by_result<sqrt_slope>},
      {"Exp", 1, kResult, by_result<exp_slope>},
      {"Reciprocal", 1, kResult, by_result<reciprocal_slope>},
      {"HardSwish", 1, kOwn, by_operand<hard_swish_slope>},
      {"Erf", 1, kOwn, by_operand<erf_slope>},
      {"Log", 1, kOwn, by_operand<log_slope>},
      {"Abs", 1, kOwn, by_operand<abs_slope>},
      {"Softplus", 1, kOwn, by_operand<softplus_slope>},
      {"Neg", 1, kNothing, negate},
      {"LeakyRelu", 1, kOwn, leaky_relu},
      {"Elu", 1, kOwn, elu},
      {"Clip", 1, kOwn, clip},
      {"HardSigmoid", 1, kOwn, hard_sigmoid},
      {"Gelu", 1, kOwn, gelu},
  };
  return kRules;
}

}  // namespace tercel::inline quant
