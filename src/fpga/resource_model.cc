#include "fpga/resource_model.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bits.h"
#include "base/check.h"

namespace tercel::inline fpga {
namespace {

// The builds that the laws were fitted on kept AlexNet's buffers: 9216 bytes by vec, of words of vec x lane bytes
// (weights) and twice of vec bytes (windows).
DesignPoint with_alexnet_buffers(DesignPoint point) {
  point.weight_buffer_words = point.window_buffer_words = 9216 / std::min(point.vec, 9216);
  point.depths = {};
  return point;
}

/// DSP blocks that are not multipliers of the conv stage: addresses, LRN.
double dsp_base(Family family, Build build) {
  if (family == Family::stratix_v || family == Family::cyclone_v)
    return build == Build::profiled ? 50.5 : 23;  // set A; FPT'17 Fig. 6 (set E), exact there
  return 36;  // issue 56 of PipeCNN: 292 for V 8, L 64; Stratix 10 is taken to be alike
}

}  // namespace

int64_t ram_blocks(int64_t depth_words, int64_t width_bits, int block_kbit) {
  const int64_t shallow = block_kbit == 10 ? 256 : 512;
  int64_t fewest = INT64_MAX;
  // Widths that are no power of two use the parity bits: 40, 20, 10, 5, then 2 and 1.
  for (const auto& [depth, width] : std::to_array<std::pair<int64_t, int64_t>>({{shallow, 40},
                                                                                {2 * shallow, 20},
                                                                                {4 * shallow, 10},
                                                                                {8 * shallow, 5},
                                                                                {16 * shallow, 2},
                                                                                {32 * shallow, 1}}))
    fewest = std::min(fewest, div_up(depth_words, depth) * div_up(width_bits, width));
  return fewest;
}

int64_t buffer_blocks(const DesignPoint& point, int block_kbit) {
  const int64_t vec_bits = 8 * int64_t{point.vec}, lane_bits = 8 * int64_t{point.lane};
  int64_t blocks = ram_blocks(point.weight_buffer_words, vec_bits * point.lane, block_kbit) +
                   2 * ram_blocks(point.window_buffer_words, vec_bits, block_kbit);
  for (const auto& [depth, bits] : std::to_array<std::pair<int64_t, int64_t>>({{point.depths.data, vec_bits},
                                                                               {point.depths.sums, 4 * lane_bits},
                                                                               {point.depths.levels, lane_bits},
                                                                               {point.depths.pooled, lane_bits}}))
    if (depth > 32) blocks += ram_blocks(depth, bits, block_kbit);  // shallower ones are made of logic (MLAB)
  return blocks;
}

FpgaResources estimate_resources(const DesignPoint& point, const Board& board, Build build) {
  TERCEL_CHECK(point.weight_buffer_words > 0 && point.window_buffer_words > 0, "buffers are not filled in");
  const double v = point.vec, l = point.lane, vl = v * l;
  const int block = board.ram_block_kbit();
  FpgaResources r;
  r.dsp_blocks = std::ceil(vl / 2) + dsp_base(board.family, build);
  const double ours = static_cast<double>(buffer_blocks(point, block));
  if (board.family == Family::cyclone_v) {
    r.ram_blocks = ours;
    r.logic_alms = 118 * v + 619 * l + 69 * vl;
  } else {
    const double theirs = static_cast<double>(buffer_blocks(with_alexnet_buffers(point), block));
    r.ram_blocks = 583 - 1.6 * v + 6 * l + 0.6 * vl - theirs + ours;
    r.logic_alms = 63810 + 118 * v + 619 * l + 69 * vl;
  }
  return r;
}

double clock_law_mhz(int vec, int lane) {
  const double v = vec, l = lane;
  return 249.6 + 0.85 * v - 0.71 * l - 0.12 * v * l;
}

bool within_published_range(const DesignPoint& point, const Board& board) {
  return board.family == Family::stratix_v && point.vec >= 4 && point.vec <= 16 && point.lane >= 2 &&
         point.lane <= 64 && point.vec * point.lane <= 256;
}

double expected_clock_mhz(const DesignPoint& point, const Board& board) {
  if (!within_published_range(point, board)) return board.clock_mhz.value;
  return std::round(10 * clock_law_mhz(point.vec, point.lane)) / 10;
}

}  // namespace tercel::inline fpga
