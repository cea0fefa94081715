#include "fpga/published.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include <Eigen/Dense>

#include "base/file.h"

namespace tercel::inline fpga {
namespace {

/// Mean and worst |error|.
struct Errors {
  int rows = 0;
  double mean = 0, worst = 0;
};

/// Of one set, quantity and use; recorded, so that a failure shows what moved.
Errors shown(const std::string& set, const std::string& quantity, const std::string& use) {
  static const std::vector<FpgaComparison> rows = compare_published();
  Errors errors;
  for (const FpgaComparison& row : rows) {
    if (row.set != set || row.quantity != quantity || row.use != use) continue;
    errors.mean += std::abs(row.error());
    errors.worst = std::max(errors.worst, std::abs(row.error()));
    ++errors.rows;
  }
  if (errors.rows > 0) errors.mean /= errors.rows;
  std::ostringstream text;
  text << set << " " << quantity << ": " << errors.rows << " rows, mean " << 100 * errors.mean << " %, worst "
       << 100 * errors.worst << " %";
  testing::Test::RecordProperty(set + "_" + quantity, text.str());
  return errors;
}

TEST(Published, LatencyOfSetAWhichWasNotFitted) {
  const Errors e = shown("A", "latency_ms", "held_out");
  EXPECT_EQ(e.rows, 7);
  EXPECT_LE(e.mean, 0.005);
  EXPECT_LE(e.worst, 0.015);
}

TEST(Published, LatencyOfSetBWhichWasFitted) {
  const Errors e = shown("B", "latency_ms", "fitted");
  EXPECT_EQ(e.rows, 8);
  EXPECT_LE(e.mean, 0.025);
  EXPECT_LE(e.worst, 0.06);
}

TEST(Published, LatencyOfSetDGivenItsClock) {
  const Errors e = shown("D", "latency_ms", "held_out");
  EXPECT_EQ(e.rows, 4);
  EXPECT_LE(e.mean, 0.04);
}

TEST(Published, ResourcesOfSetA) {
  EXPECT_EQ(shown("A", "dsp", "fitted").rows, 15);
  EXPECT_LE(shown("A", "dsp", "fitted").mean, 0.01);
  EXPECT_LE(shown("A", "ram_blocks", "fitted").mean, 0.02);
  EXPECT_LE(shown("A", "logic", "fitted").mean, 0.015);
  EXPECT_LE(shown("A", "fmax_mhz", "fitted").mean, 0.03);
}

// Words of other widths waste clock and memory: no model of ours covers them, and design points refuse them.
TEST(Published, LanesThatAreNoPowerOfTwoAreFarOff) {
  EXPECT_GE(shown("A", "latency_ms", "apart").mean, 0.10);
  EXPECT_GE(shown("A", "ram_blocks", "apart").worst, 0.40);
}

TEST(Published, TrendOfSetE) {
  const std::vector<FpgaComparison> rows = compare_published();
  int pairs = 0, same_order = 0;
  for (const FpgaComparison& a : rows)
    for (const FpgaComparison& b : rows) {
      if (a.set != "E" || b.set != "E" || a.quantity != "latency_ms" || b.quantity != "latency_ms") continue;
      if (a.published >= 0.8 * b.published) continue;
      ++pairs;
      same_order += a.predicted < b.predicted;
    }
  EXPECT_GE(pairs, 60);
  EXPECT_EQ(same_order, pairs) << "of two points a fifth apart the model knows the faster one";
}

// tests/fpga/predicted_first.csv was written before anything was compared with these boards: a constant that is fitted
// on them later would show here.
TEST(Published, PredictionsForOtherBoardsStand) {
  std::map<std::string, double> predicted;
  for (const FpgaComparison& row : compare_published()) {
    std::ostringstream key;
    key << row.set << "," << row.board << "," << row.network << "," << row.vec << "," << row.lane << ","
        << row.clock_mhz << "," << row.quantity;
    predicted[key.str()] = row.predicted;
  }
  std::istringstream file(read_text_file(TERCEL_SOURCE_DIR "/tests/fpga/predicted_first.csv"));
  std::string line;
  int rows = 0;
  while (std::getline(file, line)) {
    if (line.starts_with("#") || line.starts_with("set,")) continue;
    const size_t comma = line.rfind(',');
    const auto found = predicted.find(line.substr(0, comma));
    ASSERT_NE(found, predicted.end()) << line;
    const double before = std::stod(line.substr(comma + 1));
    EXPECT_NEAR(found->second, before, 0.001 * before) << line;
    ++rows;
  }
  EXPECT_EQ(rows, 15);
}

TEST(Published, TimesOfOtherBoardsWidenTheInterval) {
  const LatencyInterval here = latency_interval(true), elsewhere = latency_interval(false);
  EXPECT_EQ(here.points, 7 + 8 + 5);
  EXPECT_EQ(elsewhere.points, here.points + 4);
  EXPECT_LT(elsewhere.low, here.low);
  EXPECT_GE(elsewhere.high, here.high);
  EXPECT_GT(elsewhere.low, 0.85);
  EXPECT_LT(elsewhere.high, 1.10);
}

/// Mean |error| of the law c0 + c1 V + c2 L + c3 V L for each build, fitted by relative least squares on the others.
double left_out(const std::string& quantity) {
  std::vector<FpgaComparison> builds;
  for (const FpgaComparison& row : compare_published())
    if (row.set == "A" && row.quantity == quantity && row.use == "fitted") builds.push_back(row);
  double sum = 0;
  const auto terms = [](const FpgaComparison& b) { return Eigen::Vector4d(1, b.vec, b.lane, b.vec * b.lane); };
  for (const FpgaComparison& out : builds) {
    Eigen::Matrix4d normal = Eigen::Matrix4d::Zero();
    Eigen::Vector4d right = Eigen::Vector4d::Zero();
    for (const FpgaComparison& b : builds) {
      if (b.vec == out.vec && b.lane == out.lane) continue;
      const Eigen::Vector4d scaled = terms(b) / b.published;
      normal += scaled * scaled.transpose();
      right += scaled;
    }
    sum += std::abs(normal.ldlt().solve(right).dot(terms(out)) / out.published - 1);
  }
  return sum / static_cast<double>(builds.size());
}

// The laws were fitted on the builds that they are compared with; this is what they are worth on builds they have not
// seen.
TEST(Published, LawsOfResourcesHoldForTheBuildLeftOut) {
  EXPECT_NEAR(left_out("ram_blocks"), 0.017, 0.001);
  EXPECT_NEAR(left_out("logic"), 0.012, 0.001);
}

TEST(Published, EveryFileNamesItsSource) {
  for (const char* name :
       {"a_de5net_builds", "b_de5net_layers", "d_de5net_ndrange", "e_fpt17_figure6", "other_boards"}) {
    const std::string text = read_text_file(std::string(TERCEL_SOURCE_DIR "/src/fpga/published/") + name + ".csv");
    EXPECT_TRUE(text.starts_with("#")) << name;
    EXPECT_TRUE(text.find("PipeCNN") != std::string::npos) << name;
  }
}

}  // namespace
}  // namespace tercel::inline fpga
