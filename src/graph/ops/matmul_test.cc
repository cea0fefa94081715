#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;

TEST(MatMulRules, MatMulAsNumPy) {
  EXPECT_EQ(rule("MatMul", {f32({2, 3}), f32({3, 4})}), "f32[2x4]");
  EXPECT_EQ(rule("MatMul", {f32({3}), f32({3})}), "f32[]");
  EXPECT_EQ(rule("MatMul", {f32({3}), f32({7, 3, 4})}), "f32[7x4]");
  EXPECT_EQ(rule("MatMul", {f32({7, 2, 3}), f32({3})}), "f32[7x2]");
  EXPECT_EQ(rule("MatMul", {f32({5, 1, 2, 3}), f32({7, 3, 4})}), "f32[5x7x2x4]");
  EXPECT_EQ(rule("MatMul", {f32({kU, 2, kU}), f32({3, 4})}), "f32[?x2x4]");
  EXPECT_EQ(rule("MatMul", {unranked(), f32({3, 4})}), "f32[...]");
  EXPECT_EQ(rule("MatMul", {f32({2, 0}), f32({0, 4})}), "f32[2x4]");
  EXPECT_EQ(rule("MatMul", {i64({2, 3}), i64({3, 4})}), "i64[2x4]");
  EXPECT_THROW(rule("MatMul", {f32({2, 3}), f32({4, 3})}), Error);
  EXPECT_THROW(rule("MatMul", {f32({}), f32({3})}), Error);
  EXPECT_THROW(rule("MatMul", {f32({2, 2, 3}), f32({5, 3, 4})}), Error);
  EXPECT_THROW(rule("MatMul", {f32({2, 3}), i64({3, 4})}), Error);
  EXPECT_THROW(rule("MatMul", {typed(DType::u8, {2, 3}), typed(DType::u8, {3, 4})}), Error);
}

TEST(MatMulRules, Gemm) {
  EXPECT_EQ(rule("Gemm", {f32({3, 2}), f32({4, 3}), f32({2, 1})}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}}),
            "f32[2x4]");
  EXPECT_EQ(rule("Gemm", {unranked(), f32({3, 4})}), "f32[?x4]");
  EXPECT_THROW(rule("Gemm", {f32({2, 3}), f32({3, 4}), f32({3})}), Error);
  EXPECT_THROW(rule("Gemm", {f32({2, 3}), f32({3, 4}), f32({1, 2, 4})}), Error);
  EXPECT_THROW(rule("Gemm", {f32({1, 2, 3}), f32({3, 4})}), Error);
}

TEST(MatMulRules, Integer) {
  const ValueType a = typed(DType::u8, {7, 2, 3});
  const ValueType b = typed(DType::i8, {3, 4});
  const auto zero = [](DType dtype, Dims dims) { return typed(dtype, std::move(dims)); };
  EXPECT_EQ(rule("MatMulInteger", {a, b}), "i32[7x2x4]");
  EXPECT_EQ(rule("MatMulInteger", {a, b, zero(DType::u8, {}), zero(DType::i8, {4})}), "i32[7x2x4]");
  EXPECT_EQ(rule("MatMulInteger", {a, b, zero(DType::u8, {7, 2, 1}), zero(DType::i8, {1, 4})}), "i32[7x2x4]");
  EXPECT_THROW(rule("MatMulInteger", {a, b, zero(DType::u8, {3})}), Error);
  EXPECT_THROW(rule("MatMulInteger", {a, b, zero(DType::i8, {})}), Error);
  EXPECT_THROW(rule("MatMulInteger", {a, b, std::monostate{}, zero(DType::i8, {3})}), Error);
}

TEST(MatMulRules, Einsum) {
  EXPECT_EQ(rule("Einsum", {f32({2, 3}), f32({3, kU})}, {{"equation", std::string("ij,jk->ki")}}), "f32[?x2]");
  EXPECT_EQ(rule("Einsum", {unranked(), f32({3, kU})}, {{"equation", std::string("ij,jk->ki")}}), "f32[...]");
  EXPECT_THROW(rule("Einsum", {f32({2, 3})}, {{"equation", std::string("ij,jk->ki")}}), Error);
  const ValueType wide = f32({1 << 15});
  EXPECT_THROW(rule("Einsum", {wide, wide, wide}, {{"equation", std::string("a,b,c->")}}), Error);  // 2^45 products
  EXPECT_THROW(rule("Einsum", {std::monostate{}}, {{"equation", std::string("ij")}}), Error);
}

}  // namespace
}  // namespace tercel::inline graph
