// Passes on small graphs: what they make of them, and that the answers stay. Here rather than in passes/, since answers
// need kernels.

#include "session/passes_testing.h"

namespace tercel::inline session {
namespace {

using testing::ElementsAre;

TEST(Passes, FoldConstantsFollowsShapesOfKnownExtent) {
  EXPECT_THAT(portable(R"(input %x : f32[2x3x4]
const %zero : i64[] = [0]
const %minus : i64[1] = [-1]
const %axes : i64[1] = [0]
%s : i64[3] = Shape(%x)
%n : i64[] = Gather(%s, %zero)
%n1 : i64[1] = Unsqueeze(%n, %axes)
%shape : i64[2] = Concat(%n1, %minus) {axis = 0}
%y : f32[2x12] = Reshape(%x, %shape)
output %y
)"),
              ElementsAre("Reshape"));
}

TEST(Passes, DropIdentityKeepsOutputNames) {
  Graph graph = graph_of("input %x : f32[2]\n%t : f32[2] = Relu(%x)\n%y : f32[2] = Identity(%t)\noutput %y\n");
  rewrite(graph, portable_recipe());
  EXPECT_THAT(operators(graph), ElementsAre("Relu"));
  EXPECT_EQ(graph.outputs()[0]->name, "y");
}

TEST(Passes, DropIdentityKeepsAnOutputThatIsAnInput) {
  Graph graph = graph_of("input %x : f32[2]\n%y : f32[2] = Identity(%x)\noutput %y\n");
  rewrite(graph, portable_recipe());
  EXPECT_THAT(operators(graph), ElementsAre("Identity"));
}

TEST(Passes, DropIdentityMergesTransposes) {
  EXPECT_THAT(portable(R"(input %x : f32[2x3x4]
%a : f32[4x2x3] = Transpose(%x) {perm = [2, 0, 1]}
%b : f32[2x3x4] = Transpose(%a) {perm = [1, 2, 0]}
%y : f32[2x3x4] = Relu(%b)
output %y
)"),
              ElementsAre("Relu"));
}

constexpr const char* kConvBatchNorm = R"(input %x : f32[2x4x5x5]
input %w_conv : f32[6x2x3x3]
input %w_bias : f32[6]
input %w_gamma : f32[6]
input %w_beta : f32[6]
input %w_mean : f32[6]
input %var_bn : f32[6]
%c : f32[2x6x5x5] = Conv(%x, %w_conv, %w_bias) {group = 2, pads = [1, 1, 1, 1]}
%y : f32[2x6x5x5] = BatchNormalization(%c, %w_gamma, %w_beta, %w_mean, %var_bn)
)";

TEST(Passes, FoldBatchnormIntoConvolution) {
  EXPECT_THAT(portable(std::string(kConvBatchNorm) + "output %y\n"), ElementsAre("Conv"));
}

TEST(Passes, FoldBatchnormRefusesAValueThatOthersRead) {
  const std::string text = std::string(kConvBatchNorm) + "output %y\noutput %c\n";
  EXPECT_THAT(portable(text), ElementsAre("Conv", "BatchNormalization"));
  Graph graph = graph_of(text);
  const PassLog pass_log = rewrite(graph, portable_recipe());
  std::string notes;
  for (const PassLogEntry& entry : pass_log)
    for (const std::string& note : entry.notes) notes += note;
  EXPECT_THAT(notes, testing::HasSubstr("others read the value before it"));
}

// Infinity, or the inverse of a deviation of 0, times a weight of 0 is NaN, where the unfolded network has none.
TEST(Passes, NormsWhoseScaleIsNotFiniteStay) {
  for (const char* variance : {"0, 1", "-inf, 1"})
    EXPECT_THAT(
        portable(std::string("input %x : f32[1x2x3x3]\nconst %w : f32[2x2x1x1] = [1, 0, 0, 1]\n"
                             "%c : f32[1x2x3x3] = Conv(%x, %w)\nconst %one : f32[2] = [1, 1]\n"
                             "const %v : f32[2] = [") +
                 variance +
                 "]\n%y : f32[1x2x3x3] = BatchNormalization(%c, %one, %one, %one, %v) {epsilon = 0}\noutput %y\n"),
        ElementsAre("Conv", "BatchNormalization"))
        << variance;
  EXPECT_THAT(portable("input %x : f32[3x2]\nconst %g : f32[2] = [inf, 1]\nconst %w : f32[2x2] = [1, 0, 0, 1]\n"
                       "%n : f32[3x2] = LayerNormalization(%x, %g)\n%y : f32[3x2] = MatMul(%n, %w)\noutput %y\n"),
              ElementsAre("LayerNormalization", "MatMul"));
  Graph graph = graph_of(
      "input %x : f32[3x2]\nconst %g : f32[2] = [inf, 1]\nconst %w : f32[2x2] = [1, 0, 0, 1]\n"
      "%n : f32[3x2] = LayerNormalization(%x, %g)\n%y : f32[3x2] = MatMul(%n, %w)\noutput %y\n");
  rewrite(graph, portable_recipe());
  EXPECT_EQ(graph.nodes()[0]->input(1)->constant.at<float>(0), std::numeric_limits<float>::infinity());
}

// The same of weights: theirs, and those that would be infinite once scaled.
TEST(Passes, NormsStayWhereWeightsAreNotFiniteOrWouldNotBe) {
  const auto layernorm = [](const char* scale, const char* weights) {
    return std::string("input %x : f32[3x2]\nconst %g : f32[2] = [") + scale + "]\nconst %w : f32[2x2] = [" + weights +
           "]\n%n : f32[3x2] = LayerNormalization(%x, %g)\n%y : f32[3x2] = MatMul(%n, %w)\noutput %y\n";
  };
  const std::pair<const char*, const char*> odd[] = {
      {"0, 1", "inf, 1, 1, 1"}, {"2, 1", "nan, 1, 1, 1"}, {"1, 1e20", "1, 1, 1e20, 0"}};
  for (const auto& [scale, weights] : odd) {
    SCOPED_TRACE(weights);
    const std::string text = layernorm(scale, weights);
    Graph graph = graph_of(text);
    const Tensor before = graph.find_value("w")->constant;
    rewrite(graph, portable_recipe());
    EXPECT_EQ(graph.nodes()[0]->input(1)->constant.to_doubles()[1],
              graph_of(text).find_value("g")->constant.at<float>(1));
    EXPECT_EQ(graph.nodes()[1]->input(1)->constant, before);
  }
  // With a scale of 1 nothing is folded, but a deferred norm would take means off the weights.
  const std::string plain = layernorm("1, 1", "inf, 1, 1, 1");
  EXPECT_THAT(engine(plain), testing::Contains("LayerNormalization"));
  const auto batchnorm = [](const char* scale, const char* weights) {
    return std::string("input %x : f32[1x2x3x3]\nconst %w : f32[2x2x1x1] = [") + weights +
           "]\n%c : f32[1x2x3x3] = Conv(%x, %w)\nconst %g : f32[2] = [" + scale +
           "]\nconst %one : f32[2] = [1, 1]\n%y : f32[1x2x3x3] = BatchNormalization(%c, %g, %one, %one, %one)\n"
           "output %y\n";
  };
  EXPECT_THAT(portable(batchnorm("1, 1e20", "1, 0, 1, 1e20")), ElementsAre("Conv", "BatchNormalization"));
  EXPECT_THAT(portable(batchnorm("1, 0", "1, inf, 1, 1")), ElementsAre("Conv", "BatchNormalization"));
  EXPECT_THAT(portable(batchnorm("1, 1e10", "1, 0, 1, 1e20")), ElementsAre("Conv"));
}

// Infinity times the zeros of a Pad is NaN, where a kernel leaves its own padding out.
TEST(Passes, FoldPadLeavesInfiniteWeightsAlone) {
  const auto padded = [](const std::string& weight) {
    return "input %x : f32[1x1x3x3]\nconst %p : i64[8] = [0, 0, 1, 1, 0, 0, 1, 1]\n%q : f32[1x1x5x5] = Pad(%x, %p)\n"
           "const %w : f32[1x1x1x1] = [" +
           weight + "]\n%y : f32[1x1x5x5] = Conv(%q, %w)\noutput %y\n";
  };
  EXPECT_THAT(portable(padded("inf")), ElementsAre("Pad", "Conv"));
  EXPECT_THAT(portable(padded("2")), ElementsAre("Conv"));
}

TEST(Passes, FoldBatchnormIntoTransposedConvolutionAndGemm) {
  EXPECT_THAT(portable(R"(input %x : f32[1x4x3x3]
input %w_t : f32[4x3x2x2]
input %w_g : f32[6]
input %w_b : f32[6]
input %w_m : f32[6]
input %var_v : f32[6]
%c : f32[1x6x6x6] = ConvTranspose(%x, %w_t) {group = 2, strides = [2, 2]}
%y : f32[1x6x6x6] = BatchNormalization(%c, %w_g, %w_b, %w_m, %var_v)
output %y
)"),
              ElementsAre("ConvTranspose"));
  EXPECT_THAT(portable(R"(input %x : f32[3x4]
input %w_w : f32[5x4]
input %w_g : f32[5]
input %w_b : f32[5]
input %w_m : f32[5]
input %var_v : f32[5]
%c : f32[3x5] = Gemm(%x, %w_w) {transB = 1}
%y : f32[3x5] = BatchNormalization(%c, %w_g, %w_b, %w_m, %var_v)
output %y
)"),
              ElementsAre("Gemm"));
}

TEST(Passes, FoldPadIntoConvolution) {
  EXPECT_THAT(portable(R"(input %x : f32[1x2x5x5]
input %w_w : f32[3x2x3x3]
const %pads : i64[8] = [0, 0, 1, 2, 0, 0, 0, 1]
%p : f32[1x2x6x8] = Pad(%x, %pads)
%y : f32[1x3x5x7] = Conv(%p, %w_w) {pads = [1, 0, 0, 1]}
output %y
)"),
              ElementsAre("Conv"));
}

TEST(Passes, FuseLayernormFromPrimitives) {
  EXPECT_THAT(portable(R"(input %x : f32[2x5x8]
input %w_gamma : f32[8]
input %w_beta : f32[8]
const %axes : i64[1] = [-1]
const %two : f32[] = [2]
const %eps : f32[] = [1e-06]
%m : f32[2x5x1] = ReduceMean(%x, %axes)
%d : f32[2x5x8] = Sub(%x, %m)
%q : f32[2x5x8] = Pow(%d, %two)
%v : f32[2x5x1] = ReduceMean(%q, %axes)
%e : f32[2x5x1] = Add(%v, %eps)
%s : f32[2x5x1] = Sqrt(%e)
%n : f32[2x5x8] = Div(%d, %s)
%g : f32[2x5x8] = Mul(%n, %w_gamma)
%y : f32[2x5x8] = Add(%g, %w_beta)
output %y
)"),
              ElementsAre("LayerNormalization"));
}

TEST(Passes, FuseHardswishInBothForms) {
  EXPECT_THAT(portable("input %x : f32[2x9]\n%h : f32[2x9] = HardSigmoid(%x) {alpha = 0.16666667, beta = 0.5}\n"
                       "%y : f32[2x9] = Mul(%x, %h)\noutput %y\n"),
              ElementsAre("HardSwish"));
  EXPECT_THAT(portable(R"(input %x : f32[2x9]
const %three : f32[] = [3]
const %zero : f32[] = [0]
const %six : f32[] = [6]
%a : f32[2x9] = Add(%x, %three)
%c : f32[2x9] = Clip(%a, %zero, %six)
%m : f32[2x9] = Mul(%x, %c)
%y : f32[2x9] = Div(%m, %six)
output %y
)"),
              ElementsAre("HardSwish"));
}

TEST(Passes, FuseGeluAndSilu) {
  EXPECT_THAT(engine(R"(input %x : f32[2x9]
const %root : f32[] = [1.4142135]
const %one : f32[] = [1]
const %half : f32[] = [0.5]
%d : f32[2x9] = Div(%x, %root)
%e : f32[2x9] = Erf(%d)
%a : f32[2x9] = Add(%e, %one)
%m : f32[2x9] = Mul(%x, %a)
%y : f32[2x9] = Mul(%m, %half)
output %y
)"),
              ElementsAre("Gelu"));
  EXPECT_THAT(engine("input %x : f32[2x9]\n%s : f32[2x9] = Sigmoid(%x)\n%y : f32[2x9] = Mul(%s, %x)\noutput %y\n"),
              ElementsAre("Silu"));
}

TEST(Passes, ConvolutionTakesResidualAndActivation) {
  EXPECT_THAT(engine(R"(input %x : f32[1x4x6x6]
input %w_a : f32[4x4x3x3]
input %w_b : f32[4]
input %w_c : f32[4x4x1x1]
%p : f32[1x4x6x6] = Conv(%x, %w_a, %w_b) {pads = [1, 1, 1, 1]}
%r : f32[1x4x6x6] = Relu(%p)
%q : f32[1x4x6x6] = Conv(%r, %w_c)
%s : f32[1x4x6x6] = Add(%q, %x)
%y : f32[1x4x6x6] = Relu(%s)
output %y
)"),
              ElementsAre("FusedConv", "FusedConv"));
}

TEST(Passes, ProductTakesScaleBiasResidualAndActivation) {
  EXPECT_THAT(engine(R"(input %x : f32[2x7x8]
input %r : f32[2x7x5]
input %w_w : f32[8x5]
input %w_b : f32[5]
const %half : f32[] = [0.5]
%m : f32[2x7x5] = MatMul(%x, %w_w)
%s : f32[2x7x5] = Mul(%m, %half)
%b : f32[2x7x5] = Add(%w_b, %s)
%a : f32[2x7x5] = Add(%b, %r)
%y : f32[2x7x5] = Tanh(%a)
output %y
)"),
              ElementsAre("FusedMatMul"));
}

TEST(Passes, ActivationsAreNotPulledOverAReaderInBetween) {
  EXPECT_THAT(
      engine("input %x : f32[2x8]\ninput %w_w : f32[8x5]\n%m : f32[2x5] = MatMul(%x, %w_w)\n%y : f32[2x5] = Relu(%m)\n"
             "%z : f32[2x5] = Add(%m, %y)\noutput %z\n"),
      ElementsAre("FusedMatMul", "Relu", "Add"));
}

/// A Gemm's bias may be a column: with as many rows as channels it has the right number of elements.
TEST(Passes, FoldBatchnormRefusesABiasPerRow) {
  EXPECT_THAT(portable(R"(input %x : f32[4x3]
input %w_w : f32[3x4]
input %w_c : f32[4x1]
input %w_g : f32[4]
input %w_b : f32[4]
input %w_m : f32[4]
input %var_v : f32[4]
%c : f32[4x4] = Gemm(%x, %w_w, %w_c)
%y : f32[4x4] = BatchNormalization(%c, %w_g, %w_b, %w_m, %var_v)
output %y
)"),
              ElementsAre("Gemm", "BatchNormalization"));
}

/// One element of many axes gives what it meets its axes, which one operator alone would not.
TEST(Passes, ConstantsThatAddAxesAreNoScalars) {
  EXPECT_THAT(portable(R"(input %x : f32[2x9]
const %three : f32[1x1x1] = [3]
const %zero : f32[] = [0]
const %six : f32[] = [6]
%a : f32[1x2x9] = Add(%x, %three)
%c : f32[1x2x9] = Clip(%a, %zero, %six)
%m : f32[1x2x9] = Mul(%x, %c)
%y : f32[1x2x9] = Div(%m, %six)
output %y
)"),
              ElementsAre("Add", "Clip", "Mul", "Div"));
  EXPECT_THAT(portable(R"(input %x : f32[2x9]
const %root : f32[] = [1.4142135]
const %one : f32[1x1x1] = [1]
const %half : f32[] = [0.5]
%d : f32[2x9] = Div(%x, %root)
%e : f32[2x9] = Erf(%d)
%a : f32[1x2x9] = Add(%e, %one)
%m : f32[1x2x9] = Mul(%x, %a)
%y : f32[1x2x9] = Mul(%m, %half)
output %y
)"),
              ElementsAre("Div", "Erf", "Add", "Mul", "Mul"));
  EXPECT_THAT(portable(R"(input %x : f32[5x8]
const %axes : i64[1] = [-1]
const %two : f32[] = [2]
const %eps : f32[1x1x1] = [1e-06]
%m : f32[5x1] = ReduceMean(%x, %axes)
%d : f32[5x8] = Sub(%x, %m)
%q : f32[5x8] = Pow(%d, %two)
%v : f32[5x1] = ReduceMean(%q, %axes)
%e : f32[1x5x1] = Add(%v, %eps)
%s : f32[1x5x1] = Sqrt(%e)
%y : f32[1x5x8] = Div(%d, %s)
output %y
)"),
              testing::Not(testing::Contains("LayerNormalization")));
}

TEST(Passes, NumbersThatAreNoneAsParameters) {
  for (const std::string end :
       {"const %low : f32[] = [nan]\n%y : f32[2x3x4x4] = Clip(%c, %low)",
        "const %high : f32[] = [nan]\n%y : f32[2x3x4x4] = Clip(%c, _, %high)",
        "%y : f32[2x3x4x4] = LeakyRelu(%c) {alpha = nan}", "%y : f32[2x3x4x4] = Elu(%c) {alpha = nan}"}) {
    const Graph graph =
        graph_of("input %x : f32[2x3x4x4]\ninput %w_c : f32[3x3x1x1]\n%c : f32[2x3x4x4] = Conv(%x, %w_c)\n" + end +
                 "\noutput %y\n");
    const auto fast = answer(graph, true), plain = answer(graph, false);
    ASSERT_EQ(fast.size(), plain.size());
    for (size_t i = 0; i < fast.size(); ++i) {
      EXPECT_EQ(std::isnan(fast[i]), std::isnan(plain[i])) << end;
      if (!std::isnan(plain[i])) {
        EXPECT_NEAR(fast[i], plain[i], 1e-5) << end;
      }
    }
  }
}

TEST(Passes, FoldConstantsStopsWhereASmallFileGrows) {
  std::string text = "input %x : f32[1]\nconst %c0 : f32[1] = [1]\n";
  for (int i = 0; i < 40; ++i)
    text += fmt::format("%c{} : f32[{}] = Concat(%c{}, %c{}) {{axis = 0}}\n", i + 1, int64_t{2} << i, i, i);
  Graph graph = graph_of(text + "%y : f32[1099511627776] = Add(%x, %c40)\noutput %y\n");
  rewrite(graph, portable_recipe());
  size_t bytes = 0;
  for (const auto& value : graph.values())
    if (value->is_constant()) bytes += value->constant.bytes();
  EXPECT_LT(bytes, size_t{512} << 20);
  EXPECT_GT(graph.nodes().size(), 10u);
}

}  // namespace
}  // namespace tercel::inline session
