#include "quant/choose_basis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "graph/infer.h"
#include "quant/curvature.h"
#include "quant/quantize.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

using testing::FloatNear;
using testing::Pointwise;

/// 3x3 kernels that are weighted sums of few smooth shapes and a little noise.
std::vector<float> smooth_kernels(int64_t count, uint64_t seed, double noise = 0.1) {
  Rng rng(seed);
  std::vector<float> weights;
  for (int64_t k = 0; k < count; ++k) {
    const double level = rng.normal(), across = rng.normal() / 2, down = rng.normal() / 2;
    for (int y = -1; y <= 1; ++y)
      for (int x = -1; x <= 1; ++x)
        weights.push_back(static_cast<float>(level + across * x + down * y + noise * rng.normal()));
  }
  return weights;
}

std::vector<double> second_of(const std::vector<float>& kernels, int64_t size) {
  std::vector<double> second(static_cast<size_t>(size * size));
  for (size_t at = 0; at < kernels.size(); at += static_cast<size_t>(size))
    for (size_t i = 0; i < static_cast<size_t>(size); ++i)
      for (size_t j = 0; j < static_cast<size_t>(size); ++j)
        second[i * static_cast<size_t>(size) + j] +=
            static_cast<double>(kernels[at + i]) * static_cast<double>(kernels[at + j]);
  return second;
}

std::vector<double> identity(int64_t size) {
  std::vector<double> square(static_cast<size_t>(size * size));
  for (int64_t i = 0; i < size; ++i) square[static_cast<size_t>(i * (size + 1))] = 1;
  return square;
}

TEST(PrincipalComponents, CoefficientsAreUncorrelatedAndTheStrongestFirst) {
  const std::vector<float> kernels = smooth_kernels(500, 1);
  const codec::KernelBasis basis = principal_components(second_of(kernels, 9), identity(9), 9);
  std::vector<float> coefficients = kernels;
  forward_transform(basis, coefficients);
  const std::vector<double> second = second_of(coefficients, 9);
  for (size_t i = 0; i < 9; ++i)
    for (size_t j = 0; j < i; ++j) {
      EXPECT_LT(std::abs(second[i * 9 + j]), 0.15 * std::sqrt(second[i * 10] * second[j * 10])) << i << " " << j;
      EXPECT_GT(second[j * 10], 0.8 * second[i * 10]);
    }
  EXPECT_GT(second[0], 100 * second[80]);
}

/// e' H e = sum over coefficients, and these are still uncorrelated: both hold in the basis at once.
TEST(PrincipalComponents, ErrorsOfCoefficientsCostEachOnItsOwn) {
  const std::vector<double> sensitivity = second_of(smooth_kernels(300, 2, 0.5), 9);
  const codec::KernelBasis basis = principal_components(second_of(smooth_kernels(500, 1), 9), sensitivity, 9);
  const auto entry = [&](size_t i, size_t j) { return static_cast<double>(basis.entries[i * 9 + j]); };
  std::vector<double> cost(81);
  for (size_t a = 0; a < 9; ++a)
    for (size_t b = 0; b < 9; ++b)
      for (size_t i = 0; i < 9; ++i)
        for (size_t j = 0; j < 9; ++j) cost[a * 9 + b] += entry(a, i) * sensitivity[i * 9 + j] * entry(b, j);
  for (size_t a = 0; a < 9; ++a)
    for (size_t b = 0; b < a; ++b)
      EXPECT_LT(std::abs(cost[a * 9 + b]), 0.1 * std::sqrt(cost[a * 10] * cost[b * 10])) << a << " " << b;
}

TEST(ToCoefficients, ToWeightsTurnsBack) {
  const std::vector<float> kernels = smooth_kernels(50, 3);
  const codec::KernelBasis basis =
      principal_components(second_of(kernels, 9), second_of(smooth_kernels(300, 4, 0.5), 9), 9);
  std::vector<float> back = kernels;
  forward_transform(basis, back);
  codec::inverse_transform(basis, back);
  EXPECT_THAT(back, Pointwise(FloatNear(1e-4f), kernels));
}

/// y = conv(conv(x, smooth), rough).
Model two_convolutions() {
  Graph graph;
  Value* y = graph.add_input("x", {DType::f32, true, {1, 8, 10, 10}});
  std::vector<float> rough(16 * 16 * 9);
  Rng rng(5);
  for (float& w : rough) w = static_cast<float>(rng.normal());
  const Tensor weights[] = {Tensor::of<float>({16, 8, 3, 3}, smooth_kernels(16 * 8, 6)),
                            Tensor::of<float>({16, 16, 3, 3}, rough)};
  for (int i = 0; i < 2; ++i) {
    Value* w = graph.add_constant(i == 0 ? "smooth" : "rough", weights[i]);
    Value* next = graph.add_value(i == 0 ? "between" : "y");
    graph.add_node("Conv", {y, w}, {next},
                   {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    y = next;
  }
  graph.add_output(y);
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  return Model(std::move(impl));
}

std::map<std::string, Moments> moments_of(const Model& model, const std::vector<LinearSite>& sites) {
  Rng rng(7);
  std::vector<Array> inputs;
  for (int i = 0; i < 3; ++i) {
    std::vector<float> values(800);
    for (float& x : values) x = static_cast<float>(rng.normal());
    inputs.emplace_back(Dims{1, 8, 10, 10}, values);
  }
  MomentOptions options;
  options.samples = 0;
  return measure_moments(model, sites, inputs, options);
}

TEST(ChooseBases, SmoothKernelsTakeOneRoughOnesDoNot) {
  const Model model = two_convolutions();
  const std::vector<LinearSite> sites = find_linear_sites(model.impl().graph);
  for (const auto& moments : {std::map<std::string, Moments>(), moments_of(model, sites)}) {
    const auto bases = choose_bases(model.impl().graph, sites, moments, 0.01);
    EXPECT_TRUE(bases.contains("smooth"));
    EXPECT_FALSE(bases.contains("rough"));
  }
}

TEST(Turn, GivesTheMomentsOfInputsInTheBasis) {
  const Model model = two_convolutions();
  std::vector<LinearSite> sites = find_linear_sites(model.impl().graph);
  Moments transformed = moments_of(model, sites).at("smooth");
  const auto basis = std::make_shared<const codec::KernelBasis>(
      principal_components(second_of(smooth_kernels(100, 8), 9), identity(9), 9));
  transform_moments(transformed, *basis);
  sites[0].basis = basis;
  const Moments wanted = moments_of(model, sites).at("smooth");
  ASSERT_EQ(transformed.groups[0].size(), 1u);
  EXPECT_THAT(transformed.groups[0][0].second, Pointwise(FloatNear(1e-3f), wanted.groups[0][0].second));
  EXPECT_THAT(transformed.groups[0][0].mean, Pointwise(FloatNear(1e-4f), wanted.groups[0][0].mean));
}

/// What quantize() says of the error in coefficients is the error of the weights that a reader makes of them.
TEST(QuantizeInABasis, DistortionIsThatOfTheWeights) {
  const Model model = two_convolutions();
  const std::vector<LinearSite> sites = find_linear_sites(model.impl().graph);
  const Moments moments = moments_of(model, sites).at("smooth");
  const auto basis = choose_bases(model.impl().graph, sites, {}, 0.01).at("smooth");
  const std::vector<float> weights = smooth_kernels(16 * 8, 6);
  std::vector<float> coefficients = weights;
  forward_transform(*basis, coefficients);
  Moments transformed = moments;
  transform_moments(transformed, *basis);
  const double damping = 1e-6;
  WeightQuantization options;
  options.step = 0.3f;
  options.basis = basis;
  const QuantizedWeights result = quantize(coefficients, 16, 72, 3, 3, factorize(transformed, false, damping), options);
  const std::vector<float> back = codec::dequantize(result.matrix);
  double error = 0;
  for (size_t r = 0; r < 16; ++r)
    for (size_t i = 0; i < 72; ++i)
      for (size_t j = 0; j < 72; ++j)
        error += static_cast<double>(weights[r * 72 + i] - back[r * 72 + i]) *
                 static_cast<double>(moments.groups[0][0].second[i * 72 + j]) *
                 static_cast<double>(weights[r * 72 + j] - back[r * 72 + j]);
  EXPECT_NEAR(result.distortion, error, 0.01 * error);
  EXPECT_GT(error, 0);
}

}  // namespace
}  // namespace tercel::inline quant
