// QuantizeLinear and DequantizeLinear between f32 and 8 bits with one scale.
#include <algorithm>
#include <limits>

#include "base/threads.h"
#include "kernels/simd/levels.h"
#include "tensor/requantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/quantize_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/requantize-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Ends and zero are whole numbers, so that clamping first changes nothing; added and taken away, kRound rounds to the
// nearest, halves to even. NaN becomes 0, whatever the zero point is.
HWY_ATTR void QuantizePart(const float* src, uint8_t* dst, int64_t count, float scale, LevelRange to) {
  constexpr float kRound = 0x1.8p23f;
  const auto low = static_cast<float>(to.low - to.zero), high = static_cast<float>(to.high - to.zero);
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto scales = hn::Set(d, scale), round = hn::Set(d, kRound), lows = hn::Set(d, low), highs = hn::Set(d, high);
  const auto zero = hn::Set(di, to.zero);
  for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); i + lanes <= count; i += lanes) {
    const auto x = hn::Div(hn::LoadU(d, src + i), scales);
    const auto level = hn::Sub(hn::Add(hn::Min(hn::Max(x, lows), highs), round), round);
    const auto number = hn::Add(hn::ConvertTo(di, level), zero);
    StoreBytes(di, hn::IfThenElseZero(hn::RebindMask(di, hn::Eq(x, x)), number), dst + i);
  }
#endif
  for (; i < count; ++i) {
    const float x = src[i] / scale;
    const float level = std::min(std::max(low, x), high) + kRound - kRound;
    dst[i] = static_cast<uint8_t>(x == x ? static_cast<int32_t>(level) + to.zero : 0);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

constexpr int64_t kWorthAThread = 1 << 14;  // elements

/// The scale and zero point, operands 1 and 2.
struct ScaleAndZero {
  float scale;
  int32_t zero = 0;

  explicit ScaleAndZero(const Problem& p) : scale(static_cast<float>(p.src[1].constant.to_doubles()[0])) {
    if (p.input(2)) zero = static_cast<int32_t>(p.src[2].constant.to_ints()[0]);
  }
};

class QuantizeKernel final : public Kernel {
 public:
  explicit QuantizeKernel(const Problem& p)
      : run_(TERCEL_PICK(p.isa, QuantizePart)),
        count_(p.src[0].elements()),
        by_(p),
        to_(range_of(p.dst[0].dtype, by_.zero)) {}

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const float*>(args.src[0]);
    auto* dst = reinterpret_cast<uint8_t*>(args.dst[0]);
    parallel_for(count_, kWorthAThread,
                 [&](int64_t begin, int64_t end) { run_(src + begin, dst + begin, end - begin, by_.scale, to_); });
  }

 private:
  void (*run_)(const float*, uint8_t*, int64_t, float, LevelRange);
  int64_t count_;
  ScaleAndZero by_;
  LevelRange to_;
};

template <typename Q>
class DequantizeKernel final : public Kernel {
 public:
  explicit DequantizeKernel(const Problem& p) : count_(p.src[0].elements()), by_(p) {}

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const Q*>(args.src[0]);
    auto* dst = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(count_, kWorthAThread, [&, scale = by_.scale, zero = by_.zero](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dst[i] = static_cast<float>(src[i] - zero) * scale;
    });
  }

 private:
  int64_t count_;
  ScaleAndZero by_;
};

std::string refuse_levels(const Problem& p) {
  const bool quantizes = p.op == "QuantizeLinear";
  const Operand &floats = quantizes ? p.src[0] : p.dst[0], &levels = quantizes ? p.dst[0] : p.src[0];
  if (floats.dtype != DType::f32 || !is_level_type(levels.dtype)) return "not between f32 and 8 bits";
  if (!p.src[1].constant || p.src[1].dtype != DType::f32 || (p.input(2) && !p.src[2].constant))
    return "the scale or zero point is no constant of f32";
  if (p.src[1].elements() != 1 || (p.input(2) && p.src[2].elements() != 1)) return "a scale for each channel";
  return {};
}

}  // namespace

Variant quantize_levels() {
  return {"quantize_levels", LayoutRule::same, Elements::any, refuse_levels, make_kernel<QuantizeKernel>};
}

Variant dequantize_levels() {
  return {"dequantize_levels", LayoutRule::same, Elements::any, refuse_levels,
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            if (p.src[0].dtype == DType::u8) return std::make_unique<DequantizeKernel<uint8_t>>(p);
            return std::make_unique<DequantizeKernel<int8_t>>(p);
          }};
}

}  // namespace tercel::inline kernels
#endif
