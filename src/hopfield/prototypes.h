// Prototypes: what stands for a class in a memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tercel::inline hopfield {

/// Rows of features, one after the other.
struct FeatureRows {
  std::span<const float> values;
  int64_t width = 0;

  int64_t count() const { return width == 0 ? 0 : static_cast<int64_t>(values.size()) / width; }
  const float* row(int64_t i) const { return values.data() + i * width; }
};

/// Throws Error naming the row and the feature that is NaN or infinite.
void check_finite(const FeatureRows& rows);

/// Of each feature.
std::vector<float> means_of(const FeatureRows& rows);

struct Prototypes {
  std::vector<float> values;     ///< rows of the features' width
  std::vector<int32_t> classes;  ///< of each row, ascending
};

struct PrototypeOptions {
  int per_class = 1;    ///< 1: the mean; more: centres by k-means, fewer where a class has fewer different rows
  int iterations = 25;  ///< of k-means at most
  uint64_t seed = 1;    ///< draws the first centres (k-means++: Arthur and Vassilvitskii 2007)
};

/// For every class of `classes` (one a row, from 0) that has rows.
Prototypes find_prototypes(const FeatureRows& rows, std::span<const int32_t> classes, const PrototypeOptions& options);

}  // namespace tercel::inline hopfield
