#include "passes/global_mean.h"

#include <gtest/gtest.h>

#include <string>

#include "graph/text.h"

namespace tercel::inline passes {
namespace {

bool means(const std::string& node, const std::string& out) {
  const Graph graph = parse_graph("input %x : f32[1x3x4x6]\n%y : f32[" + out + "] = " + node + "\noutput %y\n");
  return is_global_mean(*graph.find_value("y")->producer);
}

TEST(GlobalMean, HoweverItIsWritten) {
  EXPECT_TRUE(means("GlobalAveragePool(%x)", "1x3x1x1"));
  EXPECT_TRUE(means("AveragePool(%x) {kernel_shape = [4, 6]}", "1x3x1x1"));
  EXPECT_TRUE(means("AveragePool(%x) {kernel_shape = [4, 6], pads = [0, 0, 0, 0], strides = [4, 6]}", "1x3x1x1"));
  EXPECT_TRUE(means("AveragePool(%x) {kernel_shape = [4, 6], auto_pad = \"VALID\"}", "1x3x1x1"));
}

TEST(GlobalMean, NotOfAPartOfTheMapOrItsPadding) {
  EXPECT_FALSE(means("AveragePool(%x) {kernel_shape = [4, 4]}", "1x3x1x3"));
  EXPECT_FALSE(means("AveragePool(%x) {kernel_shape = [4, 6], pads = [1, 0, 1, 0]}", "1x3x3x1"));
  EXPECT_FALSE(means("AveragePool(%x) {kernel_shape = [4, 6], auto_pad = \"SAME_UPPER\"}", "1x3x4x6"));
  EXPECT_FALSE(means("MaxPool(%x) {kernel_shape = [4, 6]}", "1x3x1x1"));
}

}  // namespace
}  // namespace tercel::inline passes
