// Passes that rewrite weights do it lazily, in place, without a second copy.
#include "passes/linear_weights.h"

#include <gmock/gmock.h>

#include "graph/graph.h"
#include "tensor/element_source.h"

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
    const Tensor edited = weights.edited_later(1000, {.edit = [](const OutputsPart& part) {
                                                 std::vector<double> by;
                                                 for (int64_t j = 0; j < part.count(); ++j)
                                                   by.push_back(10.0 * static_cast<double>(part.first() + j));
                                                 part.subtract_from_outputs(by);
                                                 part.subtract_from_inputs({100, 200});
                                                 part.scale_inputs({1, -1});
                                               }});
    EXPECT_THAT(edited.to_doubles(), transposed ? testing::ElementsAre(-100, 199, -108, 207, -116, 215)
                                                : testing::ElementsAre(-100, -109, -118, 197, 206, 215));
  }
}

/// Some outputs at a time, a chain of edits gives what it gives as a whole: also one that looks at all outputs, and one
/// that is told which outputs it has.
TEST(LinearWeights, AreMadeSomeOutputsAtATime) {
  constexpr int64_t k = 5, n = 7;
  for (bool transposed : {false, true}) {
    const auto chain = [&](int* looks) {
      const LinearWeights weights(ramp(transposed ? Dims{n, k} : Dims{k, n}), transposed);
      const Tensor scaled = weights.edited_later(1e9, {.edit = [](const OutputsPart& part) {
                                                   std::vector<double> by = part.weighted_sum({1, 2, 3, 4, 5});
                                                   for (size_t j = 0; j < by.size(); ++j)
                                                     by[j] +=
                                                         static_cast<double>(part.first()) + static_cast<double>(j);
                                                   part.scale_inputs({1, 2, 3, 4, 5});
                                                   part.subtract_from_outputs(by);
                                                 }});
      const auto mean = std::make_shared<std::vector<double>>();
      const auto look = [mean, looks](const LinearWeights& before) {
        ++*looks;
        *mean = before.output_mean();
      };
      return LinearWeights(scaled, transposed)
          .edited_later(1e9,
                        {.look = look, .edit = [mean](const OutputsPart& part) { part.subtract_from_inputs(*mean); }});
    };
    int looks = 0;
    const Tensor whole = chain(&looks);
    const std::vector<double> wanted = whole.to_doubles();
    EXPECT_EQ(slices(whole, transposed ? 0 : 1), nullptr);  // somebody holds the elements
    const Tensor edited = chain(&looks);
    EXPECT_EQ(slices(edited, transposed ? 1 : 0), nullptr);
    EXPECT_EQ(slices(ramp({2, 2}), 0), nullptr);
    for (int again = 0; again < 2; ++again) {
      const MakeSlice make = slices(edited, transposed ? 0 : 1);
      ASSERT_NE(make, nullptr);
      for (int64_t width : {1, 3, 7})
        for (int64_t begin = 0; begin < n; begin += width) {
          const int64_t count = std::min(width, n - begin);
          std::vector<float> part(static_cast<size_t>(k * count));
          make(begin, begin + count, reinterpret_cast<std::byte*>(part.data()));
          for (int64_t i = 0; i < k; ++i)
            for (int64_t j = 0; j < count; ++j)
              EXPECT_EQ(part[static_cast<size_t>(transposed ? j * k + i : i * count + j)],
                        wanted[static_cast<size_t>(transposed ? (begin + j) * k + i : i * n + begin + j)]);
        }
      edited.release();
    }
    EXPECT_TRUE(edited.lazy());
    EXPECT_EQ(looks, 2);  // one each
  }
}

}  // namespace
}  // namespace tercel::inline passes
