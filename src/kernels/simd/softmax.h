#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// Softmax and LogSoftmax along the axis that lies innermost in whatever layout there is; and the same in plain layout.
Variant simd_softmax();
Variant simd_softmax_plain();

}  // namespace tercel::inline kernels
