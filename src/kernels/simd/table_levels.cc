// Levels under another scale: 256 possible operands, so every result is looked up. Means of levels.
#include <array>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/levels.h"
#include "kernels/simd/level_operands.h"
#include "kernels/simd/levels.h"

namespace tercel::inline kernels {
namespace {

constexpr int64_t kWorthAThread = 1 << 14;  // elements

class RequantizeKernel final : public Kernel {
 public:
  explicit RequantizeKernel(const Problem& p)
      : count_(p.dst[0].elements()),
        table_(p.op == "LevelGate" ? gate_table(*p.attrs, p.src[0].dtype, *p.src[0].quantization, p.dst[0].dtype,
                                                *p.dst[0].quantization)
                                   : level_table(ActivationOf(*p.attrs), p.src[0].dtype, *p.src[0].quantization,
                                                 p.dst[0].dtype, *p.dst[0].quantization)) {}

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const uint8_t*>(args.src[0]);
    auto* dst = reinterpret_cast<uint8_t*>(args.dst[0]);
    parallel_for(count_, kWorthAThread, [&](int64_t begin, int64_t end) {
      int64_t i = begin;
      for (; i + 8 <= end; i += 8) {  // reads and writes of eight cost as much as of one
        uint64_t from, to = 0;
        std::memcpy(&from, src + i, sizeof from);
        for (int byte = 0; byte < 64; byte += 8) to |= uint64_t{table_[from >> byte & 0xFF]} << byte;
        std::memcpy(dst + i, &to, sizeof to);
      }
      for (; i < end; ++i) dst[i] = table_[src[i]];
    });
  }

 private:
  int64_t count_;
  std::array<uint8_t, 256> table_;
};

std::string refuse_table(const Problem& p) { return p.dst[0].elements() == 0 ? "nothing to compute" : ""; }

class MeanKernel final : public Kernel {
 public:
  explicit MeanKernel(const Problem& p)
      : n_(p.dst[0].dims[0]),
        c_(p.dst[0].dims[1]),
        area_(p.src[0].elements() / p.dst[0].elements()),
        last_(p.src[0].layout == Layout::channels_last),
        signed_(p.src[0].dtype == DType::i8),
        offset_(-area_ * p.src[0].quantization->zeros[0]),
        scale_(p.src[0].quantization->scales[0]) {
    if (p.dst[0].dtype == DType::f32) return;
    ratio_ = mean_ratio(*p.src[0].quantization, *p.dst[0].quantization, area_);
    to_ = range_of(p.dst[0].dtype, p.dst[0].quantization->zeros[0]);
  }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const uint8_t*>(args.src[0]);
    auto* levels = reinterpret_cast<uint8_t*>(args.dst[0]);
    auto* floats = reinterpret_cast<float*>(args.dst[0]);
    const uint8_t flip = signed_ ? 0x80 : 0;  // of i8: level + 128, as u8
    const int64_t offset = offset_ - (signed_ ? 128 * area_ : 0);
    constexpr int64_t kChannels = 64;  // summed side by side
    const int64_t pieces = (c_ + kChannels - 1) / kChannels;
    parallel_for(
        n_ * pieces, std::max<int64_t>(1, kWorthAThread / (area_ * kChannels)), [&](int64_t begin, int64_t end) {
          for (int64_t item = begin; item < end; ++item) {
            const int64_t n = item / pieces, c0 = item % pieces * kChannels, count = std::min(kChannels, c_ - c0);
            uint32_t sums[kChannels] = {};  // fewer than 2^24 elements: refuse_mean
            for (int64_t i = 0; i < area_; ++i)
              for (int64_t c = 0; c < count; ++c)
                sums[c] += static_cast<uint8_t>(
                    src[last_ ? (n * area_ + i) * c_ + c0 + c : (n * c_ + c0 + c) * area_ + i] ^ flip);
            for (int64_t c = 0; c < count; ++c) {
              const int64_t at = n * c_ + c0 + c, sum = int64_t{sums[c]} + offset;
              if (ratio_) levels[at] = static_cast<uint8_t>(requantize(sum, *ratio_, to_));
              else floats[at] = mean_in_floats(sum, scale_, area_);
            }
          }
        });
  }

 private:
  int64_t n_, c_, area_;
  bool last_, signed_;
  int64_t offset_;
  float scale_;
  std::optional<Ratio> ratio_;  // nothing: the mean is one of floats
  LevelRange to_;
};

std::string refuse_mean(const Problem& p) {
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  if (p.src[0].elements() / p.dst[0].elements() >= (int64_t{1} << 24)) return "planes of 2^24 elements and more";
  return {};
}

}  // namespace

Variant table_levels() {
  return {"table_levels", LayoutRule::same, Elements::levels, refuse_table, make_kernel<RequantizeKernel>};
}

Variant mean_levels() {
  return {"mean_levels", LayoutRule::same, Elements::levels, refuse_mean, make_kernel<MeanKernel>};
}

}  // namespace tercel::inline kernels
