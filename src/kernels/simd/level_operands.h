// What the products of levels ask of their operands.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "kernels/kernel.h"
#include "kernels/levels.h"
#include "kernels/simd/gemm_levels.h"

namespace tercel::inline kernels {

/// Weights less their zero points: -255 .. 255.
class LevelReader {
 public:
  explicit LevelReader(const Operand& weights)
      : LevelReader(weights, reinterpret_cast<const uint8_t*>(weights.constant.data())) {}
  LevelReader(const Operand& weights, const uint8_t* levels)
      : levels_(levels), is_signed_(weights.dtype == DType::i8), meaning_(weights.quantization) {}

  /// Level `at`, of output `channel`.
  int32_t operator()(int64_t at, int64_t channel) const {
    const uint8_t byte = levels_[at];
    return (is_signed_ ? int32_t{static_cast<int8_t>(byte)} : int32_t{byte}) - meaning_->zero(channel);
  }

 private:
  const uint8_t* levels_;
  bool is_signed_;
  QuantizationPtr meaning_;
};

/// Modulo 2^32: what int32 sums that wrap on the way start from.
inline int32_t wrapped(int64_t sum) { return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(sum))); }

/// The form of packed weights (Problem::packed): what it depends on besides the constant's bytes.
inline std::string form_of_levels(const Problem& p, std::string_view kernel) {
  return fmt::format("{} {} zeros {}", kernel, to_string(p.isa), fmt::join(p.src[1].quantization->zeros, " "));
}

/// Of levels, with weights whose magnitudes sum to `magnitude`, and a bias.
inline int64_t largest_sum(int64_t magnitude, int64_t bias) { return 255 * magnitude + std::abs(bias); }

/// What the columns [first, first + n) of the weights end with: weight(i, column) gives weights less their zero points,
/// i < k; `ratios` is one, or one for each column of the whole. The zero point of src[0] goes into the bias.
template <typename F>
LevelColumns level_columns(const Problem& p, const LevelsForm& form, int64_t first, int64_t n, int64_t k,
                           const std::vector<Ratio>& ratios, size_t bias_operand, F&& weight) {
  const Quantization& y = *p.dst[0].quantization;
  const bool moved = form.group == 4 && p.src[0].dtype == DType::i8;  // taken as u8
  const int64_t x_zero = p.src[0].quantization->zeros[0] + (moved ? 128 : 0);
  LevelColumns columns(n, form, range_after(ActivationOf(*p.attrs), p.dst[0].dtype, y));
  columns.in_floats = true;
  for (int64_t j = 0; j < n; ++j) {
    int64_t sum = 0, magnitude = 0;
    for (int64_t i = 0; i < k; ++i) {
      const int64_t w = weight(i, j);
      sum += w;
      magnitude += std::abs(w);
    }
    const int64_t bias = p.input(bias_operand) ? p.src[bias_operand].constant.at<int32_t>(first + j) : 0;
    const float ratio = ratios[ratios.size() > 1 ? static_cast<size_t>(first + j) : 0].value();
    columns.bias[static_cast<size_t>(j)] = wrapped(bias - x_zero * sum);
    columns.ratio[static_cast<size_t>(j)] = ratio;
    columns.in_floats &= floats_requantize(largest_sum(magnitude, bias - x_zero * sum), ratio);
  }
  return columns;
}

/// Why int32 sums of `taps` products, or 64-bit lanes of their ratios, would not do; empty where they do.
inline std::string refuse_sums(const Problem& p, int64_t taps, size_t bias_operand) {
  for (const Operand* operand : {&p.src[1], &p.dst[0]})
    if (operand->quantization == nullptr) return "nobody says what the levels stand for";
  int64_t largest = 0;
  if (p.input(bias_operand)) {
    const Operand& bias = p.src[bias_operand];
    if (!bias.constant) return "the bias is not constant";
    for (int64_t b : bias.constant.to_ints()) largest = std::max(largest, std::abs(b));
  }
  if (!fits_int32(taps, 255, 255, largest))
    return fmt::format("sums of {} products and a bias of up to {} may not fit 32 bits", taps, largest);
  const float factor = p.attrs->has("alpha_scale") ? p.attrs->get_float("alpha_scale") : 1;
  for (float scale : p.src[1].quantization->scales)
    if (product_ratio(p.src[0].quantization->scales[0], scale, p.dst[0].quantization->scales[0], factor) > 1)
      return "a ratio of scales is more than 1";
  return {};
}

}  // namespace tercel::inline kernels
