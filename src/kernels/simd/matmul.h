#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// FusedMatMul of few rows with constant, transposed weights, read where they lie: bound by memory, so nothing is
/// packed.
Variant simd_gemv();

/// FusedMatMul with constant weights, packed once.
Variant simd_matmul();

/// FusedMatMul of two activations (attention): b is packed anew in every run.
Variant simd_batched_matmul();

}  // namespace tercel::inline kernels
