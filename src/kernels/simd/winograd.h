#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// FusedConv of 3 x 3 taps and stride 1, channels last, in tiles of `out` x `out` outputs (2 or 4): fewer products,
/// for sums before and after (docs/decisions/0014-winograd.md).
Variant simd_winograd(int out);

}  // namespace tercel::inline kernels
