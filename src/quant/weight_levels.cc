#include "quant/weight_levels.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/threads.h"

namespace tercel::inline quant {
namespace {

constexpr float kMost = 127;

float nearest(float x) { return std::clamp(std::nearbyint(x), -kMost, kMost); }

/// The levels of one row.
void to_levels(std::span<const float> row, float scale, const std::vector<CurvatureBlock>* blocks,
               std::span<float> levels, std::span<float> errors) {
  if (blocks == nullptr) {
    for (size_t j = 0; j < row.size(); ++j) levels[j] = nearest(row[j] / scale);
    return;
  }
  for (const CurvatureBlock& block : *blocks)
    for (int64_t j = 0; j < block.columns; ++j) {
      const auto at = static_cast<size_t>(block.first + j);
      levels[at] = nearest((row[at] + block.compensation(j, errors.data())) / scale);
      errors[static_cast<size_t>(j)] = row[at] - levels[at] * scale;
    }
}

}  // namespace

WeightLevels weights_to_levels(const Tensor& weights, size_t axis, float factor, std::span<const float> least,
                               const Curvature* curvature) {
  const int64_t rows = weights.dims().at(axis), columns = weights.elements() / std::max<int64_t>(1, rows);
  TERCEL_CHECK(static_cast<int64_t>(least.size()) == rows && weights.dtype() == DType::f32);
  TERCEL_CHECK(axis == 0 || axis + 1 == weights.dims().size());
  TERCEL_CHECK(curvature == nullptr || curvature->columns() == columns);
  const Tensor aligned = weights.aligned();
  const auto* w = reinterpret_cast<const float*>(aligned.data());
  const auto place = [&](int64_t r, int64_t c) { return axis == 0 ? r * columns + c : c * rows + r; };

  WeightLevels result;
  result.levels = Tensor(DType::i8, weights.dims());
  result.scales.assign(static_cast<size_t>(rows), 0.0f);
  auto* levels = reinterpret_cast<int8_t*>(result.levels.mutable_data());
  std::vector<double> signal(static_cast<size_t>(rows)), noise(static_cast<size_t>(rows));
  parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    const auto size = static_cast<size_t>(columns);
    std::vector<float> row(size), row_levels(size), errors(size);
    for (int64_t r = begin; r < end; ++r) {
      const auto at = static_cast<size_t>(r);
      float most = 0;
      for (int64_t c = 0; c < columns; ++c) {
        row[static_cast<size_t>(c)] = w[place(r, c)] * factor;
        most = std::max(most, std::abs(row[static_cast<size_t>(c)]));
      }
      const float scale = result.scales[at] = std::max(most / kMost, least[at]);
      to_levels(row, scale, curvature == nullptr ? nullptr : &curvature->blocks(r, rows), row_levels, errors);
      for (int64_t c = 0; c < columns; ++c) {
        const float level = row_levels[static_cast<size_t>(c)];
        levels[place(r, c)] = static_cast<int8_t>(level);
        const auto x = static_cast<double>(row[static_cast<size_t>(c)]);
        const double error = x - static_cast<double>(level * scale);
        signal[at] += x * x, noise[at] += error * error;
      }
    }
  });
  for (size_t r = 0; r < signal.size(); ++r) result.signal += signal[r], result.noise += noise[r];
  return result;
}

}  // namespace tercel::inline quant
