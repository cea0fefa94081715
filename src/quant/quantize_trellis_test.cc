#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "base/threads.h"
#include "quant/decide.h"
#include "quant/quantize.h"

namespace tercel::inline quant {
namespace {

std::vector<float> normal(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return values;
}

/// Columns that share their errors: H = A A' of random A, in two blocks.
Curvature related(int64_t first, int64_t second) {
  Moments moments{{1.0}, {{}}, {}};
  int64_t at = 0;
  for (int64_t n : {first, second}) {
    const std::vector<float> a = normal(n * n, static_cast<uint64_t>(n));
    MomentBlock block{at, n, std::vector<float>(static_cast<size_t>(n)),
                      std::vector<float>(static_cast<size_t>(n * n))};
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t k = 0; k < n; ++k)
          block.second[static_cast<size_t>(i * n + j)] +=
              a[static_cast<size_t>(i * n + k)] * a[static_cast<size_t>(j * n + k)] / static_cast<float>(n);
    moments.groups[0].push_back(block);
    at += n;
  }
  return factorize(moments, false);
}

/// The cost of a row's levels as the quantizer counts it, by the model as it stands.
double cost_of(const RowTask& task, const codec::RateModel& rate, const std::vector<int32_t>& levels) {
  std::vector<double> error;
  codec::RateModel::Path path = rate.path();
  codec::TrellisState trellis;
  double cost = 0;
  for (const CurvatureBlock& block : task.blocks(0))
    for (int64_t j = 0; j < block.columns; ++j) {
      const auto c = static_cast<size_t>(block.first + j);
      const auto step = static_cast<double>(task.row_step(0) * task.column_scale[c]);
      codec::Expected expected = rate.expect(path, levels.data());
      expected.quantizer = trellis.quantizer();
      cost += task.bit * static_cast<double>(rate.bits(expected, levels[c]));
      error.push_back(static_cast<double>(task.weights[c]) -
                      static_cast<double>(codec::dequantize_level(levels[c], trellis.quantizer())) * step);
      double compensation = error.back();
      for (int64_t i = 0; i < j; ++i)
        compensation += static_cast<double>(block.feedback[static_cast<size_t>(j * block.columns + i)]) *
                        error[static_cast<size_t>(block.first + i)];
      cost += static_cast<double>(block.weight[static_cast<size_t>(j)]) * compensation * compensation;
      rate.advance(path, levels[c]);
      trellis.advance(levels[c]);
    }
  return cost;
}

/// Of all rows of five levels from -3 to 3 one is the cheapest. What survives a state is not always what would be best
/// in the end, since each path has its own error feedback; but rows by the trellis come near, and never cost less than
/// they say.
TEST(QuantizeByTrellis, NearTheBestOfAllRows) {
  constexpr int64_t kColumns = 5;
  constexpr int kValues = 7, kRows = 16807;  // 7^5
  const Curvature curvature = related(2, 3);
  double sum = 0, least_sum = 0, plain_sum = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> w = normal(kColumns, 100 + seed);
    codec::QuantizedMatrix matrix{1, kColumns, 1, 1, 0.8f};
    matrix.trellis = true;
    const RowTask task{matrix, curvature, w, 0.1, std::vector<float>(kColumns, 1.0f)};
    const codec::RateModel rate({1, kColumns, 1, 1, {}, true});
    codec::RateModel used = rate;
    std::vector<int32_t> levels(kColumns), tried(kColumns);
    const Price price = decide_rows_by_trellis(task, 0, 1, used, levels.data());
    const double cost = price.distortion + task.bit * price.bits;
    EXPECT_NEAR(cost, cost_of(task, rate, levels), 1e-4);
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kRows; ++i) {
      for (int64_t c = 0, rest = i; c < kColumns; ++c, rest /= kValues)
        tried[static_cast<size_t>(c)] = static_cast<int32_t>(rest % kValues) - kValues / 2;
      least = std::min(least, cost_of(task, rate, tried));
    }
    EXPECT_GE(cost, least - 1e-4);
    sum += cost;
    least_sum += least;
    const codec::RateModel plain_rate({1, kColumns, 1, 1, {}});
    codec::RateModel plain_used = plain_rate;
    const Price plain = decide_rows(task, 0, 1, plain_used, levels.data());
    plain_sum += plain.distortion + task.bit * plain.bits;
  }
  EXPECT_LT(sum, 1.1 * least_sum);
  EXPECT_LT(sum, plain_sum);
}

/// Without error feedback, and where bits cost nothing, Viterbi's row is the best there is.
TEST(QuantizeByTrellis, TheBestRowWithoutErrorFeedback) {
  constexpr int64_t kColumns = 6;
  const Curvature curvature = flat_curvature(1, kColumns);
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<float> w = normal(kColumns, seed);
    codec::QuantizedMatrix matrix{1, kColumns, 1, 1, 1.0f};
    matrix.trellis = true;
    const RowTask task{matrix, curvature, w, 0, std::vector<float>(kColumns, 1.0f)};
    codec::RateModel rate({1, kColumns, 1, 1, {}, true});
    std::vector<int32_t> levels(kColumns);
    const Price price = decide_rows_by_trellis(task, 0, 1, rate, levels.data());
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 262144; ++i) {  // levels within -4 .. 3
      codec::TrellisState trellis;
      double error = 0;
      for (int c = 0; c < kColumns; ++c) {
        const int32_t level = (i >> 3 * c & 7) - 4;
        const float off = w[static_cast<size_t>(c)] - codec::dequantize_level(level, trellis.quantizer());
        error += static_cast<double>(off) * static_cast<double>(off);
        trellis.advance(level);
      }
      least = std::min(least, error);
    }
    EXPECT_NEAR(price.distortion, least, 1e-6);
  }
}

/// Rows of many windows: less error and no more bits than one quantizer of the same step.
TEST(QuantizeByTrellis, PacksWeightsMoreDensely) {
  constexpr int64_t kRows = 40, kColumns = 700;
  const Curvature curvature = flat_curvature(1, kColumns);
  const std::vector<float> w = normal(kRows * kColumns, 5);
  WeightQuantization options;
  options.step = 0.5f;
  const QuantizedWeights plain = quantize(w, kRows, kColumns, 1, 1, curvature, options);
  options.trellis = true;
  const QuantizedWeights dense = quantize(w, kRows, kColumns, 1, 1, curvature, options);
  EXPECT_TRUE(dense.matrix.trellis);
  EXPECT_LT(dense.distortion + 0.15 * 0.25 * dense.bits, 0.97 * (plain.distortion + 0.15 * 0.25 * plain.bits));
  const std::vector<float> back = codec::dequantize(dense.matrix);
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i) error += static_cast<double>((w[i] - back[i]) * (w[i] - back[i]));
  EXPECT_NEAR(error / dense.distortion, 1, 1e-4);
  std::vector<uint8_t> classes;
  const std::string stream = codec::encode(dense.matrix.levels, codec::coding_shape(dense.matrix, classes));
  EXPECT_NEAR(8 * static_cast<double>(stream.size()) / dense.bits, 1, 0.02);
}

TEST(QuantizeByTrellis, TheAnswerDoesNotDependOnThreads) {
  constexpr int64_t kRows = 700, kColumns = 200;  // several pieces
  const Curvature curvature = related(90, 110);
  const std::vector<float> w = normal(kRows * kColumns, 2);
  WeightQuantization options;
  options.step = 0.4f;
  options.trellis = true;
  const auto run = [&](int threads) {
    const ThreadScope scope(threads);
    return quantize(w, kRows, kColumns, 1, 1, curvature, options).matrix.levels;
  };
  EXPECT_EQ(run(1), run(2));
}

}  // namespace
}  // namespace tercel::inline quant
