// Windows that slide over pixels, channels_last.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

Variant simd_pool();        ///< MaxPool without indices, AveragePool
Variant simd_max_levels();  ///< MaxPool of levels

}  // namespace tercel::inline kernels
