#include "quant/row_noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "session/passes_testing.h"

namespace tercel::inline quant {
namespace {

// Levels of whole numbers from 0 to 255.
const Quantization kWhole{{1.0f}, {0}, -1};

TEST(RowNoise, EachRowCountsByItsOwnSignal) {
  // 100 and 100: no noise. 0.4 and 0.3: all of it is lost, noise 1 for a signal of 1. Zeros do not count.
  const Array value({3, 2}, std::vector<float>{100, 100, 0.4f, 0.3f, 0, 0});
  RowNoise rows, whole;
  rows.add(value, 2, kWhole, ActivationLevels::u8);
  EXPECT_NEAR(rows.sqnr(), 10 * std::log10(2), 1e-6);  // the mean of 0 and 1
  whole.add(value, 6, kWhole, ActivationLevels::u8);
  EXPECT_NEAR(whole.sqnr(), 10 * std::log10((20000 + 0.25) / 0.25), 1e-3);
}

TEST(RowNoise, ValuesBeyondTheRangeAreCut) {
  RowNoise noise;
  noise.add(Array({1, 1}, std::vector<float>{510}), 1, kWhole, ActivationLevels::u8);
  EXPECT_NEAR(noise.sqnr(), 10 * std::log10(4), 1e-6);  // half of it is missing
}

TEST(RowNoise, WithoutNoiseOrRowsItIsInfinite) {
  RowNoise noise;
  EXPECT_EQ(noise.sqnr(), std::numeric_limits<double>::infinity());
  noise.add(Array({1, 2}, std::vector<float>{7, 9}), 2, kWhole, ActivationLevels::u8);
  EXPECT_EQ(noise.sqnr(), std::numeric_limits<double>::infinity());
}

TEST(RowNoise, ARowIsATokenOrAPicture) {
  Graph graph = graph_of(R"(input %x : f32[2x4x3x5]
input %w_1 : f32[4x4x1x1]
input %w_2 : f32[5x6]
%a : f32[2x4x3x5] = Sigmoid(%x)
%b : f32[2x4x3x5] = Conv(%a, %w_1)
%c : f32[2x4x3x5] = Sigmoid(%b)
%d : f32[2x4x3x6] = MatMul(%c, %w_2)
output %d
)");
  const LevelChoice choice = choose_levels(graph, {});
  const auto row = [&](const char* name) {
    const Value* value = graph.find_value(name);
    return row_elements(choice, *value, value->type.dims);
  };
  EXPECT_EQ(row("a"), 4 * 3 * 5);
  EXPECT_EQ(row("c"), 5);
}

}  // namespace
}  // namespace tercel::inline quant
