#include "tensor/requantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/rng.h"

namespace tercel::inline tensor {
namespace {

/// Is `level` the whole number nearest to sum * ratio, the even one of two? In whole numbers: 2 sum m against level
/// 2^(shift + 1).
bool is_nearest_even(int64_t sum, Ratio ratio, int64_t level) {
  const int64_t off = std::abs(2 * (sum * ratio.multiplier - level * (int64_t{1} << ratio.shift)));
  const int64_t half = int64_t{1} << ratio.shift;
  return off < half || (off == half && level % 2 == 0);
}

std::vector<float> ratios() {
  std::vector<float> all{1, 0.5f, 0.25f, 0.0078125f, 0.1f, 1.0f / 3, 0.99999994f, 1.5f, 3e-5f, 0.0123f, 100.7f};
  Rng rng(1);
  for (int i = 0; i < 40; ++i) all.push_back(static_cast<float>(std::exp(rng.uniform(-12, 1))));
  return all;
}

TEST(Requantize, RatiosAreTheFloatExactly) {
  for (float value : ratios()) {
    const auto ratio = ratio_of(value);
    ASSERT_TRUE(ratio) << value;
    EXPECT_EQ(std::ldexp(static_cast<float>(ratio->multiplier), -ratio->shift), value);
    EXPECT_GE(ratio->multiplier, 1 << 23);
    EXPECT_LT(ratio->multiplier, 1 << 24);
  }
  for (float value : {0.0f, -1.0f, INFINITY, NAN, 8388608.0f, 1e-12f}) EXPECT_FALSE(ratio_of(value)) << value;
}

TEST(Requantize, IsTheNearestLevelWithHalvesToEven) {
  constexpr LevelRange kWide{0, -1000000, 1000000};
  int ties = 0;
  for (float value : ratios()) {
    const Ratio ratio = *ratio_of(value);
    for (int level = -300; level <= 300; ++level) {
      const auto tie = static_cast<int64_t>((level + 0.5) / static_cast<double>(value));
      for (int64_t sum = tie - 3; sum <= tie + 3; ++sum) {
        const int64_t got = requantize(sum, ratio, kWide);
        ASSERT_TRUE(is_nearest_even(sum, ratio, got)) << sum << " * " << value << " gave " << got;
        ties +=
            std::abs(2 * (sum * ratio.multiplier - got * (int64_t{1} << ratio.shift))) == (int64_t{1} << ratio.shift);
      }
    }
  }
  EXPECT_GT(ties, 1000);  // the powers of two have them
}

TEST(Requantize, LargestSumsDoNotOverflow) {
  for (float value : ratios())
    for (int64_t sum : {int64_t{INT32_MAX}, int64_t{INT32_MIN}, int64_t{INT32_MAX} - 1}) {
      const Ratio ratio = *ratio_of(value);
      const int64_t level = shift_to_nearest_even(sum * ratio.multiplier, ratio.shift);
      EXPECT_NEAR(static_cast<double>(level), static_cast<double>(sum) * static_cast<double>(value), 0.5000001);
      EXPECT_EQ(requantize(sum, ratio, range_of(DType::i8, 3)), sum > 0 && level > 127 ? 127
                                                                : level < -128         ? -128
                                                                               : static_cast<int32_t>(level) + 3);
    }
}

TEST(Requantize, SaturatesAroundTheZeroPoint) {
  const Ratio one = *ratio_of(1);
  EXPECT_EQ(requantize(100, one, range_of(DType::u8, 128)), 228);
  EXPECT_EQ(requantize(1000, one, range_of(DType::u8, 128)), 255);
  EXPECT_EQ(requantize(-1000, one, range_of(DType::u8, 128)), 0);
  EXPECT_EQ(requantize(-1000, one, range_of(DType::i8, -5)), -128);
  EXPECT_EQ(requantize(-7, one, LevelRange{10, 10, 255}), 10);  // ReLU
}

TEST(Requantize, WithinOneStepOfFloatArithmetic) {
  Rng rng(7);
  int64_t different = 0, all = 0;
  for (float value : ratios())
    for (int i = 0; i < 20000; ++i, ++all) {
      const auto sum = static_cast<int32_t>(rng.uniform(-260, 260) / static_cast<double>(value));
      const int32_t got = requantize(sum, *ratio_of(value), range_of(DType::i8, 0));
      const float real = std::nearbyint(static_cast<float>(sum) * value);  // as ONNX Runtime does
      const auto wanted = static_cast<int32_t>(std::min(127.0f, std::max(-128.0f, real)));
      ASSERT_LE(std::abs(got - wanted), 1);
      different += got != wanted;
    }
  EXPECT_LT(different, all / 1000);  // most of them of ratio 0.1f: its product with 5 is no half, but rounds to one
}

TEST(Requantize, SumOfTwoIsExactInTheLargerRatio) {
  for (float a : {0.5f, 0.7f, 1.0f, 0.013f})
    for (float b : {0.5f, 0.3f, 1.0f, 0.25f}) {
      const auto ratios = two_ratios_of(a, b);
      ASSERT_TRUE(ratios);
      for (int x = -255; x <= 255; x += 3)
        for (int y = -255; y <= 255; y += 5) {
          const double real = x * static_cast<double>(a) + y * static_cast<double>(b);
          const int32_t got = requantize_sum(x, y, *ratios, LevelRange{0, -1000, 1000});
          ASSERT_NEAR(got, real, 0.5 + 1e-6);
          if (a >= 0.25f && b >= 0.25f) {
            ASSERT_EQ(got, std::nearbyint(real)) << x << " " << y;  // both exact
          }
        }
    }
  EXPECT_FALSE(two_ratios_of(0.5f, 0));
}

TEST(Requantize, SumsThatMayNotFitAreKnown) {
  EXPECT_TRUE(fits_int32(25088, 255, 255, 1000));  // the longest of VGG-16
  EXPECT_TRUE(fits_int32(33025, 255, 255, 0));
  EXPECT_FALSE(fits_int32(33026, 255, 255, 0));
  EXPECT_FALSE(fits_int32(33025, 255, 255, 1 << 17));
  EXPECT_TRUE(fits_int32(0, 255, 255, (int64_t{1} << 31) - 1));
}

}  // namespace
}  // namespace tercel::inline tensor
