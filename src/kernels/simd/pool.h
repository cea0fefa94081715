// Windows that slide over pixels, channels_last.
#pragma once

#include "kernels/kernel.h"

namespace tercel {

Variant simd_pool();  ///< MaxPool without indices, AveragePool

}  // namespace tercel
