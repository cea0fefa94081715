// Networks between QuantizeLinear and DequantizeLinear: what passes make of them, and that answers stay within a step.

#include <algorithm>

#include "session/passes_testing.h"

namespace tercel::inline session {
namespace {

using testing::Contains;
using testing::ElementsAre;

constexpr const char* kConstants = R"(const %sx : f32[] = [0.02]
const %zx : u8[] = [120]
const %sy : f32[] = [0.05]
const %zy : u8[] = [100]
const %sw : f32[2] = [0.01, 0.02]
const %zw : i8[2] = [0, 0]
const %sb : f32[2] = [0.0002, 0.0004]
const %zb : i32[2] = [0, 0]
const %w : i8[2x3x1x1] = [10, -20, 127, -128, 5, 77]
const %b : i32[2] = [1000, -500]
input %x : f32[1x3x4x5]
%q : u8[1x3x4x5] = QuantizeLinear(%x, %sx, %zx)
%d : f32[1x3x4x5] = DequantizeLinear(%q, %sx, %zx)
)";

/// Operators of the engine's graph; answers may differ from the interpreted floats by one step of the last scale.
std::vector<std::string> within_a_step(const std::string& text, float step) {
  const Graph before = graph_of(text);
  const std::vector<float> wanted = answer(before, false), got = answer(before, true);
  EXPECT_EQ(wanted.size(), got.size());
  int different = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1.001f * step) << i;
    different += std::abs(got[i] - wanted[i]) > 0.5f * step;
  }
  EXPECT_LE(different, 1 + static_cast<int>(wanted.size()) / 50);
  Graph graph = before.clone();
  rewrite(graph, minimal_recipe());
  rewrite(graph, portable_recipe());
  EXPECT_THAT(operators(graph), Contains("DequantizeLinear"));  // still standard
  rewrite(graph, engine_recipe());
  return operators(graph);
}

TEST(QuantizedPasses, ConvolutionWithBiasAndRelu) {
  const std::string text = std::string(kConstants) + R"(%wd : f32[2x3x1x1] = DequantizeLinear(%w, %sw, %zw) {axis = 0}
%bd : f32[2] = DequantizeLinear(%b, %sb, %zb) {axis = 0}
%c : f32[1x2x4x5] = Conv(%d, %wd, %bd)
%r : f32[1x2x4x5] = Relu(%c)
%qy : u8[1x2x4x5] = QuantizeLinear(%r, %sy, %zy)
%y : f32[1x2x4x5] = DequantizeLinear(%qy, %sy, %zy)
output %y
)";
  EXPECT_THAT(within_a_step(text, 0.05f), ElementsAre("QuantizeLinear", "FusedConv", "DequantizeLinear"));
  Graph graph = graph_of(text);
  rewrite(graph, portable_recipe());
  rewrite(graph, engine_recipe());
  const Node& conv = *graph.nodes()[1];
  EXPECT_EQ(to_string(conv.output()->type), "u8[1x2x4x5]{scale = 0.05, zero = 100}");
  EXPECT_EQ(to_string(conv.input(1)->type), "i8[2x3x1x1]{axis = 0, scale = [0.01, 0.02], zero = [0, 0]}");
  EXPECT_THAT(conv.input(2)->constant.to_ints(), ElementsAre(1000, -500));
  // The text form keeps what levels stand for.
  const Graph again = parse_graph(print(graph, {1000}));
  EXPECT_EQ(print(again, {1000}), print(graph, {1000}));
}

TEST(QuantizedPasses, BiasOfAnotherScaleOrOfFloats) {
  for (const char* bias :
       {"%bd : f32[2] = DequantizeLinear(%b, %sx)\n", "%bd : f32[2] = DequantizeLinear(%b, %sb) {axis = 0}\n"})
    EXPECT_THAT(within_a_step(std::string(kConstants) +
                                  "%wd : f32[2x3x1x1] = DequantizeLinear(%w, %sw, %zw) {axis = 0}\n" + bias +
                                  R"(%c : f32[1x2x4x5] = Conv(%d, %wd, %bd)
%qy : u8[1x2x4x5] = QuantizeLinear(%c, %sy, %zy)
%y : f32[1x2x4x5] = DequantizeLinear(%qy, %sy, %zy)
output %y
)",
                              0.05f),
                Contains("FusedConv"));
}

TEST(QuantizedPasses, ResidualMeanAndProduct) {
  EXPECT_THAT(
      within_a_step(std::string(kConstants) + R"(const %g : i8[2x3] = [10, -20, 127, -128, 5, 77]
const %axes : i64[2] = [2, 3]
%a : f32[1x3x4x5] = Add(%d, %d)
%ar : f32[1x3x4x5] = Relu(%a)
%qa : u8[1x3x4x5] = QuantizeLinear(%ar, %sy, %zy)
%da : f32[1x3x4x5] = DequantizeLinear(%qa, %sy, %zy)
%m : f32[1x3] = ReduceMean(%da, %axes) {keepdims = 0}
%qm : u8[1x3] = QuantizeLinear(%m, %sx, %zx)
%dm : f32[1x3] = DequantizeLinear(%qm, %sx, %zx)
%gd : f32[2x3] = DequantizeLinear(%g, %sw, %zw) {axis = 0}
%p : f32[1x2] = Gemm(%dm, %gd) {transB = 1}
%qp : u8[1x2] = QuantizeLinear(%p, %sy, %zy)
%y : f32[1x2] = DequantizeLinear(%qp, %sy, %zy)
output %y
)",
                    0.05f),
      ElementsAre("QuantizeLinear", "FusedAdd", "GlobalAveragePool", "Reshape", "FusedMatMul", "DequantizeLinear"));
}

TEST(QuantizedPasses, MeansThatStayInFloatsAreSumsOfLevels) {
  const float exact = 1e-6f;
  EXPECT_THAT(within_a_step(std::string(kConstants) + R"(%m : f32[1x3x1x1] = GlobalAveragePool(%d)
%y : f32[1x3] = Flatten(%m)
output %y
)",
                            exact),
              ElementsAre("QuantizeLinear", "GlobalAveragePool", "Flatten"));
  EXPECT_THAT(within_a_step(std::string(kConstants) + R"(const %axes : i64[2] = [-1, 2]
%y : f32[1x3] = ReduceMean(%d, %axes) {keepdims = 0}
output %y
)",
                            exact),
              ElementsAre("QuantizeLinear", "GlobalAveragePool", "Reshape"));
  // Read twice: once for floats, once for levels.
  EXPECT_THAT(within_a_step(std::string(kConstants) + R"(%m : f32[1x3x1x1] = GlobalAveragePool(%d)
%qy : u8[1x3x1x1] = QuantizeLinear(%m, %sy, %zy)
%dy : f32[1x3x1x1] = DequantizeLinear(%qy, %sy, %zy)
%y : f32[1x3x1x1] = Add(%m, %dy)
output %y
)",
                            0.05f),
              ElementsAre("QuantizeLinear", "GlobalAveragePool", "QuantizeLinear", "DequantizeLinear", "Add"));
}

TEST(QuantizedPasses, MoversMoveLevelsAndScalesMayChange) {
  EXPECT_THAT(within_a_step(std::string(kConstants) + R"(const %pads : i64[8] = [0, 0, 1, 0, 0, 0, 0, 2]
%p : f32[1x3x5x7] = Pad(%d, %pads)
%t : f32[1x5x7x3] = Transpose(%p) {perm = [0, 2, 3, 1]}
%qy : u8[1x5x7x3] = QuantizeLinear(%t, %sx, %zx)
%dy : f32[1x5x7x3] = DequantizeLinear(%qy, %sx, %zx)
%c : f32[1x5x7x6] = Concat(%dy, %dy) {axis = 3}
%qc : u8[1x5x7x6] = QuantizeLinear(%c, %sy, %zy)
%y : f32[1x5x7x6] = DequantizeLinear(%qc, %sy, %zy)
output %y
)",
                            0.05f),
              ElementsAre("QuantizeLinear", "Pad", "Transpose", "Concat", "Requantize", "DequantizeLinear"));
}

TEST(QuantizedPasses, ActivationsAreTablesAndProductsStayLevels) {
  EXPECT_THAT(within_a_step(std::string(kConstants) + R"(const %s1 : f32[] = [0.004]
const %z1 : u8[] = [0]
%s : f32[1x3x4x5] = Sigmoid(%d)
%qs : u8[1x3x4x5] = QuantizeLinear(%s, %s1, %z1)
%ds : f32[1x3x4x5] = DequantizeLinear(%qs, %s1, %z1)
%m : f32[1x3x4x5] = Mul(%d, %ds)
%qy : u8[1x3x4x5] = QuantizeLinear(%m, %sy, %zy)
%y : f32[1x3x4x5] = DequantizeLinear(%qy, %sy, %zy)
output %y
)",
                            0.05f),
              ElementsAre("QuantizeLinear", "LevelGate", "DequantizeLinear"));
}

TEST(QuantizedPasses, AGateThatOthersReadOrOfOthersIsAProduct) {
  const std::string gate = std::string(kConstants) + R"(const %s1 : f32[] = [0.004]
const %z1 : u8[] = [0]
%s : f32[1x3x4x5] = Sigmoid(%d)
%qs : u8[1x3x4x5] = QuantizeLinear(%s, %s1, %z1)
%ds : f32[1x3x4x5] = DequantizeLinear(%qs, %s1, %z1)
)";
  EXPECT_THAT(within_a_step(gate + R"(%m : f32[1x3x4x5] = Mul(%ds, %d)
%qy : u8[1x3x4x5] = QuantizeLinear(%m, %sy, %zy)
%y : f32[1x3x4x5] = DequantizeLinear(%qy, %sy, %zy)
%t : f32[1x3x4x5] = Add(%y, %ds)
output %t
)",
                            0.05f),
              testing::IsSupersetOf({"LevelGate", "Requantize"}));
  EXPECT_THAT(within_a_step(gate + R"(%m : f32[1x3x4x5] = Mul(%ds, %ds)
%qy : u8[1x3x4x5] = QuantizeLinear(%m, %sy, %zy)
%y : f32[1x3x4x5] = DequantizeLinear(%qy, %sy, %zy)
output %y
)",
                            0.05f),
              ElementsAre("QuantizeLinear", "Requantize", "LevelMul", "DequantizeLinear"));
}

TEST(QuantizedPasses, QLinearConv) {
  const Graph before =
      graph_of(std::string(kConstants) + R"(%qy : u8[1x2x4x5] = QLinearConv(%q, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b)
%y : f32[1x2x4x5] = DequantizeLinear(%qy, %sy, %zy)
output %y
)");
  const std::vector<float> wanted = answer(before, false), got = answer(before, true);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 0.0501f);
  Graph graph = before.clone();
  rewrite(graph, portable_recipe());
  rewrite(graph, engine_recipe());
  EXPECT_THAT(operators(graph), ElementsAre("QuantizeLinear", "FusedConv", "DequantizeLinear"));
}

TEST(QuantizedPasses, WhatDoesNotMatchStaysInFloats) {
  // Somebody else reads the float result; and a scale that only shows when running.
  const std::string conv = std::string(kConstants) + R"(%wd : f32[2x3x1x1] = DequantizeLinear(%w, %sw, %zw) {axis = 0}
%c : f32[1x2x4x5] = Conv(%d, %wd)
%qy : u8[1x2x4x5] = QuantizeLinear(%c, %sy, %zy)
%dy : f32[1x2x4x5] = DequantizeLinear(%qy, %sy, %zy)
%y : f32[1x2x4x5] = Add(%dy, %c)
output %y
)";
  Graph graph = graph_of(conv);
  rewrite(graph, portable_recipe());
  rewrite(graph, engine_recipe());
  for (const auto& node : graph.nodes())
    if (node->is("FusedConv")) {
      EXPECT_EQ(node->input(0)->type.dtype, DType::f32);
      EXPECT_TRUE(node->input(1)->is_constant());
    }
  EXPECT_THAT(operators(graph), Contains("FusedConv"));
}

}  // namespace
}  // namespace tercel::inline session
