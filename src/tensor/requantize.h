// The arithmetic of quantized networks, defined once: whole numbers only, so that every kernel, on every processor,
// gives the same bytes.
//
// A sum of products of levels is an int32; it becomes a level of the result by a ratio of scales:
//
//   level = clamp(zero + round(sum * ratio), low, high),   ratio = scale of x * scale of w / scale of y, in float
//
// The ratio is that float exactly: multiplier * 2^-shift with a multiplier of 24 bits. sum * multiplier is exact in 64
// bits; round is to the nearest, halves to even. So nothing is lost but by the one rounding, and float arithmetic (ONNX
// Runtime's) differs only where its product was rounded across a half.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

#include "tensor/dtype.h"

namespace tercel::inline tensor {

/// multiplier * 2^-shift, with 2^23 <= multiplier < 2^24 and 1 <= shift <= 60.
struct Ratio {
  int32_t multiplier = 0;
  int32_t shift = 0;
  float value() const { return std::ldexp(static_cast<float>(multiplier), -shift); }
  bool operator==(const Ratio&) const = default;
};

inline constexpr int kRatioBits = 24, kMaxShift = 60;

/// Nothing where the float is not positive, or out of range: 2^23 and more, less than 2^-37.
inline std::optional<Ratio> ratio_of(float value) {
  if (!std::isfinite(value) || value <= 0) return std::nullopt;
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);  // [0.5, 1)
  const int shift = kRatioBits - exponent;
  if (shift < 1 || shift > kMaxShift) return std::nullopt;
  return Ratio{static_cast<int32_t>(std::ldexp(fraction, kRatioBits)), shift};
}

/// value / 2^shift to the nearest, halves to even; |value| < 2^62, 1 <= shift <= 60.
inline int64_t shift_to_nearest_even(int64_t value, int shift) {
  const int64_t below_half = (int64_t{1} << (shift - 1)) - 1;
  return (value + below_half + (value >> shift & 1)) >> shift;
}

/// What a result's levels are made with: its zero point, and the ends of its range, an activation's bounds among them.
struct LevelRange {
  int32_t zero = 0, low = 0, high = 0;
};

/// Of a sum, |sum| < 2^38.
inline int32_t requantize(int64_t sum, Ratio ratio, LevelRange to) {
  const int64_t level = shift_to_nearest_even(sum * ratio.multiplier, ratio.shift);
  return static_cast<int32_t>(std::clamp<int64_t>(level, to.low - int64_t{to.zero}, to.high - int64_t{to.zero}) +
                              to.zero);
}

/// Floats hold sums up to `bound` in magnitude, and beside 1.5 * 2^23 what such sums become: one fused product and sum
/// in floats then gives the same level, since it is exact before it is rounded.
inline bool floats_requantize(int64_t bound, float ratio) {
  return bound <= int64_t{1} << 24 && static_cast<double>(bound) * static_cast<double>(ratio) < double{1 << 22};
}

/// The mean of `count` levels of this scale, their sum less zero points given: rounded once to a float but for the last
/// bits of a double, in whatever order it was summed.
inline float mean_in_floats(int64_t sum, float scale, int64_t count) {
  return static_cast<float>(static_cast<double>(sum) * static_cast<double>(scale) / static_cast<double>(count));
}

/// A sum of two quantized values: sum over both of (level - zero) * multiplier, then one shift. The multipliers have 30
/// bits at most and share the shift: the larger ratio is exact, the other has lost no more than 2^-30 of the larger.
struct TwoRatios {
  int64_t a = 0, b = 0;
  int32_t shift = 0;
};
inline std::optional<TwoRatios> two_ratios_of(float a, float b) {
  constexpr int kSpare = 6;  // bits below those of the larger ratio
  const auto larger = ratio_of(std::max(a, b));
  if (!larger || !(std::min(a, b) > 0)) return std::nullopt;
  const int shift = std::min(larger->shift + kSpare, kMaxShift);
  const auto scaled = [&](float ratio) { return std::llrint(std::ldexp(static_cast<double>(ratio), shift)); };
  return TwoRatios{scaled(a), scaled(b), shift};
}

/// Of two levels less their zero points.
inline int32_t requantize_sum(int64_t a, int64_t b, const TwoRatios& ratios, LevelRange to) {
  const int64_t level = shift_to_nearest_even(a * ratios.a + b * ratios.b, ratios.shift);
  return static_cast<int32_t>(std::clamp<int64_t>(level, to.low - int64_t{to.zero}, to.high - int64_t{to.zero}) +
                              to.zero);
}

/// Longest sum of `taps` products, where levels differ from their zero points by at most `x` and `w`, and a bias.
inline bool fits_int32(int64_t taps, int64_t x, int64_t w, int64_t largest_bias) {
  constexpr int64_t kEnd = int64_t{1} << 31;
  return taps <= (kEnd - 1) / (x * w) && largest_bias < kEnd - taps * x * w;
}

/// The ends of u8 and i8.
inline LevelRange range_of(DType dtype, int32_t zero) {
  return dtype == DType::u8 ? LevelRange{zero, 0, 255} : LevelRange{zero, -128, 127};
}

/// The level of a real number, as QuantizeLinear has it.
inline int32_t level_of(float value, float scale, LevelRange to) {
  const float level = std::nearbyint(value / scale);
  return static_cast<int32_t>(
      std::clamp(static_cast<double>(level) + to.zero, static_cast<double>(to.low), static_cast<double>(to.high)));
}

}  // namespace tercel::inline tensor
