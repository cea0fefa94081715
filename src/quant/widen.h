// Networks of other floating types, as networks of f32 that can be measured.
#pragma once

#include "tercel/model.h"

namespace tercel::inline quant {

/// The network with f16, bf16 and f64 as f32 throughout, constants and inputs too; names stay. It answers as the
/// network would if its activations were not rounded. A network without such types is itself.
Model widened(const Model& model);

/// The network with weights behind DequantizeLinear as floats. A network without them is itself.
Model dequantized(const Model& model);

}  // namespace tercel::inline quant
