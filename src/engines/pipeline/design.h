// What a pipeline is built with.
#pragma once

#include <cstdint>

namespace tercel::inline engines {

/// Powers of two, but for window_x.
struct Design {
  int vec = 16;      ///< channels of a word: products that are summed at once
  int lane = 16;     ///< output channels that are computed at once
  int window_x = 7;  ///< pixels of a window group
};

}  // namespace tercel::inline engines
