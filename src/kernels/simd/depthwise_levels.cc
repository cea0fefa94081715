#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/levels.h"
#include "kernels/simd/conv_rows.h"
#include "kernels/simd/gemm_levels.h"
#include "kernels/simd/level_operands.h"
#include "kernels/simd/levels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/depthwise_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/requantize-inl.h"

#ifndef TERCEL_DEPTHWISE_LEVELS_ONCE
#define TERCEL_DEPTHWISE_LEVELS_ONCE
namespace tercel::inline kernels {

/// Channels go by blocks of a vector of bytes; the last block may overlap the one before. What a block needs lies in
/// the order in which bytes come out when they are widened to 32 bits within 128 bits: four vectors, of which vector q
/// has in lane l channel l / 4 * 16 + 4 q + l % 4.
struct DepthwiseBlocks {
  int64_t channels;  ///< of a block
  int group;         ///< taps side by side

  int64_t channel_of(int64_t at) const {
    const int64_t lanes = channels / 4, q = at / lanes, lane = at % lanes;
    return lane / 4 * 16 + 4 * q + lane % 4;
  }
};

struct DepthwiseLevelsJob {
  const ConvRows<uint8_t>* rows;
  int64_t c;
  int taps;
  DepthwiseBlocks blocks;
  bool x_signed;
  const std::byte* weights;  ///< [block][group of taps][channel in order][tap]: i8 by quads, else i16
  const int32_t* bias;       ///< [block][channel in order]
  const float* ratio;
  LevelRange to;
  bool in_floats;  ///< floats_requantize()
  uint8_t* dst;
};

/// Pixels whose addresses are found at once.
inline constexpr int kFoundPixels = 8;

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

HWY_INLINE hn::Vec128<uint8_t> PackBlocks(hn::Vec128<int16_t> a, hn::Vec128<int16_t> b) {
  return hn::Vec128<uint8_t>{_mm_packus_epi16(a.raw, b.raw)};
}
HWY_INLINE hn::Vec256<uint8_t> PackBlocks(hn::Vec256<int16_t> a, hn::Vec256<int16_t> b) {
  return hn::Vec256<uint8_t>{_mm256_packus_epi16(a.raw, b.raw)};
}
#if HWY_TARGET == HWY_AVX3
HWY_INLINE hn::Vec512<uint8_t> PackBlocks(hn::Vec512<int16_t> a, hn::Vec512<int16_t> b) {
  return hn::Vec512<uint8_t>{_mm512_packus_epi16(a.raw, b.raw)};
}
#endif

/// The levels of a block, i8 as level + 128; kPart: only the first `count` are there.
template <bool kPart, class D>
HWY_INLINE hn::Vec<D> LoadLevels(D d, const uint8_t* from, int64_t count, hn::Vec<D> flip) {
  if constexpr (kPart) {
    HWY_ALIGN uint8_t part[hn::MaxLanes(D())] = {};
    std::memcpy(part, from, static_cast<size_t>(count));
    return hn::Xor(hn::Load(d, part), flip);
  }
  return hn::Xor(hn::LoadU(d, from), flip);
}

/// P pixels of one block: rows[t * kFoundPixels + p] is where tap t of pixel p lies.
template <int P, bool kPart, typename W, class D>
HWY_INLINE void BlockOf(D d8, const DepthwiseLevelsJob& job, const uint8_t* const* rows, int64_t block, int64_t pixel) {
  const hn::Repartition<int32_t, D> d;
  const hn::Repartition<int16_t, D> d16;
  const hn::Repartition<uint16_t, D> du16;
  const hn::Repartition<W, D> dw;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t kLanes = hn::MaxLanes(D()) / 4, kBlock = 4 * kLanes;
  constexpr int kGroup = sizeof(W) == 1 ? 4 : 2;
  const int64_t at = kPart ? 0 : std::min(block * kBlock, job.c - kBlock), count = kPart ? job.c : kBlock;
  const auto flip = hn::Set(d8, job.x_signed ? uint8_t{0x80} : uint8_t{0});
  const auto* w = reinterpret_cast<const W*>(job.weights) + block * div_up<int64_t>(job.taps, kGroup) * kGroup * kBlock;
  V acc[P][4];
  for (int p = 0; p < P; ++p)
    for (int q = 0; q < 4; ++q) acc[p][q] = hn::LoadU(d, job.bias + block * kBlock + q * kLanes);
  for (int t = 0; t < job.taps; t += kGroup, w += kGroup * kBlock) {
    // Past the last tap weights are zero, and any level will do.
    const auto tap = [&](int i) { return rows + std::min(t + i, job.taps - 1) * kFoundPixels; };
    HWY_UNROLL(4)
    for (int p = 0; p < P; ++p) {
      const auto x = [&](int i) HWY_ATTR { return LoadLevels<kPart>(d8, tap(i)[p] + at, count, flip); };
      const auto x0 = x(0), x1 = x(1);
      const auto lower = hn::InterleaveLower(d8, x0, x1), upper = hn::InterleaveUpper(d8, x0, x1);
      if constexpr (kGroup == 4) {
        const auto x2 = x(2), x3 = x(3);
        const auto lower2 = hn::BitCast(du16, hn::InterleaveLower(d8, x2, x3)),
                   upper2 = hn::BitCast(du16, hn::InterleaveUpper(d8, x2, x3));
        const auto lower1 = hn::BitCast(du16, lower), upper1 = hn::BitCast(du16, upper);
        const V quads[4] = {hn::BitCast(d, hn::InterleaveLower(du16, lower1, lower2)),
                            hn::BitCast(d, hn::InterleaveUpper(du16, lower1, lower2)),
                            hn::BitCast(d, hn::InterleaveLower(du16, upper1, upper2)),
                            hn::BitCast(d, hn::InterleaveUpper(du16, upper1, upper2))};
        for (int q = 0; q < 4; ++q)
          acc[p][q] = AddDotsOfQuads(acc[p][q], quads[q], hn::BitCast(d, hn::LoadU(dw, w + q * kGroup * kLanes)));
      } else {
        const auto none = hn::Zero(d8);
        const hn::Vec<decltype(d16)> pairs[4] = {hn::BitCast(d16, hn::InterleaveLower(d8, lower, none)),
                                                 hn::BitCast(d16, hn::InterleaveUpper(d8, lower, none)),
                                                 hn::BitCast(d16, hn::InterleaveLower(d8, upper, none)),
                                                 hn::BitCast(d16, hn::InterleaveUpper(d8, upper, none))};
        for (int q = 0; q < 4; ++q) {
          V unused = hn::Zero(d);
          acc[p][q] =
              hn::ReorderWidenMulAccumulate(d, pairs[q], hn::LoadU(dw, w + q * kGroup * kLanes), acc[p][q], unused);
        }
      }
    }
  }
  const Requantizer<decltype(d)> requantize(d, job.to);
  const hn::Rebind<float, decltype(d)> df;
  const V byte = hn::Set(d, 0xFF);
  for (int p = 0; p < P; ++p) {
    V level[4];
    for (int q = 0; q < 4; ++q) {
      const auto ratio = hn::LoadU(df, job.ratio + block * kBlock + q * kLanes);
      level[q] = hn::And(job.in_floats ? requantize.OfSmallSum(acc[p][q], ratio) : requantize(acc[p][q], ratio), byte);
    }
    const auto bytes =
        PackBlocks(hn::ReorderDemote2To(d16, level[0], level[1]), hn::ReorderDemote2To(d16, level[2], level[3]));
    uint8_t* out = job.dst + (pixel + p) * job.c + at;
    if constexpr (kPart) {
      HWY_ALIGN uint8_t part[hn::MaxLanes(D())];
      hn::Store(bytes, d8, part);
      std::memcpy(out, part, static_cast<size_t>(count));
    } else {
      hn::StoreU(bytes, d8, out);
    }
  }
}

template <bool kPart, typename W, class D>
void PixelsOf(D d, const DepthwiseLevelsJob& job, const uint8_t* const* rows, int64_t first, int count) {
  constexpr int P = HWY_TARGET == HWY_AVX3 ? 4 : 2;
  for (int64_t block = 0; block * static_cast<int64_t>(hn::Lanes(d)) < job.c; ++block) {
    int p = 0;
    for (; p + P <= count; p += P) BlockOf<P, kPart, W>(d, job, rows + p, block, first + p);
    for (; p < count; ++p) BlockOf<1, kPart, W>(d, job, rows + p, block, first + p);
  }
}

template <typename W>
void DepthwiseOf(const DepthwiseLevelsJob& job, const uint8_t* const* rows, int64_t first, int count) {
  const hn::ScalableTag<uint8_t> full;
  const hn::CappedTag<uint8_t, 16> block;
  if (job.blocks.channels > 16) PixelsOf<false, W>(full, job, rows, first, count);
  else if (job.c >= 16) PixelsOf<false, W>(block, job, rows, first, count);
  else PixelsOf<true, W>(block, job, rows, first, count);
}

/// Result pixels [begin, end).
void DepthwiseLevelsPart(const DepthwiseLevelsJob& job, int64_t begin, int64_t end) {
  const uint8_t* rows[kMaxTaps * kFoundPixels];
  for (int64_t first = begin; first < end; first += kFoundPixels) {
    const int count = static_cast<int>(std::min<int64_t>(kFoundPixels, end - first));
    find_conv_rows<uint8_t>(job.rows, first, count, kFoundPixels, rows);
    if (job.blocks.group == 4) DepthwiseOf<int8_t>(job, rows, first, count);
    else DepthwiseOf<int16_t>(job, rows, first, count);
  }
}

int64_t LanesOfBytes() { return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<uint8_t>())); }

#else

/// Plain C++.
void DepthwiseLevelsPart(const DepthwiseLevelsJob& job, int64_t begin, int64_t end) {
  constexpr int64_t kBlock = 16;
  const uint8_t flip = job.x_signed ? 0x80 : 0;
  const auto* weights = reinterpret_cast<const int16_t*>(job.weights);
  const uint8_t* rows[kMaxTaps];
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    find_conv_rows<uint8_t>(job.rows, pixel, 1, 1, rows);
    for (int64_t block = 0; block * kBlock < job.c; ++block) {
      const int64_t at = std::max<int64_t>(0, std::min(block * kBlock, job.c - kBlock)),
                    count = std::min(kBlock, job.c);
      uint32_t sums[kBlock];  // wrap on the way
      for (int64_t i = 0; i < kBlock; ++i) sums[i] = static_cast<uint32_t>(job.bias[block * kBlock + i]);
      for (int t = 0; t < job.taps; ++t) {
        const int16_t* w = weights + (block * round_up<int64_t>(job.taps, 2) + t / 2 * 2) * kBlock + t % 2;
        for (int64_t i = 0; i < count; ++i)
          sums[i] += static_cast<uint32_t>(int32_t{static_cast<uint8_t>(rows[t][at + i] ^ flip)} * w[2 * i]);
      }
      for (int64_t i = 0; i < count; ++i)
        job.dst[pixel * job.c + at + i] = static_cast<uint8_t>(
            requantize(static_cast<int32_t>(sums[i]), *ratio_of(job.ratio[block * kBlock + i]), job.to));
    }
  }
}

int64_t LanesOfBytes() { return 16; }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

constexpr size_t kWeights = 1, kBias = 2;

class DepthwiseLevelsKernel final : public Kernel {
 public:
  explicit DepthwiseLevelsKernel(const Problem& p)
      : g_(p, false),
        run_(TERCEL_PICK(p.isa, DepthwiseLevelsPart)),
        padding_(static_cast<size_t>(g_.c), static_cast<uint8_t>(p.src[0].quantization->zeros[0])) {
    const Operand& weights = p.src[kWeights];
    const int64_t lanes = TERCEL_PICK(p.isa, LanesOfBytes)();
    job_.c = g_.c;
    job_.taps = static_cast<int>(g_.taps());
    job_.blocks = {g_.c >= lanes ? lanes : 16, levels_form(p.isa, weights).group};
    job_.x_signed = p.src[0].dtype == DType::i8;
    job_.to = range_after(ActivationOf(*p.attrs), p.dst[0].dtype, *p.dst[0].quantization);
    const DepthwiseBlocks& blocks = job_.blocks;
    const int64_t count = div_up(g_.c, blocks.channels), elements = count * blocks.channels;
    const auto channel = [&](int64_t element) {
      const int64_t first =
          std::max<int64_t>(0, std::min(element / blocks.channels * blocks.channels, g_.c - blocks.channels));
      return first + blocks.channel_of(element % blocks.channels);
    };
    const LevelReader read(weights);
    const std::vector<Ratio> ratios =
        product_ratios(*p.src[0].quantization, *weights.quantization, *p.dst[0].quantization);
    const int64_t x_zero = p.src[0].quantization->zeros[0] + (job_.x_signed ? 128 : 0);
    job_.in_floats = true;
    bias_.assign(static_cast<size_t>(elements), 0);
    ratio_.assign(static_cast<size_t>(elements), 1);
    for (int64_t i = 0; i < elements; ++i) {
      const int64_t c = channel(i);
      if (c >= g_.c) continue;
      int64_t sum = 0, magnitude = 0;
      for (int64_t t = 0; t < job_.taps; ++t) {
        const int64_t w = read(c * job_.taps + t, c);
        sum += w;
        magnitude += std::abs(w);
      }
      const int64_t bias = p.input(kBias) ? p.src[kBias].constant.at<int32_t>(c) : 0;
      bias_[static_cast<size_t>(i)] = wrapped(bias - x_zero * sum);
      ratio_[static_cast<size_t>(i)] = ratios[ratios.size() > 1 ? static_cast<size_t>(c) : 0].value();
      job_.in_floats &= floats_requantize(largest_sum(magnitude, bias - x_zero * sum), ratio_[static_cast<size_t>(i)]);
    }
    const int64_t groups = div_up<int64_t>(job_.taps, blocks.group);
    const auto pack = [&](auto* to) {
      for (int64_t block = 0; block < count; ++block)
        for (int64_t group = 0; group < groups; ++group)
          for (int64_t i = 0; i < blocks.channels; ++i)
            for (int64_t t = group * blocks.group; t < (group + 1) * blocks.group; ++t) {
              const int64_t c = channel(block * blocks.channels + i);
              const int32_t value = t < job_.taps && c < g_.c ? read(c * job_.taps + t, c) : 0;
              *to++ = static_cast<std::remove_pointer_t<decltype(to)>>(value);
            }
    };
    const size_t bytes = static_cast<size_t>(elements * groups) * 4;  // 4 of one byte, or 2 of two
    packed_ = p.packed(kWeights, form_of_levels(p, "depthwise_levels"), bytes, [&](std::byte* packed) {
      if (blocks.group == 4) pack(reinterpret_cast<int8_t*>(packed));
      else pack(reinterpret_cast<int16_t*>(packed));
    });
  }

  bool consumed(size_t operand) const override { return operand == kWeights || operand == kBias; }
  size_t packed_bytes() const override { return packed_->size() + bias_.size() * (sizeof(int32_t) + sizeof(float)); }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const uint8_t*>(args.src[0]);
    const ConvRows<uint8_t> rows = conv_rows<uint8_t>(g_, src, padding_.data(), nullptr);
    DepthwiseLevelsJob job = job_;
    job.rows = &rows;
    job.weights = packed_->data();
    job.bias = bias_.data();
    job.ratio = ratio_.data();
    job.dst = reinterpret_cast<uint8_t*>(args.dst[0]);
    parallel_for(g_.n * g_.h.output * g_.w.output, std::max<int64_t>(kFoundPixels, 32768 / (g_.c * job.taps)),
                 [&](int64_t begin, int64_t end) { run_(job, begin, end); });
  }

 private:
  ConvSizes g_;
  void (*run_)(const DepthwiseLevelsJob&, int64_t, int64_t);
  DepthwiseLevelsJob job_{};
  std::vector<uint8_t> padding_;
  std::shared_ptr<const Buffer> packed_;
  std::vector<int32_t> bias_;
  std::vector<float> ratio_;
};

std::string refuse(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kWeights].constant) return "the weights are not constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  const ConvSizes g(p, false);
  if (g.group != g.c || g.oc != g.c)
    return fmt::format("not depthwise: {} groups, {} channels in, {} out", g.group, g.c, g.oc);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return refuse_sums(p, g.taps(), kBias);
}

}  // namespace

Variant simd_depthwise_levels() {
  return {"simd_depthwise_levels", LayoutRule::channels_last, Elements::levels, refuse,
          make_kernel<DepthwiseLevelsKernel>};
}

}  // namespace tercel::inline kernels
#endif
