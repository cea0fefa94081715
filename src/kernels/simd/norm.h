#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

Variant simd_layernorm();  ///< LayerNormalization over the last axes, one scale and bias per element, plain layout
Variant simd_row_scale();  ///< ai.tercel.RowScale

}  // namespace tercel::inline kernels
