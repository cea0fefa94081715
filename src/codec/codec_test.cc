#include "codec/codec.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "codec/crc32.h"

namespace tercel::codec {
namespace {

using testing::HasSubstr;
using testing::Test;

/// Two-sided geometric levels with mean magnitude about `scale`.
std::vector<int32_t> laplace_levels(int64_t count, double scale, uint64_t seed) {
  Rng rng(seed);
  std::vector<int32_t> levels(static_cast<size_t>(count));
  for (int32_t& level : levels) {
    const double magnitude = -scale * std::log(1 - rng.uniform());
    level = static_cast<int32_t>(std::lround(rng.next() & 1 ? magnitude : -magnitude));
  }
  return levels;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::vector<int32_t> decoded(const std::string& stream, const MatrixShape& shape, int threads = 1) {
  std::vector<int32_t> levels(static_cast<size_t>(shape.rows * shape.columns), -77);
  decode(bytes_of(stream), shape, levels, threads);
  return levels;
}

TEST(Crc32, CheckValue) { EXPECT_EQ(crc32(std::as_bytes(std::span("123456789", 9))), 0xCBF43926u); }

TEST(Crc32, OfPartsIsOfTheWhole) {
  const std::string text = "a text of more than eight bytes, cut anywhere";
  for (size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32(bytes_of(text).subspan(cut), crc32(bytes_of(text).first(cut))), crc32(bytes_of(text)));
}

TEST(Codec, LevelsComeBack) {
  for (const auto& [rows, columns] :
       {std::pair<int64_t, int64_t>{0, 0}, {0, 5}, {5, 0}, {1, 1}, {1, 97}, {97, 1}, {31, 67}, {64, 64}})
    for (double scale : {0.05, 0.5, 3.0, 200.0, 1e6})
      for (int64_t chunk : {1, 64, 100, 65536}) {
        const MatrixShape shape{rows, columns};
        const auto levels = laplace_levels(rows * columns, scale, 1);
        const std::string stream = encode(levels, shape, {.chunk_weights = chunk});
        EXPECT_EQ(decoded(stream, shape), levels) << rows << "x" << columns << " scale " << scale << " chunk " << chunk;
        EXPECT_EQ(decoded(stream, shape, 2), levels);
        EXPECT_EQ(encode(levels, shape, {.chunk_weights = chunk, .threads = 2}), stream);
      }
}

TEST(Codec, ExtremeLevels) {
  const std::vector<int32_t> levels = {kMaxLevel, -kMaxLevel, 0, kMaxLevel - 1, 14, 15, 16, -14, -15, -16, 1, -1};
  const MatrixShape shape{3, 4};
  EXPECT_EQ(decoded(encode(levels, shape), shape), levels);
  for (int32_t bad : {kMaxLevel + 1, -kMaxLevel - 1, INT32_MAX, INT32_MIN})
    EXPECT_THROW(encode(std::vector<int32_t>(12, bad), shape), Error);
}

TEST(Codec, DamageIsAnError) {
  const MatrixShape shape{7, 18, 3, 3};
  const auto levels = laplace_levels(7 * 18, 1.5, 3);
  const std::string stream = encode(levels, shape, {.chunk_weights = 40});
  for (size_t cut = 0; cut < stream.size(); ++cut) EXPECT_THROW(decoded(stream.substr(0, cut), shape), Error) << cut;
  EXPECT_THROW(decoded(stream + '\0', shape), Error);
  for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
    std::string bad = stream;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(decoded(bad, shape), Error) << "bit " << bit;
  }
}

TEST(Codec, AnotherShapeIsAnError) {
  const std::vector<uint8_t> classes(18, 1);
  const auto levels = laplace_levels(7 * 18, 1.5, 3);
  const std::string stream = encode(levels, {7, 18, 3, 3});
  for (const MatrixShape& other : {MatrixShape{18, 7}, MatrixShape{7, 18, 1, 9}, MatrixShape{7, 18, 3, 3, classes}})
    EXPECT_THROW(decoded(stream, other), Error);
}

TEST(Codec, ErrorsNameTheChunk) {
  const MatrixShape shape{16, 16};
  std::string stream = encode(laplace_levels(256, 2, 4), shape, {.chunk_weights = 64});
  stream.back() = static_cast<char>(stream.back() ^ 1);
  try {
    decoded(stream, shape);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("chunk 4 of 4: "));
  }
}

TEST(Codec, RowsAlone) {
  const MatrixShape shape{37, 11};
  const auto levels = laplace_levels(37 * 11, 2, 5);
  const std::string stream = encode(levels, shape, {.chunk_weights = 50});
  for (int64_t first : {0, 1, 17, 36})
    for (int64_t count : {0, 1, 5, 20}) {
      if (first + count > 37) continue;
      std::vector<int32_t> rows(static_cast<size_t>(count * 11));
      decode_rows(bytes_of(stream), shape, first, count, rows);
      EXPECT_TRUE(std::equal(rows.begin(), rows.end(), levels.begin() + first * 11));
    }
  std::vector<int32_t> room(11 * 2);
  EXPECT_THROW(decode_rows(bytes_of(stream), shape, 36, 2, room), Error);
}

TEST(Codec, FloatsAreScaledLevels) {
  const MatrixShape shape{13, 29};
  const auto levels = laplace_levels(13 * 29, 4, 6);
  const std::string stream = encode(levels, shape, {.chunk_weights = 60});
  std::vector<float> row_scale(13), column_scale(29), dst(levels.size());
  Rng rng(1);
  for (float& s : row_scale) s = static_cast<float>(rng.uniform());
  for (float& s : column_scale) s = static_cast<float>(rng.uniform());
  decode(bytes_of(stream), shape, row_scale, column_scale, dst, 2);
  for (size_t i = 0; i < dst.size(); ++i)
    EXPECT_EQ(dst[i], static_cast<float>(levels[i]) * row_scale[i / 29] * column_scale[i % 29]);
  decode(bytes_of(stream), shape, {}, {}, dst);
  for (size_t i = 0; i < dst.size(); ++i) EXPECT_EQ(dst[i], static_cast<float>(levels[i]));
}

TEST(RateModel, PricesAddUpToTheStream) {
  const MatrixShape shape{128, 90, 3, 3};
  const auto levels = laplace_levels(128 * 90, 1.2, 7);
  RateModel model(shape);
  double bits = 0;
  for (int32_t level : levels) {
    bits += static_cast<double>(model.bits(level));
    model.push(level);
  }
  const auto size = static_cast<double>(encode(levels, shape, {.chunk_weights = 1 << 20}).size()) * 8;
  EXPECT_NEAR(bits, size, 0.01 * size);
}

TEST(RateModel, CopiesGoTheirOwnWay) {
  const MatrixShape shape{8, 8};
  RateModel model(shape);
  for (int i = 0; i < 20; ++i) model.push(i % 3);
  RateModel copy = model;
  EXPECT_EQ(copy.bits(2), model.bits(2));
  for (int i = 0; i < 30; ++i) copy.push(9);
  EXPECT_LT(copy.bits(9), model.bits(9));
}

TEST(Codec, ShapesThatContradictThemselves) {
  const std::vector<uint8_t> few(3), high(4, kColumnClasses);
  const std::vector<int32_t> levels(8);
  for (const MatrixShape& bad : {MatrixShape{2, 5}, MatrixShape{-2, -4}, MatrixShape{2, 4, 3, 1},
                                 MatrixShape{2, 4, 0, 1}, MatrixShape{2, 4, 1, 1, few}, MatrixShape{2, 4, 1, 1, high}})
    EXPECT_THROW(encode(levels, bad), Error);
  EXPECT_THROW(encode(levels, {2, 4}, {.chunk_weights = 0}), Error);
}

}  // namespace
}  // namespace tercel::codec
