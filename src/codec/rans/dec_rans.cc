#include "codec/rans/dec_rans.h"

#include "base/error.h"

namespace tercel::codec {

void fill_slots(const Frequencies& frequencies, std::span<uint32_t, kTableSize> slots) {
  uint64_t sum = 0;
  for (uint16_t frequency : frequencies) sum += frequency;
  if (sum != kTableSize) fail_input("a table's frequencies add up to {}, not {}", sum, kTableSize);
  size_t at = 0;
  for (uint32_t symbol = 0; symbol < kSymbols; ++symbol)
    for (uint32_t i = 0; i < frequencies[symbol]; ++i) slots[at++] = symbol | (frequencies[symbol] - 1u) << 8 | i << 20;
}

}  // namespace tercel::codec
