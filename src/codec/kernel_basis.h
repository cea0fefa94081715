// Transform coding of kernels (a KLT with rounded entries): neighbouring weights of trained kernels are correlated.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tercel::codec {

/// A kernel of `size` weights w is made of as many coefficients c:  w[j] = sum_i c[i] * entries[i * size + j] / kOne.
struct KernelBasis {
  static constexpr int64_t kMostSize = 49;
  static constexpr float kOne = 128;

  int64_t size = 0;
  std::vector<int8_t> entries;  ///< size x size, row i is what coefficient i adds

  bool operator==(const KernelBasis&) const = default;
};

/// Inverse transform, coefficients -> weights, kernel by kernel in place. Sums run in the order of i, in f32: the same
/// bits everywhere.
void inverse_transform(const KernelBasis& basis, std::span<float> kernels);

}  // namespace tercel::codec
