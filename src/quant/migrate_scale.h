// Channels of one value that differ much in magnitude, evened out in front of the products that read it.
#pragma once

#include <string>
#include <vector>

#include "tercel/model.h"
#include "tercel/progress.h"
#include "tercel/session.h"

namespace tercel::inline quant {

/// What one scale for a whole value costs where its channels differ: the small ones lose their levels. Behind a layer
/// normalization that products with constant weights read, and nothing else,
///
///   x -> LayerNormalization(gamma, beta) -> MatMul(W)
///   x -> LayerNormalization(gamma / s, beta / s) -> MatMul(diag(s) W)
///
/// is the same network: s are powers of two, which add no rounding but to numbers near the least of f32.
/// s[j] = sqrt(largest |input[j]| on `inputs` / largest |W[j]|), so that both bear half of the differences
/// (SmoothQuant, Xiao et al. 2022, arXiv 2211.10438, with its default of 1/2). A network without such places is itself.
Model with_even_channels(const Model& model, const std::vector<Array>& inputs, const SessionOptions& options = {},
                         const Progress& progress = {});

}  // namespace tercel::inline quant
