#include <algorithm>

#include "quant/range.h"

namespace tercel::inline quant {

ValueRange minmax_range(const Histogram& histogram) {
  return {std::min<double>(histogram.low(), 0), std::max<double>(histogram.high(), 0)};
}

}  // namespace tercel::inline quant
