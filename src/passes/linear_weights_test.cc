// Passes that rewrite weights do it lazily, in place, without a second copy.
#include "passes/linear_weights.h"

#include <gmock/gmock.h>

#include "graph/graph.h"

namespace tercel::inline passes {
namespace {

Tensor ramp(Dims dims) {
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::of<float>(std::move(dims), values);
}

TEST(EditedLater, IsComputedWhenItIsRead) {
  int calls = 0;
  const Tensor edited = edited_later(ramp({4}), 20, [&](float* elements) {
    ++calls;
    for (int i = 0; i < 4; ++i) elements[i] += 10;
  });
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(edited.lazy());
  EXPECT_THAT(edited.to_doubles(), testing::ElementsAre(10, 11, 12, 13));
  EXPECT_EQ(edited.at<float>(2), 12);
  EXPECT_EQ(calls, 1);
  edited.release();
  EXPECT_TRUE(edited.lazy());
  EXPECT_THAT(edited.to_doubles(), testing::ElementsAre(10, 11, 12, 13));
  EXPECT_EQ(calls, 2);
}

TEST(EditedLater, AChainOfEditsSharesOneBuffer) {
  const Tensor first = edited_later(ramp({3}), 20, [](float* elements) { elements[0] = 7; });
  const float* seen = nullptr;
  const Tensor second = edited_later(first, 20, [&](float* elements) {
    seen = elements;
    elements[1] = elements[0] + 1;
  });
  EXPECT_THAT(second.to_doubles(), testing::ElementsAre(7, 8, 2));
  EXPECT_EQ(reinterpret_cast<const float*>(second.data()), seen);
  EXPECT_TRUE(first.lazy());
}

TEST(EditedLater, ASharedTensorIsCopiedFirst) {
  int calls = 0;
  const Tensor first = edited_later(ramp({3}), 20, [&](float* elements) {
    ++calls;
    elements[0] = 7;
  });
  EXPECT_EQ(first.at<float>(0), 7);
  const Tensor second = edited_later(first, 20, [](float* elements) { elements[0] *= 2; });
  EXPECT_THAT(second.to_doubles(), testing::ElementsAre(14, 1, 2));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(first.to_doubles(), testing::ElementsAre(7, 1, 2));
}

/// y = x W as a node, with W as it lies for MatMul (k x n) or for Gemm with transB (n x k).
TEST(LinearWeights, AreEditedWhicheverWayTheyLie) {
  for (bool transposed : {false, true}) {
    Graph graph;
    Value* x = graph.add_value("x", {DType::f32, true, {1, 2}});
    Value* w = graph.add_constant("w", ramp(transposed ? Dims{3, 2} : Dims{2, 3}));
    Value* y = graph.add_value("y", {DType::f32, true, {1, 3}});
    Node* node = transposed ? graph.add_node("Gemm", {x, w}, {y}, {{"transB", int64_t{1}}})
                            : graph.add_node("MatMul", {x, w}, {y});
    const LinearWeights weights(*node);
    EXPECT_EQ(weights.inputs(), 2);
    EXPECT_EQ(weights.outputs(), 3);
    EXPECT_THAT(weights.weighted_sum({1, 10}),
                transposed ? testing::ElementsAre(10, 32, 54) : testing::ElementsAre(30, 41, 52));
    EXPECT_THAT(weights.output_mean(), transposed ? testing::ElementsAre(2, 3) : testing::ElementsAre(1, 4));
    const Tensor edited = weights.edited_later(1000, [](const LinearWeights&) {
      return [](int64_t i, int64_t j, double value) {
        return 100.0 * static_cast<double>(i) + 10.0 * static_cast<double>(j) + value;
      };
    });
    EXPECT_THAT(edited.to_doubles(), transposed ? testing::ElementsAre(0, 101, 12, 113, 24, 125)
                                                : testing::ElementsAre(0, 11, 22, 103, 114, 125));
  }
}

}  // namespace
}  // namespace tercel::inline passes
