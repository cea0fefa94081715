#include "codec/codec.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "base/isa.h"
#include "base/rng.h"
#include "codec/crc32.h"
#include "codec/quantized_matrix.h"
#include "codec/syntax/stream.h"
#include "codec/trellis.h"

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

constexpr Profile kProfiles[] = {Profile::max, Profile::balanced, Profile::fast};

/// TERCEL_ISA for the life of this object.
class IsaScope {
 public:
  explicit IsaScope(Isa isa) { setenv("TERCEL_ISA", to_string(isa).c_str(), 1); }
  ~IsaScope() { unsetenv("TERCEL_ISA"); }
};

TEST(Crc32, CheckValue) { EXPECT_EQ(crc32(std::as_bytes(std::span("123456789", 9))), 0xCBF43926u); }

TEST(Crc32, OfPartsIsOfTheWhole) {
  const std::string text = "a text of more than eight bytes, cut anywhere";
  for (size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32(bytes_of(text).subspan(cut), crc32(bytes_of(text).first(cut))), crc32(bytes_of(text)));
}

TEST(Codec, LevelsComeBack) {
  const std::pair<int64_t, int64_t> shapes[] = {{0, 0},  {0, 5},   {5, 0},   {1, 1},     {1, 97},
                                                {97, 1}, {31, 67}, {64, 64}, {211, 509}, {3, 40000}};
  for (Profile profile : kProfiles)
    for (const auto& [rows, columns] : shapes)
      for (double scale : {0.05, 0.5, 3.0, 200.0, 1e6})
        for (int64_t chunk : {64, 100, 65536}) {
          const MatrixShape shape{rows, columns, 1, 1, {}};
          const auto levels = laplace_levels(rows * columns, scale, 1);
          const std::string stream = encode(levels, shape, {profile, chunk});
          ASSERT_EQ(decoded(stream, shape), levels)
              << to_string(profile) << " " << rows << "x" << columns << " scale " << scale << " chunk " << chunk;
          EXPECT_EQ(decoded(stream, shape, 2), levels);
          EXPECT_EQ(encode(levels, shape, {profile, chunk, 2}), stream);
        }
}

TEST(Codec, KernelsAndClassesComeBack) {
  Rng rng(3);
  std::vector<uint8_t> classes(17 * 15);
  for (uint8_t& c : classes) c = static_cast<uint8_t>(rng.below(kColumnClasses));
  for (Profile profile : kProfiles)
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {1, 3}, {5, 1}, {15, 17}})
      for (bool with_classes : {false, true})
        for (int64_t chunk : {1, 40, 1000, 1 << 20}) {
          MatrixShape shape{90, 17 * 15, height, width, {}};
          if (with_classes) shape.column_class = classes;
          auto levels = laplace_levels(90 * 17 * 15, 0.2, 9);
          for (size_t i = 0; i < levels.size(); ++i) levels[i] *= 1 << classes[i % classes.size()] / 2;
          const std::string stream = encode(levels, shape, {profile, chunk});
          for (Isa isa : machine_isas()) {
            const IsaScope scope(isa);
            ASSERT_EQ(decoded(stream, shape), levels) << to_string(profile) << " " << to_string(isa) << " kernel "
                                                      << height << "x" << width << " chunk " << chunk;
          }
        }
}

TEST(Codec, EveryIsaReadsTheSame) {
  // Symbols past the last whole group, escapes among them, every alignment of the columns.
  for (int64_t columns : {1, 2, 31, 32, 33, 100, 1000})
    for (int64_t rows : {700, 701}) {
      const MatrixShape shape{rows, columns, 1, 1, {}};
      const auto levels = laplace_levels(rows * columns, 40, 2);
      const std::string stream = encode(levels, shape, {Profile::fast});
      for (Isa isa : machine_isas()) {
        const IsaScope scope(isa);
        EXPECT_EQ(decoded(stream, shape), levels) << to_string(isa) << " columns " << columns;
        std::vector<float> floats(levels.size());
        decode(bytes_of(stream), shape, {}, {}, floats);
        for (size_t i = 0; i < floats.size(); ++i) ASSERT_EQ(floats[i], static_cast<float>(levels[i])) << i;
      }
    }
}

TEST(Codec, SmallMatricesOfFilesUseTheBalancedProfileWhereTablesCost) {
  const auto format_of = [](const std::string& stream) { return static_cast<Format>(stream[0]); };
  for (int64_t rows : {16, 64, 113, 114}) {
    const MatrixShape shape{rows, 144, 1, 1, {}};
    const auto levels = laplace_levels(rows * 144, rows < 64 ? 3 : 0.3, 5);
    const std::string fast = encode(levels, shape, {Profile::fast}),
                      file = encode(levels, shape, file_options(Profile::fast));
    EXPECT_EQ(decoded(file, shape), levels);
    if (rows == 16) {
      EXPECT_EQ(format_of(file), Format::balanced);
      EXPECT_LT(file.size() * 50, fast.size() * 49);
    } else {
      EXPECT_EQ(file, fast) << rows;  // tables hardly cost, or lanes are wide
    }
  }
}

TEST(Codec, TrellisMatricesAreAnErrorInBuildsWithoutTrellis) {
  if (kHasTrellis) GTEST_SKIP() << "this build has it";
  const MatrixShape shape{2, 2, 1, 1, {}, true};
  std::vector<int32_t> levels(4);
  for (const auto& use : std::vector<std::function<void()>>{
           [&] { encode(levels, shape); }, [&] { decode({}, shape, levels); }, [&] { RateModel{shape}; }})
    try {
      use();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_THAT(error.what(), HasSubstr("built without it (TERCEL_TRELLIS)"));
    }
}

TEST(Codec, ColumnClassesPay) {
  std::vector<uint8_t> classes(256);
  std::vector<int32_t> levels = laplace_levels(256 * 256, 1, 4);
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = static_cast<uint8_t>(c * 7 % 12);
  for (size_t i = 0; i < levels.size(); ++i)
    levels[i] = static_cast<int32_t>(std::lround(levels[i] * std::pow(2.0, classes[i % 256] / 2.0)));
  for (Profile profile : kProfiles) {
    const size_t without = encode(levels, {256, 256, 1, 1, {}}, {profile}).size();
    const size_t with = encode(levels, {256, 256, 1, 1, classes}, {profile}).size();
    EXPECT_LT(static_cast<double>(with), 0.97 * static_cast<double>(without)) << to_string(profile);
  }
}

/// Levels of which some rows and kernels hold only zeros.
std::vector<int32_t> pruned_levels(const MatrixShape& shape, uint64_t seed) {
  auto levels = laplace_levels(shape.rows * shape.columns, 3, seed);
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  for (int64_t r = 0; r < shape.rows; ++r)
    for (int64_t c = 0; c < shape.columns; ++c)
      if (r % 3 == 0 || c / kernel % 4 == 1) levels[static_cast<size_t>(r * shape.columns + c)] = 0;
  return levels;
}

TEST(Codec, SkipsAllZeroRowsAndKernels) {
  std::vector<uint8_t> classes(20 * 6);
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = static_cast<uint8_t>(c % 5);
  for (Profile profile : kProfiles)
    for (const MatrixShape& shape : {MatrixShape{31, 20 * 6, 2, 3, {}}, MatrixShape{31, 20 * 6, 2, 3, classes},
                                     MatrixShape{1, 20 * 6, 3, 2, {}}, MatrixShape{64, 20 * 6, 1, 1, classes}})
      for (int64_t chunk : {20, 1000}) {
        const auto levels = pruned_levels(shape, 5);
        const std::string stream = encode(levels, shape, {profile, chunk});
        ASSERT_EQ(decoded(stream, shape), levels) << to_string(profile) << " " << shape.rows << " chunk " << chunk;
        std::vector<float> column_scale(static_cast<size_t>(shape.columns), 0.5f), floats(levels.size(), -1);
        decode(bytes_of(stream), shape, {}, column_scale, floats, 2);
        for (size_t i = 0; i < floats.size(); ++i) ASSERT_EQ(floats[i], 0.5f * static_cast<float>(levels[i])) << i;
        for (int64_t first = 0; first < shape.rows; ++first)
          for (int64_t count = 1; count <= std::min<int64_t>(4, shape.rows - first); ++count) {
            std::vector<int32_t> rows(static_cast<size_t>(count * shape.columns), -77);
            decode_rows(bytes_of(stream), shape, first, count, rows);
            ASSERT_TRUE(std::equal(rows.begin(), rows.end(), levels.begin() + first * shape.columns));
          }
      }
  const std::vector<int32_t> zeros(31 * 50);
  for (Profile profile : kProfiles) {
    const std::string stream = encode(zeros, {31, 50, 1, 1, {}}, {profile});
    EXPECT_LT(stream.size(), 40u);
    EXPECT_EQ(decoded(stream, {31, 50, 1, 1, {}}), zeros);
  }
}

TEST(Codec, AllZeroRowsAndKernelsCostOneFlagEach) {
  const MatrixShape shape{60, 80, 1, 1, {}};
  const auto levels = pruned_levels(shape, 6);
  std::vector<int32_t> nonzero;
  for (size_t i = 0; i < levels.size(); ++i)
    if (i / 80 % 3 != 0 && i % 4 != 1) nonzero.push_back(levels[i]);
  for (Profile profile : kProfiles)
    EXPECT_LT(encode(levels, shape, {profile}).size(), encode(nonzero, {40, 60, 1, 1, {}}, {profile}).size() + 25);
}

TEST(Codec, NoStreamIsShorterThanReadersAccept) {
  const MatrixShape shape{1024, 2048, 1, 1, {}};
  std::vector<int32_t> levels(1024 * 2048);
  for (int32_t last : {0, 3}) {
    levels.back() = last;
    for (Profile profile : kProfiles) {
      const std::string stream = encode(levels, shape, {profile});
      EXPECT_LE(levels.size() / stream.size(), kMostLevelsPerByte) << to_string(profile);
      EXPECT_EQ(decoded(stream, shape), levels);
    }
  }
}

TEST(QuantizedMatrix, ScalesAreRoundedPowersOfTwo) {
  for (int c = -8; c < 3 * kColumnClasses; ++c) EXPECT_EQ(class_scale(c), static_cast<float>(std::exp2(c / 2.0))) << c;
  for (int code = 0; code < 256; ++code)
    EXPECT_EQ(step_of(static_cast<uint8_t>(code)), static_cast<float>(std::exp2(code / 8.0 - 24))) << code;
}

TEST(Codec, DamageToTheSignificanceMapIsAnError) {
  const MatrixShape shape{12, 18, 3, 3, {}};
  auto levels = laplace_levels(12 * 18, 9, 3);
  for (size_t i = 0; i < levels.size(); ++i)
    if (i / 18 > 4) levels[i] = 0;
  for (Profile profile : kProfiles) {
    const std::string stream = encode(levels, shape, {profile});
    ASSERT_GE(stream[0], 4) << to_string(profile);  // pruned
    for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
      std::string bad = stream;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      EXPECT_THROW(decoded(bad, shape), Error) << to_string(profile) << " bit " << bit;
    }
  }
}

TEST(Codec, NoiseIsStoredAsItIs) {
  Rng rng(5);
  std::vector<int32_t> levels(5000);
  for (int32_t& level : levels) level = static_cast<int32_t>(rng.below(int64_t{2} * kMaxLevel)) - kMaxLevel;
  for (Profile profile : kProfiles) {
    const MatrixShape shape{50, 100, 1, 1, {}};
    const std::string stream = encode(levels, shape, {profile, 1000});
    EXPECT_LE(stream.size(), levels.size() * 4 + 50);
    EXPECT_EQ(decoded(stream, shape), levels);
  }
}

TEST(Codec, ExtremeLevels) {
  std::vector<int32_t> levels = {kMaxLevel, -kMaxLevel, 0, kMaxLevel - 1, 14, 15, 16, -14, -15, -16, 1, -1};
  levels.resize(120);  // mostly zeros, or they would be stored
  for (Profile profile : kProfiles) {
    for (const MatrixShape& shape : {MatrixShape{3, 40, 1, 1, {}}, MatrixShape{10, 12, 2, 2, {}}})
      EXPECT_EQ(decoded(encode(levels, shape, {profile}), shape), levels);
    for (int32_t bad : {kMaxLevel + 1, -kMaxLevel - 1, INT32_MAX, INT32_MIN})
      EXPECT_THROW(encode(std::vector<int32_t>(12, bad), {3, 4, 1, 1, {}}, {profile}), Error);
  }
}

TEST(Codec, DamageIsAnError) {
  const MatrixShape shape{7, 18, 3, 3, {}};
  for (Profile profile : kProfiles)
    for (double scale : {1.5, 60.0, 1e8}) {
      const auto levels = laplace_levels(7 * 18, scale, 3);
      const std::string stream = encode(levels, shape, {profile, 40});
      for (size_t cut = 0; cut < stream.size(); ++cut)
        EXPECT_THROW(decoded(stream.substr(0, cut), shape), Error) << to_string(profile) << " " << cut;
      EXPECT_THROW(decoded(stream + '\0', shape), Error);
      for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
        std::string bad = stream;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        EXPECT_THROW(decoded(bad, shape), Error) << to_string(profile) << " bit " << bit;
      }
    }
}

TEST(Codec, AnotherShapeIsAnError) {
  const std::vector<uint8_t> classes(18, 1);
  const auto levels = laplace_levels(7 * 18, 1.5, 3);
  const std::string stream = encode(levels, {7, 18, 3, 3, {}});
  for (const MatrixShape& other :
       {MatrixShape{18, 7, 1, 1, {}}, MatrixShape{7, 18, 1, 9, {}}, MatrixShape{7, 18, 3, 3, classes}})
    EXPECT_THROW(decoded(stream, other), Error);
}

TEST(Codec, ErrorsNameTheChunk) {
  const MatrixShape shape{16, 16, 1, 1, {}};
  std::string stream = encode(laplace_levels(256, 2, 4), shape, {Profile::max, 64});
  stream.back() = static_cast<char>(stream.back() ^ 1);
  try {
    decoded(stream, shape);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("chunk 4 of 4: "));
  }
}

TEST(Codec, RowsAlone) {
  const MatrixShape shape{37, 11, 1, 1, {}};
  const auto levels = laplace_levels(37 * 11, 2, 5);
  for (Profile profile : kProfiles)
    for (int64_t chunk : {5, 50, 1000}) {
      const std::string stream = encode(levels, shape, {profile, chunk});
      for (int64_t first : {0, 1, 17, 36})
        for (int64_t count : {0, 1, 5, 20}) {
          if (first + count > 37) continue;
          std::vector<int32_t> rows(static_cast<size_t>(count * 11));
          decode_rows(bytes_of(stream), shape, first, count, rows);
          EXPECT_TRUE(std::equal(rows.begin(), rows.end(), levels.begin() + first * 11)) << to_string(profile);
        }
      std::vector<int32_t> buffer(11 * 2);
      EXPECT_THROW(decode_rows(bytes_of(stream), shape, 36, 2, buffer), Error);
    }
}

TEST(Codec, FloatsAreScaledLevels) {
  const MatrixShape shape{13, 29, 1, 1, {}};
  const auto levels = laplace_levels(13 * 29, 4, 6);
  std::vector<float> row_scale(13), column_scale(29), dst(levels.size());
  Rng rng(1);
  for (float& s : row_scale) s = static_cast<float>(rng.uniform());
  for (float& s : column_scale) s = static_cast<float>(rng.uniform());
  for (Profile profile : kProfiles) {
    const std::string stream = encode(levels, shape, {profile, 20});
    decode(bytes_of(stream), shape, row_scale, column_scale, dst, 2);
    for (size_t i = 0; i < dst.size(); ++i)
      EXPECT_EQ(dst[i], static_cast<float>(levels[i]) * row_scale[i / 29] * column_scale[i % 29]);
    decode(bytes_of(stream), shape, {}, column_scale, dst);
    for (size_t i = 0; i < dst.size(); ++i) EXPECT_EQ(dst[i], static_cast<float>(levels[i]) * column_scale[i % 29]);
  }
}

TEST(Codec, BytesAndBFloat16AreTheSameLevels) {
  const MatrixShape shape{13, 30, 1, 3, {}};
  Rng rng(1);
  std::vector<float> row_scale(13), column_scale(30), floats(13 * 30);
  for (float& s : row_scale) s = static_cast<float>(rng.uniform());
  for (float& s : column_scale) s = static_cast<float>(rng.uniform());
  std::vector<int8_t> small(floats.size());
  std::vector<BFloat16> halves(floats.size());
  for (Profile profile : kProfiles)
    for (bool pruned : {false, true}) {
      auto levels = pruned ? pruned_levels(shape, 4) : laplace_levels(13 * 30, 4, 6);
      levels[31] = 127;
      levels[32] = -127;
      std::string stream = encode(levels, shape, {profile, 20});
      decode(bytes_of(stream), shape, small, 2);
      EXPECT_TRUE(std::equal(small.begin(), small.end(), levels.begin(), levels.end()));
      decode(bytes_of(stream), shape, row_scale, column_scale, floats);
      decode(bytes_of(stream), shape, row_scale, column_scale, halves, 2);
      for (size_t i = 0; i < floats.size(); ++i) EXPECT_EQ(halves[i].bits, BFloat16(floats[i]).bits) << i;
      levels[40] = -128;
      stream = encode(levels, shape, {profile, 20});
      EXPECT_THAT([&] { decode(bytes_of(stream), shape, small); },
                  testing::ThrowsMessage<Error>(HasSubstr("level -128 in row 1, column 10")));
    }
}

TEST(Codec, CheckFindsWhatDecodingWouldFind) {
  const MatrixShape shape{7, 18, 3, 3, {}};
  for (Profile profile : kProfiles) {
    const std::string stream = encode(laplace_levels(7 * 18, 3, 3), shape, {profile, 40});
    check(bytes_of(stream), shape);
    for (size_t cut = 0; cut < stream.size(); ++cut) EXPECT_THROW(check(bytes_of(stream).first(cut), shape), Error);
    for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
      std::string bad = stream;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      EXPECT_THROW(check(bytes_of(bad), shape), Error) << to_string(profile) << " bit " << bit;
    }
  }
}

TEST(RateModel, PricesAddUpToTheStream) {
  const MatrixShape shape{128, 90, 3, 3, {}};
  const auto levels = laplace_levels(128 * 90, 1.2, 7);
  const ContextInit start = fit_context_init(levels, shape);
  RateModel model(shape, start);
  double bits = 0;
  for (int32_t level : levels) {
    bits += static_cast<double>(model.bits(level));
    model.push(level);
  }
  const auto size = static_cast<double>(encode(levels, shape, {Profile::max, 1 << 20}).size()) * 8;
  EXPECT_NEAR(bits, size, 0.01 * size);
}

TEST(RateModel, CopiesGoTheirOwnWay) {
  const MatrixShape shape{8, 8, 1, 1, {}};
  RateModel model(shape);
  for (int i = 0; i < 20; ++i) model.push(i % 3);
  RateModel copy = model;
  EXPECT_EQ(copy.bits(2), model.bits(2));
  for (int i = 0; i < 30; ++i) copy.push(9);
  EXPECT_LT(copy.bits(9), model.bits(9));
}

TEST(RateModel, CopiesOutliveWhatTheyWereCopiedFrom) {
  std::vector<uint8_t> classes(32, 3);
  auto first = std::make_unique<RateModel>(MatrixShape{4, 32, 1, 1, classes});
  classes.assign(32, 9);
  RateModel twin({4, 32, 1, 1, std::vector<uint8_t>(32, 3)});
  RateModel copy = *first;
  first.reset();
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(copy.bits(i % 5 - 2), twin.bits(i % 5 - 2)) << i;
    copy.push(i % 5 - 2);
    twin.push(i % 5 - 2);
  }
}

TEST(Codec, ShapesThatContradictThemselves) {
  const std::vector<uint8_t> few(3), high(4, kColumnClasses);
  const std::vector<int32_t> levels(8);
  for (const MatrixShape& bad :
       {MatrixShape{2, 5, 1, 1, {}}, MatrixShape{-2, -4, 1, 1, {}}, MatrixShape{2, 4, 3, 1, {}},
        MatrixShape{2, 4, 0, 1, {}}, MatrixShape{2, 4, 1, 1, few}, MatrixShape{2, 4, 1, 1, high}})
    EXPECT_THROW(encode(levels, bad), Error);
  EXPECT_THROW(encode(levels, {2, 4, 1, 1, {}}, {Profile::max, 0}), Error);
}

}  // namespace
}  // namespace tercel::codec
