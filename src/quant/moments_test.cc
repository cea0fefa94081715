#include "quant/moments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "graph/infer.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

using testing::FloatNear;
using testing::Pointwise;

Tensor random_tensor(Dims dims, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return Tensor::of<float>(std::move(dims), values);
}

Array random_array(std::vector<int64_t> dims, uint64_t seed) {
  const Tensor tensor = random_tensor(dims, seed);
  const auto* data = reinterpret_cast<const float*>(tensor.data());
  return Array(std::move(dims), std::span(data, static_cast<size_t>(tensor.elements())));
}

Model as_model(Graph graph) {
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  return Model(std::move(impl));
}

/// y = conv(x, weights) as sums over the gathered rows must be what the network computes.
TEST(InputRows, AreWhatTheConvolutionSumsOver) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 6, 7, 9}});
  Value* weights = graph.add_constant("w", random_tensor({4, 3, 3, 2}, 1));
  Value* y = graph.add_value("y");
  graph.add_node("Conv", {x, weights}, {y},
                 {{"group", int64_t{2}},
                  {"pads", std::vector<int64_t>{1, 0, 2, 1}},
                  {"strides", std::vector<int64_t>{2, 1}},
                  {"dilations", std::vector<int64_t>{1, 2}},
                  {"kernel_shape", std::vector<int64_t>{3, 2}}});
  graph.add_output(y);
  const Model model = as_model(std::move(graph));
  const auto sites = find_linear_sites(model.impl().graph);
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_EQ(sites[0].rows, 4);
  EXPECT_EQ(sites[0].columns, 18);
  const Array input = random_array({1, 6, 7, 9}, 2);
  const Array wanted = Session(model).run({input}).at(0);
  const InputRows rows(sites[0], input.dims(), 1000);
  const int64_t positions = wanted.elements() / 4;
  ASSERT_EQ(rows.count(), positions);
  std::vector<float> gathered(static_cast<size_t>(positions * 18)), got;
  const Tensor& w = model.impl().graph.find_value("w")->constant;
  for (int64_t row = 0; row < 4; ++row) {
    rows.gather(input.floats().data(), row / 2, 0, 18, gathered.data());
    for (int64_t p = 0; p < positions; ++p) {
      float sum = 0;
      for (int64_t k = 0; k < 18; ++k) sum += w.at<float>(row * 18 + k) * gathered[static_cast<size_t>(p * 18 + k)];
      got.push_back(sum);
    }
  }
  EXPECT_THAT(got, Pointwise(FloatNear(1e-4f), wanted.floats()));
}

TEST(Moments, AreMeansOverInputsAndPlaces) {
  constexpr int64_t kRows = 7, kColumns = 50;
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {kRows, kColumns}});
  Value* weights = graph.add_constant("w", random_tensor({kColumns, 3}, 1));
  Value* y = graph.add_value("y");
  graph.add_node("MatMul", {x, weights}, {y});
  graph.add_output(y);
  const Model model = as_model(std::move(graph));
  const auto sites = find_linear_sites(model.impl().graph);
  const std::vector<Array> inputs{random_array({kRows, kColumns}, 3), random_array({kRows, kColumns}, 4)};
  MomentOptions options;
  options.samples = 0;
  options.block_columns = 33;  // two blocks, the second smaller than a vector's worth
  const Moments moments = measure_moments(model, sites, inputs, options).at("w");
  ASSERT_EQ(moments.groups.size(), 1u);
  ASSERT_EQ(moments.groups[0].size(), 2u);
  for (const MomentBlock& block : moments.groups[0]) {
    for (int64_t i = 0; i < block.columns; ++i) {
      double mean = 0;
      for (const Array& input : inputs)
        for (int64_t r = 0; r < kRows; ++r)
          mean += static_cast<double>(input.floats()[static_cast<size_t>(r * kColumns + block.first + i)]);
      EXPECT_NEAR(block.mean[static_cast<size_t>(i)], mean / (2 * kRows), 1e-5);
      for (int64_t j = 0; j < block.columns; ++j) {
        double product = 0;
        for (const Array& input : inputs)
          for (int64_t r = 0; r < kRows; ++r)
            product += static_cast<double>(input.floats()[static_cast<size_t>(r * kColumns + block.first + i)]) *
                       static_cast<double>(input.floats()[static_cast<size_t>(r * kColumns + block.first + j)]);
        EXPECT_NEAR(block.second[static_cast<size_t>(i * block.columns + j)], product / (2 * kRows), 1e-4);
      }
    }
  }
}

/// The same 1x1 kernels over a coarse map and a fine one, the coarse one first.
TEST(Moments, NodesThatShareWeightsMayHaveMoreOrFewerPlaces) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 5, 8, 8}});
  Value* coarse = graph.add_value("coarse");
  graph.add_node("MaxPool", {x}, {coarse},
                 {{"kernel_shape", std::vector<int64_t>{4, 4}}, {"strides", std::vector<int64_t>{4, 4}}});
  Value* weights = graph.add_constant("w", random_tensor({3, 5, 1, 1}, 1));
  for (Value* input : {coarse, x}) {
    Value* y = graph.add_value(input->name + "_y");
    graph.add_node("Conv", {input, weights}, {y}, {{"kernel_shape", std::vector<int64_t>{1, 1}}});
    graph.add_output(y);
  }
  const Model model = as_model(std::move(graph));
  const auto sites = find_linear_sites(model.impl().graph);
  ASSERT_EQ(sites.size(), 2u);
  MomentOptions options;
  options.samples = 0;
  const Array input = random_array({1, 5, 8, 8}, 2);
  const Moments moments = measure_moments(model, sites, {input}, options).at("w");
  ASSERT_EQ(moments.position_weight.size(), 1u);
  EXPECT_EQ(moments.position_weight[0].size(), 64u);
  double square = 0;  // of the first channel, over all positions of both
  for (int64_t i = 0; i < 64; ++i) square += std::pow(static_cast<double>(input.floats()[static_cast<size_t>(i)]), 2);
  for (int64_t block = 0; block < 4; ++block) {
    float most = -100;
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t row = block / 2 * 4 + i / 4, column = block % 2 * 4 + i % 4;
      most = std::max(most, input.floats()[static_cast<size_t>(row * 8 + column)]);
    }
    square += std::pow(static_cast<double>(most), 2);
  }
  EXPECT_NEAR(static_cast<double>(moments.groups[0][0].second[0]), square / 68, 1e-5);
}

TEST(LinearSites, AMatrixReadBothWaysIsNone) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 8}});
  Value* tied = graph.add_constant("tied", random_tensor({8, 20}, 1));
  Value* other = graph.add_constant("other", random_tensor({8, 8}, 2));
  Value *wide = graph.add_value("wide"), *back = graph.add_value("back"), *y = graph.add_value("y");
  graph.add_node("MatMul", {x, tied}, {wide});
  graph.add_node("Gemm", {wide, tied}, {back}, {{"transB", int64_t{1}}});
  graph.add_node("MatMul", {back, other}, {y});
  graph.add_output(y);
  const Model model = as_model(std::move(graph));
  const auto sites = find_linear_sites(model.impl().graph);
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_EQ(sites[0].weights, "other");
}

}  // namespace
}  // namespace tercel::inline quant
