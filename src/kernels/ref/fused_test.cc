#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "kernels/activation.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

Attrs with(Attrs attrs, std::string activation, float alpha = 0, float beta = 0) {
  attrs.set("activation", std::move(activation));
  attrs.set("alpha", alpha);
  attrs.set("beta", beta);
  return attrs;
}

TEST(RefFused, ConvAddsBiasAndResidualThenActivates) {
  const Tensor x = Tensor::of<float>({1, 1, 3}, {1, -2, 3});
  const Tensor w = Tensor::of<float>({2, 1, 1}, {1, -1});
  const Tensor bias = Tensor::of<float>({2}, {1, 0});
  const Tensor residual = Tensor::of<float>({1, 2, 3}, {0, 0, 10, 0, 0, 10});
  EXPECT_THAT(elements<float>(run_ref("FusedConv", {x, w, bias, residual}, DType::f32, {1, 2, 3},
                                      with({{"group", int64_t{1}}}, "Clip", 0, 6))),
              ElementsAre(2, 0, 6, 0, 2, 6));
  EXPECT_THAT(
      elements<float>(run_ref("FusedConv", {x, w}, DType::f32, {1, 2, 3}, with({{"group", int64_t{1}}}, "none"))),
      ElementsAre(1, -2, 3, -1, 2, -3));
}

TEST(RefFused, MatMulScalesTheProductOnly) {
  const Tensor a = Tensor::of<float>({2, 1}, {1, 2});
  const Tensor b = Tensor::of<float>({2, 1}, {1, -1});
  const Attrs attrs = with({{"transA", int64_t{0}}, {"transB", int64_t{1}}, {"alpha_scale", 2.0f}}, "Relu");
  EXPECT_THAT(
      elements<float>(run_ref("FusedMatMul", {a, b, Tensor::of<float>({2}, {1, 3})}, DType::f32, {2, 2}, attrs)),
      ElementsAre(3, 1, 5, 0));
  EXPECT_THAT(elements<float>(run_ref(
                  "FusedMatMul", {a, b, Tensor::of<float>({2, 1}, {1, 3}), Tensor::of<float>({2, 2}, {0, 1, 0, 1})},
                  DType::f32, {2, 2}, attrs)),
              ElementsAre(3, 0, 7, 0));
}

TEST(RefFused, MatMulScalesRowsBeforeTheBias) {
  const Tensor a = Tensor::of<float>({2, 1}, {1, 2});
  const Tensor b = Tensor::of<float>({1, 2}, {1, -1});
  const Attrs attrs = with({{"transA", int64_t{0}}, {"transB", int64_t{0}}, {"alpha_scale", 2.0f}}, "none");
  EXPECT_THAT(elements<float>(run_ref("FusedMatMul",
                                      {a, b, Tensor::of<float>({2}, {1, 3}), Tensor::of<float>({2, 2}, {0, 1, 0, 1}),
                                       Tensor::of<float>({2, 1}, {0.5f, 10})},
                                      DType::f32, {2, 2}, attrs)),
              ElementsAre(2, 3, 41, -36));
}

TEST(RefFused, RowScaleIsWhatLayerNormalizationMultipliesBy) {
  const Tensor x = Tensor::of<float>({2, 4}, {1, 3, 5, 7, -2, 2, -2, 2});
  const auto scale = [&](int64_t centred) {
    return elements<float>(
        run_ref("ai.tercel.RowScale", {x}, DType::f32, {2, 1}, {{"epsilon", 0.0f}, {"centred", centred}}));
  };
  EXPECT_THAT(scale(0), Pointwise(FloatNear(1e-6f), {1 / std::sqrt(5.0f), 0.5f}));
  EXPECT_THAT(scale(1), Pointwise(FloatNear(1e-6f), {1 / std::sqrt(21.0f), 0.5f}));
}

TEST(RefFused, AddBroadcasts) {
  EXPECT_THAT(elements<float>(run_ref("FusedAdd", {Tensor::of<float>({2, 1}, {1, -5}), Tensor::of<float>({2}, {1, 2})},
                                      DType::f32, {2, 2}, with({}, "LeakyRelu", 0.5f))),
              ElementsAre(2, 3, -2, -1.5f));
}

TEST(RefFused, ActivationsAgreeWithTheOperatorsOfTheirNames) {
  const std::vector<float> values = {-100, -4, -1.5f, -0.5f, 0, 0.25f, 1, 3, 100};
  const Dims dims = {static_cast<int64_t>(values.size())};
  const Tensor x = Tensor::of<float>(dims, values);
  for (Activation activation : all_activations()) {
    if (activation == Activation::none || activation == Activation::clip) continue;
    std::string op(to_string(activation));
    Attrs attrs = {{"alpha", 0.3f}, {"beta", 0.4f}, {"approximate", std::string("none")}};
    if (activation == Activation::gelu_tanh) {
      op = "Gelu";
      attrs.set("approximate", std::string("tanh"));
    }
    std::vector<float> got;
    for (float value : values) got.push_back(apply_activation(activation, value, 0.3f, 0.4f));
    EXPECT_THAT(got, Pointwise(FloatNear(2e-6f), elements<float>(run_ref(op, {x}, DType::f32, dims, attrs)))) << op;
    EXPECT_EQ(parse_activation(to_string(activation)), activation);
  }
  EXPECT_EQ(apply_activation(Activation::clip, 7, 0, 6), 6);
  EXPECT_THROW(parse_activation("relu"), Error);
}

}  // namespace
}  // namespace tercel::inline kernels
