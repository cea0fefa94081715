#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// FusedConv as an indirect matrix product on channels-last activations.
Variant simd_conv();

/// FusedConv with one channel per group, channels last.
Variant simd_depthwise();

}  // namespace tercel::inline kernels
