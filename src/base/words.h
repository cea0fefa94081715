// Enumerations that users name in words: tables of (kind, word).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tercel::inline base {

template <typename Table, typename Kind>
constexpr std::string_view word_of(const Table& table, Kind kind) {
  for (const auto& [known, word] : table)
    if (known == kind) return word;
  return "?";
}

/// Nothing where no kind has that word.
template <typename Table>
constexpr auto kind_of(const Table& table, std::string_view word) {
  std::optional<typename Table::value_type::first_type> found;
  for (const auto& [kind, known] : table)
    if (known == word) found = kind;
  return found;
}

/// "minmax, percentile, mse", for messages.
template <typename Table>
std::string words_of(const Table& table) {
  std::string all;
  for (const auto& [kind, word] : table) (all += all.empty() ? "" : ", ") += word;
  return all;
}

}  // namespace tercel::inline base
