// Reading gzip, where Tercel is built with zlib.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace tercel::inline data {

bool is_gzip(std::span<const std::byte> bytes);

/// Decompresses bit by bit, so that nobody has to believe what the file says of its length.
class GzipReader {
 public:
  /// Throws Error(unsupported) without zlib. `bytes` must stay where they are.
  explicit GzipReader(std::span<const std::byte> bytes);
  ~GzipReader();

  /// As many of the next bytes as there are. Throws Error for damaged data; its checksum is compared at the end.
  size_t read(std::span<std::byte> to);

  /// No stream holds more bytes than that: deflate makes at most 1032 of one.
  size_t most() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tercel::inline data
