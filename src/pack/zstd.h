// Zstandard for what is not weights: graphs, names, directories.
#pragma once

#include <span>
#include <string>

namespace tercel::pack {

std::string squeeze(std::string_view bytes);

/// The size of a frame made at a level of Zstandard's.
int64_t squeezed_bytes(std::span<const std::byte> bytes, int level);

/// Throws Error where `bytes` is not one frame of exactly `size` bytes.
std::string unsqueeze(std::span<const std::byte> bytes, int64_t size);

}  // namespace tercel::pack
