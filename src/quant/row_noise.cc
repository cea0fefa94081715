#include "quant/row_noise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/range.h"

namespace tercel::inline quant {

void RowNoise::add(const Array& value, int64_t columns, const Quantization& q, ActivationLevels levels) {
  const LevelRange ends = range_of(levels, q.zeros[0]);
  const float scale = q.scales[0], inverse = 1 / scale;
  const auto low = static_cast<float>(ends.low - ends.zero), high = static_cast<float>(ends.high - ends.zero);
  const std::span<const float> x = value.floats();
  const auto count = static_cast<size_t>(columns);
  for (size_t row = 0; row + count <= x.size() && count > 0; row += count) {
    double signal = 0, noise = 0;
    for (const float element : x.subspan(row, count)) {
      const float level = std::clamp(std::nearbyint(element * inverse), low, high);
      const auto error = static_cast<double>(element - level * scale);
      signal += static_cast<double>(element) * static_cast<double>(element), noise += error * error;
    }
    if (signal > 0) parts_ += noise / signal, ++rows_;
  }
}

double RowNoise::sqnr() const {
  if (parts_ == 0) return std::numeric_limits<double>::infinity();
  return -10 * std::log10(parts_ / static_cast<double>(rows_));
}

int64_t row_elements(const LevelChoice& choice, const Value& value, const Dims& dims) {
  if (dims.empty()) return 1;
  const bool tokens = std::any_of(choice.products.begin(), choice.products.end(), [&](const LevelProduct& p) {
    return p.node->input(0) == &value && !p.node->is("Conv");
  });
  return tokens ? dims.back() : count_elements(dims) / std::max<int64_t>(1, dims[0]);
}

}  // namespace tercel::inline quant
