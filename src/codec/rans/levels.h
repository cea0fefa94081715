// How levels become the symbols of the `fast` profile.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "codec/codec.h"
#include "codec/rans/table.h"

namespace tercel::codec {

/// Symbol 0 .. 254 is level -127 .. 127; 255 stands for any other, which follows behind the words as a number
/// (2 * level, or -1 - 2 * level below 0).
inline constexpr int32_t kSymbolBias = 127;
inline constexpr uint8_t kEscape = 255;

inline uint8_t symbol_of(int32_t level) {
  return level >= -kSymbolBias && level <= kSymbolBias ? static_cast<uint8_t>(level + kSymbolBias) : kEscape;
}

/// Tables of the `fast` profile: one for all columns, or a choice per column class.
struct FastTables {
  int64_t count = 1;
  std::array<uint8_t, kColumnClasses> of_class{};  ///< meant only where the shape has classes
  std::vector<Frequencies> frequencies;
};

/// The tables' fields behind the stream's head, but for the frequencies, which are bins of their own.
template <typename Visitor>
void visit_tables(Visitor& visit, FastTables& tables, bool has_classes) {
  if (!has_classes) return;
  visit.number("table count", tables.count, kColumnClasses);
  for (uint8_t& table : tables.of_class) visit.byte("table of a class", table, kColumnClasses - 1);
}

/// So many symbols are decoded in wide groups, where the instruction set can.
inline constexpr int64_t kWideSymbols = 16384;

/// States that take turns: few for few levels, which they cost 4 bytes each.
inline size_t rans_lanes(int64_t symbols) { return symbols < 1024 ? 1 : symbols < kWideSymbols ? 4 : 32; }

}  // namespace tercel::codec
