#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
using Ints = std::vector<int64_t>;

TEST(RefNorm, LayerNormalizationSpreadsScaleAndBias) {
  const Attrs attrs = {{"axis", int64_t{1}}, {"epsilon", 0.0f}, {"stash_type", int64_t{1}}};
  const Tensor x = Tensor::of<float>({1, 2, 2}, {1, 3, 1, 3});
  const auto y = run_ref("LayerNormalization", {x, Tensor::of<float>({2, 1}, {1, 10}), Tensor::of<float>({2}, {5, 6})},
                         {{DType::f32, {1, 2, 2}}, {DType::f32, {1, 1, 1}}, {DType::f32, {1, 1, 1}}}, attrs);
  EXPECT_THAT(elements<float>(y[0]), ElementsAre(4, 7, -5, 16));
  EXPECT_EQ(y[1].at<float>(0), 2);
  EXPECT_EQ(y[2].at<float>(0), 1);
}

TEST(RefNorm, LayerNormalizationScalesEverySliceInItsOwnWay) {
  const Attrs attrs = {{"axis", int64_t{-1}}, {"epsilon", 0.0f}, {"stash_type", int64_t{1}}};
  const Tensor x = Tensor::of<float>({2, 1, 2}, {1, 3, 5, 9});
  const auto y = [&](const Tensor& scale, const Tensor& bias) {
    return elements<float>(run_ref("LayerNormalization", {x, scale, bias}, DType::f32, {2, 1, 2}, attrs));
  };
  EXPECT_THAT(y(Tensor::of<float>({2, 1, 1}, {1, 10}), Tensor::of<float>({1, 1, 2}, {0, 5})),
              ElementsAre(-1, 6, -10, 15));
  EXPECT_THAT(y(Tensor::of<float>({2, 1, 2}, {1, 2, 3, 4}), Tensor::scalar(0.0f)), ElementsAre(-1, 2, -3, 4));
}

TEST(RefNorm, StatisticsAlone) {
  const Attrs attrs = {{"axis", int64_t{-1}}, {"epsilon", 0.0f}, {"stash_type", int64_t{1}}};
  const auto y = run_ref("LayerNormalization", {Tensor::of<float>({1, 2}, {1, 3}), Tensor::of<float>({2}, {1, 1})},
                         {{DType::none, {}}, {DType::f32, {1, 1}}}, attrs);
  EXPECT_EQ(y[1].at<float>(0), 2);
}

TEST(RefNorm, GroupsOfOneChannelAreInstances) {
  const Tensor x = Tensor::of<float>({1, 4, 3}, {1, 2, 3, 5, 5, 8, -1, 0, 4, 2, 2, 9});
  const Tensor scale = Tensor::of<float>({4}, {1, 2, 3, 4});
  const Tensor bias = Tensor::of<float>({4}, {0, 1, 0, 1});
  const Attrs attrs = {{"epsilon", 1e-5f}, {"num_groups", int64_t{4}}};
  EXPECT_EQ(run_ref("GroupNormalization", {x, scale, bias}, DType::f32, x.dims(), attrs),
            run_ref("InstanceNormalization", {x, scale, bias}, DType::f32, x.dims(), attrs));
}

TEST(RefNorm, LrnWindowOfEvenSizeLeansForward) {
  const Attrs attrs = {{"size", int64_t{2}}, {"alpha", 2.0f}, {"beta", 1.0f}, {"bias", 1.0f}};
  EXPECT_THAT(elements<float>(run_ref("LRN", {Tensor::of<float>({1, 3, 1}, {1, 2, 3})}, DType::f32, {1, 3, 1}, attrs)),
              ElementsAre(1.0f / 6, 2.0f / 14, 3.0f / 10));
}

TEST(RefNorm, ZeroNormGivesZeros) {
  const Attrs attrs = {{"axis", int64_t{-1}}, {"p", int64_t{2}}};
  EXPECT_THAT(elements<float>(
                  run_ref("LpNormalization", {Tensor::of<float>({2, 2}, {0, 0, 3, -4})}, DType::f32, {2, 2}, attrs)),
              ElementsAre(0, 0, 0.6f, -0.8f));
}

TEST(RefNorm, EmptyTensorsAreNoWork) {
  const Tensor x(DType::f32, {int64_t{1} << 38, 0});
  const Tensor none(DType::f32, {0});
  run_ref("BatchNormalization", {x, none, none, none, none}, DType::f32, x.dims(), {{"epsilon", 1e-5f}});
  run_ref("LayerNormalization", {x, none}, DType::f32, x.dims(), {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}});
  run_ref("LRN", {x}, DType::f32, x.dims(), {{"size", int64_t{2}}, {"alpha", 2.0f}, {"beta", 1.0f}, {"bias", 1.0f}});
  run_ref("MeanVarianceNormalization", {x}, DType::f32, x.dims(), {{"axes", Ints{0}}});
  run_ref("MeanVarianceNormalization", {x}, DType::f32, x.dims(), {{"axes", Ints{1}}});
  run_ref("Softmax", {x}, DType::f32, x.dims(), {{"axis", int64_t{1}}});
}

}  // namespace
}  // namespace tercel::inline kernels
