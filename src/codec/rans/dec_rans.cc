#include "codec/rans/dec_rans.h"

#include "base/check.h"

namespace tercel::codec {

RansSlots slots_of(const Frequencies& frequencies) {
  RansSlots slots;
  uint32_t at = 0;
  for (uint32_t symbol = 0; symbol < kSymbols; ++symbol) {
    const uint32_t frequency = frequencies[symbol];
    TERCEL_CHECK(frequency <= kTableSize - at);
    for (uint32_t i = 0; i < frequency; ++i) slots[at++] = symbol | (frequency - 1) << 8 | i << 20;
  }
  TERCEL_CHECK(at == kTableSize);
  return slots;
}

}  // namespace tercel::codec
