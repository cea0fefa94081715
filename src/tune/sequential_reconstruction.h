// Quantizing a network layer by layer, each one making good what those before it have lost.
#pragma once

#include "tune/compressor.h"

namespace tercel::inline tune {

/// As Compressor::code, but in running order: before a layer is quantized, its weights and bias move to where they
/// bring the network so far nearest to the network as it was (quant/correction.h). Where weights cannot move one by one
/// (several groups, more columns than one block of moments, too few places) a factor on all of them and the bias do.
/// Layers without a bias then, and weights that several nodes read, are coded as they are. Once told to stop, all
/// further layers are. The same answer with any number of threads.
Coded code_in_order(Compressor& compressor, const Settings& settings, const Progress& progress = {});

}  // namespace tercel::inline tune
