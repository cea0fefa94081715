// Products of many matrices: where each of them lies, and who multiplies them.
#pragma once

#include <vector>

#include "base/threads.h"
#include "tensor/shape.h"

namespace tercel::inline kernels {

/// First elements of every matrix of an operand, in the order of the result's batch; broadcast axes repeat.
inline std::vector<int64_t> batch_offsets(const Dims& operand, const Dims& result) {
  const int64_t size = operand[operand.size() - 1] * operand[operand.size() - 2];
  std::vector<int64_t> offsets{0};
  int64_t stride = size;
  // From the innermost batch axis outwards: each axis repeats what is there, moved on by its stride.
  for (size_t i = 2; i < result.size(); ++i) {
    const int64_t extent = i < operand.size() ? operand[operand.size() - 1 - i] : 1;
    const int64_t count = result[result.size() - 1 - i];
    const std::vector<int64_t> inner = offsets;
    for (int64_t j = 1; j < count; ++j)
      for (int64_t offset : inner) offsets.push_back(offset + (extent == 1 ? 0 : j * stride));
    stride *= extent;
  }
  return offsets;
}

/// Whole matrices per thread where they divide evenly enough; else all threads on one matrix after the other.
inline bool share_by_matrix(int64_t batch, int threads) {
  return threads > 1 && (batch % threads == 0 || batch >= 4 * threads);
}

/// multiply(i, lane) for every matrix i: lane is 0, or by matrix the thread's.
template <typename Multiply>
void for_each_matrix(int64_t batch, bool by_matrix, Multiply&& multiply) {
  const auto some = [&](int64_t begin, int64_t end, int lane) {
    for (int64_t i = begin; i < end; ++i) multiply(i, lane);
  };
  if (by_matrix) parallel_for(batch, 1, some);
  else some(0, batch, 0);
}

}  // namespace tercel::inline kernels
