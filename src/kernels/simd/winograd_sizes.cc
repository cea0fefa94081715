#include "kernels/simd/winograd_sizes.h"

#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "kernels/simd/winograd_points.h"

namespace tercel::inline kernels {
namespace {

constexpr int64_t kLine = kAlignment / sizeof(float);

/// An odd number of cache lines: at a distance of whole pages all positions would meet in the same few lines of
/// L1.
int64_t apart(int64_t floats) { return (div_up(floats, kLine) | 1) * kLine; }

// Weights are transformed once for each block: large blocks make that cheap, small ones keep their inputs near.
constexpr int64_t kBlockTiles = 64, kLeastTiles = 8, kBlockFloats = int64_t{1} << 20;
// With so many channels a row of positions takes 350 KB, weights of a panel before and after included.
constexpr int64_t kChunk = 128;

/// What a tile costs beside its products, in multiply-adds of a vector: measured on Zen 1 by bench/conv_bench.cc, with
/// activations that come from memory.
struct Transforms {
  double input, output, weights;
};
constexpr Transforms transforms_of(int out) { return out == 2 ? Transforms{90, 160, 85} : Transforms{350, 540, 160}; }
/// Products of many thin matrices against one large one.
constexpr double kThin = 1.07;
/// Rows of a register tile below which it waits for its own sums.
constexpr double kLeastRows = 3;

}  // namespace

WinogradSizes::WinogradSizes(const ConvSizes& g, int out_, const Isa& isa, int threads)
    : out(out_), tile(out_ + 2), positions(tile * tile) {
  tiles_h = div_up<int64_t>(g.h.output, out);
  tiles_w = div_up<int64_t>(g.w.output, out);
  tiles = g.n * tiles_h * tiles_w;
  columns = gemm_tile(isa).columns;
  panels = div_up(g.oc, columns);

  chunk = round_up(div_up(g.c, div_up(g.c, kChunk)), kLine);
  chunks = div_up(g.c, chunk);

  const int64_t near = std::clamp(kBlockFloats / (positions * chunks * chunk), kLeastTiles, kBlockTiles);
  blocks = div_up(tiles, near);
  by_block = blocks >= threads;
  if (by_block) blocks = std::min(tiles, round_up<int64_t>(blocks, threads));
  block = div_up(tiles, blocks);

  input_stride = apart(block * chunk);
  weight_stride = apart(chunk * columns);
  product_stride = apart(block * columns);
  input_floats = chunks * positions * input_stride;
  weight_floats = tile * weight_stride;
  product_floats = positions * product_stride;
}

double winograd_error(int out, int64_t channels) {
  constexpr double kUnit = 0x1p-24;
  const double growth = out == 2 ? Winograd<2>::error_growth() : Winograd<4>::error_growth();
  return kUnit * std::sqrt(static_cast<double>(channels + 6 * (out + 2))) * growth;
}

double direct_cost(const ConvSizes& g, const Isa& isa) {
  const int64_t vectors = div_up<int64_t>(g.oc, gemm_tile(isa).columns / 2);
  return static_cast<double>(g.n * g.h.output * g.w.output) * static_cast<double>(9 * g.c * vectors);
}

double winograd_cost(const ConvSizes& g, int out, const Isa& isa) {
  const WinogradSizes s(g, out, isa, 1);
  const int64_t lanes = s.columns / 2;
  const auto source_vectors = static_cast<double>(div_up(g.c, lanes)), vectors = static_cast<double>(2 * s.panels);
  const auto tiles = static_cast<double>(s.tiles), blocks = static_cast<double>(s.blocks);
  const auto channels = static_cast<double>(g.c);
  const Transforms cost = transforms_of(out);
  const auto row_tiles = static_cast<double>(div_up<int64_t>(s.block, gemm_tile(isa).rows));
  const double rows = blocks * row_tiles * std::max(kLeastRows, tiles / blocks / row_tiles);
  return tiles * source_vectors * cost.input +
         vectors * (rows * s.positions * channels * kThin + tiles * cost.output + blocks * channels * cost.weights);
}

}  // namespace tercel::inline kernels
