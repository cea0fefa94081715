#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;
using Ints = std::vector<int64_t>;

TEST(ConvRules, ConvOfKnownShapes) {
  EXPECT_EQ(rule("Conv", {f32({2, 3, 32, 32}), f32({8, 3, 3, 3})}), "f32[2x8x30x30]");
  EXPECT_EQ(rule("Conv", {f32({2, 3, 9}), f32({8, 3, 3}), f32({8})}, {{"strides", Ints{2}}}), "f32[2x8x4]");
  EXPECT_EQ(rule("Conv", {f32({1, 4, 5, 6, 7}), f32({4, 1, 1, 2, 3})}, {{"group", int64_t{4}}}), "f32[1x4x5x5x5]");
  EXPECT_EQ(rule("Conv", {f32({0, 3, 32, 32}), f32({8, 3, 3, 3})}), "f32[0x8x30x30]");
}

TEST(ConvRules, ConvOfWhatIsPartlyKnown) {
  EXPECT_EQ(rule("Conv", {f32({kU, 3, kU, 32}), f32({8, 3, 3, 3})}), "f32[?x8x?x30]");
  EXPECT_EQ(rule("Conv", {unranked(), f32({8, 3, 3, 3})}), "f32[?x8x?x?]");
  EXPECT_EQ(rule("Conv", {f32({2, 3, 9, 9}), unranked()}), "f32[2x?x?x?]");
  EXPECT_EQ(rule("Conv", {f32({2, 3, 9, 9}), unranked(), f32({5})}, {{"kernel_shape", Ints{3, 3}}}), "f32[2x5x7x7]");
  EXPECT_EQ(rule("Conv", {unranked(), unranked()}), "f32[...]");
  EXPECT_EQ(rule("Conv", {f32({1, 3, 9, 9}), f32({kU, kU, kU, kU})}, {{"auto_pad", std::string("SAME_UPPER")}}),
            "f32[1x?x9x9]");
}

TEST(ConvRules, ConvRefusals) {
  const ValueType x = f32({1, 4, 8, 8});
  EXPECT_THROW(rule("Conv", {x, f32({8, 3, 3, 3})}), Error);                           // channels
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 3})}), Error);                              // ranks
  EXPECT_THROW(rule("Conv", {f32({4, 8}), f32({8, 4})}), Error);                       // no spatial axis
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 9, 9})}), Error);                           // does not fit
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 3, 3}), f32({7})}), Error);                 // bias
  EXPECT_THROW(rule("Conv", {x, f32({9, 2, 3, 3})}, {{"group", int64_t{2}}}), Error);  // 9 into 2 groups
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 3, 3})}, {{"group", int64_t{0}}}), Error);
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 3, 3})}, {{"kernel_shape", Ints{3, 5}}}), Error);
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 3, 3})}, {{"strides", Ints{0, 1}}}), Error);
  EXPECT_THROW(rule("Conv", {x, typed(DType::f16, {8, 4, 3, 3})}), Error);
  EXPECT_THROW(rule("Conv", {typed(DType::i32, {1, 4, 8, 8}), typed(DType::i32, {8, 4, 3, 3})}), Error);
  EXPECT_THROW(rule("Conv", {x, f32({8, 4, 0, 3})}), Error);
}

TEST(ConvRules, ConvTranspose) {
  EXPECT_EQ(rule("ConvTranspose", {f32({1, 4, 5, 5}), f32({4, 3, 3, 3})},
                 {{"strides", Ints{2, 2}}, {"group", int64_t{2}}, {"output_padding", Ints{1, 0}}}),
            "f32[1x6x12x11]");
  EXPECT_EQ(rule("ConvTranspose", {f32({1, 4, kU}), unranked(), f32({7})}), "f32[1x7x?]");
  EXPECT_THROW(rule("ConvTranspose", {f32({1, 4, 5}), f32({3, 4, 3})}), Error);
  EXPECT_THROW(rule("ConvTranspose", {f32({1, 4, 5}), f32({4, 4, 3})}, {{"group", int64_t{3}}}), Error);
}

TEST(ConvRules, Pools) {
  const Attrs attrs = {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}};
  EXPECT_EQ(rule("MaxPool", {f32({1, 3, 4, 5})}, attrs), "f32[1x3x2x2]");
  EXPECT_EQ(rule("AveragePool", {f32({kU, 3, kU, 5})}, attrs), "f32[?x3x?x2]");
  EXPECT_EQ(rule("LpPool", {unranked()}, attrs), "f32[?x?x?x?]");
  EXPECT_EQ(rule("MaxPool", {typed(DType::u8, {1, 3, 4, 5})}, attrs), "u8[1x3x2x2]");
  const auto both = run_rule("MaxPool", {f32({1, 3, 4, 5})}, attrs, 2);
  EXPECT_EQ(both[1], i64({1, 3, 2, 2}));
  EXPECT_EQ(rule("GlobalAveragePool", {f32({2, 3, kU, 5})}), "f32[2x3x1x1]");
  EXPECT_EQ(rule("GlobalMaxPool", {unranked()}), "f32[...]");
  EXPECT_THROW(rule("MaxPool", {f32({1, 3, 4})}, attrs), Error);
  EXPECT_THROW(rule("MaxPool", {f32({1, 3, 4, 5})}), Error);
  EXPECT_THROW(rule("AveragePool", {f32({1, 3, 2, 5})}, {{"kernel_shape", Ints{3, 3}}}), Error);
  EXPECT_THROW(rule("LpPool", {f32({1, 3, 4, 5})}, {{"kernel_shape", Ints{3, 3}}, {"p", int64_t{0}}}), Error);
}

TEST(ConvRules, MaxUnpool) {
  const Attrs attrs = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  EXPECT_EQ(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 2})}, attrs), "f32[1x1x4x4]");
  EXPECT_EQ(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 2}), ints({1, 1, 5, 5})}, attrs), "f32[1x1x5x5]");
  EXPECT_EQ(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 2}), i64({4})}, attrs), "f32[?x?x?x?]");
  EXPECT_THROW(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 2}), ints({1, 1, 3, 5})}, attrs), Error);
  EXPECT_THROW(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 2}), ints({-1, 1, 5, 5})}, attrs), Error);
  EXPECT_THROW(rule("MaxUnpool", {f32({1, 1, 2, 2}), i64({1, 1, 2, 3})}, attrs), Error);
}

TEST(FusedRules, ConvMatMulAdd) {
  const ValueType x = f32({1, 4, 8, 8});
  const Attrs relu = {{"activation", std::string("Relu")}};
  EXPECT_EQ(rule("FusedConv", {x, f32({8, 4, 3, 3}), std::monostate{}, f32({1, 8, 6, 6})}, relu), "f32[1x8x6x6]");
  EXPECT_EQ(rule("FusedConv", {f32({kU, 4, 8, 8}), f32({8, 4, 3, 3}), std::monostate{}, f32({5, kU, kU, kU})}, relu),
            "f32[5x8x6x6]");
  EXPECT_THROW(rule("FusedConv", {x, f32({8, 4, 3, 3}), std::monostate{}, f32({1, 8, 1, 1})}, relu), Error);
  EXPECT_THROW(rule("FusedConv", {x, f32({8, 4, 3, 3})}, {{"activation", std::string("ReLU")}}), Error);
  EXPECT_EQ(rule("FusedMatMul", {f32({2, 5, 3}), f32({4, 3}), f32({4})}, {{"transB", int64_t{1}}}), "f32[2x5x4]");
  EXPECT_EQ(rule("FusedMatMul", {f32({3, 5}), f32({3, 4}), std::monostate{}, f32({5, 4})}, {{"transA", int64_t{1}}}),
            "f32[5x4]");
  EXPECT_THROW(rule("FusedMatMul", {f32({5, 3}), f32({3, 4}), f32({5})}), Error);
  const std::monostate none;
  EXPECT_EQ(rule("FusedMatMul", {f32({2, 5, 3}), f32({3, 4}), none, none, f32({2, 5, 1})}), "f32[2x5x4]");
  EXPECT_THROW(rule("FusedMatMul", {f32({2, 5, 3}), f32({3, 4}), none, none, f32({2, 5, 4})}), Error);
  EXPECT_EQ(rule("FusedAdd", {f32({2, 1}), f32({3})}, relu), "f32[2x3]");
  EXPECT_EQ(rule("Silu", {f32({2, kU})}), "f32[2x?]");
}

}  // namespace
}  // namespace tercel::inline graph
