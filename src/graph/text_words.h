// Words of the text form that need no quotes.
#pragma once

#include <cctype>
#include <string_view>

namespace tercel::inline graph {

inline bool plain_word(std::string_view word) {
  if (word.empty() || word == "_") return false;
  for (unsigned char c : word)
    if (!(std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == ':' || c == '-')) return false;
  return true;
}

}  // namespace tercel::inline graph
