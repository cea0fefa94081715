#include "quant/range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"

namespace tercel::inline quant {
namespace {

std::vector<float> values_of(const char* kind, int count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values;
  for (int i = 0; i < count; ++i) {
    const double laplace = -std::log(1 - rng.uniform()) * (rng.uniform() < 0.5 ? -1 : 1);
    const std::string_view k = kind;
    values.push_back(static_cast<float>(k == "normal"   ? rng.normal()
                                        : k == "relu"   ? std::max(0.0, laplace)
                                        : k == "skewed" ? laplace + (laplace > 0 ? 3 * laplace : 0)
                                                        : rng.uniform(-0.25, 3)));
  }
  return values;
}

Histogram histogram_of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values);
  return histogram;
}

/// Mean square error of the values themselves.
double error_of(const std::vector<float>& values, const Quantization& q, ActivationLevels levels) {
  const LevelRange ends = range_of(levels, q.zeros[0]);
  double sum = 0;
  for (float x : values) {
    const auto back =
        static_cast<double>(static_cast<float>(level_of(x, q.scales[0], ends) - q.zeros[0]) * q.scales[0]);
    sum += (static_cast<double>(x) - back) * (static_cast<double>(x) - back);
  }
  return sum / static_cast<double>(values.size());
}

TEST(Histogram, OnePassInAnyOrderCountsTheSame) {
  std::vector<float> values = values_of("skewed", 5000, 1);
  values.push_back(1e-12f);
  const Histogram whole = histogram_of(values);
  std::reverse(values.begin(), values.end());
  Histogram parts;
  for (size_t at = 0; at < values.size(); at += 7)
    parts.add(std::span(values).subspan(at, std::min<size_t>(7, values.size() - at)));
  ASSERT_EQ(whole.width(), parts.width());
  int64_t count = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    EXPECT_EQ(whole.bin(i), parts.bin(i));
    count += whole.bin(i);
  }
  EXPECT_EQ(count, static_cast<int64_t>(values.size()));
  EXPECT_EQ(whole.low(), *std::min_element(values.begin(), values.end()));
  EXPECT_EQ(parts.high(), *std::max_element(values.begin(), values.end()));
  const auto outside = std::count_if(values.begin(), values.end(), [](float x) { return x < -1 || x > 2; });
  EXPECT_NEAR(whole.share_outside(-1, 2), static_cast<double>(outside) / static_cast<double>(values.size()), 2e-3);
}

TEST(Histogram, KnowsWhatIsNoNumber) {
  Histogram histogram = histogram_of({1, 2});
  EXPECT_TRUE(histogram.finite());
  histogram.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 3});
  EXPECT_FALSE(histogram.finite());
  EXPECT_EQ(histogram.count(), 3);
}

TEST(Range, MinmaxHoldsAllAndZero) {
  EXPECT_EQ(minmax_range(histogram_of({-2, 5})).low, -2);
  EXPECT_EQ(minmax_range(histogram_of({-2, 5})).high, 5);
  EXPECT_EQ(minmax_range(histogram_of({3, 5})).low, 0);
  EXPECT_EQ(minmax_range(Histogram()).high, 0);
}

TEST(Range, PercentileAsBruteForceHasIt) {
  for (const char* kind : {"normal", "relu", "skewed", "uniform"})
    for (double percent : {90.0, 99.0, 99.9, 100.0}) {
      std::vector<float> values = values_of(kind, 4000, 3);
      const Histogram histogram = histogram_of(values);
      std::sort(values.begin(), values.end());
      const bool both = values.front() < 0;
      const auto most = static_cast<size_t>((1 - percent / 100) * 4000 / (both ? 2 : 1) + 1e-9);
      const ValueRange range = percentile_range(histogram, percent);
      EXPECT_NEAR(range.high, values[values.size() - 1 - most], 2 * histogram.width() + 0.02) << kind << percent;
      EXPECT_NEAR(range.low, both ? values[most] : 0, 2 * histogram.width() + 0.02) << kind << percent;
      EXPECT_LE(histogram.share_outside(range.low, range.high), 1 - percent / 100 + 1e-9);
    }
}

TEST(Range, MseAsBruteForceHasIt) {
  for (const ActivationLevels levels : {ActivationLevels::u8, ActivationLevels::i8, ActivationLevels::symmetric})
    for (const char* kind : {"normal", "relu", "skewed", "uniform"}) {
      std::vector<float> values = values_of(kind, 1000, 5);
      const Histogram histogram = histogram_of(values);
      const ValueRange all = minmax_range(histogram);
      double least = std::numeric_limits<double>::infinity();
      for (int low = 0; low <= 20; ++low)
        for (int high = 1; high <= 20; ++high)
          least = std::min(least,
                           error_of(values, levels_over({all.low * low / 20, all.high * high / 20}, levels), levels));
      const double got = error_of(values, levels_over(mse_range(histogram, levels), levels), levels);
      EXPECT_LT(got, 1.03 * least) << kind << ' ' << static_cast<int>(levels);
      EXPECT_LE(got, 1.03 * error_of(values, levels_over(all, levels), levels)) << kind;
    }
}

TEST(Range, LevelsCoverTheRangeAndTellZero) {
  for (const ActivationLevels levels : {ActivationLevels::u8, ActivationLevels::i8, ActivationLevels::symmetric})
    for (const ValueRange range : {ValueRange{-1, 3}, ValueRange{0, 6}, ValueRange{-5, 0}, ValueRange{2, 4}}) {
      const Quantization q = levels_over(range, levels);
      const LevelRange ends = range_of(levels, q.zeros[0]);
      EXPECT_GE(q.zeros[0], ends.low);
      EXPECT_LE(q.zeros[0], ends.high);
      // One rounding of the zero point moves an end by half a step.
      const auto scale = static_cast<double>(q.scales[0]);
      EXPECT_LE((ends.low - ends.zero) * scale, range.low + 0.51 * scale);
      EXPECT_GE((ends.high - ends.zero) * scale, range.high - 0.51 * scale);
      if (levels == ActivationLevels::symmetric) {
        EXPECT_EQ(q.zeros[0], 0);
      }
    }
  EXPECT_FLOAT_EQ(levels_over({0, 0}, ActivationLevels::u8).scales[0], 1.0f / 255);
  EXPECT_FLOAT_EQ(levels_over({0, 1e-38}, ActivationLevels::i8).scales[0], 1.0f / 255);
}

}  // namespace
}  // namespace tercel::inline quant
