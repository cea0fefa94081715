#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;
const Attrs kDrop = {{"keepdims", int64_t{0}}};

TEST(ReduceRules, AxesAreAnOperand) {
  const ValueType x = f32({2, kU, 4});
  EXPECT_EQ(rule("ReduceSum", {x, ints({1, -1})}), "f32[2x1x1]");
  EXPECT_EQ(rule("ReduceSum", {x, ints({1, -1})}, kDrop), "f32[2]");
  EXPECT_EQ(rule("ReduceMean", {x}), "f32[1x1x1]");
  EXPECT_EQ(rule("ReduceMean", {x}, kDrop), "f32[]");
  EXPECT_EQ(rule("ReduceMax", {x, ints({})}, kDrop), "f32[]");
  EXPECT_EQ(rule("ReduceMax", {x, ints({})}, {{"noop_with_empty_axes", int64_t{1}}}), "f32[2x?x4]");
  EXPECT_EQ(rule("ReduceMax", {typed(DType::boolean, {2, 3}), ints({0})}), "bool[1x3]");
}

TEST(ReduceRules, AxesNotYetKnown) {
  EXPECT_EQ(rule("ReduceSum", {f32({2, 3}), i64({1})}), "f32[?x?]");
  EXPECT_EQ(rule("ReduceSum", {f32({2, 3}), i64({1})}, kDrop), "f32[?]");
  EXPECT_EQ(rule("ReduceSum", {f32({2, 3}), i64({kU})}, kDrop), "f32[...]");
  EXPECT_EQ(rule("ReduceSum", {unranked(), ints({0})}), "f32[...]");
}

TEST(ReduceRules, Refusals) {
  EXPECT_THROW(rule("ReduceSum", {f32({2, 3}), ints({2})}), Error);
  EXPECT_THROW(rule("ReduceSum", {f32({2, 3}), ints({1, -1})}), Error);
  EXPECT_THROW(rule("ReduceSum", {f32({2, 3}), i64({3})}, kDrop), Error);
  EXPECT_THROW(rule("ReduceSum", {typed(DType::boolean, {2})}), Error);
}

TEST(ReduceRules, Order) {
  EXPECT_EQ(rule("ArgMax", {f32({2, 3})}), "i64[1x3]");
  EXPECT_EQ(rule("ArgMin", {f32({2, kU})}, {{"axis", int64_t{-2}}, {"keepdims", int64_t{0}}}), "i64[?]");
  EXPECT_THROW(rule("ArgMax", {f32({0, 3})}), Error);
  EXPECT_THROW(rule("ArgMax", {f32({})}), Error);
  const auto top = run_rule("TopK", {f32({2, 5}), ints({3})}, {}, 2);
  EXPECT_EQ(top[0], f32({2, 3}));
  EXPECT_EQ(top[1], i64({2, 3}));
  EXPECT_EQ(run_rule("TopK", {f32({2, 5}), i64({1})}, {}, 2)[0], f32({2, kU}));
  EXPECT_THROW(run_rule("TopK", {f32({2, 5}), ints({6})}, {}, 2), Error);
  EXPECT_THROW(run_rule("TopK", {f32({2, 5}), ints({-1})}, {}, 2), Error);
  EXPECT_THROW(run_rule("TopK", {f32({2, 5}), ints({1, 1})}, {}, 2), Error);
  EXPECT_THROW(run_rule("TopK", {f32({2, 5}), ints({})}, {}, 2), Error);
  EXPECT_EQ(rule("CumSum", {f32({2, 5}), ints({1})}), "f32[2x5]");
  EXPECT_THROW(rule("CumSum", {f32({2, 5}), ints({2})}), Error);
}

TEST(ReduceRules, SoftmaxDetAndLosses) {
  EXPECT_EQ(rule("Softmax", {f32({2, kU})}), "f32[2x?]");
  EXPECT_THROW(rule("Softmax", {f32({2, 3})}, {{"axis", int64_t{2}}}), Error);
  EXPECT_EQ(rule("Det", {f32({7, 3, 3})}), "f32[7]");
  EXPECT_THROW(rule("Det", {f32({2, 3})}), Error);
  const Attrs none = {{"reduction", std::string("none")}};
  EXPECT_EQ(rule("NegativeLogLikelihoodLoss", {f32({kU, 5, 4}), i64({2, 4})}, none), "f32[2x4]");
  EXPECT_EQ(rule("NegativeLogLikelihoodLoss", {unranked(), i64({2, 4})}, none), "f32[2x4]");
  EXPECT_EQ(rule("NegativeLogLikelihoodLoss", {f32({2, 5}), i64({2}), f32({5})}), "f32[]");
  EXPECT_EQ(run_rule("SoftmaxCrossEntropyLoss", {f32({2, 5}), i64({2})}, {}, 2)[1], f32({2, 5}));
  EXPECT_THROW(rule("NegativeLogLikelihoodLoss", {f32({2, 5}), i64({3})}), Error);
  EXPECT_THROW(rule("NegativeLogLikelihoodLoss", {f32({2, 5}), i64({2}), f32({4})}), Error);
  EXPECT_THROW(rule("NegativeLogLikelihoodLoss", {f32({2, 5}), i64({2})}, {{"reduction", std::string("max")}}), Error);
}

}  // namespace
}  // namespace tercel::inline graph
