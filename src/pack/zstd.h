// Zstandard for everything but weights: graphs, names, directories.
#pragma once

#include <span>
#include <string>

namespace tercel::pack {

std::string zstd_compress(std::string_view bytes);

/// The size of a frame made at a level of Zstandard's.
int64_t zstd_compressed_bytes(std::span<const std::byte> bytes, int level);

/// Throws Error where `bytes` is not one frame of exactly `size` bytes.
std::string zstd_decompress(std::span<const std::byte> bytes, int64_t size);

}  // namespace tercel::pack
