// What the report of a quantized network says of its size, its evaluation and its layers.
#pragma once

#include <vector>

#include "tercel/compress.h"
#include "tune/compressor.h"

namespace tercel::inline tune {

/// Where a file is further than this part from the ratio asked for, the report says so.
constexpr double kRatioTolerance = 1e-2;

/// Notes on a ratio that was not reached, on lost pictures, and on an evaluation that was stopped.
void add_notes(CompressReport& report, const CompressOptions& options, bool stopped);

/// One for each part.
std::vector<LayerReport> layer_reports(const Compressor& compressor, const Coded& coded);

}  // namespace tercel::inline tune
