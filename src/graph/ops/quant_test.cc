#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;
ValueType u8(Dims dims) { return typed(DType::u8, std::move(dims)); }
ValueType i8(Dims dims) { return typed(DType::i8, std::move(dims)); }

TEST(QuantRules, QuantizeAndBack) {
  EXPECT_EQ(rule("QuantizeLinear", {f32({2, 3}), f32({})}), "u8[2x3]");
  EXPECT_EQ(rule("QuantizeLinear", {f32({2, 3}), f32({3}), i8({3})}), "i8[2x3]");
  EXPECT_EQ(rule("QuantizeLinear", {f32({2}), f32({}), i8({1})}), "i8[2]");  // the axis does not matter for one scale
  EXPECT_EQ(rule("DequantizeLinear", {u8({2, kU}), f32({3})}), "f32[2x?]");
  EXPECT_THROW(rule("QuantizeLinear", {f32({2, 3}), f32({2}), i8({2})}), Error);
  EXPECT_THROW(rule("QuantizeLinear", {f32({2, 3}), f32({3}), i8({2})}), Error);
  EXPECT_THROW(rule("QuantizeLinear", {f32({2, 3}), f32({3}), i8({})}), Error);
  EXPECT_THROW(rule("QuantizeLinear", {f32({2}), f32({2})}), Error);  // default axis 1
  EXPECT_THROW(rule("DequantizeLinear", {u8({2, 3}), f32({}), i8({})}), Error);
  const auto dynamic = run_rule("DynamicQuantizeLinear", {f32({2, 3})}, {}, 3);
  EXPECT_EQ(dynamic[0], u8({2, 3}));
  EXPECT_EQ(dynamic[1], f32({}));
  EXPECT_EQ(dynamic[2], u8({}));
}

TEST(QuantRules, QLinear) {
  const ValueType one = f32({});
  EXPECT_EQ(rule("QLinearConv", {u8({1, 3, 8, 8}), one, u8({}), i8({4, 3, 3, 3}), f32({4}), i8({4}), one, i8({})}),
            "i8[1x4x6x6]");
  EXPECT_THROW(rule("QLinearConv", {u8({1, 3, 8, 8}), one, u8({}), i8({4, 3, 3, 3}), f32({3}), i8({4}), one, i8({})}),
               Error);
  EXPECT_THROW(
      rule("QLinearConv", {u8({1, 3, 8, 8}), one, u8({}), i8({4, 3, 3, 3}), f32({4}), i8({4}), f32({4}), i8({})}),
      Error);
  EXPECT_EQ(rule("QLinearMatMul", {u8({7, 2, 3}), one, u8({}), i8({3, 4}), f32({4}), i8({4}), one, u8({})}),
            "u8[7x2x4]");
  for (DType scale : {DType::f16, DType::bf16}) {  // since opset 21, and for products only
    const ValueType s = typed(scale, {});
    EXPECT_EQ(rule("QLinearMatMul", {u8({2, 3}), s, u8({}), i8({3, 4}), s, i8({}), s, u8({})}), "u8[2x4]");
    EXPECT_THROW(rule("QLinearMatMul", {u8({2, 3}), s, u8({}), i8({3, 4}), one, i8({}), s, u8({})}), Error);
    EXPECT_THROW(rule("QLinearConv", {u8({1, 3, 8, 8}), s, u8({}), i8({4, 3, 3, 3}), s, i8({}), s, u8({})}), Error);
  }
  EXPECT_THROW(rule("QLinearMatMul", {u8({2, 3}), f32({3}), u8({}), i8({3, 4}), one, i8({}), one, u8({})}), Error);
}

}  // namespace
}  // namespace tercel::inline graph
