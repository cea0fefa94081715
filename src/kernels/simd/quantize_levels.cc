// QuantizeLinear and DequantizeLinear between f32 and 8 bits with one scale: loops that compilers make vectors of.
#include <algorithm>
#include <limits>

#include "base/threads.h"
#include "kernels/simd/levels.h"
#include "tensor/requantize.h"

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

template <typename Q>
class QuantizeKernel final : public Kernel {
 public:
  explicit QuantizeKernel(const Problem& p) : count_(p.src[0].elements()), by_(p) {}

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const float*>(args.src[0]);
    auto* dst = reinterpret_cast<Q*>(args.dst[0]);
    const auto low = static_cast<float>(std::numeric_limits<Q>::min() - by_.zero);
    const auto high = static_cast<float>(std::numeric_limits<Q>::max() - by_.zero);
    parallel_for(count_, kWorthAThread, [&, scale = by_.scale, zero = by_.zero](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float x = src[i] / scale;
        // Between whole numbers, so that clamping first changes nothing; added and taken away, the number rounds to
        // the nearest, halves to even. NaN becomes 0, whatever the zero point is.
        constexpr float kRound = 0x1.8p23f;
        const float level = std::min(std::max(low, x), high) + kRound - kRound;
        dst[i] = static_cast<Q>(x == x ? static_cast<int32_t>(level) + zero : 0);
      }
    });
  }

 private:
  int64_t count_;
  ScaleAndZero by_;
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

template <template <typename> typename KernelOf>
std::unique_ptr<Kernel> make_of(const Problem& p, DType levels) {
  if (levels == DType::u8) return std::make_unique<KernelOf<uint8_t>>(p);
  return std::make_unique<KernelOf<int8_t>>(p);
}

}  // namespace

Variant quantize_levels() {
  return {"quantize_levels", LayoutRule::same, Elements::any, refuse_levels,
          [](const Problem& p) { return make_of<QuantizeKernel>(p, p.dst[0].dtype); }};
}

Variant dequantize_levels() {
  return {"dequantize_levels", LayoutRule::same, Elements::any, refuse_levels,
          [](const Problem& p) { return make_of<DequantizeKernel>(p, p.src[0].dtype); }};
}

}  // namespace tercel::inline kernels
