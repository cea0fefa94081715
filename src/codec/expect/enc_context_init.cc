// Fitting the initialization of contexts and predictions.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "codec/codec.h"
#include "codec/expect/neighbourhood.h"

namespace tercel::codec {
namespace {

constexpr size_t kNeighbours = 4;

/// Sums of products of the neighbours with each other and, in the last column, with the level.
using Normal = std::array<std::array<double, kNeighbours + 1>, kNeighbours>;

void add_row(std::span<const int32_t> row, int64_t kernel, int64_t width, Normal& normal) {
  const auto at = [&](int64_t c) {
    return static_cast<double>(std::clamp(row[static_cast<size_t>(c)], -kContextClip, kContextClip));
  };
  for (int64_t c = 0; c < static_cast<int64_t>(row.size()); ++c) {
    const int64_t inside = c % kernel;
    const bool left = inside % width > 0, up = inside >= width;
    const double values[] = {left ? at(c - 1) : 0, up ? at(c - width) : 0, left && up ? at(c - width - 1) : 0,
                             c >= kernel ? at(c - kernel) : 0, at(c)};
    for (size_t i = 0; i < kNeighbours; ++i)
      for (size_t j = i; j <= kNeighbours; ++j) normal[i][j] += values[i] * values[j];
  }
}

/// The weights of least squared error, by Gauss elimination; a small ridge keeps neighbours that never differ harmless.
std::array<double, kNeighbours> solve(Normal a) {
  for (size_t i = 0; i < kNeighbours; ++i) {
    for (size_t j = 0; j < i; ++j) a[i][j] = a[j][i];
    a[i][i] += 1 + 1e-6 * a[i][i];
  }
  for (size_t i = 0; i < kNeighbours; ++i)
    for (size_t k = 0; k < kNeighbours; ++k) {
      if (k == i) continue;
      const double factor = a[k][i] / a[i][i];
      for (size_t j = i; j <= kNeighbours; ++j) a[k][j] -= factor * a[i][j];
    }
  std::array<double, kNeighbours> weights;
  for (size_t i = 0; i < kNeighbours; ++i) weights[i] = a[i][kNeighbours] / a[i][i];
  return weights;
}

}  // namespace

ContextInit fit_context_init(std::span<const int32_t> levels, const MatrixShape& shape) {
  if (check_shape(shape) != static_cast<int64_t>(levels.size()))
    fail_input("{} levels for a {}x{} matrix", levels.size(), shape.rows, shape.columns);
  ContextInit init;
  if (levels.empty()) return init;
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  double sum = 0;
  Normal normal{};
  for (int64_t r = 0; r < shape.rows; ++r) {
    const auto row = levels.subspan(static_cast<size_t>(r * shape.columns), static_cast<size_t>(shape.columns));
    for (size_t c = 0; c < row.size(); ++c) {
      const double scale = shape.column_class.empty() ? 1 : kClassInverse[shape.column_class[c]] / 65536.0;
      sum += std::min(std::abs(static_cast<double>(row[c])), double{kContextClip}) * scale;
    }
    if (kernel > 1) add_row(row, kernel, shape.kernel_width, normal);
  }
  const double mean = std::round(sum / static_cast<double>(levels.size()) * ContextInit::kUnit);
  init.mean = static_cast<uint32_t>(std::clamp(mean, 1.0, double{ContextInit::kMostMean}));
  if (kernel == 1) return init;
  const auto weights = solve(normal);
  for (size_t i = 0; i < kNeighbours; ++i)
    init.weights[i] = static_cast<int8_t>(std::clamp(std::round(weights[i] * ContextInit::kWeightOne), -127.0, 127.0));
  return init;
}

}  // namespace tercel::codec
