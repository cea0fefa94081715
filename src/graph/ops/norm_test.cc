#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;

TEST(NormRules, PerChannel) {
  EXPECT_EQ(rule("BatchNormalization", {f32({2, 3, 4}), f32({3}), f32({3}), f32({3}), f32({3})}), "f32[2x3x4]");
  EXPECT_EQ(rule("BatchNormalization", {f32({2, kU, 4}), f32({3}), f32({kU}), unranked(), f32({3})}), "f32[2x3x4]");
  EXPECT_EQ(rule("InstanceNormalization", {unranked(), f32({3}), f32({3})}), "f32[...]");
  EXPECT_EQ(rule("GroupNormalization", {f32({2, 6, 4}), f32({6}), f32({6})}, {{"num_groups", int64_t{3}}}),
            "f32[2x6x4]");
  EXPECT_THROW(rule("BatchNormalization", {f32({2, 3, 4}), f32({3}), f32({4}), f32({3}), f32({3})}), Error);
  EXPECT_THROW(rule("BatchNormalization", {f32({2}), f32({2}), f32({2}), f32({2}), f32({2})}), Error);
  EXPECT_THROW(rule("BatchNormalization", {f32({2, 3}), f32({3}), f32({3}), f32({3}), f32({3})},
                    {{"training_mode", int64_t{1}}}),
               Error);
  EXPECT_THROW(rule("GroupNormalization", {f32({2, 6, 4}), f32({6}), f32({6})}, {{"num_groups", int64_t{4}}}), Error);
  EXPECT_THROW(rule("GroupNormalization", {f32({2, 6, 4}), f32({6}), f32({6})}, {{"num_groups", int64_t{0}}}), Error);
}

TEST(NormRules, LayerNormalization) {
  const auto all = run_rule("LayerNormalization", {typed(DType::f16, {2, 3, 4}), typed(DType::f16, {4})}, {}, 3);
  EXPECT_EQ(all[0], typed(DType::f16, {2, 3, 4}));
  EXPECT_EQ(all[1], f32({2, 3, 1}));
  EXPECT_EQ(all[2], f32({2, 3, 1}));
  EXPECT_EQ(rule("LayerNormalization", {f32({2, kU, 4}), f32({4}), f32({kU, 4})}, {{"axis", int64_t{1}}}),
            "f32[2x?x4]");
  // Scale and bias broadcast to x, not only to what is normalised.
  for (const Dims& dims : {Dims{1, 1, 4}, Dims{2, 3, 4}, Dims{3, 4}, Dims{2, 1, 1}, Dims{1}, Dims{}})
    EXPECT_EQ(rule("LayerNormalization", {f32({2, 3, 4}), f32(dims), f32(dims)}), "f32[2x3x4]") << to_string(dims);
  for (const Dims& dims : {Dims{3}, Dims{5, 1, 1}, Dims{1, 1, 1, 4}, Dims{2, 4}})
    EXPECT_THROW(rule("LayerNormalization", {f32({2, 3, 4}), f32(dims)}), Error) << to_string(dims);
  EXPECT_THROW(rule("LayerNormalization", {f32({2, 3, 4}), f32({4})}, {{"axis", int64_t{3}}}), Error);
}

TEST(NormRules, Others) {
  EXPECT_EQ(rule("LRN", {f32({2, 3, kU})}, {{"size", int64_t{5}}}), "f32[2x3x?]");
  EXPECT_EQ(rule("LpNormalization", {f32({2, 3})}), "f32[2x3]");
  EXPECT_EQ(rule("MeanVarianceNormalization", {f32({2, 3, 4, 5})}), "f32[2x3x4x5]");
  EXPECT_THROW(rule("LRN", {f32({2, 3})}, {{"size", int64_t{0}}}), Error);
  EXPECT_THROW(rule("LpNormalization", {f32({2, 3})}, {{"p", int64_t{3}}}), Error);
  EXPECT_THROW(rule("MeanVarianceNormalization", {f32({2, 3})}), Error);  // default axes want rank 4
}

}  // namespace
}  // namespace tercel::inline graph
