#include "fpga/cycle_model.h"

#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "fpga/resource_model.h"

namespace tercel::inline fpga {
namespace {

/// Clocks that DDR takes for so many bytes.
int64_t ddr_clocks(int64_t bytes, double clock_hz, const Board& board) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(bytes) * clock_hz / board.ddr_bytes_per_second()));
}

/// Terms of a convolution that both designs share.
struct ConvTerms {
  LaneGroups groups;
  int64_t words = 0;         ///< N
  int64_t windows = 0;       ///< nx
  int64_t window_words = 0;  ///< of one full load
  int64_t load = 0;          ///< clocks
};

/// PipeCNN's pool takes a word a clock. Tercel's looks at each element of a window in turn, after the rows that it
/// needs have come.
int64_t pool_clocks(const LayerShape& layer, Kernels kernels) {
  if (!layer.pooled) return kernels == Kernels::tercel ? layer.positions() : 0;
  return layer.positions() +
         (kernels == Kernels::tercel ? layer.written_positions() * layer.pool_kh * layer.pool_kw : 0);
}

ConvTerms conv_terms(const LayerShape& layer, const DesignPoint& point, Kernels kernels) {
  ConvTerms t;
  t.groups = lane_groups(layer, point, kernels);
  const int64_t taps = layer.kh * layer.kw, cv = t.groups.words_per_tap;
  t.words = taps * cv;
  const int64_t outputs = std::min<int64_t>(point.window_x, layer.ow);
  t.windows = div_up(layer.ow, outputs);
  const int64_t rest = layer.ow - (t.windows - 1) * outputs;
  t.window_words = window_words(layer, point, kernels);
  const int64_t full = std::max(t.window_words, outputs * taps * cv), last = std::max(t.window_words, rest * taps * cv);
  t.load = ((t.windows - 1) * full + last) * layer.batch * layer.oh * t.groups.count;
  return t;
}

LayerEstimate conv(const LayerShape& layer, const DesignPoint& point, const Board& board, Kernels kernels,
                   double clock_hz) {
  LayerEstimate e;
  const ConvTerms t = conv_terms(layer, point, kernels);
  const int64_t q = t.groups.count, positions = layer.positions(), word_bytes = int64_t{point.vec} * point.lane;
  e.compute_cycles = q * t.words * positions;
  e.window_load_cycles = t.load;
  e.pool_cycles = q * pool_clocks(layer, kernels);
  e.feature_bytes = layer.batch * layer.oh * t.windows * q * t.window_words * point.vec;
  e.weight_bytes = q * t.words * word_bytes;
  if (kernels == Kernels::pipecnn) {
    e.write_cycles = positions * q * point.lane;
    e.written_bytes = layer.written_positions() * layer.oc;
    e.ddr_cycles = layer.is_fc() ? ddr_clocks(e.weight_bytes, clock_hz, board) : 0;
    e.fill_cycles = t.window_words;
    if (layer.add) {  // DDR -> DDR: two maps read, one written, vec lanes a clock
      e.addend_bytes = 3 * layer.written_positions() * layer.oc;
      e.separate_cycles = std::max(layer.written_positions() * div_up<int64_t>(layer.oc, point.vec),
                                   ddr_clocks(e.addend_bytes, clock_hz, board));
    }
  } else {
    e.weight_wait_cycles = std::max<int64_t>(0, ddr_clocks(e.weight_bytes, clock_hz, board) - q * t.words);
    e.write_cycles = layer.written_positions() * q;
    e.written_bytes = e.write_cycles * point.lane;
    if (layer.add) e.addend_bytes = e.written_bytes;
    e.ddr_cycles = ddr_clocks(e.ddr_bytes(), clock_hz, board);
    e.fill_cycles = t.window_words + kStageDepthCycles;
  }
  return e;
}

/// Passes without products of their own. In Tercel's pipeline they are a copy, channel by channel, with a pool or an
/// addend behind it; normalizations are a kernel of their own.
LayerEstimate stream(const LayerShape& layer, const DesignPoint& point, const Board& board, Kernels kernels,
                     double clock_hz) {
  LayerEstimate e;
  const bool copies = kernels == Kernels::tercel && layer.kind != LayerKind::lrn;
  const int64_t width = copies ? point.lane : point.vec, words = div_up(layer.ic, width);
  const int64_t positions = layer.batch * layer.ih * layer.iw;
  if (copies) e.compute_cycles = e.window_load_cycles = words * positions * std::max(1, point.lane / point.vec);
  e.pool_cycles = copies ? words * pool_clocks(layer, kernels) : words * positions;
  e.write_cycles = layer.written_positions() * words;
  e.feature_bytes = positions * words * std::max<int64_t>(width, point.vec);
  if (layer.kind == LayerKind::add || layer.add) e.addend_bytes = positions * words * width;
  e.written_bytes = layer.written_positions() * words * width;
  e.ddr_cycles = ddr_clocks(e.ddr_bytes(), clock_hz, board);
  e.fill_cycles = kernels == Kernels::tercel ? kStageDepthCycles : 0;
  return e;
}

Bottleneck bottleneck_of(const LayerEstimate& e, double clock_hz, double launch_seconds) {
  if (launch_seconds * clock_hz > static_cast<double>(e.cycles)) return Bottleneck::launch;
  const int64_t computing = e.compute_cycles + e.weight_wait_cycles;
  const int64_t most = std::max({computing, e.window_load_cycles, e.pool_cycles, e.write_cycles, e.ddr_cycles});
  if (computing == most) return e.weight_wait_cycles > e.compute_cycles ? Bottleneck::ddr : Bottleneck::compute;
  if (e.ddr_cycles == most) return Bottleneck::ddr;
  if (e.write_cycles == most) return Bottleneck::write;
  return e.window_load_cycles == most ? Bottleneck::window_load : Bottleneck::pool;
}

}  // namespace

LaneGroups lane_groups(const LayerShape& layer, const DesignPoint& point, Kernels kernels) {
  const int64_t in = layer.ic / layer.groups, out = layer.oc / layer.groups, vec = point.vec, lane = point.lane;
  if (kernels == Kernels::pipecnn) {
    if (layer.groups > 2) return {layer.groups * div_up(out, lane), div_up(in, vec)};
    const int64_t count = div_up(layer.oc, lane);
    return {layer.groups == 2 && count % 2 != 0 ? count + 1 : count, div_up(in, vec)};
  }
  if (layer.kind != LayerKind::conv || layer.is_depthwise())
    return {div_up(layer.oc, lane), std::max<int64_t>(1, lane / vec)};
  int64_t together = 1;
  for (int64_t some = 2; some <= layer.groups && some * out <= lane; ++some)
    if (layer.groups % some == 0) together = some;
  const int64_t groups = layer.groups / together, channels = in * together;
  int64_t words = 0;  // a group may begin and end within a word
  for (int64_t g = 0; g < groups; ++g) words = std::max(words, ((g + 1) * channels - 1) / vec - g * channels / vec + 1);
  return {groups * div_up(out * together, lane), words, together};
}

int64_t window_words(const LayerShape& layer, const DesignPoint& point, Kernels kernels) {
  const int64_t outputs = std::min<int64_t>(point.window_x, layer.ow);
  int64_t columns = layer.kw + (outputs - 1) * layer.sw;
  if (kernels == Kernels::tercel) columns = std::min(columns, layer.kw * outputs);
  return columns * layer.kh * lane_groups(layer, point, kernels).words_per_tap;
}

double clock_mhz(const DesignPoint& point, const Board& board) {
  return point.clock_mhz > 0 ? point.clock_mhz : expected_clock_mhz(point, board);
}

LayerEstimate estimate_layer(const LayerShape& layer, const DesignPoint& point, const Board& board, Kernels kernels) {
  const double clock_hz = clock_mhz(point, board) * 1e6;
  LayerEstimate e = layer.kind == LayerKind::conv || (layer.kind == LayerKind::average && kernels == Kernels::tercel)
                        ? conv(layer, point, board, kernels, clock_hz)
                        : stream(layer, point, board, kernels, clock_hz);
  e.name = layer.name;
  e.kind = kind_name(layer);
  e.macs = layer.macs();
  // PipeCNN's published formula counts the first window with the loads; so is it here.
  const int64_t load = e.window_load_cycles + (kernels == Kernels::pipecnn ? e.fill_cycles : 0);
  e.cycles = std::max({e.compute_cycles + e.weight_wait_cycles, load, e.pool_cycles, e.write_cycles, e.ddr_cycles}) +
             (kernels == Kernels::pipecnn ? 0 : e.fill_cycles) + e.separate_cycles;
  // PipeCNN's host starts a convolution for each picture, and the addition once more.
  int64_t launches = 1;
  if (kernels == Kernels::pipecnn) launches = (layer.is_fc() ? 1 : layer.batch) * (e.separate_cycles > 0 ? 2 : 1);
  const double launch_seconds = static_cast<double>(launches) * kLaunchSeconds;
  e.ms = 1e3 * (kStallFactor * static_cast<double>(e.cycles) / clock_hz + launch_seconds);
  e.utilization = static_cast<double>(e.macs) /
                  (static_cast<double>(point.vec) * static_cast<double>(point.lane) * static_cast<double>(e.cycles));
  e.bottleneck = bottleneck_of(e, clock_hz, launch_seconds);
  return e;
}

std::vector<LayerEstimate> estimate_layers(std::span<const LayerShape> layers, const DesignPoint& point,
                                           const Board& board, Kernels kernels) {
  std::vector<LayerEstimate> estimates;
  estimates.reserve(layers.size());
  for (const LayerShape& layer : layers) estimates.push_back(estimate_layer(layer, point, board, kernels));
  return estimates;
}

}  // namespace tercel::inline fpga
