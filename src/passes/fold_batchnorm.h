#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// BatchNormalization after Conv, ConvTranspose or Gemm with constant weights goes into weights and bias
/// (Ioffe and Szegedy 2015: y = gamma (x - mean) / sqrt(var + eps) + beta is affine at inference):
///
///   w' = w * gamma / sqrt(var + eps)   per output channel
///   b' = (b - mean) * gamma / sqrt(var + eps) + beta
///
/// computed in double. Not folded: a convolution whose result other nodes read too (noted in the pass log).
int fold_batchnorm(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes
