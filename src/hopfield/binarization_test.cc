#include "hopfield/binarization.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error_testing.h"
#include "base/rng.h"
#include "hopfield/overlaps.h"

namespace tercel::inline hopfield {
namespace {

std::vector<float> random_rows(int64_t count, int64_t width, uint64_t seed, double offset = 0) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count * width));
  for (float& v : values) v = static_cast<float>(rng.normal() + offset);
  return values;
}

TEST(Binarization, ZeroThresholdIsTheSign) {
  const std::vector<float> values = random_rows(9, 65, 1);
  const FeatureRows rows{values, 65};
  const Binarizer binarizer = find_binarization("zero").fit(rows, {});
  EXPECT_EQ(binarizer.bytes(), 0u);
  EXPECT_EQ(binarizer.binarize(rows), BitPatterns::of_signs(values, 65));
}

TEST(Binarization, MediansBalanceFeaturesThatAreAlwaysPositive) {
  const std::vector<float> values = random_rows(101, 37, 1, 5);
  const FeatureRows rows{values, 37};
  const Binarizer binarizer = find_binarization("median").fit(rows, {});
  const BitPatterns columns = binarizer.binarize(rows).transposed();
  for (int64_t i = 0; i < 37; ++i) {
    int64_t sum = 0;
    for (int64_t r = 0; r < 101; ++r) sum += columns.sign(i, r);
    EXPECT_EQ(sum, -1) << "the median itself is not above it";
  }
  EXPECT_EQ(binarizer.bytes(), 4u * 37);
}

TEST(Hadamard, IsTheProductWithTheMatrix) {
  std::vector<float> values = random_rows(1, 64, 3), wanted(64);
  for (size_t i = 0; i < 64; ++i)
    for (size_t j = 0; j < 64; ++j) wanted[i] += (std::popcount(i & j) % 2 == 0 ? 1.0f : -1.0f) * values[j];
  hadamard_transform(values);
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(values[i], wanted[i], 1e-4);
}

TEST(Binarization, HadamardBitsDifferByTheAngle) {
  // Two vectors at 60 degrees: a third of the bits differ.
  std::vector<float> values = random_rows(2, 300, 5);
  double dot = 0, a = 0, b = 0;
  for (size_t i = 0; i < 300; ++i) {
    values[300 + i] = static_cast<float>(0.5 * values[i] + std::sqrt(0.75) * values[300 + i]);
    dot += values[i] * values[300 + i];
    a += values[i] * values[i];
    b += values[300 + i] * values[300 + i];
  }
  const double angle = std::acos(dot / std::sqrt(a * b));
  Binarizer binarizer = find_binarization("hadamard").fit({values, 300}, {.bits = 4000, .seed = 3});
  EXPECT_EQ(binarizer.padded, 512);
  EXPECT_EQ(binarizer.signs.size(), 8u * 512);
  binarizer.shift.clear();  // the mean of two vectors would set them opposite
  const BitPatterns bits = binarizer.binarize({values, 300});
  EXPECT_EQ(bits.bits(), 4000);
  const double differ = (4000 - overlaps(bits.row(0), bits)[1]) / 2.0 / 4000;
  EXPECT_NEAR(differ, angle / std::numbers::pi, 0.03);
}

TEST(Binarization, ItqLiesNearerItsSignsThanItsComponents) {
  // Four clusters in eight features: two bits suffice.
  Rng rng(4);
  std::vector<float> values;
  for (int r = 0; r < 400; ++r)
    for (int i = 0; i < 8; ++i) {
      const int cluster = r % 4;
      const double centre = i < 4 ? (cluster & 1) * 6.0 : (cluster >> 1) * 6.0;
      values.push_back(static_cast<float>(centre + rng.normal()));
    }
  const FeatureRows rows{values, 8};
  const Binarizer binarizer = find_binarization("itq").fit(rows, {.bits = 2});
  EXPECT_EQ(binarizer.bytes(), 4u * (8 + 16));
  const BitPatterns bits = binarizer.binarize(rows);
  for (int64_t r = 4; r < 400; ++r) EXPECT_EQ(bits.row(r)[0], bits.row(r % 4)[0]) << r;
  std::set<uint64_t> different;
  for (int64_t r = 0; r < 4; ++r) different.insert(bits.row(r)[0]);
  EXPECT_EQ(different.size(), 4u);
}

TEST(Binarization, SameSeedSameMap) {
  const std::vector<float> values = random_rows(50, 20, 1);
  for (const Binarization& method : all_binarizations()) {
    const Binarizer a = method.fit({values, 20}, {.seed = 2}), b = method.fit({values, 20}, {.seed = 2});
    EXPECT_EQ(a.signs, b.signs) << method.name;
    EXPECT_EQ(a.matrix, b.matrix) << method.name;
    EXPECT_EQ(a.binarize({values, 20}).bits(), 20) << method.name;
  }
}

TEST(Binarization, WhatIsNoFeatureIsRefused) {
  std::vector<float> values = random_rows(3, 4, 1);
  EXPECT_THAT(error_of([&] {
                find_binarization("zero").fit({values, 4}, {.bits = 5});
              }),
              testing::HasSubstr("5 bits of 4 features"));
  EXPECT_THAT(error_of([&] {
                find_binarization("itq").fit({values, 4}, {.bits = 5});
              }),
              testing::HasSubstr("at most one a feature"));
  values[6] = std::nanf("");
  for (const Binarization& method : all_binarizations())
    EXPECT_THAT(error_of([&] {
                  method.fit({values, 4}, {});
                }),
                testing::HasSubstr("feature 2 of row 1 is nan"))
        << method.name;
  EXPECT_THAT(error_of([] { find_binarization("sign"); }),
              testing::HasSubstr("no binarization 'sign': wanted one of zero"));
}

TEST(Prototypes, OneAClassIsTheMean) {
  const std::vector<float> values{1, 2, 3, 4, 10, 20, 5, 6};
  const std::vector<int32_t> classes{0, 0, 3, 0};
  const Prototypes prototypes = find_prototypes({values, 2}, classes, {});
  EXPECT_THAT(prototypes.values, testing::ElementsAre(3, 4, 10, 20));
  EXPECT_THAT(prototypes.classes, testing::ElementsAre(0, 3));
}

TEST(Prototypes, KMeansFindsClustersAndIsSeeded) {
  Rng rng(1);
  std::vector<float> values;
  std::vector<int32_t> classes;
  for (int r = 0; r < 300; ++r) {
    for (int i = 0; i < 6; ++i) values.push_back(static_cast<float>((r % 3 == i % 3 ? 20 : 0) + rng.normal()));
    classes.push_back(0);
  }
  const Prototypes prototypes = find_prototypes({values, 6}, classes, {.per_class = 3, .seed = 5});
  ASSERT_EQ(prototypes.classes.size(), 3u);
  std::set<int> found;
  for (size_t k = 0; k < 3; ++k)
    for (int i = 0; i < 3; ++i)
      if (std::fabs(prototypes.values[k * 6 + static_cast<size_t>(i)] - 20) < 1) found.insert(i);
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(prototypes.values, find_prototypes({values, 6}, classes, {.per_class = 3, .seed = 5}).values);
}

TEST(Prototypes, AClassOfFewerRowsHasFewer) {
  const std::vector<float> values{1, 1, 2, 1};
  const std::vector<int32_t> classes{0, 0, 1, 0};
  EXPECT_THAT(find_prototypes({values, 1}, classes, {.per_class = 4}).classes, testing::ElementsAre(0, 1));
}

}  // namespace
}  // namespace tercel::inline hopfield
