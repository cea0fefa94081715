#include "hopfield/overlaps.h"

#include <gmock/gmock.h>

#include <limits>

#include "base/error_testing.h"
#include "hopfield/patterns_testing.h"

namespace tercel::inline hopfield {
namespace {

using testing::ElementsAreArray;

/// The definition.
std::vector<int32_t> plain_overlaps(const BitPatterns& probes, int64_t probe, const BitPatterns& patterns) {
  std::vector<int32_t> out;
  for (int64_t k = 0; k < patterns.count(); ++k) {
    int32_t sum = 0;
    for (int64_t i = 0; i < patterns.bits(); ++i) sum += probes.sign(probe, i) * patterns.sign(k, i);
    out.push_back(sum);
  }
  return out;
}

TEST(Overlaps, EveryIsaGivesThePlainSums) {
  for (const Isa& isa : machine_isas())
    for (const int64_t bits : {1, 2, 63, 64, 65, 127, 128, 251, 256, 257, 509, 512, 1021, 1024, 1600, 4093, 4096})
      for (const int64_t count : {1, 2, 7, 31}) {
        const BitPatterns patterns = random_patterns(bits, count, static_cast<uint64_t>(bits * 100 + count));
        const BitPatterns probes = random_patterns(bits, 1, static_cast<uint64_t>(bits));
        std::vector<int32_t> out(static_cast<size_t>(count));
        overlaps_for(isa)(probes.row(0), patterns.row(0), patterns.words(), count, bits, out.data());
        EXPECT_THAT(out, ElementsAreArray(plain_overlaps(probes, 0, patterns)))
            << to_string(isa) << ", " << bits << " bits, " << count << " patterns";
      }
}

TEST(Overlaps, OfAPatternWithItselfAndItsInverse) {
  BitPatterns patterns = random_patterns(65, 2, 3);
  for (int64_t i = 0; i < 65; ++i)
    if (patterns.sign(1, i) == patterns.sign(0, i)) BitPatterns::flip(patterns.row(1), i);
  EXPECT_THAT(overlaps(patterns.row(0), patterns), testing::ElementsAre(65, -65));
}

TEST(BitPatterns, GoThroughBytes) {
  for (const int64_t bits : {1, 7, 8, 9, 63, 64, 65, 1021}) {
    const BitPatterns patterns = random_patterns(bits, 5, static_cast<uint64_t>(bits));
    const std::vector<std::byte> bytes = patterns.to_bytes();
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), 5 * ((bits + 7) / 8));
    EXPECT_EQ(BitPatterns::from_bytes(bits, bytes), patterns) << bits;
  }
}

TEST(BitPatterns, BytesThatDoNotFitAreRefused) {
  const std::vector<std::byte> bytes(3, std::byte{0xFF});
  EXPECT_THAT(error_of([&] { BitPatterns::from_bytes(9, bytes); }),
              testing::HasSubstr("3 bytes are no whole number of patterns"));
  EXPECT_THAT(error_of([&] { BitPatterns::from_bytes(23, bytes); }), testing::HasSubstr("bits set past its 23 units"));
  EXPECT_THAT(error_of([&] { BitPatterns::from_bytes(0, bytes); }), testing::HasSubstr("at least one"));
}

TEST(BitPatterns, SignsAreThoseOfValuesAboveZero) {
  const std::vector<float> values{0.5f, 0.0f, -0.0f, -1.0f, std::numeric_limits<float>::denorm_min(), 2};
  const BitPatterns patterns = BitPatterns::of_signs(values, 3);
  EXPECT_EQ(patterns.count(), 2);
  EXPECT_EQ(patterns.row(0)[0], 1u);
  EXPECT_EQ(patterns.row(1)[0], 6u);
}

TEST(BitPatterns, TransposedTwiceIsTheSame) {
  const BitPatterns patterns = random_patterns(67, 130, 1);
  const BitPatterns columns = patterns.transposed();
  EXPECT_EQ(columns.sign(66, 129), patterns.sign(129, 66));
  EXPECT_EQ(columns.transposed(), patterns);
}

}  // namespace
}  // namespace tercel::inline hopfield
