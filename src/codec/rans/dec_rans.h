// Interleaved rANS decoder: the mirror of RansEncoder. Past its bytes it reads zeros; whoever calls checks a CRC.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/rans/dec_groups.h"
#include "codec/rans/table.h"

namespace tercel::codec {

/// Slots are 32 bits: symbol | (frequency - 1) << 8 | index of the slot within the symbol's interval << 20. Throws
/// Error where the frequencies do not add up to kTableSize.
void fill_slots(const Frequencies& frequencies, std::span<uint32_t, kTableSize> slots);

class RansDecoder {
 public:
  RansDecoder(std::span<const std::byte> bytes, size_t lanes)
      : states_(lanes), next_(bytes.data()), end_(bytes.data() + bytes.size()) {
    for (uint32_t& state : states_) {
      const uint32_t low = take_word();
      state = low | take_word() << 16;
    }
  }

  size_t lanes() const { return states_.size(); }

  /// `slots` begins with the table's kTableSize.
  uint8_t get(size_t index, const uint32_t* slots) {
    uint32_t& state = states_[index % states_.size()];
    const uint32_t slot = slots[state & (kTableSize - 1)];
    state = ((slot >> 8 & 0xFFF) + 1) * (state >> kTableBits) + (slot >> 20);
    if (state < kStateLow) state = state << 16 | take_word();
    return static_cast<uint8_t>(slot);
  }

  /// All bytes are used and the states are those the encoder began with.
  bool finished() const {
    return next_ == end_ && std::all_of(states_.begin(), states_.end(), [](uint32_t s) { return s == kStateLow; });
  }

  /// Hands the work to code for whole groups, and takes it back. There are kWideLanes lanes.
  void lend(RansGroups& groups) const {
    std::copy_n(states_.begin(), kWideLanes, groups.states.begin());
    groups.next = next_;
    groups.end = end_;
  }
  void take_back(const RansGroups& groups) {
    std::copy_n(groups.states.begin(), kWideLanes, states_.begin());
    next_ = groups.next;
  }

 private:
  uint32_t take_word() {
    if (end_ - next_ < 2) return 0;
    const uint32_t word = static_cast<uint32_t>(next_[0]) | static_cast<uint32_t>(next_[1]) << 8;
    next_ += 2;
    return word;
  }

  std::vector<uint32_t> states_;
  const std::byte* next_;
  const std::byte* end_;
};

}  // namespace tercel::codec
