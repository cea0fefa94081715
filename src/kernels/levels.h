// What every kernel on levels asks before it runs: ratios of scales, and the range of its results.
#pragma once

#include <array>
#include <cmath>

#include "base/error.h"
#include "kernels/activation.h"
#include "tensor/quantization.h"
#include "tensor/requantize.h"

namespace tercel::inline kernels {

/// The activations that are nothing but a narrower range of levels.
inline bool is_level_activation(Activation activation) {
  return activation == Activation::none || activation == Activation::relu || activation == Activation::clip;
}

/// The range of a result: that of its type, within the activation's bounds.
inline LevelRange range_after(const ActivationOf& activation, DType dtype, const Quantization& y) {
  if (!is_level_activation(activation.kind))
    fail_unsupported("activation {} is not a range of levels", to_string(activation.kind));
  LevelRange to = range_of(dtype, y.zeros[0]);
  if (activation.kind == Activation::none) return to;
  const bool clips = activation.kind == Activation::clip;
  const LevelRange type = to;
  to.low = level_of(clips ? activation.alpha : 0, y.scales[0], type);
  if (clips) to.high = level_of(activation.beta, y.scales[0], type);
  to.low = std::min(to.low, to.high);  // as ONNX says of a Clip whose bounds cross
  return to;
}

inline Ratio ratio_or_fail(float value) {
  const auto ratio = ratio_of(value);
  if (!ratio) fail_unsupported("a ratio of scales is {}", value);
  return *ratio;
}

/// scale of x * scale of w / scale of y, rounded to float after each, as ONNX Runtime does; one, or one for each place
/// along w's axis.
inline float product_ratio(float x, float w, float y, float factor = 1) { return x * w / y * factor; }

inline std::vector<Ratio> product_ratios(const Quantization& x, const Quantization& w, const Quantization& y,
                                         float factor = 1) {
  std::vector<Ratio> ratios;
  for (float scale : w.scales) ratios.push_back(ratio_or_fail(product_ratio(x.scales[0], scale, y.scales[0], factor)));
  return ratios;
}

/// What each of 256 levels x, as a byte, comes to under another scale: levels may be bounded on the way, or go through
/// any other activation, which is computed on the number that they stand for.
inline std::array<uint8_t, 256> level_table(const ActivationOf& activation, DType from, const Quantization& x,
                                            DType into, const Quantization& y) {
  const bool bounds = is_level_activation(activation.kind);
  const LevelRange to = bounds ? range_after(activation, into, y) : range_of(into, y.zeros[0]);
  const Ratio ratio = bounds ? ratio_or_fail(x.scales[0] / y.scales[0]) : Ratio();
  std::array<uint8_t, 256> table;
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t level = (from == DType::i8 ? int32_t{static_cast<int8_t>(byte)} : byte) - x.zeros[0];
    int32_t result = 0;  // of what is no number, as QuantizeLinear has it
    if (bounds) result = requantize(level, ratio, to);
    else if (const float value = activation(static_cast<float>(level) * x.scales[0]); !std::isnan(value))
      result = level_of(value, y.scales[0], to);
    table[static_cast<size_t>(byte)] = static_cast<uint8_t>(result);
  }
  return table;
}

/// What the activation of LevelGate becomes: one scale and zero point, and u8 or i8.
struct GateLevels {
  Quantization meaning;
  DType dtype;

  explicit GateLevels(const Attrs& attrs) : dtype(attrs.get_bool("gate_signed") ? DType::i8 : DType::u8) {
    meaning.scales = {attrs.get_float("gate_scale")};
    meaning.zeros = {static_cast<int32_t>(attrs.get_int("gate_zero"))};
  }
};

/// The same for LevelGate: x times its activation, which is levels before it is multiplied.
inline std::array<uint8_t, 256> gate_table(const Attrs& attrs, DType from, const Quantization& x, DType into,
                                           const Quantization& y) {
  const GateLevels gate(attrs);
  const auto gates = level_table(ActivationOf(attrs), from, x, gate.dtype, gate.meaning);
  const Ratio ratio = ratio_or_fail(product_ratio(x.scales[0], gate.meaning.scales[0], y.scales[0]));
  const LevelRange to = range_of(into, y.zeros[0]);
  const auto level = [](DType dtype, int byte) {
    return dtype == DType::i8 ? int64_t{static_cast<int8_t>(byte)} : byte;
  };
  std::array<uint8_t, 256> table;
  for (int byte = 0; byte < 256; ++byte) {
    const int64_t product = (level(from, byte) - x.zeros[0]) *
                            (level(gate.dtype, gates[static_cast<size_t>(byte)]) - gate.meaning.zeros[0]);
    table[static_cast<size_t>(byte)] = static_cast<uint8_t>(requantize(product, ratio, to));
  }
  return table;
}

inline TwoRatios sum_ratios(const Quantization& a, const Quantization& b, const Quantization& y) {
  const auto ratios = two_ratios_of(a.scales[0] / y.scales[0], b.scales[0] / y.scales[0]);
  if (!ratios) fail_unsupported("scales {}, {} and {} differ too much", a.scales[0], b.scales[0], y.scales[0]);
  return *ratios;
}

/// Of a mean over `count` elements.
inline Ratio mean_ratio(const Quantization& x, const Quantization& y, int64_t count) {
  return ratio_or_fail(x.scales[0] / (y.scales[0] * static_cast<float>(count)));
}

}  // namespace tercel::inline kernels
