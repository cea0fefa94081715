// What encoder and decoder share of the frame: the checksum that binds a chunk to its shape and index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "codec/codec.h"
#include "codec/syntax/bytes.h"
#include "codec/syntax/stream.h"

namespace tercel::codec {

/// The checksum of the stream's head (as written) and of the shape, which encoder and decoder know. Chunk checksums
/// start from it, so that a stream read with another shape is an error and not other levels.
uint32_t head_crc(std::span<const std::byte> head, const MatrixShape& shape);

/// Of the chunk's bytes and its index in the stream.
uint32_t chunk_crc(uint32_t head, int64_t index, std::span<const std::byte> bytes);

/// Of a stream of general bytes: how many they were, how they are coded, and their code.
uint32_t bytes_crc(size_t size, BytesMode mode, std::span<const std::byte> coded);

}  // namespace tercel::codec
