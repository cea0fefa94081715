// Interleaved rANS encoder (Duda 2013; lanes as in Giesen 2014): `lanes` states of 32 bits take symbols in turn and
// give off 16 bits at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codec/rans/table.h"

namespace tercel::codec {

class RansEncoder {
 public:
  explicit RansEncoder(size_t lanes) : states_(lanes, kStateLow) {}

  /// Symbols come last first; `index` counts from the first.
  void put(size_t index, uint32_t start, uint32_t frequency) {
    uint32_t& state = states_[index % states_.size()];
    if (state >= uint64_t{frequency} << (32 - kTableBits)) {
      words_.push_back(static_cast<uint16_t>(state));
      state >>= 16;
    }
    state = (state / frequency << kTableBits) + state % frequency + start;
  }

  /// Appends the states, then the words in the order they will be read.
  void finish(std::string& out) const {
    for (uint32_t state : states_)
      for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(state >> shift));
    for (size_t i = words_.size(); i-- > 0;) {
      out.push_back(static_cast<char>(words_[i] & 0xFF));
      out.push_back(static_cast<char>(words_[i] >> 8));
    }
  }

 private:
  std::vector<uint32_t> states_;
  std::vector<uint16_t> words_;
};

/// Where each symbol's share of the table begins.
inline std::array<uint32_t, kSymbols> starts_of(const Frequencies& frequencies) {
  std::array<uint32_t, kSymbols> starts;
  uint32_t sum = 0;
  for (size_t s = 0; s < kSymbols; ++s) {
    starts[s] = sum;
    sum += frequencies[s];
  }
  return starts;
}

}  // namespace tercel::codec
