#include "kernels/simd/winograd.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/winograd_sizes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/winograd.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/activation-inl.h"
#include "kernels/simd/part-inl.h"
#include "kernels/simd/winograd-inl.h"

#ifndef TERCEL_WINOGRAD_ONCE
#define TERCEL_WINOGRAD_ONCE
namespace tercel::inline kernels {

struct WinogradJob {
  const ConvSizes* g;
  const WinogradSizes* s;
  ConvRows<float> rows;
  const float *weights, *bias, *residual;
  float* dst;
  ActivationOf activation;
};

/// Where a tile begins, among the outputs.
struct TileCorner {
  int64_t n, oh, ow;
  TileCorner(const WinogradSizes& s, int64_t tile)
      : n(tile / (s.tiles_h * s.tiles_w)), oh(tile / s.tiles_w % s.tiles_h * s.out), ow(tile % s.tiles_w * s.out) {}
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One vector of channels of a tile; load(i) gives that of pixel i.
template <int M, class Load>
HWY_INLINE void TransformVector(const Load& load, float* HWY_RESTRICT to, int64_t stride) {
  constexpr int kTile = M + 2;
  const D d;
  V middle[kTile][kTile];
  HWY_UNROLL(6)
  for (int x = 0; x < kTile; ++x) {
    V in[kTile], out[kTile];
    HWY_UNROLL(6)
    for (int y = 0; y < kTile; ++y) in[y] = load(y * kTile + x);
    InputAtPoints<M>(in, out);
    HWY_UNROLL(6)
    for (int y = 0; y < kTile; ++y) middle[y][x] = out[y];
  }
  HWY_UNROLL(6)
  for (int y = 0; y < kTile; ++y) {
    V out[kTile];
    InputAtPoints<M>(middle[y], out);
    HWY_UNROLL(6)
    for (int x = 0; x < kTile; ++x) hn::Store(out[x], d, to + (y * kTile + x) * stride);
  }
}

/// Tiles [begin, end) of the block that begins at `first`: from pixels to inputs[chunk][position][tile][channel].
template <int M>
void TransformInput(const WinogradJob& job, int64_t first, int64_t begin, int64_t end, float* inputs) {
  constexpr int kTile = M + 2;
  const D d;
  const ConvSizes& g = *job.g;
  const WinogradSizes& s = *job.s;
  for (int64_t tile = begin; tile < end; ++tile) {
    const TileCorner corner(s, first + tile);
    const float* pixels[kTile * kTile];
    for (int y = 0; y < kTile; ++y)
      for (int x = 0; x < kTile; ++x) {
        const int64_t ih = corner.oh - g.h.pad_begin + y, iw = corner.ow - g.w.pad_begin + x;
        const bool inside = ih >= 0 && ih < g.h.input && iw >= 0 && iw < g.w.input;
        pixels[y * kTile + x] =
            inside ? job.rows.src + ((corner.n * g.h.input + ih) * g.w.input + iw) * g.c : job.rows.zero;
      }
    for (int64_t chunk = 0; chunk < s.chunks; ++chunk) {
      const int64_t first_channel = chunk * s.chunk, channels = std::min(s.chunk, g.c - first_channel);
      float* to = inputs + chunk * s.positions * s.input_stride + tile * s.chunk;
      int64_t k = 0;
      for (; k + kLanes <= channels; k += kLanes)
        TransformVector<M>([&](int i) { return hn::LoadU(d, pixels[i] + first_channel + k); }, to + k, s.input_stride);
      if (k < channels)
        TransformVector<M>([&](int i) { return LoadPart(d, pixels[i] + first_channel + k, channels - k); }, to + k,
                           s.input_stride);
    }
  }
}

/// One row of positions of a panel of the weights, for a chunk of channels: from taps to weights[x][channel][column].
template <int M>
void TransformWeights(const WinogradJob& job, int64_t panel, int y, int64_t first_channel, int64_t channels,
                      float* HWY_RESTRICT weights) {
  constexpr int kTile = M + 2;
  const D d;
  const int64_t stride = job.s->weight_stride;
  const float* HWY_RESTRICT from = job.weights + (panel * job.g->c + first_channel) * 9 * kColumns;
  const V factor[3] = {hn::Set(d, kKernelRows<M>[y][0]), hn::Set(d, kKernelRows<M>[y][1]),
                       hn::Set(d, kKernelRows<M>[y][2])};
  for (int64_t k = 0; k < channels; ++k, from += 9 * kColumns)
    for (int v = 0; v < kVectors; ++v, weights += kLanes) {
      V in[3], out[kTile];
      HWY_UNROLL(3)
      for (int x = 0; x < 3; ++x) {
        const float* tap = from + x * kColumns + v * kLanes;
        in[x] =
            hn::MulAdd(factor[2], hn::Load(d, tap + 6 * kColumns),
                       hn::MulAdd(factor[1], hn::Load(d, tap + 3 * kColumns), hn::Mul(factor[0], hn::Load(d, tap))));
      }
      KernelAtPoints<M>(in, out);
      HWY_UNROLL(6)
      for (int x = 0; x < kTile; ++x) hn::Store(out[x], d, weights + x * stride);
    }
}

/// products[r] (+)= sum over k of inputs[r][k] * weights[k], for R rows of a position.
template <int R>
HWY_NOINLINE void ProductTile(const float* inputs, int64_t input_row, const float* weights, int64_t channels, bool adds,
                              float* products) {
  const D d;
  V acc[R][kVectors];
  const float* HWY_RESTRICT a[R];
  HWY_UNROLL(12)
  for (int r = 0; r < R; ++r) {
    a[r] = inputs + r * input_row;
    for (int v = 0; v < kVectors; ++v)
      acc[r][v] = adds ? hn::Load(d, products + r * kColumns + v * kLanes) : hn::Zero(d);
  }
  // The rows after these are prefetched meanwhile: they come from L3.
  const float* next = inputs + R * input_row;
  for (int64_t k = 0; k < channels; k += kPrefetchDepth) {
    for (int64_t line = 0; line < R * kPrefetchDepth / kLineFloats; ++line, next += kLineFloats)
      __builtin_prefetch(next, 0, 2);
    MultiplyAdd<R, kVectors>(acc, a, weights, k, std::min(k + kPrefetchDepth, channels));
  }
  HWY_UNROLL(12)
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kVectors; ++v) hn::Store(acc[r][v], d, products + r * kColumns + v * kLanes);
}

using ProductTileFn = void (*)(const float*, int64_t, const float*, int64_t, bool, float*);

template <int R>
ProductTileFn PickProductTile(int64_t rows) {
  if constexpr (R > kRows) return nullptr;
  else return rows == R ? ProductTile<R> : PickProductTile<R + 1>(rows);
}

/// One output pixel by direct convolution, in the order in which the product on rows sums it.
inline void DirectPixel(const WinogradJob& job, int64_t panel, int64_t pixel, float* to) {
  const D d;
  const float* taps[9];
  find_conv_rows<float>(&job.rows, pixel, 1, 1, taps);
  for (int v = 0; v < kVectors; ++v) {
    V sum = hn::Zero(d);
    for (int tap = 0; tap < 9; ++tap) {
      const float* weights = job.weights + (panel * job.g->c * 9 + tap) * kColumns + v * kLanes;
      for (int64_t k = 0; k < job.g->c; ++k, weights += 9 * kColumns)
        sum = hn::MulAdd(hn::Set(d, taps[tap][k]), hn::Load(d, weights), sum);
    }
    hn::Store(sum, d, to + v * kLanes);
  }
}

/// A panel of one tile: from products[position][tile][column] to results.
template <int M>
void TransformOutput(const WinogradJob& job, int64_t tile, int64_t panel, const float* products) {
  constexpr int kTile = M + 2;
  const D d;
  const ConvSizes& g = *job.g;
  const TileCorner corner(*job.s, tile);
  const int64_t column0 = panel * kColumns, columns = std::min<int64_t>(kColumns, g.oc - column0);
  const int64_t height = std::min<int64_t>(M, g.h.output - corner.oh),
                width = std::min<int64_t>(M, g.w.output - corner.ow);
  const auto pixel_at = [&](int64_t y, int64_t x) {
    return (corner.n * g.h.output + corner.oh + y) * g.w.output + corner.ow + x;
  };

  const int64_t stride = job.s->product_stride;
  HWY_ALIGN float sums[M * M * kColumns];
  V poison = hn::Zero(d);
  for (int v = 0; v < kVectors; ++v) {
    V middle[M][kTile];
    HWY_UNROLL(6)
    for (int x = 0; x < kTile; ++x) {
      V in[kTile], out[M];
      HWY_UNROLL(6)
      for (int y = 0; y < kTile; ++y) in[y] = hn::Load(d, products + (y * kTile + x) * stride + v * kLanes);
      OutputOfPoints<M>(in, out);
      HWY_UNROLL(6)
      for (int y = 0; y < M; ++y) middle[y][x] = out[y];
    }
    HWY_UNROLL(6)
    for (int y = 0; y < M; ++y) {
      V out[M];
      OutputOfPoints<M>(middle[y], out);
      HWY_UNROLL(6)
      for (int x = 0; x < M; ++x) {
        poison = hn::MulAdd(out[x], hn::Zero(d), poison);
        hn::Store(out[x], d, sums + (y * M + x) * kColumns + v * kLanes);
      }
    }
  }
  // An infinity or NaN spreads over the tile, and finite numbers may overflow on the way: such a tile is computed as
  // the reference does. Outputs that are finite saw neither: every input that an output depends on reaches it here too.
  if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(poison, poison))))
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) DirectPixel(job, panel, pixel_at(y, x), sums + (y * M + x) * kColumns);

  V low = hn::Set(d, -HUGE_VALF), high = hn::Set(d, HUGE_VALF);
  const Activation kind = job.activation.kind;
  if (kind == Activation::relu) low = hn::Zero(d);
  if (kind == Activation::clip) low = hn::Set(d, job.activation.alpha), high = hn::Set(d, job.activation.beta);
  const bool clamps = kind == Activation::relu || kind == Activation::clip;
  const bool transcendental = !clamps && kind != Activation::none;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const float* sum = sums + (y * M + x) * kColumns;
      const int64_t at = pixel_at(y, x) * g.oc + column0;
      for (int v = 0; v < kVectors && v * kLanes < columns; ++v) {
        const int64_t part = columns - v * kLanes;
        V result = hn::Load(d, sum + v * kLanes);
        if (job.bias != nullptr) result = hn::Add(result, hn::LoadU(d, job.bias + column0 + v * kLanes));
        if (job.residual != nullptr) result = hn::Add(result, LoadPart(d, job.residual + at + v * kLanes, part));
        if (clamps) result = Clip(d, result, low, high);
        StorePart(result, d, job.dst + at + v * kLanes, part);
      }
      if (transcendental) ActivateRow(kind, job.activation.alpha, job.activation.beta, job.dst + at, columns);
    }
}

/// A panel of the results of the `tiles` tiles from `first` on, whose inputs are transformed.
template <int M>
void ComputePanel(const WinogradJob& job, int64_t first, int64_t tiles, int64_t panel, const float* inputs,
                  float* weights, float* products) {
  const WinogradSizes& s = *job.s;
  const int64_t row_tiles = div_up<int64_t>(tiles, kRows);
  for (int64_t chunk = 0; chunk < s.chunks; ++chunk) {
    const int64_t first_channel = chunk * s.chunk, channels = std::min(s.chunk, job.g->c - first_channel);
    // The taps that come next are prefetched bit by bit: they come from memory.
    const float* following = job.weights + (panel * job.g->c + first_channel + channels) * 9 * kColumns;
    const int64_t left = (s.panels - panel) * job.g->c - first_channel - channels;
    const int64_t next_end = std::min(left, s.chunk) * 9 * kColumns;
    int64_t next = 0;
    for (int y = 0; y < s.tile; ++y) {
      TransformWeights<M>(job, panel, y, first_channel, channels, weights);
      for (int x = 0; x < s.tile; ++x) {
        const int64_t position = y * s.tile + x;
        const float* a = inputs + (chunk * s.positions + position) * s.input_stride;
        // Rows are dealt out evenly, so that no thin tile is left at the end.
        for (int64_t i = 0; i < row_tiles; ++i) {
          for (; next < next_end * (position * row_tiles + i + 1) / (s.positions * row_tiles); next += kLineFloats)
            __builtin_prefetch(following + next, 0, 2);
          const int64_t row = tiles * i / row_tiles, rows = tiles * (i + 1) / row_tiles - row;
          PickProductTile<1>(rows)(a + row * s.chunk, s.chunk, weights + x * s.weight_stride, channels, chunk > 0,
                                   products + position * s.product_stride + row * kColumns);
        }
      }
    }
  }
  for (int64_t tile = 0; tile < tiles; ++tile) TransformOutput<M>(job, first + tile, panel, products + tile * kColumns);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

template <int M>
class WinogradKernel final : public Kernel {
 public:
  explicit WinogradKernel(const Problem& p)
      : g_(p, false),
        sizes_(g_, M, p.isa, p.threads),
        operands_(p, g_, ConvOperands::Order::by_channel),
        isa_(p.isa),
        threads_(p.threads),
        activation_(*p.attrs),
        zero_(static_cast<size_t>(g_.c), 0.0f) {}

  size_t scratch_bytes() const override {
    const int64_t inputs = sizes_.by_block ? threads_ : 1;
    return static_cast<size_t>(inputs * sizes_.input_floats + threads_ * lane_floats()) * sizeof(float);
  }
  bool consumed(size_t operand) const override { return ConvOperands::consumed(operand); }
  size_t packed_bytes() const override { return operands_.bytes(); }

  void run(const Args& args) const override {
    WinogradJob job{&g_, &sizes_, {}, operands_.weights(), operands_.bias(), nullptr, nullptr, activation_};
    job.rows = {&g_,           reinterpret_cast<const float*>(args.src[0]),
                zero_.data(),  g_.h.input,
                g_.w.input,    g_.h.pad_begin,
                g_.w.pad_begin};
    if (args.src.size() > kConvResidual) job.residual = reinterpret_cast<const float*>(args.src[kConvResidual]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    auto* scratch = reinterpret_cast<float*>(args.scratch);
    const auto transform = TERCEL_PICK(isa_, TransformInput<M>);
    const auto compute = TERCEL_PICK(isa_, ComputePanel<M>);
    const auto panels = [&](int64_t block, int64_t begin, int64_t end, const float* inputs, float* own) {
      const int64_t first = sizes_.first_tile(block), tiles = sizes_.first_tile(block + 1) - first;
      for (int64_t panel = begin; panel < end; ++panel)
        compute(job, first, tiles, panel, inputs, own, own + sizes_.weight_floats);
    };
    if (sizes_.by_block) {
      parallel_for(sizes_.blocks, 1, [&](int64_t begin, int64_t end, int lane) {
        float* inputs = scratch + lane * (sizes_.input_floats + lane_floats());
        for (int64_t block = begin; block < end; ++block) {
          const int64_t first = sizes_.first_tile(block);
          transform(job, first, 0, sizes_.first_tile(block + 1) - first, inputs);
          panels(block, 0, sizes_.panels, inputs, inputs + sizes_.input_floats);
        }
      });
      return;
    }
    for (int64_t block = 0; block < sizes_.blocks; ++block) {
      const int64_t first = sizes_.first_tile(block);
      parallel_for(sizes_.first_tile(block + 1) - first, 1,
                   [&](int64_t begin, int64_t end) { transform(job, first, begin, end, scratch); });
      parallel_for(sizes_.panels, 1, [&](int64_t begin, int64_t end, int lane) {
        panels(block, begin, end, scratch, scratch + sizes_.input_floats + lane * lane_floats());
      });
    }
  }

 private:
  int64_t lane_floats() const { return sizes_.weight_floats + sizes_.product_floats; }

  ConvSizes g_;
  WinogradSizes sizes_;
  ConvOperands operands_;
  Isa isa_;
  int64_t threads_;
  ActivationOf activation_;
  std::vector<float> zero_;
};

template <int M>
std::string why_not(const Problem& p) {
  if (std::string reason = why_no_dense_conv(p); !reason.empty()) return reason;
  const ConvSizes g(p, false);
  if (g.h.kernel != 3 || g.w.kernel != 3) return fmt::format("{} x {} taps, not 3 x 3", g.h.kernel, g.w.kernel);
  if (g.h.stride != 1 || g.w.stride != 1) return "the stride is not 1";
  if (g.h.dilation != 1 || g.w.dilation != 1) return "the taps are dilated";
  if (g.group != 1) return fmt::format("{} groups", g.group);
  if (const double error = winograd_error(M, g.c); error > kWinogradErrorLimit)
    return fmt::format("rounding may change results by {:.1e}, more than {:.0e}", error, kWinogradErrorLimit);
  return {};
}

template <int M>
std::string why_slower(const Problem& p) {
  if (p.bf16 && p.isa.has(CpuFeature::avx512_bf16)) return "bf16 was asked for, whose products are twice as fast";
  const ConvSizes g(p, false);
  const double own = winograd_cost(g, M, p.isa);
  if (const double direct = direct_cost(g, p.isa); direct < own)
    return fmt::format("direct convolution takes {:.2f} of the time", direct / own);
  for (int out : kWinogradForms)
    if (out != M && winograd_error(out, g.c) <= kWinogradErrorLimit)
      if (const double other = winograd_cost(g, out, p.isa); other < own)
        return fmt::format("tiles of {0} x {0} take {1:.2f} of the time", out, other / own);
  return {};
}

template <int M>
Variant variant(std::string_view name) {
  return {name,          LayoutRule::channels_last, Elements::f32, why_not<M>, make_kernel<WinogradKernel<M>>,
          why_slower<M>, M == 2 ? 1e-5 : 3e-5};
}

}  // namespace

Variant simd_winograd(int out) {
  switch (out) {
    case 2: return variant<2>("simd_winograd_2");
    case 4: return variant<4>("simd_winograd_4");
  }
  TERCEL_CHECK(false, "no tiles of {} outputs", out);
}

}  // namespace tercel::inline kernels
#endif
