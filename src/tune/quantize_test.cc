// Post-training quantization as a whole: small networks, and the photos of models/.
#include "tercel/quantize.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error_testing.h"
#include "base/folder_testing.h"
#include "quant/bias_correction.h"
#include "quant/cifar_testing.h"
#include "quant/observe.h"
#include "quant/pictures.h"
#include "session/passes_testing.h"
#include "tercel/tercel.h"
#include "tune/photos_testing.h"

namespace tercel::inline tune {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// A residual network as torchvision writes them (batch normalization folded), with a grouped and a depthwise
// convolution, an LRN, a branch that is joined again, and a way around the pool.
constexpr const char* kResidual = R"(input %x : f32[1x3x32x32]
input %w_1 : f32[8x3x3x3]
input %w_b1 : f32[8]
input %w_2 : f32[8x4x3x3]
input %w_3 : f32[8x1x3x3]
input %w_4 : f32[8x8x1x1]
input %w_5 : f32[6x8x1x1]
input %w_6 : f32[10x14]
input %w_b6 : f32[10]
%c1 : f32[1x8x16x16] = Conv(%x, %w_1, %w_b1) {strides = [2, 2], pads = [1, 1, 1, 1]}
%r1 : f32[1x8x16x16] = Relu(%c1)
%p1 : f32[1x8x8x8] = MaxPool(%r1) {kernel_shape = [2, 2], strides = [2, 2]}
%c2 : f32[1x8x8x8] = Conv(%p1, %w_2) {pads = [1, 1, 1, 1], group = 2}
%r2 : f32[1x8x8x8] = Relu(%c2)
%c3 : f32[1x8x8x8] = Conv(%r2, %w_3) {pads = [1, 1, 1, 1], group = 8}
%a : f32[1x8x8x8] = Add(%c3, %p1)
%ra : f32[1x8x8x8] = Relu(%a)
%c4 : f32[1x8x8x8] = Conv(%ra, %w_4)
%a2 : f32[1x8x8x8] = Add(%c4, %ra)
%ra2 : f32[1x8x8x8] = Relu(%a2)
%c5 : f32[1x6x8x8] = Conv(%ra2, %w_5)
%j : f32[1x14x8x8] = Concat(%c5, %ra2) {axis = 1}
%g : f32[1x14x1x1] = GlobalAveragePool(%j)
%f : f32[1x14] = Flatten(%g)
%logits : f32[1x10] = Gemm(%f, %w_6, %w_b6) {transB = 1}
output %logits
)";

// A transformer's block: norms and the stream of sums.
constexpr const char* kBlock = R"(input %x : f32[1x3x32x32]
input %w_p : f32[16x3x8x8]
input %w_pos : f32[1x16x16]
input %w_s : f32[16]
input %w_1 : f32[16x32]
input %w_b1 : f32[32]
input %w_2 : f32[32x16]
input %w_b2 : f32[16]
const %shape : i64[3] = [1, 16, 16]
%c : f32[1x16x4x4] = Conv(%x, %w_p) {strides = [8, 8]}
%r : f32[1x16x16] = Reshape(%c, %shape)
%t : f32[1x16x16] = Transpose(%r) {perm = [0, 2, 1]}
%s : f32[1x16x16] = Add(%t, %w_pos)
%n : f32[1x16x16] = LayerNormalization(%s, %w_s)
%m1 : f32[1x16x32] = MatMul(%n, %w_1)
%h1 : f32[1x16x32] = Add(%m1, %w_b1)
%g : f32[1x16x32] = Gelu(%h1)
%m2 : f32[1x16x16] = MatMul(%g, %w_2)
%h2 : f32[1x16x16] = Add(%m2, %w_b2)
%s2 : f32[1x16x16] = Add(%s, %h2)
%n2 : f32[1x16x16] = LayerNormalization(%s2, %w_s)
%logits : f32[1x256] = Flatten(%n2)
output %logits
)";

class QuantizeNetworks : public testing::Test {
 protected:
  QuantizeNetworks() {
    write_photos(folder(), 3);
    options_.preprocessing = Preprocessing::preset("cifar");
    options_.calibration_pictures = 5;
    options_.held_out_pictures = 4;
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

  static Model model_of(Graph graph) {
    return Model(std::make_shared<Model::Impl>(Model::Impl{"test", std::move(graph), {}, {}}));
  }
  QuantizeResult quantized(const Model& model) const { return quantize(model, folder(), options_); }
  QuantizeResult quantized(const char* text) const { return quantized(model_of(graph_of(text))); }
  std::string error_for(const Model& model) const {
    return base::error_of([&] { quantized(model); });
  }

  /// As the CPU's engine runs it.
  static Graph lowered(const Model& model) {
    Graph graph = model.impl().graph.clone();
    rewrite(graph, portable_recipe());
    rewrite(graph, engine_recipe());
    return graph;
  }

  /// Nodes that compute in floats, but for those that make levels of floats and floats of levels.
  static std::vector<std::string> float_operators(const Graph& graph) {
    std::vector<std::string> ops;
    for (const auto& node : graph.nodes())
      if (!node->is("QuantizeLinear") && !node->is("DequantizeLinear") && node->output()->type.dtype == DType::f32)
        ops.push_back(node->op);
    return ops;
  }

  TemporaryFolder folder_{"quantize"};
  QuantizeOptions options_;
};

TEST_F(QuantizeNetworks, AResidualNetworkIsOnLevelsFromEndToEnd) {
  for (const ActivationLevels levels : {ActivationLevels::u8, ActivationLevels::i8, ActivationLevels::symmetric}) {
    options_.activations = levels;
    const QuantizeResult result = quantized(kResidual);
    const Graph graph = lowered(result.model);
    EXPECT_THAT(float_operators(graph), testing::IsEmpty()) << to_string(levels);
    EXPECT_EQ(
        std::count_if(graph.nodes().begin(), graph.nodes().end(),
                      [](const auto& node) { return node->is("QuantizeLinear") || node->is("DequantizeLinear"); }),
        2);
    EXPECT_THAT(operators(graph), Contains("FusedConv"));
    EXPECT_TRUE(result.report.float_nodes.empty());
    EXPECT_EQ(result.report.quantized_parameters, 8 * 27 + 8 * 36 + 72 + 64 + 48 + 140);
    for (const QuantizedLayer& layer : result.report.layers) EXPECT_GT(layer.output_sqnr, 20) << layer.node;
    // Names of what goes in and out stay.
    EXPECT_EQ(result.model.outputs().at(0).name, "logits");
    EXPECT_EQ(result.model.inputs().at(0).name, "x");
  }
}

TEST_F(QuantizeNetworks, NormsAndTheStreamOfATransformerStayInFloats) {
  const QuantizeResult result = quantized(kBlock);
  std::vector<std::string> ops = float_operators(lowered(result.model));
  std::sort(ops.begin(), ops.end());
  EXPECT_THAT(ops, Contains("LayerNormalization").Times(2));
  EXPECT_THAT(ops, Not(Contains("FusedConv")));
  // Products read levels; what they give to the stream and to GELU stays in floats.
  const Graph& graph = result.model.impl().graph;
  for (const char* product : {"m1", "m2"}) {
    const Node& node = *graph.find_value(product)->producer;
    for (size_t i : {size_t{0}, size_t{1}}) EXPECT_TRUE(node.input(i)->producer->is("DequantizeLinear"));
    EXPECT_EQ(node.input(1)->producer->input(0)->type.dtype, DType::i8);
  }
  EXPECT_TRUE(graph.find_value("h2")->users.at(0)->is("Add"));
}

TEST_F(QuantizeNetworks, AProductWhoseInputLevelsWouldLoseStaysInFloats) {
  EXPECT_TRUE(quantized(kBlock).report.lost.empty());
  // One token makes one enormous element behind GELU, and no other does.
  Graph graph = graph_of(kBlock);
  const auto with = [&](const char* name, size_t at, float x) {
    Value* value = graph.find_value(name);
    std::vector<float> elements;
    for (double element : value->constant.to_doubles()) elements.push_back(static_cast<float>(element));
    elements[at] = x;
    value->constant = Tensor::of<float>(value->constant.dims(), elements);
  };
  with("w_pos", 0, 1e4f);  // normalized: sqrt(15) = 3.87, times a scale of 1
  with("w_s", 0, 1);
  for (size_t row = 0; row < 16; ++row) with("w_1", row * 32, row == 0 ? 2000 : 0);
  with("w_b1", 0, -2000 * 3.2f);
  const QuantizeResult result = quantized(model_of(std::move(graph)));
  ASSERT_EQ(result.report.lost.size(), 1u);
  EXPECT_EQ(result.report.lost[0].value, "g");
  EXPECT_THAT(result.report.lost[0].node, HasSubstr("m2"));
  EXPECT_LT(result.report.lost[0].row_sqnr, 15);
  EXPECT_TRUE(result.model.impl().graph.find_value("m2")->producer->input(1)->is_constant());
  EXPECT_FALSE(result.model.impl().graph.find_value("m1")->producer->input(1)->is_constant());
}

TEST_F(QuantizeNetworks, WeightsHaveAScaleForEachOutputChannel) {
  options_.error_feedback = false;
  const QuantizeResult result = quantized(kResidual);
  const Graph before = graph_of(kResidual);
  const Graph& graph = result.model.impl().graph;
  int products = 0;
  for (const auto& node : graph.nodes()) {
    if (!node->is("Conv") && !node->is("Gemm")) continue;
    ++products;
    const Node& dq = *node->input(1)->producer;
    ASSERT_TRUE(dq.is("DequantizeLinear"));
    EXPECT_EQ(dq.attrs.get_int("axis"), 0);
    EXPECT_EQ(dq.input(0)->type.dtype, DType::i8);
    const std::string name = dq.input(0)->name.substr(0, dq.input(0)->name.find('.'));
    const std::vector<double> w = before.find_value(name)->constant.to_doubles(),
                              scales = dq.input(1)->constant.to_doubles();
    const std::vector<int64_t> levels = dq.input(0)->constant.to_ints();
    const size_t columns = w.size() / scales.size();
    for (size_t i = 0; i < w.size(); ++i) {
      double most = 0;
      for (size_t k = i / columns * columns; k < (i / columns + 1) * columns; ++k)
        most = std::max(most, std::abs(w[k]));
      EXPECT_NEAR(scales[i / columns], most / 127, 1e-6 * most);
      EXPECT_NEAR(static_cast<double>(levels[i]) * scales[i / columns], w[i], 0.501 * scales[i / columns]);
      EXPECT_GE(levels[i], -127);
    }
    // Biases count in what sums count in.
    const Node& bias = *node->input(2)->producer;
    const double x = node->input(0)->producer->input(1)->constant.to_doubles()[0];
    for (size_t c = 0; c < scales.size(); ++c)
      EXPECT_NEAR(bias.input(1)->constant.to_doubles()[c] / (x * scales[c]), 1, 1e-6);
  }
  EXPECT_EQ(products, 6);
}

TEST_F(QuantizeNetworks, BiasCorrectionTakesTheMeanErrorOut) {
  const Model model = cifar_network();
  options_.held_out = folder();  // all pictures, also for calibration
  options_.calibration_pictures = 9;
  PictureSet pictures = find_pictures(folder());
  const std::vector<Array> inputs = load_inputs(model, pictures, *options_.preprocessing);
  const std::string output = model.outputs().at(0).name;
  const auto mean_error = [&](const Model& quantized) {
    std::vector<double> error(10, 0.0);
    // Before it is rounded to levels.
    Session floats(model), levels(with_outputs(quantized, {output + ".unquantized"}));
    for (const Array& input : inputs) {
      const std::vector<float> wanted = floats.run({input})[0].to_floats(), got = levels.run({input})[1].to_floats();
      for (size_t c = 0; c < error.size(); ++c) error[c] += static_cast<double>(got[c] - wanted[c]) / 9;
    }
    double sum = 0;
    for (double e : error) sum += e * e;
    return std::sqrt(sum);
  };
  const double corrected = mean_error(quantized(model).model);
  options_.bias_correction = false;
  // Nothing is left where sums round as in the correction's own run. Other forms of the same sums (integers,
  // Winograd's) fall on the other side of a half here and there, layer by layer more do, and nine pictures, of three
  // photos, do not average that out: a quarter comes back.
  EXPECT_LT(corrected, 0.5 * mean_error(quantized(model).model));
}

TEST_F(QuantizeNetworks, SameSeedSameBytes) {
  const Model model = cifar_network();
  const auto bytes = [&](int threads) {
    options_.threads = threads;
    const std::filesystem::path path = folder() / "m.onnx";
    quantized(model).model.save_onnx(path);
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string first = bytes(1);
  EXPECT_TRUE(first == bytes(1));
  EXPECT_TRUE(first == bytes(2));
  options_.seed = 2;
  EXPECT_FALSE(first == bytes(1));
}

TEST_F(QuantizeNetworks, TheFileIsReadAsItWasWritten) {
  const QuantizeResult result = quantized(cifar_network());
  const std::filesystem::path path = folder() / "m.onnx";
  result.model.save_onnx(path);
  Session given(result.model), read(load(path));
  const Array input = cifar_noise(1, 3).at(0);
  EXPECT_EQ(given.run({input})[0].to_floats(), read.run({input})[0].to_floats());
  EXPECT_GT(result.report.agreement, 0.7);
}

TEST_F(QuantizeNetworks, OutputsAreNotCutOff) {
  options_.range = RangeMethod::percentile;
  options_.percentile = 80;
  const QuantizeReport report = quantized(kResidual).report;
  const QuantizedLayer &first = report.layers.front(), &last = report.layers.back();
  EXPECT_EQ(first.op, "input");
  EXPECT_GT(first.clipped, 0.05);
  EXPECT_THAT(last.value, HasSubstr("logits"));
  EXPECT_EQ(last.clipped, 0);
}

// As SqueezeNet ends: 64 levels have a mean of many more values than 256. However the mean is written.
TEST_F(QuantizeNetworks, MeansAsAnswersAreNotRounded) {
  for (const char* mean : {"GlobalAveragePool(%r)", "AveragePool(%r) {kernel_shape = [8, 8]}",
                           "AveragePool(%r) {kernel_shape = [8, 8], strides = [8, 8], auto_pad = \"VALID\"}"})
    for (const char* end : {"output %f\n", "%s : f32[1x10] = Softmax(%f)\noutput %s\n"}) {
      const QuantizeResult result = quantized((std::string(R"(input %x : f32[1x3x32x32]
input %w_1 : f32[10x3x4x4]
%c : f32[1x10x8x8] = Conv(%x, %w_1) {strides = [4, 4]}
%r : f32[1x10x8x8] = Relu(%c)
%g : f32[1x10x1x1] = )") + mean + "\n%f : f32[1x10] = Flatten(%g)\n" +
                                               end)
                                                  .c_str());
      const std::vector<std::string> ops = operators(lowered(result.model));
      EXPECT_EQ(std::count(ops.begin(), ops.end(), "DequantizeLinear"), 0) << mean << end;  // the mean is one of levels
      EXPECT_THAT(ops, Contains("GlobalAveragePool")) << mean;
      EXPECT_EQ(result.report.layers.back().op, "Conv") << mean << end;
    }
}

TEST_F(QuantizeNetworks, NodesCanBeKept) {
  options_.keep = {"c3", "logits"};
  const QuantizeResult result = quantized(kResidual);
  const Graph& graph = result.model.impl().graph;
  EXPECT_TRUE(graph.find_value("logits")->producer->is("Gemm"));
  EXPECT_TRUE(graph.find_value("c3")->producer->input(1)->is_constant());
  EXPECT_THAT(result.report.float_nodes, Contains(HasSubstr("Gemm")));
  EXPECT_THAT(float_operators(lowered(result.model)), Contains("FusedMatMul"));
}

TEST_F(QuantizeNetworks, DeadChannelsAndTinyWeightsStayOnLevels) {
  Graph graph = graph_of(kResidual);
  Value* weights = graph.find_value("w_4");
  std::vector<float> w(64, 0.1f);
  for (size_t i = 0; i < 8; ++i) w[i] = 0, w[8 + i] = 1e-30f;
  weights->constant = Tensor::of<float>({8, 8, 1, 1}, w);
  const QuantizeResult result = quantized(model_of(std::move(graph)));
  EXPECT_THAT(float_operators(lowered(result.model)), testing::IsEmpty());
}

TEST_F(QuantizeNetworks, WhatCannotBeQuantizedIsSaid) {
  const Model residual = model_of(graph_of(kResidual));
  EXPECT_THAT(error_for(quantized(residual).model), HasSubstr("is quantized already: node"));
  EXPECT_THAT(error_for(model_of(graph_of("input %x : f32[1x3x32x32]\n%y : f32[1x3x32x32] = Relu(%x)\noutput %y\n"))),
              HasSubstr("nothing to quantize"));
  const auto with_weight = [](float weight) {
    Graph graph = graph_of(kResidual);
    Tensor w = random_tensor({8, 8, 1, 1}, 3);
    reinterpret_cast<float*>(w.mutable_data())[5] = weight;
    graph.find_value("w_4")->constant = w;
    return model_of(std::move(graph));
  };
  EXPECT_THAT(error_for(with_weight(std::numeric_limits<float>::quiet_NaN())), HasSubstr("'w_4' hold NaN or infinity"));
  EXPECT_THAT(error_for(with_weight(std::numeric_limits<float>::infinity())), HasSubstr("'w_4' hold NaN or infinity"));
  EXPECT_THAT(error_for(with_weight(3e38f)), HasSubstr("is NaN or infinite on a calibration picture"));

  options_.keep = {"nowhere"};
  EXPECT_THAT(error_for(residual), HasSubstr("has no node 'nowhere' to keep"));
  options_.keep = {"c1", "c2", "c3", "c4", "c5", "logits"};
  EXPECT_THAT(error_for(residual), HasSubstr("but those kept"));
  options_.keep.clear();
  options_.percentile = 20;
  EXPECT_THAT(error_for(residual), HasSubstr("percentile: 20"));
  options_.percentile = 99;
  options_.calibration_pictures = 0;
  EXPECT_THAT(error_for(residual), HasSubstr("calibration_pictures: 0"));
  options_.calibration_pictures = 5;
  EXPECT_THAT(base::error_of([&] { quantize(residual, folder() / "none", options_); }), HasSubstr("no such folder"));
  std::filesystem::create_directory(folder() / "empty");
  EXPECT_THAT(base::error_of([&] { quantize(residual, folder() / "empty", options_); }), HasSubstr("holds no picture"));
  EXPECT_THAT(base::error_of([] { parse_range_method("entropy"); }), HasSubstr("minmax, percentile, mse"));
  EXPECT_THAT(base::error_of([] { parse_activation_levels("i4"); }), HasSubstr("u8, i8, symmetric"));
  options_.progress = [](std::string_view stage, double) { return stage != "correct biases"; };
  EXPECT_THAT(error_for(residual), HasSubstr("stopped"));
}

}  // namespace
}  // namespace tercel::inline tune
