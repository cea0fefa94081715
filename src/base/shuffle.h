// Drawing an order: the same seed gives the same one on every machine (std::shuffle does not promise that).
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace tercel::inline base {

/// Every order is as likely (Fisher and Yates).
template <typename T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[static_cast<size_t>(rng.below(static_cast<int64_t>(i)))]);
}

}  // namespace tercel::inline base
