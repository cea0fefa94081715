#include "engines/pipeline/layer_packing.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/threads.h"
#include "fpga/cycle_model.h"

namespace tercel::inline engines {
LayerShares shares_of(const LayerArithmetic& a, const DesignPoint& design) {
  const int64_t ic = a.by_channel ? a.out_channels : a.groups * a.in_channels;
  const LaneGroups groups = lane_groups(
      {.kind = a.by_channel ? LayerKind::pool : LayerKind::conv, .groups = a.groups, .ic = ic, .oc = a.out_channels},
      design, Kernels::tercel);
  LayerShares shares;
  shares.lane_groups = groups.count;
  shares.words_per_tap = groups.words_per_tap;
  shares.together = groups.together;
  shares.groups_of_lanes = a.by_channel ? groups.count : groups.count / (a.groups / groups.together);
  shares.taps = a.window[0].kernel * a.window[1].kernel * shares.words_per_tap;
  return shares;
}

void pack_weights(const LayerArithmetic& a, const DesignPoint& design, WordVector<int8_t>& words) {
  const LayerShares shares = shares_of(a, design);
  const int64_t vec = design.vec, lane = design.lane;
  const int64_t word_bytes = vec * lane;
  const int64_t outputs = a.out_channels / a.groups, merged = outputs * shares.together;
  const int64_t inputs = a.in_channels * shares.together;
  const size_t first = words.size();
  words.resize(first + static_cast<size_t>(shares.lane_groups * shares.taps * word_bytes));
  parallel_for(shares.lane_groups, 1, [&](int64_t begin, int64_t end) {
    const auto put = [](int8_t& to, int32_t weight) {
      TERCEL_CHECK(weight >= -128 && weight <= 127);  // the network refuses others
      to = static_cast<int8_t>(weight);
    };
    for (int64_t lane_group = begin; lane_group < end; ++lane_group) {
      int8_t* word = words.data() + first + lane_group * shares.taps * word_bytes;
      const int64_t group = lane_group / shares.groups_of_lanes;
      const int64_t first_output = lane_group % shares.groups_of_lanes * lane;
      const int64_t lanes = std::min(lane, merged - first_output);
      for (int64_t y = 0; y < a.window[0].kernel; ++y)
        for (int64_t x = 0; x < a.window[1].kernel; ++x)
          for (int64_t w = 0; w < shares.words_per_tap; ++w, word += word_bytes)
            for (int64_t v = 0; v < vec; ++v) {
              if (a.by_channel) {
                const int64_t channel = (lane_group * lane / vec + w) * vec + v;
                if (channel < a.out_channels) put(word[v], a.weights(channel, 0, y, x));
                continue;
              }
              const int64_t channel = (group * inputs / vec + w) * vec + v;
              if (channel < group * inputs || channel >= (group + 1) * inputs) continue;
              for (int64_t l = 0; l < lanes; ++l) {
                const int64_t o = group * merged + first_output + l;
                if (o / outputs == channel / a.in_channels)
                  put(word[(v / 2 * lane + l) * 2 + v % 2], a.weights(o, channel % a.in_channels, y, x));
              }
            }
    }
  });
}

void pack_scales(const LayerArithmetic& a, int32_t in_zero, const DesignPoint& design, WordVector<int32_t>& words) {
  const LayerShares shares = shares_of(a, design);
  const int64_t lane = design.lane,
                outputs = a.by_channel ? a.out_channels : a.out_channels / a.groups * shares.together;
  const size_t first = words.size();
  words.resize(first + static_cast<size_t>(shares.lane_groups * 4 * lane));
  parallel_for(shares.lane_groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t lane_group = begin; lane_group < end; ++lane_group) {
      int32_t* word = words.data() + first + lane_group * 4 * lane;
      for (int64_t l = 0; l < lane; ++l) {
        word[lane + l] = 0;
        word[2 * lane + l] = 1;
        const int64_t in_group = lane_group % shares.groups_of_lanes * lane + l;
        if (in_group >= outputs) continue;
        const int64_t o = lane_group / shares.groups_of_lanes * outputs + in_group;
        int64_t weights = 0;
        for (int64_t i = 0; i < (a.by_channel ? 1 : a.in_channels); ++i)
          for (int64_t y = 0; y < a.window[0].kernel; ++y)
            for (int64_t x = 0; x < a.window[1].kernel; ++x) weights += a.weights(o, i, y, x);
        const int64_t bias = (a.bias.empty() ? 0 : a.bias[static_cast<size_t>(o)]) - int64_t{in_zero} * weights;
        if (bias != static_cast<int32_t>(bias)) fail_unsupported("a bias of {} does not fit 32 bits", bias);
        const Ratio ratio = a.ratios[a.ratios.size() == 1 ? 0 : static_cast<size_t>(o)];
        word[l] = static_cast<int32_t>(bias);
        word[lane + l] = ratio.multiplier;
        word[2 * lane + l] = ratio.shift;
      }
    }
  });
}

}  // namespace tercel::inline engines
