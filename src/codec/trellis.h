// Dependent (trellis-coded) quantization: two quantizers, and a state machine of eight states that says which of them a
// level belongs to.
//
// With steps of 1, quantizer 0 holds the whole numbers, quantizer 1 zero and the half-integers.
// The parity of a level selects the next state. Together they pack weights more densely than one quantizer of the same
// step (trellis-coded quantization: Marcellin and Fischer 1990; for video and networks Schwarz et al. 2019 and 2021).
// The trellis is the one of eight states in ISO/IEC 15938-17. Its use in neural network coding is patented: see
// docs/compression.md.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace tercel::codec {

/// Whether this build knows them (CMake: TERCEL_TRELLIS).
#ifdef TERCEL_HAVE_TRELLIS
inline constexpr bool kHasTrellis = true;
#else
inline constexpr bool kHasTrellis = false;
#endif

/// Throws Error where a trellis is wanted and this build knows none.
void check_trellis(bool wanted);

/// The state of a row; every row begins with state 0.
struct TrellisState {
  static constexpr int kStates = 8;
  static constexpr std::array<std::array<uint8_t, 2>, kStates> kNext = {
      {{0, 2}, {7, 5}, {1, 3}, {6, 4}, {2, 0}, {5, 7}, {3, 1}, {4, 6}}};

  uint8_t state = 0;

  /// The quantizer of the next level, 0 or 1.
  int quantizer() const { return state & 1; }
  void advance(int32_t level) { state = kNext[state][static_cast<size_t>(level & 1)]; }
};

/// A level's value in steps: level - quantizer * sign(level) / 2.
inline float dequantize_level(int32_t level, int quantizer) {
  const auto value = static_cast<float>(level);
  return quantizer == 0 || level == 0 ? value : value - std::copysign(0.5f, value);
}

}  // namespace tercel::codec
