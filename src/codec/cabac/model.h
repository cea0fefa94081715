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
  BinContext gt0_flag;
  std::array<BinContext, kUnary - 1> gtN_flag;  ///< N = 1 ...
  std::array<BinContext, 2> low;
};

/// All contexts, initialized from Laplace distributions of the classes' means. Each quantizer of a trellis has
/// magnitude contexts of its own: the bin around zero is half as wide in one of them.
template <size_t kQuantizers>
struct LevelContexts {
  std::array<std::array<MagnitudeContexts, kMagnitudes>, kQuantizers> groups;
  std::array<BinContext, kConfidences> sign_flag;
  std::array<BinContext, kMaxPrefix> prefix;

  LevelContexts();
};

/// Chooses the contexts of one level, as visit_level asks for them. Whether the sign came as predicted moves the class
/// of the magnitude.
template <size_t kQuantizers>
class LevelContextSelector {
 public:
  LevelContextSelector(LevelContexts<kQuantizers>& contexts, const Expected& expected)
      : contexts_(contexts), expected_(expected), gtN_class_(expected.magnitude) {}

  int low_bits() const { return low_bits_of(expected_.magnitude); }
  BinContext& gt0_flag() { return group(expected_.magnitude).gt0_flag; }
  bool has_sign_prediction() const { return expected_.confidence > 0; }
  bool predicts_negative() const { return expected_.negative; }
  BinContext& sign_flag() { return contexts_.sign_flag[static_cast<size_t>(expected_.confidence)]; }
  void sign_decoded(bool as_predicted) {
    gtN_class_ = std::clamp(gtN_class_ + kClassShift[as_predicted][static_cast<size_t>(expected_.confidence)], 0,
                            kMagnitudes - 1);
  }
  BinContext& gtN_flag(uint32_t n) { return group(gtN_class_).gtN_flag[n - 1]; }
  BinContext& prefix(int length) { return contexts_.prefix[static_cast<size_t>(length)]; }
  BinContext& low(bool high) { return group(expected_.magnitude).low[high]; }

 private:
  /// Half octaves that a class moves once the sign is decoded, by whether it was predicted and by confidence.
  static constexpr int8_t kClassShift[2][kConfidences] = {{0, 0, 0, 0, -1, -1, -1, -2, -3, -4},
                                                          {0, 0, 0, 0, 0, 1, 1, 1, 1, 2}};

  MagnitudeContexts& group(int magnitude) {
    const size_t quantizer = kQuantizers == 1 ? 0 : static_cast<size_t>(expected_.quantizer);
    return contexts_.groups[quantizer][static_cast<size_t>(magnitude)];
  }

  LevelContexts<kQuantizers>& contexts_;
  Expected expected_;
  int gtN_class_;
};

/// The `max` profile, for the encoder and decoder that both adaptive profiles share.
template <bool kOfTrellis>
struct LevelCoding {
  using Contexts = LevelContexts<kOfTrellis ? 2 : 1>;
  static constexpr bool kTrellis = kOfTrellis;
  static constexpr bool kPairs = false;  // its branches cost more than waiting does
  template <typename Bins>
  static int32_t visit(Bins& bins, Contexts& contexts, const Expected& expected, int32_t level) {
    return visit_level(bins, LevelContextSelector(contexts, expected), level);
  }
};

}  // namespace tercel::codec
