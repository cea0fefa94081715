#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

Variant popcount_memory();  ///< ai.tercel.SoftmaxMemory of constant patterns: overlaps by population counts
Variant learned_memory();   ///< ai.tercel.HopfieldMemory of constant patterns: networks learn once, not at every run

}  // namespace tercel::inline kernels
