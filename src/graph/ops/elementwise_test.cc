#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;

TEST(ElementwiseRules, BroadcastWhatIsKnown) {
  EXPECT_EQ(rule("Add", {f32({2, 1}), f32({3})}), "f32[2x3]");
  EXPECT_EQ(rule("Add", {f32({kU, 1}), f32({kU, 3})}), "f32[?x3]");
  EXPECT_EQ(rule("Less", {f32({2}), f32({})}), "bool[2]");
  EXPECT_EQ(rule("Mul", {unranked(), f32({3})}), "f32[...]");
  EXPECT_EQ(rule("Max", {f32({0, 1}), f32({1, 4}), f32({})}), "f32[0x4]");
  EXPECT_EQ(rule("Where", {typed(DType::boolean, {2, 1}), i64({}), i64({5})}), "i64[2x5]");
  EXPECT_EQ(rule("Pow", {f32({2}), i64({4, 1})}), "f32[4x2]");
}

TEST(ElementwiseRules, RefuseWhatDoesNotFit) {
  EXPECT_THROW(rule("Add", {f32({2}), f32({3})}), Error);
  EXPECT_THROW(rule("Add", {f32({2}), i64({2})}), Error);
  EXPECT_THROW(rule("Where", {f32({2}), f32({2}), f32({2})}), Error);
  EXPECT_THROW(rule("Where", {typed(DType::boolean, {2}), f32({2}), i64({2})}), Error);
  EXPECT_THROW(rule("Sin", {i64({2})}), Error);
  EXPECT_THROW(rule("Neg", {typed(DType::u8, {2})}), Error);
  EXPECT_THROW(rule("Max", {f32({2}), std::monostate{}}), Error);
  EXPECT_THROW(rule("Mod", {f32({2}), f32({2})}), Error);
  EXPECT_THROW(rule("BitShift", {typed(DType::u8, {2}), typed(DType::u8, {2})}, {{"direction", std::string("UP")}}),
               Error);
  EXPECT_THROW(rule("Clip", {f32({2}), f32({2})}), Error);
  EXPECT_THROW(rule("PRelu", {f32({2, 3}), f32({4, 1, 1})}), Error);
  EXPECT_THROW(rule("PRelu", {f32({2, 1}), f32({2, 3})}), Error);
  EXPECT_THROW(rule("Gelu", {f32({2})}, {{"approximate", std::string("exact")}}), Error);
  EXPECT_THROW(rule("Add", {f32({1 << 21, 1}), f32({1, 1 << 21})}), Error);
}

TEST(ElementwiseRules, CastChangesTheTypeOnly) {
  EXPECT_EQ(rule("Cast", {f32({kU, 3})}, {{"to", std::string("i8")}}), "i8[?x3]");
  EXPECT_EQ(rule("Cast", {unranked()}, {{"to", std::string("bool")}}), "bool[...]");
  EXPECT_EQ(rule("CastLike", {f32({3}), i64({})}), "i64[3]");
  EXPECT_THROW(rule("Cast", {f32({3})}, {{"to", std::string("f8e4m3")}}), Error);
  EXPECT_THROW(rule("Cast", {f32({3})}), Error);
}

TEST(ElementwiseRules, PReluStretchesTheSlopeOnly) {
  EXPECT_EQ(rule("PRelu", {f32({1, 4, 5, 5}), f32({4, 1, 1})}), "f32[1x4x5x5]");
  EXPECT_EQ(rule("PRelu", {f32({1, kU, 5, 5}), f32({4, 1, 1})}), "f32[1x?x5x5]");
}

}  // namespace
}  // namespace tercel::inline graph
