#include "fpga/design_point.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "fpga/cycle_model.h"

namespace tercel::inline fpga {
namespace {

void check_power_of_two(const char* name, int value, int most) {
  if (value < 1 || value > most || (value & (value - 1)) != 0)
    fail_input("design point: {} is {}, wanted a power of two from 1 to {}", name, value, most);
}

void check_range(const char* name, int value, int low, int high) {
  if (value < low || value > high) fail_input("design point: {} is {}, wanted {} to {}", name, value, low, high);
}

}  // namespace

void check(const DesignPoint& point) {
  // Published builds with other lane counts miss every model by 12 to 48 %: word sizes that are no power of two waste
  // memory and clock.
  check_power_of_two("vec", point.vec, 128);
  check_power_of_two("lane", point.lane, 256);
  check_range("window_x", point.window_x, 1, 64);
  check_range("weight_buffer_words", point.weight_buffer_words, 0, 1 << 20);
  check_range("window_buffer_words", point.window_buffer_words, 0, 1 << 20);
  check_range("data_depth", point.depths.data, 1, 1 << 16);
  check_range("sums_depth", point.depths.sums, 1, 1 << 16);
  check_range("levels_depth", point.depths.levels, 1, 1 << 16);
  check_range("pooled_depth", point.depths.pooled, 1, 1 << 16);
  if (point.board.empty()) fail_input("design point: board is empty; `tercel fpga boards` lists those there are");
  if (point.board.find(',') != std::string::npos)
    fail_input("design point: board is '{}', and a comma ends a field: rename the file", point.board);
  if (point.clock_mhz != 0 && !(point.clock_mhz >= 20 && point.clock_mhz <= 1000))
    fail_input("design point: clock_mhz is {}, wanted 0 (what the board is expected to reach) or 20 to 1000",
               point.clock_mhz);
}

BufferNeeds buffer_needs(const LayerShape& layer, const DesignPoint& point) {
  if (!layer.has_windows()) return {};
  const int64_t words_per_tap = lane_groups(layer, point, Kernels::tercel).words_per_tap;
  return {.weight_words = layer.positions() > 1 ? layer.kh * layer.kw * words_per_tap : 0,
          .window_words = window_words(layer, point, Kernels::tercel)};
}

void check_fits(const LayerShape& layer, const DesignPoint& point) {
  const BufferNeeds needs = buffer_needs(layer, point);
  if (needs.weight_words > point.weight_buffer_words)
    fail_input("layer '{}' keeps {} words of weights, but weight_buffer_words is {}: make it larger, or vec",
               layer.name, needs.weight_words, point.weight_buffer_words);
  if (needs.window_words > point.window_buffer_words)
    fail_input(
        "layer '{}' reads windows of {} words, but window_buffer_words is {}: make it larger, or vec, or window_x "
        "smaller",
        layer.name, needs.window_words, point.window_buffer_words);
}

DesignPoint completed(DesignPoint point, std::span<const LayerShape> layers, const Board& board) {
  int64_t weight_words = 1, window_words = 1;
  for (const LayerShape& layer : layers) {
    const BufferNeeds needs = buffer_needs(layer, point);
    weight_words = std::max(weight_words, needs.weight_words);
    window_words = std::max(window_words, needs.window_words);
  }
  constexpr int64_t kMost = 1 << 20;
  const auto rounded = [&](int64_t words, const char* what) {
    if (words > kMost) fail(ErrorCode::limit, "a layer needs {} words of {}, more than {}", words, what, kMost);
    return static_cast<int>(std::bit_ceil(static_cast<uint64_t>(words)));
  };
  if (point.weight_buffer_words == 0) point.weight_buffer_words = rounded(weight_words, "weights");
  if (point.window_buffer_words == 0) point.window_buffer_words = rounded(window_words, "a window");
  for (const LayerShape& layer : layers) check_fits(layer, point);
  point.clock_mhz = clock_mhz(point, board);
  return point;
}

}  // namespace tercel::inline fpga
