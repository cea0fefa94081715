// Sequential reconstruction: layers are quantized in running order, and each compensates the errors of those before it.
#pragma once

#include "tune/compressor.h"

namespace tercel::inline tune {

/// As Compressor::code, but in running order: before a layer is quantized, its weights and bias are corrected so
/// that its output comes nearest to the reference network's (quant/correction.h). Layers that allow no full correction
/// (several groups, more columns than one block of moments, too few sampled positions) get a factor on all weights and
/// a bias correction. Layers of that kind without a bias, and weights that several nodes read, are not corrected. When
/// `progress` asks to stop, the remaining layers are not corrected either. The result does not depend on the number of
/// threads.
Coded reconstruct_sequentially(Compressor& compressor, const Settings& settings, const Progress& progress = {});

}  // namespace tercel::inline tune
