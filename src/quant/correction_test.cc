#include "quant/correction.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/isa.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

constexpr int64_t kRows = 5, kColumns = 7, kPlaces = 64;
constexpr int kInputs = 6;

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return values;
}

Tensor random_tensor(const Dims& dims, uint64_t seed) {
  return Tensor::of<float>(dims, random_floats(count_elements(dims), seed));
}

/// x (64 x 7) times a constant, a bias, and a stream that the sum joins.
struct Layer {
  Model model;
  LinearSite site;
  Moments moments;
  Curvature curvature;
  std::vector<Array> inputs;

  explicit Layer(bool bias) {
    Graph graph;
    Value* x = graph.add_input("x", {DType::f32, true, {kPlaces, kColumns}});
    Value* stream = graph.add_input("stream", {DType::f32, true, {kPlaces, kRows}});
    Value* product = graph.add_value("product");
    graph.add_node("MatMul", {x, graph.add_constant("w", random_tensor({kColumns, kRows}, 1))}, {product});
    if (bias) {
      Value* sum = graph.add_value("with_bias");
      graph.add_node("Add", {product, graph.add_constant("b", random_tensor({kRows}, 2))}, {sum});
      product = sum;
    }
    Value* joined = graph.add_value("joined");
    graph.add_node("Add", {stream, product}, {joined});
    Value* y = graph.add_value("y");
    graph.add_node("Relu", {joined}, {y});
    graph.add_output(y);
    infer_types(graph);
    auto impl = std::make_shared<Model::Impl>();
    impl->graph = std::move(graph);
    model = Model(std::move(impl));
    site = find_linear_sites(model.impl().graph).at(0);
    Rng rng(3);
    for (int k = 0; k < kInputs; ++k) {
      inputs.emplace_back(DType::f32, Dims{kPlaces, kColumns});
      for (int64_t t = 0; t < kPlaces; ++t) {
        const double common = rng.normal();  // columns say something of each other, and have means
        for (int64_t c = 0; c < kColumns; ++c)
          inputs.back().floats()[static_cast<size_t>(t * kColumns + c)] =
              static_cast<float>(0.3 * static_cast<double>(c) + common + rng.normal());
      }
    }
    MomentBlock block{0, kColumns, std::vector<float>(kColumns), std::vector<float>(kColumns * kColumns)};
    double weight = 0;
    for (int k = 0; k < kInputs; ++k) {
      moments.position_weight.emplace_back();
      for (int64_t t = 0; t < kPlaces; ++t) {
        const auto w = static_cast<float>(0.5 + rng.uniform());
        moments.position_weight.back().push_back(w);
        weight += static_cast<double>(w);
        const float* x_t = &inputs[static_cast<size_t>(k)].floats()[static_cast<size_t>(t * kColumns)];
        for (int64_t i = 0; i < kColumns; ++i) {
          block.mean[static_cast<size_t>(i)] += w * x_t[i];
          for (int64_t j = 0; j < kColumns; ++j)
            block.second[static_cast<size_t>(i * kColumns + j)] += w * x_t[i] * x_t[j];
        }
      }
    }
    for (float& m : block.mean) m /= static_cast<float>(weight);
    moments.weight = {weight};
    moments.groups.push_back({block});
    curvature = factorize(moments, bias, 1e-6);
  }

  /// What is found where wanted - got = change x + shift.
  Correction fit(const std::vector<float>& change, float shift) const {
    const Isa isa = chosen_isa();
    Workspace workspace;
    std::vector<CorrectionFit> halves(2, CorrectionFit(site, moments));
    for (size_t k = 0; k < inputs.size(); ++k) {
      Array wanted(DType::f32, {kPlaces, kRows}), got(DType::f32, {kPlaces, kRows});
      Rng rng(k);
      for (int64_t t = 0; t < kPlaces; ++t)
        for (int64_t r = 0; r < kRows; ++r) {
          const auto i = static_cast<size_t>(t * kRows + r);
          got.floats()[i] = static_cast<float>(rng.normal());
          double sum = static_cast<double>(got.floats()[i] + shift);
          for (int64_t c = 0; c < kColumns; ++c)
            sum += static_cast<double>(change[static_cast<size_t>(r * kColumns + c)] *
                                       inputs[k].floats()[static_cast<size_t>(t * kColumns + c)]);
          wanted.floats()[i] = static_cast<float>(sum);
        }
      halves[k % 2].add(k, inputs[k], wanted, got, isa, workspace);
    }
    return CorrectionFit::fit(halves, curvature);
  }
};

TEST(Correction, FindsWhatWasLost) {
  const std::vector<float> lost = random_floats(kRows * kColumns, 4);
  for (bool bias : {true, false}) {
    SCOPED_TRACE(bias);
    const Layer layer(bias);
    const float shift = bias ? 0.75f : 0.0f;
    const Correction found = layer.fit(lost, shift);
    ASSERT_EQ(found.weights.size(), lost.size());
    for (size_t i = 0; i < lost.size(); ++i)
      EXPECT_NEAR(found.weights[i], lost[i], 0.08 * std::fabs(lost[i]) + 1e-3) << i;  // shrunk
    ASSERT_EQ(found.bias.size(), bias ? static_cast<size_t>(kRows) : 0u);
    // The bias corrects the mean of what the weights leave.
    for (size_t r = 0; r < found.bias.size(); ++r) {
      double left = static_cast<double>(shift);
      for (size_t c = 0; c < static_cast<size_t>(kColumns); ++c)
        left += static_cast<double>((lost[r * kColumns + c] - found.weights[r * kColumns + c]) *
                                    layer.moments.groups[0][0].mean[c]);
      EXPECT_NEAR(found.bias[r], left, 1e-3);
    }
  }
}

TEST(Correction, ChangesNothingWhereNothingWasLost) {
  const Correction found = Layer(true).fit(std::vector<float>(kRows * kColumns, 0.0f), 0);
  for (float x : found.weights) EXPECT_NEAR(x, 0, 1e-5);
  for (float x : found.bias) EXPECT_NEAR(x, 0, 1e-5);
}

/// What one share shows and the other does not is chance.
TEST(Correction, IsShrunkToNothingWhereSharesDisagree) {
  const Layer layer(true);
  const Isa isa = chosen_isa();
  Workspace workspace;
  std::vector<CorrectionFit> halves(2, CorrectionFit(layer.site, layer.moments));
  for (size_t k = 0; k < layer.inputs.size(); ++k) {
    Array wanted(DType::f32, {kPlaces, kRows});
    const Array got = wanted;
    for (int64_t t = 0; t < kPlaces; ++t)
      wanted.floats()[static_cast<size_t>(t * kRows)] =
          (k % 2 == 0 ? 1.0f : -1.0f) * layer.inputs[k].floats()[static_cast<size_t>(t * kColumns)];
    halves[k % 2].add(k, layer.inputs[k], wanted, got, isa, workspace);
  }
  for (float x : CorrectionFit::fit(halves, layer.curvature).weights) EXPECT_EQ(x, 0);
}

TEST(Correction, AnswersForTheStreamItJoins) {
  for (bool bias : {true, false}) {
    const Layer layer(bias);
    const Target target = target_of(layer.site, layer.model.impl().graph);
    EXPECT_EQ(target.value, "joined");
    EXPECT_TRUE(target.joins_stream);
  }
}

TEST(Correction, WantsEnoughPlacesAndOneBlock) {
  Layer layer(true);
  EXPECT_TRUE(CorrectionFit::can(layer.site, layer.moments, layer.curvature));
  Curvature two = layer.curvature;
  two.groups[0].push_back(two.groups[0][0]);
  EXPECT_FALSE(CorrectionFit::can(layer.site, layer.moments, two));
  layer.moments.position_weight.assign(1, std::vector<float>(4 * kColumns - 1, 1.0f));
  EXPECT_FALSE(CorrectionFit::can(layer.site, layer.moments, layer.curvature));
}

/// Where a layer's outputs lost `lost(k, row)` on input k, which gave them `factor` times their deviation; a share for
/// each half of the inputs.
template <typename Lost>
OutputFit::Result output_fit(const std::vector<float>& own, float factor, Lost&& lost) {
  const Layer layer(true);
  std::vector<OutputFit> halves(2, OutputFit(layer.site));
  for (size_t k = 0; k < kInputs; ++k) {
    Array wanted({kPlaces, kRows}, random_floats(kPlaces * kRows, k)), got = wanted;
    for (size_t i = 0; i < wanted.floats().size(); ++i) {
      const float bias = own.empty() ? 0 : own[i % kRows];
      got.floats()[i] = factor * wanted.floats()[i] + bias;
      wanted.floats()[i] += bias + lost(k, i % kRows);
    }
    halves[k % 2].add(wanted, got);
  }
  return OutputFit::fit(halves, own);
}

TEST(OutputFit, FindsTheMeanOfWhatWasLost) {
  const auto [factor, bias] =
      output_fit({}, 1, [](size_t k, size_t row) { return static_cast<float>(row) + (k < 2 ? 0.25f : -0.125f); });
  EXPECT_EQ(factor, 1);
  ASSERT_EQ(bias.size(), static_cast<size_t>(kRows));
  for (size_t r = 0; r < bias.size(); ++r) EXPECT_NEAR(bias[r], static_cast<float>(r), 1e-5);
}

/// A factor on what is not bias, then this bias: as wanted.
TEST(OutputFit, FindsTheDeviationBesideABias) {
  const std::vector<float> own = {1, -2, 3, 0.5f, 40};
  const auto [factor, bias] = output_fit(own, 1.25f, [](size_t, size_t) { return 0.0f; });
  EXPECT_NEAR(factor, 0.8, 1e-5);
  for (float b : bias) EXPECT_NEAR(b, 0, 0.03);  // the mean of random numbers
  for (float b : output_fit({}, 1.25f, [](size_t, size_t) { return 0.0f; }).bias) EXPECT_NEAR(b, 0, 0.03);
}

TEST(OutputFit, IsShrunkToNothingWhereSharesDisagree) {
  for (float b : output_fit({}, 1, [](size_t k, size_t) { return k % 2 == 0 ? 1.0f : -1.5f; }).bias) EXPECT_EQ(b, 0);
}

TEST(OutputFit, ReadsChannelsOfPictures) {
  LinearSite site;
  site.conv = true;
  site.rows = 3;
  Array wanted(DType::f32, {2, 3, 4, 5});
  const Array got = wanted;
  for (size_t i = 0; i < wanted.floats().size(); ++i) wanted.floats()[i] = static_cast<float>(i / 20 % 3);
  std::vector<OutputFit> shares(2, OutputFit(site));
  for (OutputFit& share : shares) share.add(wanted, got);
  EXPECT_EQ(OutputFit::fit(shares, {}).bias, (std::vector<float>{0, 1, 2}));
}

}  // namespace
}  // namespace tercel::inline quant
