// What a profile's decoder does for the frame.
#pragma once

#include <memory>
#include <span>

#include "codec/chunks.h"
#include "codec/syntax/fields.h"
#include "codec/syntax/stream.h"

namespace tercel::codec {

/// Has read its fields; the shape outlives it.
class LevelDecoder {
 public:
  virtual ~LevelDecoder() = default;
  /// A chunk's levels to dst[r * stride + c], from bytes whose checksum has been compared. Throws Error where they are
  /// no chunk all the same. Called from several threads.
  virtual void decode(std::span<const std::byte> bytes, const Chunk& chunk, int32_t* dst, int64_t stride) const = 0;
  /// The same as floats, unless a profile knows better by way of integers.
  virtual void decode(std::span<const std::byte> bytes, const Chunk& chunk, float* dst, int64_t stride) const;
};

std::unique_ptr<LevelDecoder> max_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> balanced_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> fast_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> raw_decoder(FieldReader& read, const MatrixShape& shape);

}  // namespace tercel::codec
