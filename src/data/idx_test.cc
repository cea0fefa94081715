#include "data/idx.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "base/error_testing.h"
#include "base/folder_testing.h"
#include "data/gzip.h"
#include "tercel/data.h"

namespace tercel::inline data {
namespace {

using testing::HasSubstr;

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(Idx, GoesThroughBytes) {
  const std::vector<int64_t> dims{2, 3, 1};
  const std::vector<uint8_t> values{1, 2, 3, 250, 251, 252};
  const IdxBytes idx = parse_idx(print_idx(dims, values));
  EXPECT_EQ(idx.dims, dims);
  EXPECT_EQ(idx.values, values);
}

TEST(Idx, EveryCutIsRefused) {
  const std::vector<int64_t> dims{2, 3};
  const std::vector<uint8_t> values{1, 2, 3, 4, 5, 6};
  const std::vector<std::byte> whole = print_idx(dims, values);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(error_of([&] { parse_idx(std::span(whole).first(size)); }), HasSubstr("IDX")) << size;
}

TEST(Idx, WhatIsNoIdxIsRefused) {
  const auto error = [](std::initializer_list<int> values) { return error_of([&] { parse_idx(bytes_of(values)); }); };
  EXPECT_THAT(error({1, 0, 8, 1, 0, 0, 0, 0}), HasSubstr("does not begin with 00 00"));
  EXPECT_THAT(error({0, 0, 13, 1, 0, 0, 0, 0}), HasSubstr("type 0x0d"));
  EXPECT_THAT(error({0, 0, 8, 0}), HasSubstr("0 axes"));
  EXPECT_THAT(error({0, 0, 8, 9}), HasSubstr("9 axes"));
  EXPECT_THAT(error({0, 0, 8, 1, 255, 255, 255, 255}), HasSubstr("ask for 4294967295 bytes"));
  EXPECT_THAT(error({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}), HasSubstr("2^63"));
  EXPECT_THAT(error({0, 0, 8, 1, 0, 0, 0, 1, 7, 8}), HasSubstr("left over"));
}

#ifdef TERCEL_HAVE_ZLIB
/// gzip of the IDX file of the labels 1, 2, 3: written by Python's gzip.compress(..., mtime=0).
std::vector<std::byte> three_labels() {
  return bytes_of({0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x63, 0x60, 0xe0, 0x60, 0x64, 0x60,
                   0x60, 0x60, 0x66, 0x64, 0x62, 0x06, 0x00, 0x8b, 0xe5, 0xbd, 0xa4, 0x0b, 0x00, 0x00, 0x00});
}

TEST(Idx, GzipIsReadAndItsDamageSeen) {
  EXPECT_THAT(parse_idx(three_labels()).values, testing::ElementsAre(1, 2, 3));
  const std::vector<std::byte> whole = three_labels();
  for (size_t size = 2; size < whole.size(); ++size)
    EXPECT_NE(error_of([&] { parse_idx(std::span(whole).first(size)); }), "") << size;
  std::vector<std::byte> damaged = whole;
  damaged[24] ^= std::byte{1};  // the checksum
  EXPECT_THAT(error_of([&] { parse_idx(damaged); }), HasSubstr("gzip"));
  std::vector<std::byte> longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_THAT(error_of([&] { parse_idx(longer); }), HasSubstr("behind the end"));
}
#endif

GreyPictures some_pictures() {
  GreyPictures set;
  set.width = 7;
  set.height = 5;
  for (int i = 0; i < 7 * 5 * 40; ++i) set.pixels.push_back(static_cast<uint8_t>(i * 37));
  for (int i = 0; i < 40; ++i) set.classes.push_back(i % 10);
  return set;
}

TEST(GreyPictures, GoThroughAFolder) {
  const TemporaryFolder folder("idx");
  const GreyPictures set = some_pictures();
  EXPECT_FALSE(has_idx(folder.path(), "train"));
  write_idx_folder(set, folder.path(), "train");
  EXPECT_TRUE(has_idx(folder.path(), "train"));
  const GreyPictures read = read_idx_folder(folder.path(), "train");
  EXPECT_EQ(read.width, 7);
  EXPECT_EQ(read.height, 5);
  EXPECT_EQ(read.pixels, set.pixels);
  EXPECT_EQ(read.classes, set.classes);
  EXPECT_EQ(read.image(3).row(2)[3 * 4 + 1], set.pixels[3 * 35 + 2 * 7 + 4]);
  EXPECT_THAT(error_of([&] { read_idx_folder(folder.path(), "t10k"); }), HasSubstr("has no t10k-images-idx3-ubyte"));
}

TEST(GreyPictures, LabelsThatDoNotFitAreRefused) {
  const TemporaryFolder folder("idx");
  GreyPictures set = some_pictures();
  write_idx_folder(set, folder.path(), "train");
  set.pixels.resize(35 * 39);
  EXPECT_THAT(error_of([&] { write_idx_folder(set, folder.path(), "few"); }), HasSubstr("39 pictures with 40 classes"));
  set.classes.pop_back();
  write_idx_folder(set, folder.path(), "few");
  EXPECT_THAT(
      error_of([&] { read_idx(folder.path() / "train-images-idx3-ubyte", folder.path() / "few-labels-idx1-ubyte"); }),
      HasSubstr("39 labels for the 40 pictures"));
  EXPECT_THAT(error_of([&] { read_idx(folder.path() / "few-labels-idx1-ubyte"); }), HasSubstr("1 axes, wanted 3"));
}

TEST(NoisyMnist, SigmasAreThoseOfBothReadings) {
  GreyPictures set = some_pictures();
  double power = 0;
  for (const uint8_t level : set.pixels) power += level / 255.0 * level / 255.0;
  power /= static_cast<double>(set.pixels.size());
  const auto sigma = [&](NoisyMnistVariant variant, SnrReading snr) {
    return noisy_mnist_sigma(set, {variant, snr, 1});
  };
  EXPECT_NEAR(sigma(NoisyMnistVariant::awgn, SnrReading::assumed), 0.3350, 5e-5);
  EXPECT_NEAR(sigma(NoisyMnistVariant::contrast, SnrReading::assumed), 0.2512, 5e-5);
  EXPECT_NEAR(sigma(NoisyMnistVariant::awgn, SnrReading::measured), 0.3350 * std::sqrt(power), 1e-4);
  EXPECT_NEAR(sigma(NoisyMnistVariant::contrast, SnrReading::measured), 0.2512 * std::sqrt(power / 4), 1e-4);
  EXPECT_EQ(sigma(NoisyMnistVariant::motion, SnrReading::assumed), 0);
}

TEST(NoisyMnist, MotionSpreadsAPointAlongTheLine) {
  GreyPictures set;
  set.width = set.height = 9;
  set.pixels.assign(81, 0);
  set.pixels[4 * 9 + 4] = 255;
  const GreyPictures out = noisy_mnist(set, {NoisyMnistVariant::motion, SnrReading::assumed, 1}, 0);
  // The kernel of fspecial('motion', 5, 15), to four digits.
  const double kernel[3][5] = {
      {0, 0, .0067, .0572, .1002}, {.0934, .1448, .1954, .1448, .0934}, {.1002, .0572, .0067, 0, 0}};
  int outside = 0;
  for (int y = 0; y < 9; ++y)
    for (int x = 0; x < 9; ++x) {
      const int level = out.pixels[static_cast<size_t>(y * 9 + x)];
      if (y >= 3 && y <= 5 && x >= 2 && x <= 6) EXPECT_NEAR(level, 255 * kernel[y - 3][x - 2], 0.53) << y << " " << x;
      else outside += level;
    }
  EXPECT_EQ(outside, 0);
  GreyPictures flat = set;
  flat.pixels.assign(81, 200);
  EXPECT_EQ(noisy_mnist(flat, {NoisyMnistVariant::motion, SnrReading::assumed, 1}, 0).pixels, flat.pixels);
}

TEST(NoisyMnist, NoiseHasTheDeviationAskedForAndIsSeeded) {
  GreyPictures set;
  set.width = set.height = 100;
  set.pixels.assign(10000, 128);
  const NoisyMnistOptions options{NoisyMnistVariant::awgn, SnrReading::assumed, 3};
  const GreyPictures out = noisy_mnist(set, options, 0.1);
  double mean = 0, squares = 0;
  for (const uint8_t level : out.pixels) mean += level / 255.0 / 10000;
  for (const uint8_t level : out.pixels) squares += (level / 255.0 - mean) * (level / 255.0 - mean) / 10000;
  EXPECT_NEAR(mean, 128 / 255.0, 0.004);
  EXPECT_NEAR(std::sqrt(squares), 0.1, 0.003);
  EXPECT_EQ(out.pixels, noisy_mnist(set, options, 0.1).pixels);
  EXPECT_NE(out.pixels, noisy_mnist(set, {options.variant, options.snr, 4}, 0.1).pixels);
}

TEST(NoisyMnist, OtherWordsAreRefused) {
  EXPECT_THAT(error_of([] { parse_noisy_mnist_variant("blur"); }), HasSubstr("wanted awgn, motion or contrast"));
  EXPECT_THAT(error_of([] { parse_snr_reading("mesured"); }), HasSubstr("wanted default or measured"));
}

}  // namespace
}  // namespace tercel::inline data
