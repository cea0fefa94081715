// From one memory layout to the other.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// Do both layouts of this shape put the same bytes in the same order? Then nothing needs to move.
bool layouts_coincide(const Dims& dims);

/// Extents in the order in which they lie in memory: n h w c for channels_last.
Dims physical_dims(const Dims& dims, Layout layout);

/// Where a logical axis stands among physical_dims.
int64_t physical_axis(int64_t axis, int64_t rank, Layout layout);

/// Rank-4 elements of any size from `from` to the other layout.
void reorder(const std::byte* src, std::byte* dst, DType dtype, const Dims& dims, Layout from);

std::unique_ptr<Kernel> make_reorder(DType dtype, const Dims& dims, Layout from);

}  // namespace tercel::inline kernels
