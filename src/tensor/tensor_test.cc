#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace tercel {
namespace {

TEST(Half, EveryBitPatternSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<uint16_t>(bits);
    const float value = half;
    if (std::isnan(value)) EXPECT_TRUE(std::isnan(static_cast<float>(Half(value))));
    else ASSERT_EQ(Half(value).bits, bits) << value;
  }
}

TEST(Half, RoundsToNearestEvenAndOverflowsToInfinity) {
  EXPECT_EQ(static_cast<float>(Half(2049.0f)), 2048.0f);  // a tie, even below
  EXPECT_EQ(static_cast<float>(Half(2051.0f)), 2052.0f);  // a tie, even above
  EXPECT_EQ(static_cast<float>(Half(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(static_cast<float>(Half(65520.0f))));
  EXPECT_EQ(static_cast<float>(Half(0x1p-25f)), 0.0f);  // a tie between 0 and 2^-24
  EXPECT_EQ(static_cast<float>(Half(0x1.8p-24f)), 0x1p-23f);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(static_cast<float>(BFloat16(1.00390625f)), 1.0f);       // 1 + 2^-8, a tie
  EXPECT_EQ(static_cast<float>(BFloat16(1.01171875f)), 1.015625f);  // 1 + 3 * 2^-8, a tie
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Shape, CountsAndRefusesWhatCannotBeCounted) {
  EXPECT_EQ(count_elements(Dims{}), 1);
  EXPECT_EQ(count_elements(Dims{2, 0, 3}), 0);
  EXPECT_THROW(count_elements(Dims{-1, 3}), Error);
  EXPECT_THROW(count_elements(Dims{int64_t{1} << 32, int64_t{1} << 32}), Error);
  EXPECT_THROW(count_elements(Dims{0, int64_t{1} << 32, int64_t{1} << 32}), Error);
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(broadcast(Dims{3, 1, 5}, Dims{4, 1}), (Dims{3, 4, 5}));
  EXPECT_EQ(broadcast(Dims{kUnknown, 1}, Dims{7, kUnknown}), (Dims{7, kUnknown}));
  EXPECT_EQ(broadcast(Dims{2}, Dims{3}), std::nullopt);
}

TEST(Tensor, ReadsMisalignedElementsAndAlignsThem) {
  auto bytes = std::make_shared<std::vector<std::byte>>(17);
  const float values[] = {1.5f, -2.0f, 3.25f, 0.0f};
  std::memcpy(bytes->data() + 1, values, sizeof(values));
  const Tensor tensor(DType::f32, {4}, bytes->data() + 1, bytes);
  EXPECT_EQ(tensor.at<float>(2), 3.25f);
  const Tensor aligned = tensor.aligned();
  EXPECT_EQ(aligned.view().as<float>()[1], -2.0f);
  EXPECT_EQ(aligned, tensor);
}

}  // namespace
}  // namespace tercel
