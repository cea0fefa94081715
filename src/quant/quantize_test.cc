#include "quant/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "base/threads.h"

namespace tercel::inline quant {
namespace {

std::vector<float> normal(int64_t count, uint64_t seed, double scale = 1) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(scale * rng.normal());
  return values;
}

/// Inputs that are strongly related: x = mix * z, and of very different size.
Moments related_moments(int64_t n, uint64_t seed, std::vector<std::vector<float>>* samples = nullptr) {
  const std::vector<float> mix = normal(n * n, seed);
  MomentBlock block{0, n, std::vector<float>(static_cast<size_t>(n)), std::vector<float>(static_cast<size_t>(n * n))};
  constexpr int kSamples = 500;
  Rng rng(seed + 1);
  for (int s = 0; s < kSamples; ++s) {
    std::vector<float> x(static_cast<size_t>(n), 0.5f);
    for (int64_t k = 0; k < n; ++k) {
      const double z = rng.normal() * std::exp(-0.15 * static_cast<double>(k));
      for (int64_t i = 0; i < n; ++i)
        x[static_cast<size_t>(i)] += static_cast<float>(z) * mix[static_cast<size_t>(i * n + k)];
    }
    for (int64_t i = 0; i < n; ++i) {
      block.mean[static_cast<size_t>(i)] += x[static_cast<size_t>(i)] / kSamples;
      for (int64_t j = 0; j < n; ++j)
        block.second[static_cast<size_t>(i * n + j)] +=
            x[static_cast<size_t>(i)] * x[static_cast<size_t>(j)] / kSamples;
    }
    if (samples != nullptr) samples->push_back(std::move(x));
  }
  return {{1.0}, {{block}}, {}};
}

/// Mean over samples of the squared error of all outputs, after bias correction.
double output_error(const std::vector<float>& w, const codec::QuantizedMatrix& q, const Curvature& curvature,
                    const std::vector<std::vector<float>>& samples) {
  const std::vector<float> v = codec::dequantize(q), change = mean_error(w, q, curvature);
  double sum = 0;
  for (const auto& x : samples)
    for (int64_t r = 0; r < q.rows; ++r) {
      double e = -static_cast<double>(change[static_cast<size_t>(r)]);
      for (int64_t c = 0; c < q.columns; ++c) {
        const auto i = static_cast<size_t>(r * q.columns + c);
        e += static_cast<double>(w[i] - v[i]) * static_cast<double>(x[static_cast<size_t>(c)]);
      }
      sum += e * e;
    }
  return sum / static_cast<double>(samples.size());
}

TEST(Quantize, DistortionIsTheErrorAtTheOutput) {
  constexpr int64_t kRows = 20, kColumns = 40;
  std::vector<std::vector<float>> samples;
  const Moments moments = related_moments(kColumns, 1, &samples);
  const Curvature curvature = factorize(moments, true, 1e-9);
  const std::vector<float> w = normal(kRows * kColumns, 2);
  const auto result = quantize(w, kRows, kColumns, 1, 1, curvature, {0.3f});
  const double error = output_error(w, result.matrix, curvature, samples);
  EXPECT_NEAR(result.distortion / error, 1, 0.02);
}

TEST(Quantize, MomentsBuyBitsAtTheSameError) {
  constexpr int64_t kRows = 300, kColumns = 40;
  std::vector<std::vector<float>> samples;
  const Curvature curvature = factorize(related_moments(kColumns, 1, &samples), true);
  const std::vector<float> w = normal(kRows * kColumns, 2);
  const auto plain = quantize(w, kRows, kColumns, 1, 1, flat_curvature(1, kColumns), {0.2f});
  const double budget = output_error(w, plain.matrix, curvature, samples);
  // The coarsest step whose error at the output is no larger.
  float step = 0.01f;
  QuantizedWeights informed;
  for (; step < 10; step *= 1.1f) {
    auto tried = quantize(w, kRows, kColumns, 1, 1, curvature, {step});
    if (output_error(w, tried.matrix, curvature, samples) > budget) break;
    informed = std::move(tried);
  }
  EXPECT_LT(informed.bits, 0.7 * plain.bits);
  EXPECT_FALSE(informed.matrix.column_class.empty());
}

TEST(Quantize, TheAnswerDoesNotDependOnThreads) {
  constexpr int64_t kRows = 700, kColumns = 300;  // several pieces
  const Curvature curvature = factorize(related_moments(kColumns, 5), true);
  const std::vector<float> w = normal(kRows * kColumns, 2);
  const auto run = [&](int threads) {
    const ThreadScope scope(threads);
    return quantize(w, kRows, kColumns, 1, 1, curvature, {0.4f}).matrix.levels;
  };
  EXPECT_EQ(run(1), run(2));
}

TEST(Quantize, ABitThatCostsMoreIsSpentLess) {
  const std::vector<float> w = normal(64 * 64, 3);
  double before = 1e9;
  for (float lambda : {0.0f, 0.1f, 0.3f, 1.0f}) {
    const auto result = quantize(w, 64, 64, 1, 1, flat_curvature(1, 64), {0.5f, lambda});
    EXPECT_LT(result.bits, before);
    before = result.bits;
  }
}

TEST(Quantize, GroupsHaveStepsOfTheirOwn) {
  // A depthwise convolution whose second half of channels sees inputs a hundred times larger.
  Moments moments;
  for (int g = 0; g < 8; ++g) {
    const float size = g < 4 ? 1.0f : 1e4f;
    MomentBlock block{0, 9, std::vector<float>(9), std::vector<float>(81)};
    for (size_t i = 0; i < 9; ++i) block.second[i * 9 + i] = size;
    moments.groups.push_back({block});
    moments.weight.push_back(1);
  }
  const std::vector<float> w = normal(8 * 9, 4);
  const auto result = quantize(w, 8, 9, 3, 3, factorize(moments, false), {0.01f});
  ASSERT_EQ(result.matrix.row_class.size(), 8u);
  EXPECT_EQ(result.matrix.row_class[7], 0);
  EXPECT_EQ(result.matrix.row_class[0], 13);  // half octaves in a factor of 100
  std::vector<uint8_t> classes;
  const codec::MatrixShape shape = codec::coding_shape(result.matrix, classes);
  EXPECT_EQ(shape.rows, 1);
  const std::string bytes = codec::encode(result.matrix.levels, shape);
  std::vector<int32_t> levels(result.matrix.levels.size());
  codec::decode(std::as_bytes(std::span(bytes)), shape, levels);
  EXPECT_EQ(levels, result.matrix.levels);
}

TEST(Quantize, ALayerThatSeesNothingCostsNothingMuch) {
  Moments moments{{1.0}, {{{0, 5, std::vector<float>(5), std::vector<float>(25)}}}, {}};
  const std::vector<float> w = normal(5 * 5, 4);
  EXPECT_EQ(quantize(w, 5, 5, 1, 1, factorize(moments, true), {0.1f}).matrix.levels.size(), 25u);
}

}  // namespace
}  // namespace tercel::inline quant
