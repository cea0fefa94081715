// IDX: two zero bytes, a type, the number of axes, the extents as big-endian 32-bit numbers, then the elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tercel::inline data {

/// Elements of one byte each, the only type that pictures and labels have.
struct IdxBytes {
  std::vector<int64_t> dims;
  std::vector<uint8_t> values;
};

/// From the bytes of a file, gzip or not. Throws Error.
IdxBytes parse_idx(std::span<const std::byte> bytes);

/// And back, without gzip.
std::vector<std::byte> print_idx(std::span<const int64_t> dims, std::span<const uint8_t> values);

}  // namespace tercel::inline data
