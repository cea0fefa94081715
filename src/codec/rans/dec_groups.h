// Groups of 32 symbols at once, for instruction sets that can gather.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/isa.h"

namespace tercel::codec {

inline constexpr size_t kWideLanes = 32;

struct RansGroups {
  const uint32_t* slots = nullptr;    ///< tables one behind the other
  const uint32_t* offsets = nullptr;  ///< per column, where its table begins; kWideLanes more than columns. Null: 0
  int64_t columns = 1, column = 0;    ///< of the next symbol
  std::array<uint32_t, kWideLanes> states;
  const std::byte* next = nullptr;
  const std::byte* end = nullptr;
};

/// Decodes up to `groups` groups of kWideLanes symbols to symbol + bias at `dst`; returns how many. It stops early
/// where fewer bytes are left than a group could need.
template <typename T>
using DecodeGroups = int64_t (*)(RansGroups& state, int64_t groups, int32_t bias, T* dst);

/// What an instruction set without gathers gets decodes no group.
DecodeGroups<int32_t> int_groups(Isa isa);
DecodeGroups<float> float_groups(Isa isa);

}  // namespace tercel::codec
