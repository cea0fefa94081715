// Operators that only move elements, of any type.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

Variant copy_transpose();  ///< plain layout
Variant copy_slice();      ///< constant bounds
Variant copy_split();
Variant copy_concat();
Variant copy_pad();     ///< mode constant
Variant copy_expand();  ///< plain layout
Variant copy_depth_to_space();
Variant copy_space_to_depth();
Variant copy_gather();  ///< plain layout, constant indices

}  // namespace tercel::inline kernels
