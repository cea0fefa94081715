#include "fpga/cycle_model.h"

#include <gtest/gtest.h>

#include "fpga/design_point.h"
#include "fpga/known_networks.h"
#include "fpga/resource_model.h"

namespace tercel::inline fpga {
namespace {

const Board& board_385a() {
  static const Board board = find_board("385a");
  return board;
}

DesignPoint point_of(int vec, int lane, int window_x = 7) {
  DesignPoint point;
  point.vec = vec;
  point.lane = lane;
  point.window_x = window_x;
  return point;
}

int64_t total_macs(std::string_view network) {
  int64_t macs = 0;
  for (const LayerShape& layer : known_network(network)) macs += layer.macs();
  return macs;
}

TEST(KnownNetworks, HaveTheMacsOfThePapers) {
  EXPECT_NEAR(static_cast<double>(total_macs("alexnet")), 0.666e9 + 0.0586e9, 0.002e9);
  EXPECT_NEAR(static_cast<double>(total_macs("vgg16")), 15.347e9 + 0.1236e9, 0.005e9);
  // The dossier's 3.858 G has the stride in the first 1x1 convolution (He et al.); torchvision's is in the 3x3.
  EXPECT_NEAR(static_cast<double>(total_macs("resnet50")), 4.09e9, 0.01e9);
}

/// Counts the pipeline clock by clock as its stages do it: memRead loads the next window while conv computes with the
/// present one; every group of outputs takes as long as the slower of the two.
int64_t simulated(const LayerShape& layer, const DesignPoint& point) {
  const LaneGroups groups = lane_groups(layer, point, Kernels::tercel);
  const int64_t window_x = std::min<int64_t>(point.window_x, layer.ow);
  const auto window_words = [&](int64_t outputs) {
    int64_t words = 0;
    for (int64_t x = 0; x < layer.iw + 2 * layer.kw + layer.sw * window_x; ++x) {
      bool read = false;
      for (int64_t o = 0; o < outputs; ++o) read = read || (x >= o * layer.sw && x < o * layer.sw + layer.kw);
      words += read;
    }
    return words * layer.kh * groups.words_per_tap;
  };
  int64_t clocks = window_words(window_x);  // nothing to compute with before the first window is there
  for (int64_t q = 0; q < groups.count; ++q)
    for (int64_t row = 0; row < layer.batch * layer.oh; ++row)
      for (int64_t x = 0; x < layer.ow; x += window_x) {
        const int64_t outputs = std::min(window_x, layer.ow - x);
        int64_t compute = 0;
        for (int64_t o = 0; o < outputs; ++o)
          for (int64_t tap = 0; tap < layer.kh * layer.kw; ++tap) compute += groups.words_per_tap;
        clocks += std::max(compute, window_words(window_x));
      }
  return clocks + kStageDepthCycles;
}

TEST(CycleModel, CountsWhatTheStagesDo) {
  Board fast = board_385a();
  fast.ddr_peak_gb_s.value = 2000;  // memory out of the way: the stages alone
  for (const LayerShape& layer :
       {LayerShape{.name = "3x3", .ic = 64, .oc = 64, .ih = 14, .iw = 14, .oh = 14, .ow = 14, .kh = 3, .kw = 3},
        LayerShape{.name = "1x1", .ic = 48, .oc = 100, .ih = 13, .iw = 13, .oh = 13, .ow = 13},
        LayerShape{.name = "strided 1x1", .ic = 64, .oc = 32, .ih = 28, .iw = 28, .oh = 14, .ow = 14, .sh = 2, .sw = 2},
        LayerShape{.name = "stem",
        .ic = 3,
        .oc = 64,
        .ih = 58,
        .iw = 58,
        .oh = 29,
        .ow = 29,
        .kh = 7,
        .kw = 7,
        .sh = 2,
        .sw = 2},
        LayerShape{
            .name = "batched", .batch = 3, .ic = 40, .oc = 16, .ih = 7, .iw = 7, .oh = 7, .ow = 7, .kh = 1, .kw = 7},
        LayerShape{.name = "depthwise",
        .groups = 96,
        .ic = 96,
        .oc = 96,
        .ih = 15,
        .iw = 15,
        .oh = 15,
        .ow = 15,
        .kh = 3,
        .kw = 3},
        LayerShape{.name = "one group",
        .groups = 2,
        .ic = 96,
        .oc = 256,
        .ih = 27,
        .iw = 27,
        .oh = 27,
        .ow = 27,
        .kh = 5,
        .kw = 5}})
    for (int vec : {4, 16})
      for (int lane : {8, 32})
        for (int window_x : {1, 4, 7, 14}) {
          const DesignPoint point = point_of(vec, lane, window_x);
          const LayerEstimate e = estimate_layer(layer, point, fast, Kernels::tercel);
          const auto wanted = static_cast<double>(simulated(layer, point));
          EXPECT_NEAR(static_cast<double>(e.cycles), wanted, 0.02 * wanted)
              << layer.name << " vec " << vec << " lane " << lane << " window_x " << window_x;
        }
}

TEST(CycleModel, WeightsOfOnePositionComeAsFastAsMemoryGivesThem) {
  const LayerShape fc{.name = "fc6", .ic = 25088, .oc = 4096};
  const DesignPoint point = point_of(16, 32);
  const LayerEstimate e = estimate_layer(fc, point, board_385a(), Kernels::tercel);
  EXPECT_EQ(e.weight_bytes, 25088 * 4096);
  const double clock_hz = clock_mhz(point, board_385a()) * 1e6;
  const double wanted = 25088.0 * 4096 * clock_hz / board_385a().ddr_bytes_per_second();
  EXPECT_NEAR(static_cast<double>(e.cycles), wanted, 0.04 * wanted) << "features come again for every lane group";
  EXPECT_EQ(e.bottleneck, Bottleneck::ddr);
  // Four pictures share the weights.
  LayerShape batched = fc;
  batched.batch = 4;
  EXPECT_LT(estimate_layer(batched, point, board_385a(), Kernels::tercel).cycles, 2 * e.cycles);
  EXPECT_EQ(estimate_layer(batched, point, board_385a(), Kernels::tercel).weight_bytes, e.weight_bytes);
}

TEST(CycleModel, TheByteWideStoreBoundsPipeCnnNotTercel) {
  // 3 channels: 9 MAC words an output, 64 bytes to store.
  const LayerShape layer{
      .name = "conv1_1", .ic = 3, .oc = 64, .ih = 224, .iw = 224, .oh = 224, .ow = 224, .kh = 3, .kw = 3};
  const DesignPoint point = point_of(16, 64);
  const LayerEstimate theirs = estimate_layer(layer, point, board_385a(), Kernels::pipecnn);
  const LayerEstimate ours = estimate_layer(layer, point, board_385a(), Kernels::tercel);
  EXPECT_EQ(theirs.bottleneck, Bottleneck::write);
  EXPECT_EQ(theirs.cycles, 224 * 224 * 64);
  EXPECT_EQ(ours.bottleneck, Bottleneck::compute);
  EXPECT_EQ(ours.compute_cycles, 224 * 224 * 9);
}

TEST(CycleModel, TercelsPoolReadsItsWindowsElementByElement) {
  LayerShape layer{.name = "stem", .ic = 3, .oc = 64, .ih = 224, .iw = 224, .oh = 112, .ow = 112, .sh = 2, .sw = 2};
  layer.pooled = true;
  layer.pool_oh = layer.pool_ow = 56;
  layer.pool_kh = layer.pool_kw = 3;
  const LayerEstimate ours = estimate_layer(layer, point_of(16, 64), board_385a(), Kernels::tercel);
  EXPECT_EQ(ours.pool_cycles, 112 * 112 + 56 * 56 * 9);
  EXPECT_EQ(ours.bottleneck, Bottleneck::pool) << "one MAC word an output, more than three clocks to pool it";
  EXPECT_EQ(estimate_layer(layer, point_of(16, 64), board_385a(), Kernels::pipecnn).pool_cycles, 112 * 112);
}

TEST(CycleModel, ResidualsAreAddedWhileWriting) {
  LayerShape layer{.name = "res2.0.c", .ic = 64, .oc = 256, .ih = 56, .iw = 56, .oh = 56, .ow = 56};
  layer.add = true;
  const DesignPoint point = point_of(16, 32);
  const LayerEstimate ours = estimate_layer(layer, point, board_385a(), Kernels::tercel);
  EXPECT_EQ(ours.addend_bytes, 56 * 56 * 256);
  EXPECT_EQ(ours.separate_cycles, 0);
  const LayerEstimate theirs = estimate_layer(layer, point, board_385a(), Kernels::pipecnn);
  EXPECT_GE(theirs.separate_cycles, 56 * 56 * 256 / 16);
}

TEST(CycleModel, SmallGroupsShareTheLanes) {
  const LayerShape depthwise{.name = "dw", .groups = 96, .ic = 96, .oc = 96, .oh = 56, .ow = 56, .kh = 3, .kw = 3};
  const LaneGroups groups = lane_groups(depthwise, point_of(16, 32), Kernels::tercel);
  EXPECT_EQ(groups.count, 3);
  EXPECT_EQ(groups.words_per_tap, 2);
  const LaneGroups theirs = lane_groups(depthwise, point_of(16, 32), Kernels::pipecnn);
  EXPECT_EQ(theirs.count, 96);
  // Groups of 24 channels begin within words of 16: two words hold each.
  const LayerShape grouped{.name = "g", .groups = 4, .ic = 96, .oc = 96};
  EXPECT_EQ(lane_groups(grouped, point_of(16, 64), Kernels::tercel).count, 2);
  EXPECT_EQ(lane_groups(grouped, point_of(16, 64), Kernels::tercel).words_per_tap, 3);
  EXPECT_EQ(lane_groups(grouped, point_of(16, 32), Kernels::tercel).words_per_tap, 2);
}

TEST(CycleModel, UtilizationNeverExceedsOne) {
  for (const char* network : {"alexnet", "vgg16", "resnet50"})
    for (Kernels kernels : {Kernels::tercel, Kernels::pipecnn})
      for (const LayerEstimate& e : estimate_layers(known_network(network), point_of(16, 64), board_385a(), kernels)) {
        EXPECT_LE(e.utilization, 1) << e.name;
        EXPECT_GT(e.cycles, 0) << e.name;
        EXPECT_GT(e.ms, 0) << e.name;
      }
}

TEST(ResourceModel, CountsBlocksOfEveryShape) {
  EXPECT_EQ(ram_blocks(512, 40, 20), 1);
  EXPECT_EQ(ram_blocks(513, 40, 20), 2);
  EXPECT_EQ(ram_blocks(1, 1, 20), 1);
  EXPECT_EQ(ram_blocks(16384, 1, 20), 1);
  EXPECT_EQ(ram_blocks(1024, 40, 10), 4);
  // Weights of V 16, L 64 for AlexNet: 576 words of 8192 bits.
  EXPECT_EQ(ram_blocks(576, 8192, 20), 410);
}

TEST(ResourceModel, LargerBuffersTakeMoreBlocks) {
  DesignPoint small = point_of(16, 32);
  small.weight_buffer_words = small.window_buffer_words = 512;
  DesignPoint large = small;
  large.weight_buffer_words = 4096;
  large.depths.data = 512;
  const double more =
      estimate_resources(large, board_385a()).ram_blocks - estimate_resources(small, board_385a()).ram_blocks;
  EXPECT_EQ(more, ram_blocks(4096, 4096, 20) - ram_blocks(512, 4096, 20) + ram_blocks(512, 128, 20));
}

TEST(ResourceModel, TheClockLawHoldsWhereItWasFittedOnly) {
  const Board de5net = find_board("de5net");
  EXPECT_NEAR(expected_clock_mhz(point_of(16, 16), de5net), clock_law_mhz(16, 16), 0.05);
  EXPECT_EQ(expected_clock_mhz(point_of(32, 64), de5net), 198);
  EXPECT_EQ(expected_clock_mhz(point_of(16, 16), board_385a()), 218);
}

}  // namespace
}  // namespace tercel::inline fpga
