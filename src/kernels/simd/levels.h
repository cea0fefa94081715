#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// FusedConv of levels as an indirect matrix product, channels last.
Variant simd_conv_levels();

/// The same with a filter for each channel.
Variant simd_depthwise_levels();

/// FusedMatMul of levels with constant weights, packed once.
Variant simd_matmul_levels();

/// FusedMatMul of two activations.
Variant simd_batched_matmul_levels();

/// FusedAdd of levels, and LevelMul.
Variant simd_pair_levels();

/// Requantize by a table: what each of 256 levels comes to is known while planning.
Variant table_levels();

/// GlobalAveragePool of levels, to levels or floats, in whatever layout there is.
Variant mean_levels();

/// QuantizeLinear and DequantizeLinear between f32 and levels with one scale.
Variant quantize_levels();
Variant dequantize_levels();

}  // namespace tercel::inline kernels
