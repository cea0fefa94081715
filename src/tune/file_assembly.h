// `.tercel` files of quantized networks: put together, read back, measured.
#pragma once

#include <string>

#include "tercel/compress.h"
#include "tune/compressor.h"

namespace tercel::inline tune {

/// The file of a network after optimize() with the levels of `coded`; all other constants are lossless.
std::string assemble_file(const Model& optimized, const Compressor& compressor, const Coded& coded,
                          CodingProfile profile);

/// The network that a file gives back.
Model read_back(const std::string& file, const Model& as);

/// Fills in the bytes of each section of the file.
void count_bytes(CompressReport& report, const std::string& file);

}  // namespace tercel::inline tune
