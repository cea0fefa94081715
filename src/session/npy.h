// NumPy's .npy format (NEP 1), versions 1 to 3.
#pragma once

#include <span>
#include <string>

#include "tercel/array.h"

namespace tercel::inline session {

bool is_npy(std::span<const std::byte> bytes);
/// Little-endian, C order. Throws Error for what is cut short or of another kind.
Array read_npy(std::span<const std::byte> bytes);
std::string npy_header(const Array& array);

}  // namespace tercel::inline session
