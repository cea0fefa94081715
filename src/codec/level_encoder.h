// What a profile's encoder does for the frame.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "codec/chunks.h"
#include "codec/syntax/stream.h"

namespace tercel::codec {

/// Knows the whole matrix; levels and shape outlive it.
class LevelEncoder {
 public:
  virtual ~LevelEncoder() = default;
  /// Appends the profile's own fields, which stand between the stream's head and the chunk table.
  virtual void fields(std::string& out) const = 0;
  /// Appends one chunk. Called from several threads.
  virtual void chunk(const Chunk& chunk, std::string& out) const = 0;
};

std::unique_ptr<LevelEncoder> max_encoder(std::span<const int32_t> levels, const MatrixShape& shape);
std::unique_ptr<LevelEncoder> balanced_encoder(std::span<const int32_t> levels, const MatrixShape& shape);
std::unique_ptr<LevelEncoder> fast_encoder(std::span<const int32_t> levels, const MatrixShape& shape);
std::unique_ptr<LevelEncoder> raw_encoder(std::span<const int32_t> levels, const MatrixShape& shape);

}  // namespace tercel::codec
