#include "engines/pipeline/layer_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/error_testing.h"
#include "graph/infer.h"
#include "graph/text.h"

namespace tercel::inline engines {
namespace {

using testing::HasSubstr;

/// `@24@` in the text stands for 24 elements of weights, whose values mean nothing here; types of results are inferred.
std::vector<LayerShape> shapes_of(std::string text) {
  for (size_t at = text.find('@'); at != std::string::npos; at = text.find('@')) {
    const size_t end = text.find('@', at + 1);
    const int64_t count = std::stoll(text.substr(at + 1, end - at - 1));
    std::string elements = "[";
    for (int64_t i = 0; i < count; ++i) elements += i == 0 ? "1" : ", 1";
    text.replace(at, end - at + 1, elements + "]");
  }
  Graph graph = parse_graph(std::regex_replace(text, std::regex("(^|\\n)(%\\w+) ="), "$1$2 : f32[...] ="));
  infer_types(graph);
  return layer_shapes(graph);
}

constexpr const char* kResidual = R"(graph "residual"
input %x : f32[2x4x8x8]
const %w1 : f32[6x4x3x3] = @216@
const %w2 : f32[6x6x1x1] = @36@
const %w3 : f32[10x6] = @60@
const %shape : i64[2] = [2, 6]
%a = Conv(%x, %w1) {pads = [1, 1, 1, 1], strides = [2, 2]} "first"
%b = Relu(%a)
%c = Conv(%b, %w2) "second"
%d = Add(%c, %b)
%e = Relu(%d)
%f = GlobalAveragePool(%e) "mean"
%g = Reshape(%f, %shape)
%h = Gemm(%g, %w3) {transB = 1} "fc"
%y = Softmax(%h)
output %y
)";

TEST(LayerShapes, ResidualsFuseAndPoolsStand) {
  const std::vector<LayerShape> layers = shapes_of(kResidual);
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0], (LayerShape{.name = "first",
                                   .batch = 2,
                                   .ic = 4,
                                   .oc = 6,
                                   .ih = 8,
                                   .iw = 8,
                                   .oh = 4,
                                   .ow = 4,
                                   .kh = 3,
                                   .kw = 3,
                                   .sh = 2,
                                   .sw = 2}));
  EXPECT_EQ(
      layers[1],
      (LayerShape{.name = "second", .batch = 2, .ic = 6, .oc = 6, .ih = 4, .iw = 4, .oh = 4, .ow = 4, .add = true}));
  EXPECT_EQ(layers[2].kh, 4) << "of the whole map";
  EXPECT_EQ(layers[2].kind, LayerKind::average) << "after an addition, which happens while the result is written";
  EXPECT_EQ(layers[3], (LayerShape{.name = "fc", .batch = 2, .ic = 6, .oc = 10}));
}

TEST(LayerShapes, PoolsFuseWhereNobodyElseReads) {
  const std::string head =
      "graph \"g\"\ninput %x : f32[1x4x8x8]\nconst %w : f32[6x4x1x1] = @24@\n%a = Conv(%x, %w) \"c\"\n";
  auto layers =
      shapes_of(head + "%b = Relu(%a)\n%y = MaxPool(%b) {kernel_shape = [2, 2], strides = [2, 2]}\noutput %y\n");
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_TRUE(layers[0].pooled);
  EXPECT_EQ(layers[0].pool_oh, 4);
  EXPECT_EQ(layers[0].pool_kh, 2);
  EXPECT_EQ(layers[0].written_positions(), 16);
  // The map before the pooling is wanted too.
  layers = shapes_of(head + "%y = MaxPool(%a) {kernel_shape = [2, 2], strides = [2, 2]}\noutput %y\noutput %a\n");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_FALSE(layers[0].pooled);
  EXPECT_EQ(layers[1].kind, LayerKind::pool);
  // A pooling of one element does nothing.
  layers = shapes_of(head + "%y = AveragePool(%a) {kernel_shape = [1, 1]}\noutput %y\n");
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_FALSE(layers[0].pooled);
}

// The shortcut of small ResNets: every second pixel, channels of zeros around.
TEST(LayerShapes, PartsOfMapsAreCopied) {
  const auto layers = shapes_of(
      "graph \"g\"\ninput %x : f32[1x4x8x8]\nconst %w : f32[4x4x1x1] = @16@\nconst %from : i64[2] = [0, 0]\n"
      "const %to : i64[2] = [8, 8]\nconst %axes : i64[2] = [2, 3]\nconst %steps : i64[2] = [2, 2]\n"
      "const %pads : i64[8] = [0, 2, 0, 0, 0, 2, 0, 0]\n%a = Conv(%x, %w) \"c\"\n"
      "%b = Slice(%a, %from, %to, %axes, %steps) \"every second\"\n%y = Pad(%b, %pads) \"around\"\noutput %y\n");
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(
      layers[1],
      (LayerShape{
          .name = "every second", .kind = LayerKind::copy, .ic = 4, .oc = 4, .ih = 4, .iw = 4, .oh = 4, .ow = 4}));
  EXPECT_EQ(layers[2].oc, 8);
}

TEST(LayerShapes, NormalizationAcrossChannelsIsAPassAndTakesThePoolingAfterIt) {
  const auto layers = shapes_of(
      "graph \"g\"\ninput %x : f32[1x4x8x8]\nconst %w : f32[6x2x1x1] = @12@\n%a = Conv(%x, %w) {group = 2} \"c\"\n"
      "%b = LRN(%a) {size = 5} \"n\"\n%y = MaxPool(%b) {kernel_shape = [2, 2], strides = [2, 2]}\noutput %y\n");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].groups, 2);
  EXPECT_EQ(layers[1].kind, LayerKind::lrn);
  EXPECT_TRUE(layers[1].pooled);
}

std::string refusal(const std::string& text) {
  return error_of([&] { shapes_of(text); });
}

TEST(LayerShapes, RefusesByNodeAndReason) {
  EXPECT_THAT(refusal("graph \"g\"\ninput %x : f32[1x8]\nconst %w : f32[8x2] = @16@\n%y = MatMul(%x, %w)\noutput %y\n"),
              HasSubstr("no convolution"));
  EXPECT_THAT(refusal("graph \"g\"\ninput %x : f32[1x1x4x4x4]\nconst %w : f32[1x1x1x1x1] = @1@\n%y = Conv(%x, %w) "
                      "\"deep\"\noutput %y\n"),
              HasSubstr("'deep' (Conv): it has three spatial axes"));
  EXPECT_THAT(
      refusal("graph \"g\"\ninput %x : f32[1x1x4]\nconst %w : f32[1x1x1] = @1@\n%y = Conv(%x, %w)\noutput %y\n"),
      HasSubstr("one spatial axis"));
  const std::string head = "graph \"g\"\ninput %x : f32[1x1x4x4]\nconst %w : f32[1x1x1x1] = @1@\n%a = Conv(%x, %w)\n";
  EXPECT_THAT(refusal(head + "%b = Sigmoid(%a) \"gate\"\n%y = Mul(%a, %b) \"times\"\noutput %y\n"),
              testing::AllOf(HasSubstr("2 of the network's nodes"), HasSubstr("'gate' (Sigmoid): no stage computes it"),
                             HasSubstr("'times' (Mul): no stage multiplies")));
  EXPECT_THAT(refusal(head + "%b = Softmax(%a)\n%y = Conv(%b, %w) \"late\"\noutput %y\n"),
              HasSubstr("'late' (Conv): reads what only the host can compute"));
  EXPECT_THAT(refusal(head + "%y = Concat(%a, %a) {axis = 2}\noutput %y\n"), HasSubstr("joined along axis 2"));
  EXPECT_THAT(refusal("graph \"g\"\ninput %x : f32[1x1x?x?]\nconst %w : f32[1x1x1x1] = @1@\n%y = Conv(%x, %w)\n"
                      "output %y\n"),
              HasSubstr("shapes are not known; give --shape"));
}

}  // namespace
}  // namespace tercel::inline engines
