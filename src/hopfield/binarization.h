// Binarizations: maps from features to as many numbers as a pattern has bits; the signs of those are the pattern. One
// file each, listed in binarizations.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "hopfield/bit_patterns.h"
#include "hopfield/prototypes.h"

namespace tercel::inline hopfield {

/// A fitted map y = R (x - shift), in one of three forms by what R is. Plain, to be stored.
struct Binarizer {
  int64_t inputs = 0, bits = 0;
  std::vector<float> shift;   ///< one an input; empty: none
  std::vector<float> matrix;  ///< R, inputs x bits (y_j = sum_i x_i R_ij); empty: none
  /// Random Walsh-Hadamard projection: for each block, the inputs, padded with zeros to `padded`, times these signs
  /// (+1, -1; a row of `padded` a block), then the Hadamard transform; the first `bits` numbers of all blocks. Empty:
  /// none.
  std::vector<float> signs;
  int64_t padded = 0;  ///< a power of two

  /// y of each row.
  std::vector<float> project(const FeatureRows& rows) const;
  BitPatterns binarize(const FeatureRows& rows) const { return BitPatterns::of_signs(project(rows), bits); }
  /// Bytes that a file needs for it: numbers as f32, signs a bit each.
  size_t bytes() const;
};

struct BinarizationOptions {
  int64_t bits = 0;  ///< 0: as many as features; zero_threshold and median take no other
  uint64_t seed = 1;
  int iterations = 30;  ///< ITQ
};

struct Binarization {
  std::string_view name;
  std::string_view what;  ///< for people
  /// Throws Error for a number of bits that the method cannot give, and for features that are no finite numbers.
  Binarizer (*fit)(const FeatureRows& rows, const BinarizationOptions& options);
};

/// Every binarization; the first is the default.
std::span<const Binarization> all_binarizations();
/// Throws Error that lists the names.
const Binarization& find_binarization(std::string_view name);

// One a file.
Binarization zero_threshold();
Binarization median_threshold();
Binarization walsh_hadamard();
Binarization iterative_quantization();

/// A binarizer of one bit a feature, without a map yet. Throws Error for features that are no finite numbers, and where
/// another number of bits is wanted.
Binarizer one_bit_a_feature(const FeatureRows& rows, const BinarizationOptions& options);

/// In place: values.size() is a power of two; not normalized. O(n log n) additions.
void hadamard_transform(std::span<float> values);

}  // namespace tercel::inline hopfield
