#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "codec/codec.h"
#include "codec/quantized_matrix.h"
#include "codec/trellis.h"

namespace tercel::codec {
namespace {

std::vector<int32_t> random_levels(int64_t count, int64_t most, uint64_t seed) {
  Rng rng(seed);
  std::vector<int32_t> levels(static_cast<size_t>(count));
  for (int32_t& level : levels) level = static_cast<int32_t>(rng.below(2 * most + 1) - most);
  return levels;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(Trellis, LevelsAndTheirValuesComeBack) {
  std::vector<uint8_t> classes;
  for (int c = 0; c < 90; ++c) classes.push_back(static_cast<uint8_t>(c * 5 % kColumnClasses));
  for (Profile profile : {Profile::max, Profile::balanced, Profile::fast})
    for (int64_t kernel : {1, 3})
      for (int64_t most : {1, 7, 3000, 1 << 30})
        for (int64_t chunk : {50, 1000, 1 << 20}) {
          QuantizedMatrix matrix{31, 90, kernel, kernel, 0.25f, {}, {}, random_levels(31 * 90, most, 1)};
          matrix.trellis = true;
          if (most == 7) matrix.column_class = classes;
          std::vector<uint8_t> kept;
          const MatrixShape shape = coding_shape(matrix, kept);
          const std::string stream = encode(matrix.levels, shape, {profile, chunk});
          std::vector<int32_t> levels(matrix.levels.size());
          decode(bytes_of(stream), shape, levels, 2);
          ASSERT_EQ(levels, matrix.levels) << to_string(profile) << " " << kernel << " " << most << " " << chunk;
          std::vector<float> scale, weights(levels.size());
          for (int64_t c = 0; c < matrix.columns; ++c)
            scale.push_back(matrix.step * class_scale(matrix.step_class(0, c)));
          decode(bytes_of(stream), shape, {}, scale, weights, 2);
          EXPECT_EQ(weights, dequantize(matrix));
        }
}

/// By hand: states 0, 2, 1, 5, 7, 6 and 0, 2, 3, 6, 1, 7; odd ones take half a step off.
TEST(Trellis, DecodingFollowsTheStatesOfTheTrellis) {
  QuantizedMatrix matrix{2, 6, 1, 1, 2.0f, {}, {}, {1, 0, -1, 1, 3, 3, 1, 1, 2, 3, 0, 0}};
  matrix.trellis = true;
  EXPECT_THAT(dequantize(matrix), testing::ElementsAre(2, 0, -1, 1, 5, 6, 2, 2, 3, 6, 0, 0));
}

TEST(Trellis, AStreamIsNotDecodedAsOneWithout) {
  const auto levels = random_levels(20 * 20, 3, 2);
  const std::string stream = encode(levels, {20, 20, 1, 1, {}, true});
  std::vector<int32_t> read(levels.size());
  EXPECT_THROW(decode(bytes_of(stream), {20, 20, 1, 1, {}}, read), Error);
}

/// What the two quantizers make of normal values differs around zero, and the coder learns how.
TEST(Trellis, EachQuantizerHasContextsOfItsOwn) {
  Rng rng(3);
  std::vector<int32_t> levels;
  for (int r = 0; r < 200; ++r) {
    TrellisState trellis;
    for (int c = 0; c < 200; ++c) {
      const double x = 0.6 * rng.normal();
      const bool other = trellis.quantizer() != 0;
      const auto level = static_cast<int32_t>(other ? std::trunc(x + std::copysign(0.75, x)) : std::nearbyint(x));
      levels.push_back(level);
      trellis.advance(level);
    }
  }
  const auto with = static_cast<double>(encode(levels, {200, 200, 1, 1, {}, true}).size());
  EXPECT_LT(with, 0.98 * static_cast<double>(encode(levels, {200, 200, 1, 1, {}}).size()));
}

}  // namespace
}  // namespace tercel::codec
