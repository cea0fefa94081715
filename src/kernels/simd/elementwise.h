// Functions of the elements at one (broadcast) index.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

Variant simd_unary();      ///< activations and functions of one number
Variant simd_binary();     ///< arithmetic of two numbers, FusedAdd, PRelu
Variant simd_power();      ///< Pow with the constant exponent 2 or 3
Variant simd_batchnorm();  ///< a factor and a shift per channel

}  // namespace tercel::inline kernels
