#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;

Tensor counted(Dims dims, float first = 0) {
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i);
  return Tensor::of<float>(std::move(dims), values);
}

TEST(RefMatMul, VectorsAndBatches) {
  const Tensor row = counted({3});
  const Tensor m = counted({3, 2});
  EXPECT_THAT(elements<float>(run_ref("MatMul", {row, m}, DType::f32, {2})), ElementsAre(10, 13));
  EXPECT_THAT(elements<float>(run_ref("MatMul", {counted({2, 3}), row}, DType::f32, {2})), ElementsAre(5, 14));
  EXPECT_THAT(elements<float>(run_ref("MatMul", {row, row}, DType::f32, {})), ElementsAre(5));
  // Two batches of a against three of b.
  EXPECT_THAT(
      elements<float>(run_ref("MatMul", {counted({2, 1, 1, 1}, 1), counted({3, 1, 1}, 1)}, DType::f32, {2, 3, 1, 1})),
      ElementsAre(1, 2, 3, 2, 4, 6));
}

TEST(RefMatMul, EmptyInnerExtentGivesZeros) {
  EXPECT_THAT(elements<float>(run_ref("MatMul", {counted({2, 0}), counted({0, 2})}, DType::f32, {2, 2})),
              ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(run_ref("MatMul", {counted({0, 3}), counted({3, 2})}, DType::f32, {0, 2}).elements(), 0);
}

TEST(RefMatMul, IntegersWrap) {
  const auto max = std::numeric_limits<int32_t>::max();
  EXPECT_THAT(
      elements<int32_t>(run_ref("MatMul", {Tensor::of<int32_t>({1, 2}, {max, 1}), Tensor::of<int32_t>({2, 1}, {1, 2})},
                                DType::i32, {1, 1})),
      ElementsAre(std::numeric_limits<int32_t>::min() + 1));
}

TEST(RefMatMul, WideRowsComeInPieces) {
  const Tensor y = run_ref("MatMul", {counted({2, 1}, 1), counted({1, 1100})}, DType::f32, {2, 1100});
  for (int64_t i = 0; i < 2200; ++i) ASSERT_EQ(y.at<float>(i), static_cast<float>((i / 1100 + 1) * (i % 1100)));
}

TEST(RefGemm, TransposedAndScaled) {
  const Attrs attrs = {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 2.0f}, {"beta", 0.5f}};
  // a' = [[0 2], [1 3]], b' = [[0 2 4], [1 3 5]]
  EXPECT_THAT(elements<float>(run_ref("Gemm", {counted({2, 2}), counted({3, 2}), Tensor::of<float>({2, 1}, {2, 4})},
                                      DType::f32, {2, 3}, attrs)),
              ElementsAre(5, 13, 21, 8, 24, 40));
  const Attrs plain = {{"transA", int64_t{0}}, {"transB", int64_t{0}}, {"alpha", 1.0f}, {"beta", 1.0f}};
  const int64_t big = (int64_t{1} << 60) + 1;  // no double holds it
  EXPECT_THAT(
      elements<int64_t>(run_ref(
          "Gemm", {Tensor::of<int64_t>({1, 1}, {big}), Tensor::of<int64_t>({1, 1}, {1}), Tensor::of<int64_t>({}, {2})},
          DType::i64, {1, 1}, plain)),
      ElementsAre(big + 2));
}

TEST(RefMatMulInteger, ZeroPointsPerRowAndColumn) {
  EXPECT_THAT(
      elements<int32_t>(run_ref("MatMulInteger",
                                {Tensor::of<uint8_t>({2, 2}, {1, 2, 3, 4}), Tensor::of<int8_t>({2, 2}, {1, -1, 2, -2}),
                                 Tensor::of<uint8_t>({2}, {1, 3}), Tensor::of<int8_t>({1, 2}, {0, -1})},
                                DType::i32, {2, 2})),
      ElementsAre(2, -1, 2, -1));
}

TEST(RefEinsum, Contractions) {
  const auto run = [](std::string equation, std::vector<Tensor> operands, Dims dims) {
    return elements<float>(run_ref("Einsum", operands, DType::f32, std::move(dims), {{"equation", equation}}));
  };
  EXPECT_THAT(run("ij,jk->ki", {counted({2, 3}), counted({3, 2})}, {2, 2}), ElementsAre(10, 28, 13, 40));
  EXPECT_THAT(run("ii->i", {counted({3, 3})}, {3}), ElementsAre(0, 4, 8));
  EXPECT_THAT(run("ii", {counted({3, 3})}, {}), ElementsAre(12));
  EXPECT_THAT(run("ij->", {counted({2, 3})}, {}), ElementsAre(15));
  EXPECT_THAT(run("...i,...i->...", {counted({2, 1, 2}), counted({2, 2})}, {2, 2}), ElementsAre(1, 3, 3, 13));
  EXPECT_THAT(run("a,b,c->abc", {counted({2}, 1), counted({1}, 3), counted({2}, 1)}, {2, 1, 2}),
              ElementsAre(3, 6, 6, 12));
  EXPECT_THAT(run("ij->i", {counted({2, 0})}, {2}), ElementsAre(0, 0));
}

TEST(RefEinsum, RefusesAbsurdWork) {
  const Tensor t = counted({1000});
  EXPECT_THROW(run_ref("Einsum", {t, t, t, t, t}, DType::f32, {}, {{"equation", std::string("a,b,c,d,e->")}}), Error);
}

}  // namespace
}  // namespace tercel::inline kernels
