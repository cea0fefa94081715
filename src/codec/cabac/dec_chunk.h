#pragma once

#include <cstddef>
#include <span>

#include "codec/chunks.h"

namespace tercel::codec {

/// Levels of a chunk from the bytes encode_cabac wrote; dst[r * stride + c]. Any bytes decode to something.
void decode_cabac(std::span<const std::byte> bytes, const MatrixShape& shape, const Chunk& chunk, int32_t* dst,
                  int64_t stride);

}  // namespace tercel::codec
