#include "quant/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "base/check.h"
#include "base/threads.h"
#include "quant/decide.h"

namespace tercel::inline quant {
namespace {

using codec::class_scale;
using codec::QuantizedMatrix;

constexpr int64_t kPieceWeights = int64_t{1} << 16;
constexpr int kClasses = codec::kColumnClasses;
constexpr double kTrellisError = 0.8;  // of that of one quantizer with the same step, and so the slope of its bits

/// Half-octave classes of steps proportional to weight^-1/2: the step at which an error costs the same in every column.
/// The finest class belongs to the heaviest columns but for a few outliers.
std::vector<uint8_t> classes_of(const std::vector<double>& log2_weight) {
  std::vector<double> steps(log2_weight.size());
  std::transform(log2_weight.begin(), log2_weight.end(), steps.begin(), [](double w) { return -w; });  // half octaves
  std::vector<double> sorted = steps;
  std::sort(sorted.begin(), sorted.end());
  const double base = sorted[sorted.size() / 64];
  std::vector<uint8_t> classes(steps.size());
  for (size_t i = 0; i < steps.size(); ++i)
    classes[i] = static_cast<uint8_t>(std::clamp(std::lround(steps[i] - base), 0l, long{kClasses - 1}));
  return classes;
}

double log2_or_low(float weight) { return std::log2(std::max(static_cast<double>(weight), 1e-30)); }

double mean_log2(const std::vector<CurvatureBlock>& blocks) {
  double sum = 0, count = 0;
  for (const CurvatureBlock& block : blocks)
    for (float w : block.weight) sum += log2_or_low(w), count += 1;
  return sum / count;
}

/// One class a kernel: signalling one for each position of a kernel costs more than it saves.
std::vector<uint8_t> column_classes(const Curvature& curvature, int64_t columns, int64_t kernel) {
  std::vector<double> log_weight(static_cast<size_t>(columns / kernel));
  for (const CurvatureBlock& block : curvature.groups[0])
    for (int64_t j = 0; j < block.columns; ++j)
      log_weight[static_cast<size_t>((block.first + j) / kernel)] +=
          log2_or_low(block.weight[static_cast<size_t>(j)]) / static_cast<double>(kernel);
  const std::vector<uint8_t> by_kernel = classes_of(log_weight);
  std::vector<uint8_t> classes(static_cast<size_t>(columns));
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = by_kernel[c / static_cast<size_t>(kernel)];
  return classes;
}

/// Of convolutions with groups, whose rows read different inputs.
std::vector<uint8_t> row_classes(const Curvature& curvature, int64_t rows) {
  std::vector<double> log_weight;
  for (const auto& blocks : curvature.groups) log_weight.push_back(mean_log2(blocks));
  const std::vector<uint8_t> by_group = classes_of(log_weight);
  std::vector<uint8_t> classes(static_cast<size_t>(rows));
  for (size_t r = 0; r < classes.size(); ++r) classes[r] = by_group[r * by_group.size() / classes.size()];
  return classes;
}

bool all_alike(const std::vector<uint8_t>& classes) {
  return std::adjacent_find(classes.begin(), classes.end(), std::not_equal_to<>()) == classes.end();
}

float mean_class(const std::vector<uint8_t>& classes) {
  double sum = 0;
  for (uint8_t c : classes) sum += c;
  return classes.empty() ? 0 : static_cast<float>(sum / static_cast<double>(classes.size()));
}

/// Step classes of the coefficients, the same for all kernels.
std::vector<uint8_t> coefficient_classes(const Curvature& curvature, int64_t kernel) {
  std::vector<double> log_weight(static_cast<size_t>(kernel));
  for (const auto& blocks : curvature.groups)
    for (const CurvatureBlock& block : blocks)
      for (size_t j = 0; j < block.weight.size(); ++j)
        log_weight[(static_cast<size_t>(block.first) + j) % log_weight.size()] += log2_or_low(block.weight[j]);
  const int64_t kernels = static_cast<int64_t>(curvature.groups.size()) * (curvature.columns() / kernel);
  for (double& sum : log_weight) sum /= static_cast<double>(kernels);
  return classes_of(log_weight);
}

/// Expected magnitude class of each coefficient's levels, from its mean square, in half octaves above the least.
std::vector<codec::Coefficient> coefficients_of(std::span<const float> weights, const std::vector<uint8_t>& steps) {
  std::vector<double> square(steps.size());
  for (size_t i = 0; i < weights.size(); ++i)
    square[i % steps.size()] += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
  std::vector<double> size;  // of levels, in half octaves
  for (size_t i = 0; i < steps.size(); ++i) size.push_back(std::log2(std::max(square[i], 1e-30)) - steps[i]);
  const double largest = *std::max_element(size.begin(), size.end());
  const double least = std::max(*std::min_element(size.begin(), size.end()), largest - (kClasses - 1));
  std::vector<codec::Coefficient> coefficients;
  for (size_t i = 0; i < steps.size(); ++i)
    coefficients.push_back({steps[i], static_cast<uint8_t>(std::lround(std::max(size[i] - least, 0.0)))});
  return coefficients;
}

Price decide(const RowTask& task, int64_t first, int64_t last, codec::RateModel& rate, int32_t* levels) {
  if constexpr (codec::kHasTrellis)
    if (task.matrix.trellis) return decide_rows_by_trellis(task, first, last, rate, levels);
  return decide_rows(task, first, last, rate, levels);
}

}  // namespace

double mean_log2_weight(const Curvature& curvature) {
  double sum = 0;
  for (const auto& blocks : curvature.groups) sum += mean_log2(blocks);
  return sum / static_cast<double>(curvature.groups.size());
}

QuantizedWeights quantize(std::span<const float> weights, int64_t rows, int64_t columns, int64_t kernel_height,
                          int64_t kernel_width, const Curvature& curvature, const WeightQuantization& options) {
  TERCEL_CHECK(static_cast<int64_t>(weights.size()) == rows * columns && options.step > 0);
  codec::check_trellis(options.trellis);
  QuantizedWeights result;
  QuantizedMatrix& matrix = result.matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.kernel_height = kernel_height;
  matrix.kernel_width = kernel_width;
  matrix.step = options.step;
  matrix.basis = options.basis;
  matrix.levels.resize(weights.size());
  if (weights.empty()) return result;
  if (options.per_channel_steps && curvature.measured()) {
    if (curvature.groups.size() == 1)
      matrix.column_class = column_classes(curvature, columns, kernel_height * kernel_width);
    else matrix.row_class = row_classes(curvature, rows);
    if (all_alike(matrix.column_class)) matrix.column_class.clear();
    if (all_alike(matrix.row_class)) matrix.row_class.clear();
    matrix.step *= std::exp2(-0.5f * (mean_class(matrix.row_class) + mean_class(matrix.column_class)));
  }
  if (options.basis != nullptr) {
    const std::vector<uint8_t> steps = coefficient_classes(curvature, options.basis->size);
    matrix.step *= std::exp2(-0.5f * mean_class(steps));
    matrix.coefficients = coefficients_of(weights, steps);
  }
  matrix.trellis = options.trellis && matrix.row_class.empty();

  RowTask task{matrix, curvature, weights, 0, std::vector<float>(static_cast<size_t>(columns), 1.0f)};
  for (int64_t c = 0; c < columns; ++c)
    task.column_scale[static_cast<size_t>(c)] =
        class_scale(matrix.step_class(0, c) - (matrix.row_class.empty() ? 0 : matrix.row_class[0]));
  // The price of a bit is stated for the geometric mean of all weighted squared steps.
  task.bit = static_cast<double>(options.lambda) * static_cast<double>(options.step) *
             static_cast<double>(options.step) * std::exp2(mean_log2_weight(curvature));
  if (matrix.trellis) task.bit *= kTrellisError;

  // Pieces of fixed size, so that the answer does not depend on the threads; each starts from a rate model that has
  // adapted to rounded levels.
  std::vector<uint8_t> classes;
  const codec::MatrixShape shape = codec::coding_shape(matrix, classes);
  const int64_t piece_rows = std::max<int64_t>(kPieceWeights / std::max<int64_t>(columns, 1), 1);
  const int64_t pieces = div_up(rows, piece_rows);
  for (int64_t r = 0; r < rows; ++r) {
    const float row_step = task.row_step(r);
    codec::TrellisState trellis;
    for (int64_t c = 0; c < columns; ++c) {
      const auto i = static_cast<size_t>(r * columns + c);
      const float x = weights[i] / (row_step * task.column_scale[static_cast<size_t>(c)]);
      matrix.levels[i] = nearest_level(x, matrix.trellis ? trellis.quantizer() : 0);
      trellis.advance(matrix.levels[i]);
    }
  }
  codec::RateModel warm(shape, codec::fit_context_init(matrix.levels, shape));
  const int64_t first_piece = std::min(piece_rows, rows) * columns;
  for (int64_t i = 0; i < first_piece; ++i) warm.push(matrix.levels[static_cast<size_t>(i)]);
  std::vector<Price> prices(static_cast<size_t>(pieces));
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      codec::RateModel rate = warm;
      prices[static_cast<size_t>(p)] =
          decide(task, p * piece_rows, std::min((p + 1) * piece_rows, rows), rate, matrix.levels.data());
    }
  });
  for (const Price& price : prices) {
    result.distortion += price.distortion;
    result.bits += price.bits;
  }
  return result;
}

std::vector<float> mean_error(std::span<const float> weights, const QuantizedMatrix& matrix,
                              const Curvature& curvature) {
  std::vector<float> change(static_cast<size_t>(matrix.rows));
  if (!curvature.measured()) return change;
  const std::vector<float> quantized = codec::scaled_levels(matrix);
  for (int64_t r = 0; r < matrix.rows; ++r) {
    const auto group = static_cast<size_t>(r * static_cast<int64_t>(curvature.mean.size()) / matrix.rows);
    double sum = 0;
    for (int64_t c = 0; c < matrix.columns; ++c) {
      const auto i = static_cast<size_t>(r * matrix.columns + c);
      sum += static_cast<double>(weights[i] - quantized[i]) *
             static_cast<double>(curvature.mean[group][static_cast<size_t>(c)]);
    }
    change[static_cast<size_t>(r)] = static_cast<float>(sum);
  }
  return change;
}

}  // namespace tercel::inline quant
