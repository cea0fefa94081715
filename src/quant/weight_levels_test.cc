#include "quant/weight_levels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace tercel::inline quant {
namespace {

constexpr int64_t kRows = 6, kColumns = 24;

Tensor noise(Dims dims, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return Tensor::of<float>(std::move(dims), values);
}

/// Of inputs that have much in common.
Moments moments_of(const std::vector<std::vector<double>>& inputs) {
  MomentBlock block{0, kColumns, std::vector<float>(kColumns), std::vector<float>(kColumns * kColumns)};
  for (const std::vector<double>& x : inputs)
    for (size_t i = 0; i < kColumns; ++i) {
      block.mean[i] += static_cast<float>(x[i] / static_cast<double>(inputs.size()));
      for (size_t j = 0; j < kColumns; ++j)
        block.second[i * kColumns + j] += static_cast<float>(x[i] * x[j] / static_cast<double>(inputs.size()));
    }
  Moments moments;
  moments.weight = {1};
  moments.groups = {{block}};
  return moments;
}

TEST(WeightLevels, NearestLevelsOfEachChannel) {
  for (size_t axis : {size_t{0}, size_t{1}}) {
    const Tensor w = noise({5, 7}, 1);
    const std::vector<float> least(axis == 0 ? 5 : 7, 0.0f);
    const WeightLevels result = weights_to_levels(w, axis, 2, least);
    ASSERT_EQ(result.scales.size(), least.size());
    std::vector<float> most(least);
    for (int64_t i = 0; i < 35; ++i) {
      const auto channel = static_cast<size_t>(axis == 0 ? i / 7 : i % 7);
      most[channel] = std::max(most[channel], 2 * std::abs(w.at<float>(i)));
      EXPECT_NEAR(static_cast<float>(result.levels.at<int8_t>(i)) * result.scales[channel], 2 * w.at<float>(i),
                  0.501f * result.scales[channel]);
    }
    for (size_t c = 0; c < most.size(); ++c) EXPECT_FLOAT_EQ(result.scales[c], most[c] / 127);
  }
  // A larger scale may be asked for; a channel of zeros has it.
  const WeightLevels zeros = weights_to_levels(Tensor::of<float>({1, 2}, {0, 0}), 0, 1, std::vector<float>{0.25f});
  EXPECT_EQ(zeros.scales[0], 0.25f);
  EXPECT_EQ(zeros.levels.at<int8_t>(1), 0);
}

TEST(WeightLevels, ErrorFeedbackLessensTheErrorOfTheOutput) {
  Rng rng(4);
  std::vector<std::vector<double>> inputs(200, std::vector<double>(kColumns));
  for (std::vector<double>& x : inputs) {
    const double common = rng.normal();
    for (double& xi : x) xi = common + 0.3 * rng.normal();
  }
  const Curvature curvature = factorize(moments_of(inputs), false);
  const std::vector<float> least(kRows, 0.0f);
  for (const bool transposed : {false, true}) {
    const Tensor w = noise(transposed ? Dims{kColumns, kRows} : Dims{kRows, kColumns}, 2);
    const auto output_error = [&](const WeightLevels& levels) {
      double sum = 0;
      for (const std::vector<double>& x : inputs)
        for (int64_t r = 0; r < kRows; ++r) {
          double error = 0;
          for (int64_t c = 0; c < kColumns; ++c) {
            const int64_t at = transposed ? c * kRows + r : r * kColumns + c;
            const float back = static_cast<float>(levels.levels.at<int8_t>(at)) * levels.scales[static_cast<size_t>(r)];
            error += static_cast<double>(w.at<float>(at) - back) * x[static_cast<size_t>(c)];
          }
          sum += error * error;
        }
      return sum;
    };
    const size_t axis = transposed ? 1 : 0;
    EXPECT_LT(output_error(weights_to_levels(w, axis, 1, least, &curvature)),
              0.5 * output_error(weights_to_levels(w, axis, 1, least)));
  }
}

}  // namespace
}  // namespace tercel::inline quant
