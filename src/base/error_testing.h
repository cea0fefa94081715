// For tests: what an error says.
#pragma once

#include <string>

#include "tercel/error.h"

namespace tercel::inline base {

/// The words of the Error that `body` throws; empty where it throws none.
inline std::string error_of(auto&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace tercel::inline base
