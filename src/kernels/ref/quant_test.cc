#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
const Attrs kAxis1 = {{"axis", int64_t{1}}};

TEST(RefQuant, TiesGoToEvenAndEndsSaturate) {
  const Tensor x = Tensor::of<float>({6}, {0.5f, 1.5f, -0.5f, 1000, -1000, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_THAT(elements<int8_t>(run_ref("QuantizeLinear", {x, Tensor::scalar(1.0f), Tensor::scalar<int8_t>(0)},
                                       DType::i8, {6}, kAxis1)),
              ElementsAre(0, 2, 0, 127, -128, 0));
  EXPECT_THAT(elements<uint8_t>(run_ref("QuantizeLinear", {x, Tensor::scalar(1.0f)}, DType::u8, {6}, kAxis1)),
              ElementsAre(0, 2, 0, 255, 0, 0));
}

TEST(RefQuant, PerAxisThereAndBack) {
  const Tensor x = Tensor::of<float>({2, 2}, {2, -3, 4, 9});
  const Tensor scale = Tensor::of<float>({2}, {2, 3});
  const Tensor zero = Tensor::of<int16_t>({2}, {10, -10});
  const Tensor q = run_ref("QuantizeLinear", {x, scale, zero}, DType::i16, {2, 2}, kAxis1);
  EXPECT_THAT(elements<int16_t>(q), ElementsAre(11, -11, 12, -7));
  EXPECT_EQ(run_ref("DequantizeLinear", {q, scale, zero}, DType::f32, {2, 2}, kAxis1), x);
}

TEST(RefQuant, DynamicOfZeros) {
  const auto y = run_ref("DynamicQuantizeLinear", {Tensor::of<float>({2}, {0, 0})},
                         {{DType::u8, {2}}, {DType::f32, {}}, {DType::u8, {}}});
  EXPECT_THAT(elements<uint8_t>(y[0]), ElementsAre(0, 0));
  EXPECT_EQ(y[1].at<float>(0), 1);
}

TEST(RefQuant, ConvScalesByChannel) {
  const Tensor half = Tensor::scalar(0.5f);
  const auto y = run_ref("QLinearConv",
                         {Tensor::of<uint8_t>({1, 1, 2}, {12, 8}), half, Tensor::scalar<uint8_t>(10),
                          Tensor::of<int8_t>({2, 1, 1}, {3, -100}), Tensor::of<float>({2}, {1, 4}),
                          Tensor::scalar<int8_t>(0), half, Tensor::scalar<int8_t>(1), Tensor::of<int32_t>({2}, {1, 0})},
                         DType::i8, {1, 2, 2}, {{"group", int64_t{1}}});
  EXPECT_THAT(elements<int8_t>(y), ElementsAre(8, -4, -128, 127));
}

TEST(RefQuant, MatMulWithHalfScales) {
  const auto half = [](std::vector<float> values) {
    std::vector<Half> halves(values.begin(), values.end());
    return Tensor::of<Half>({static_cast<int64_t>(halves.size())}, halves);
  };
  const auto y = run_ref(
      "QLinearMatMul",
      {Tensor::of<int8_t>({2, 1}, {1, 2}), half({1, 10}), Tensor::scalar<int8_t>(0), Tensor::of<int8_t>({1, 2}, {1, 2}),
       half({1, 2}), Tensor::of<int8_t>({2}, {0, 1}), half({0.5f}), Tensor::scalar<uint8_t>(5)},
      DType::u8, {2, 2});
  EXPECT_THAT(elements<uint8_t>(y), ElementsAre(7, 9, 45, 85));
}

TEST(RefQuant, MatMulScalesByRowAndColumn) {
  const auto y = run_ref("QLinearMatMul",
                         {Tensor::of<int8_t>({2, 1}, {1, 2}), Tensor::of<float>({2}, {1, 10}),
                          Tensor::scalar<int8_t>(0), Tensor::of<int8_t>({1, 2}, {1, 2}), Tensor::of<float>({2}, {1, 2}),
                          Tensor::of<int8_t>({2}, {0, 1}), Tensor::scalar(1.0f), Tensor::scalar<uint8_t>(5)},
                         DType::u8, {2, 2});
  EXPECT_THAT(elements<uint8_t>(y), ElementsAre(6, 7, 25, 45));
}

}  // namespace
}  // namespace tercel::inline kernels
