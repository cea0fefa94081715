#include "tune/pipeline_design.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_testing.h"
#include "fpga/cycle_model.h"
#include "fpga/design_point.h"
#include "fpga/known_networks.h"
#include "search/evolve.h"

namespace tercel::inline tune {
namespace {

using testing::HasSubstr;

constexpr const char* kNetworks[] = {"alexnet", "vgg16", "resnet50"};

ExploreReport explored(const std::string& network, const std::string& board, ExploreOptions options = {}) {
  options.board = board;
  return explore(known_network(network), find_board(board), options);
}

// The best configuration that is published for an Arria 10 with its parameters: V 16, L 64 (issue 66 of PipeCNN).
TEST(PipelineDesign, FindsAPointAtLeastAsFastAsTheBestPublished) {
  for (const char* name : {"385a", "alaric"}) {
    const Board board = find_board(name);
    for (const char* network : kNetworks) {
      const ExploreReport report = explored(network, name);
      ASSERT_FALSE(report.front.empty()) << name << " " << network;
      DesignPoint published{.vec = 16, .lane = 64};
      published = completed(published, known_network(network), board);
      const DesignEstimate theirs =
          estimate(published, known_network(network), board, Kernels::tercel, budget_of(board, {}));
      EXPECT_EQ(theirs.why_not, "") << name << " " << network;
      EXPECT_LE(report.front.front().latency_ms, theirs.latency_ms) << name << " " << network;
      EXPECT_LE(report.best.latency_ms, 1.005 * report.front.front().latency_ms);
      EXPECT_EQ(report.best.why_not, "");
      for (const LayerShape& layer : known_network(network)) EXPECT_NO_THROW(check_fits(layer, report.best.point));
      EXPECT_EQ(report.layers.size(), known_network(network).size());
    }
  }
}

bool beats(const DesignEstimate& a, const DesignEstimate& b) {
  const double mine[] = {a.latency_ms, a.resources.dsp_blocks, a.resources.ram_blocks, a.energy_mj};
  const double theirs[] = {b.latency_ms, b.resources.dsp_blocks, b.resources.ram_blocks, b.energy_mj};
  bool better = false;
  for (size_t i = 0; i < 4; ++i) {
    if (mine[i] > theirs[i]) return false;
    better = better || mine[i] < theirs[i];
  }
  return better;
}

TEST(PipelineDesign, NothingOnTheFrontIsBeaten) {
  const ExploreReport report = explored("resnet50", "385a");
  EXPECT_EQ(report.points, 8 * 9 * 14);
  EXPECT_GE(report.front.size(), 5u);
  for (const DesignEstimate& a : report.front) {
    EXPECT_LE(a.resources.dsp_blocks, report.max_dsp);
    EXPECT_LE(a.resources.ram_blocks, report.max_ram);
    EXPECT_LE(a.resources.logic_alms, report.max_logic);
    for (const DesignEstimate& b : report.front) EXPECT_FALSE(beats(a, b));
  }
}

TEST(PipelineDesign, EvolutionFindsWhatEnumerationFinds) {
  if (!can_evolve()) GTEST_SKIP() << "built without pagmo";
  ExploreOptions options;
  options.search = DesignSearch::evolve;
  options.seed = 7;
  for (const char* network : kNetworks) {
    const ExploreReport exact = explored(network, "385a"), evolved = explored(network, "385a", options);
    EXPECT_LT(evolved.points, exact.points);
    EXPECT_LE(evolved.best.latency_ms, 1.02 * exact.best.latency_ms) << network;
    const ExploreReport again = explored(network, "385a", options);
    ASSERT_EQ(again.front.size(), evolved.front.size()) << "same seed, same front";
    for (size_t i = 0; i < again.front.size(); ++i) EXPECT_EQ(again.front[i].point, evolved.front[i].point);
  }
}

TEST(PipelineDesign, AnInfeasibleBudgetNamesTheNearestPoint) {
  ExploreOptions options;
  options.max_dsp = 20;
  const ExploreReport report = explored("vgg16", "385a", options);
  EXPECT_TRUE(report.front.empty());
  EXPECT_THAT(report.best.why_not, HasSubstr("37 DSP blocks, at most 20"));
  EXPECT_EQ(report.best.point.vec, 1);
}

// At 1 channel a word this layer needs more words of a window than a point can have; at 8 it fits.
TEST(PipelineDesign, PointsThatCannotHoldALayerAreLeftOut) {
  const std::vector<LayerShape> layers{
      {.name = "conv", .ic = 16, .oc = 16, .ih = 14, .iw = 14, .oh = 14, .ow = 14, .kh = 3, .kw = 3},
      {.name = "wide", .ic = 1 << 22, .oc = 8}};
  const ExploreReport report = explore(layers, find_board("520n"), {.board = "520n"});
  ASSERT_FALSE(report.front.empty());
  for (const DesignEstimate& e : report.front) EXPECT_GE(e.point.vec, 4);
}

TEST(PipelineDesign, LimitsMustBeTheBoards) {
  ExploreOptions options;
  options.max_dsp = 2000;
  EXPECT_THAT(error_of([&] { explored("vgg16", "385a", options); }),
              HasSubstr("max_dsp is 2000, but board 385a has 1518 dsp_blocks"));
  options.max_dsp = -1;
  EXPECT_THAT(error_of([&] { explored("vgg16", "385a", options); }), HasSubstr("max_dsp is -1, wanted more than 0"));
  options = {};
  options.clock_mhz = 2000;
  EXPECT_THAT(error_of([&] { explored("vgg16", "385a", options); }), HasSubstr("clock_mhz is 2000"));
}

TEST(PipelineDesign, SaysWhatIsAssumedAndHowFarToTrustIt) {
  const ExploreReport alaric = explored("alexnet", "alaric"), de5net = explored("alexnet", "de5net");
  EXPECT_THAT(alaric.notes, testing::Contains(HasSubstr("ddr_peak_gb_s")));
  EXPECT_LT(alaric.interval.low, de5net.interval.low);
  EXPECT_GT(alaric.interval.points, de5net.interval.points);
}

TEST(PipelineDesign, BatchesShareWeights) {
  const Board board = find_board("385a");
  const double one = explore(known_network("alexnet"), board, {}).best.latency_ms;
  const double sixteen = explore(known_network("alexnet", 16), board, {}).best.latency_ms;
  EXPECT_LT(sixteen, 0.8 * one);
}

}  // namespace
}  // namespace tercel::inline tune
