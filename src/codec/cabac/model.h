// Which contexts a level of the `max` profile is coded in.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "codec/cabac/context.h"
#include "codec/expect/neighbourhood.h"
#include "codec/syntax/level.h"

namespace tercel::codec {

/// Contexts of one class of expected magnitude.
struct MagnitudeContexts {
  BinContext positive;
  std::array<BinContext, kUnary - 1> above;
  std::array<BinContext, 2> low;
};

/// All of them, before the first level as for Laplace distributions of the classes' means. Each quantizer of a trellis
/// has magnitudes of its own: the bin around zero is half as wide in one of them.
template <size_t kQuantizers>
struct LevelContexts {
  std::array<std::array<MagnitudeContexts, kMagnitudes>, kQuantizers> groups;
  std::array<BinContext, kSureties> sign;
  std::array<BinContext, kMaxPrefix> prefix;

  LevelContexts();
};

/// The contexts of one level, as visit_level asks for them. Whether the sign came as guessed tells more of the
/// magnitude.
template <size_t kQuantizers>
class LevelPlace {
 public:
  LevelPlace(LevelContexts<kQuantizers>& contexts, const Expected& expected)
      : contexts_(contexts), expected_(expected), above_(expected.magnitude) {}

  int low_bits() const { return low_bits_of(expected_.magnitude); }
  BinContext& positive() { return group(expected_.magnitude).positive; }
  bool has_sign_guess() const { return expected_.surety > 0; }
  bool guess() const { return expected_.negative; }
  BinContext& sign() { return contexts_.sign[static_cast<size_t>(expected_.surety)]; }
  void sign_known(bool right) {
    above_ = std::clamp(above_ + kClassShift[right][static_cast<size_t>(expected_.surety)], 0, kMagnitudes - 1);
  }
  BinContext& above(uint32_t n) { return group(above_).above[n - 1]; }
  BinContext& prefix(int length) { return contexts_.prefix[static_cast<size_t>(length)]; }
  BinContext& low(bool high) { return group(expected_.magnitude).low[high]; }

 private:
  /// Half octaves that a class moves once the sign is known, by surety and whether the guess was right.
  static constexpr int8_t kClassShift[2][kSureties] = {{0, 0, 0, 0, -1, -1, -1, -2, -3, -4},
                                                       {0, 0, 0, 0, 0, 1, 1, 1, 1, 2}};

  MagnitudeContexts& group(int magnitude) {
    const size_t quantizer = kQuantizers == 1 ? 0 : static_cast<size_t>(expected_.quantizer);
    return contexts_.groups[quantizer][static_cast<size_t>(magnitude)];
  }

  LevelContexts<kQuantizers>& contexts_;
  Expected expected_;
  int above_;
};

/// The `max` profile, for the encoder and decoder that both adaptive profiles share.
template <bool kOfTrellis>
struct LevelCoding {
  using Contexts = LevelContexts<kOfTrellis ? 2 : 1>;
  static constexpr bool kTrellis = kOfTrellis;
  static constexpr bool kPairs = false;  // its branches cost more than waiting does
  template <typename Bins>
  static int32_t visit(Bins& bins, Contexts& contexts, const Expected& expected, int32_t level) {
    return visit_level(bins, LevelPlace(contexts, expected), level);
  }
};

}  // namespace tercel::codec
