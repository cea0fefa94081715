#include <algorithm>
#include <cmath>

#include "quant/range.h"

namespace tercel::inline quant {

ValueRange percentile_range(const Histogram& histogram, double percent) {
  const ValueRange all = minmax_range(histogram);
  // So many values may lie outside; at an end where the range stops at zero, none do.
  const double rest = (1 - percent / 100) * static_cast<double>(histogram.count());
  const bool both = histogram.low() < 0 && histogram.high() > 0;
  const auto most = static_cast<int64_t>(std::floor((both ? rest / 2 : rest) + 1e-6));  // 1.9999999 is 2
  int first = histogram.first(), last = histogram.last();
  for (int64_t outside = 0; first < last && (outside += histogram.bin(first)) <= most;) ++first;
  for (int64_t outside = 0; last > first && (outside += histogram.bin(last - 1)) <= most;) --last;
  return {std::clamp(histogram.edge(first), all.low, 0.0), std::clamp(histogram.edge(last), 0.0, all.high)};
}

}  // namespace tercel::inline quant
