#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// GELU (Hendrycks and Gimpel 2016) with erf, in the orders exporters write the product:
///
///   x * 0.5 * (1 + Erf(x / sqrt 2))   =>   Gelu(x)
int fuse_gelu(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes
