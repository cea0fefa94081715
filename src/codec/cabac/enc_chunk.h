#pragma once

#include <span>
#include <string>

#include "codec/chunks.h"

namespace tercel::codec {

/// Appends the chunk of the matrix `levels` (rows x columns), coded with adaptive binary contexts.
void encode_cabac(std::span<const int32_t> levels, const MatrixShape& shape, const Chunk& chunk, std::string& out);

}  // namespace tercel::codec
