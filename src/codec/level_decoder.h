// What a profile's decoder does for the frame.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "codec/chunks.h"
#include "codec/syntax/fields.h"
#include "codec/syntax/stream.h"

namespace tercel::codec {

/// A chunk whose checksum has been compared, and where its levels go: to dst[r * stride + c].
template <typename T>
struct CodedChunk {
  std::span<const std::byte> bytes;
  Chunk chunk;
  T* dst;
  int64_t stride;
};

/// Has read its fields; the shape outlives it.
class LevelDecoder {
 public:
  virtual ~LevelDecoder() = default;
  /// Throws Error where the bytes are no chunk all the same. Called from several threads.
  virtual void decode(const CodedChunk<int32_t>& coded) const = 0;
  /// The same as floats, unless a profile knows better by way of integers.
  virtual void decode(const CodedChunk<float>& coded) const;
  /// Whether two chunks of as many columns are quicker at once; they cannot fail then.
  virtual bool pairs() const { return false; }
  virtual void decode_pair(const std::array<CodedChunk<int32_t>, 2>&) const {}
  void decode_pair(const std::array<CodedChunk<float>, 2>& pair) const;
};

std::unique_ptr<LevelDecoder> max_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> balanced_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> fast_decoder(FieldReader& read, const MatrixShape& shape);
std::unique_ptr<LevelDecoder> raw_decoder(FieldReader& read, const MatrixShape& shape);

}  // namespace tercel::codec
