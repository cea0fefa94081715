// Sums, means and largest elements along axes that lie together in memory.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// ReduceSum, ReduceMean, ReduceMax, GlobalAveragePool, GlobalMaxPool in whatever layout there is; and the same in
/// plain layout for axes that only lie together there.
Variant simd_reduce();
Variant simd_reduce_plain();

}  // namespace tercel::inline kernels
