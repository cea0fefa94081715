// How floats become planes of bytes.
#pragma once

#include <bit>
#include <cstdint>

namespace tercel::codec {

inline constexpr int kFloatPlanes = 4;

/// The exponent in the top byte, the sign as the lowest bit: plane 0 is all exponent.
inline uint32_t turned(float value) { return std::rotl(std::bit_cast<uint32_t>(value), 1); }
inline float turned_back(uint32_t bits) { return std::bit_cast<float>(std::rotr(bits, 1)); }

inline int plane_shift(int plane) { return 24 - 8 * plane; }

}  // namespace tercel::codec
