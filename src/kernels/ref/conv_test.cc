#include <gmock/gmock.h>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/ref/ref_testing.h"
#include "tensor/window.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
using Ints = std::vector<int64_t>;

Tensor random_tensor(Dims dims, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
  return Tensor::of<float>(std::move(dims), values);
}

Dims conv_dims(const Tensor& x, const Tensor& w, const Attrs& attrs) {
  Dims dims = {x.dims()[0], w.dims()[0]};
  for (const Window& window : conv_windows(attrs, std::span(x.dims()).subspan(2), std::span(w.dims()).subspan(2)))
    dims.push_back(window.output);
  return dims;
}

/// The definition again, index by index: 1 spatial axis, so that nothing of the kernel's loops is repeated.
std::vector<double> plain_conv_1d(const Tensor& x, const Tensor& w, int64_t group, int64_t stride, int64_t dilation,
                                  int64_t pad, int64_t outputs) {
  std::vector<double> y;
  const int64_t n = x.dims()[0], c = x.dims()[1], width = x.dims()[2];
  const int64_t oc = w.dims()[0], ic = w.dims()[1], kernel = w.dims()[2];
  for (int64_t b = 0; b < n; ++b)
    for (int64_t o = 0; o < oc; ++o)
      for (int64_t q = 0; q < outputs; ++q) {
        double sum = 0;
        for (int64_t i = 0; i < ic; ++i)
          for (int64_t k = 0; k < kernel; ++k) {
            const int64_t at = q * stride - pad + k * dilation;
            if (at < 0 || at >= width) continue;
            const int64_t channel = o / (oc / group) * ic + i;
            sum += static_cast<double>(x.at<float>((b * c + channel) * width + at)) *
                   static_cast<double>(w.at<float>((o * ic + i) * kernel + k));
          }
        y.push_back(sum);
      }
  return y;
}

TEST(RefConv, OneAxisIsTheDefinition) {
  for (int64_t width : {5, 17, 600, 1029})  // rows are summed in pieces of 512
    for (int64_t stride : {1, 2, 3})
      for (int64_t dilation : {1, 2})
        for (int64_t group : {1, 2}) {
          const Attrs attrs = {
              {"group", group}, {"strides", Ints{stride}}, {"dilations", Ints{dilation}}, {"pads", Ints{2, 1}}};
          const Tensor x = random_tensor({2, 4, width}, 1);
          const Tensor w = random_tensor({6, 4 / group, 3}, 2);
          const Dims dims = conv_dims(x, w, attrs);
          const Tensor y = run_ref("Conv", {x, w}, DType::f32, dims, attrs);
          const std::vector<double> wanted = plain_conv_1d(x, w, group, stride, dilation, 2, dims[2]);
          for (size_t i = 0; i < wanted.size(); ++i)
            ASSERT_NEAR(y.at<float>(static_cast<int64_t>(i)), wanted[i], 1e-6) << width << " " << stride << " " << i;
        }
}

TEST(RefConv, TwoAxesAreOneAfterTheOther) {
  // A kernel that is a product of a column and a row gives what the two give in turn.
  const Tensor x = random_tensor({1, 1, 6, 7}, 3);
  const Tensor column = random_tensor({1, 1, 3, 1}, 4);
  const Tensor row = random_tensor({1, 1, 1, 2}, 5);
  std::vector<float> product;
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 2; ++j) product.push_back(column.at<float>(i) * row.at<float>(j));
  const Attrs plain = {{"group", int64_t{1}}};
  const Tensor half = run_ref("Conv", {x, column}, DType::f32, {1, 1, 4, 7}, plain);
  const Tensor twice = run_ref("Conv", {half, row}, DType::f32, {1, 1, 4, 6}, plain);
  const Tensor once = run_ref("Conv", {x, Tensor::of<float>({1, 1, 3, 2}, product)}, DType::f32, {1, 1, 4, 6}, plain);
  for (int64_t i = 0; i < once.elements(); ++i) EXPECT_NEAR(once.at<float>(i), twice.at<float>(i), 1e-6);
}

TEST(RefConv, TransposeIsTheAdjoint) {
  // <conv(x), y> = <x, conv_transpose(y)> for all x and y.
  for (const Attrs& attrs :
       {Attrs{{"group", int64_t{1}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 2}}},
        Attrs{{"group", int64_t{2}}, {"strides", Ints{1, 2}}, {"dilations", Ints{2, 1}}, {"pads", Ints{0, 1, 1, 1}}}}) {
    const int64_t group = attrs.get_int("group");
    const Tensor x = random_tensor({2, 4, 9, 7}, 6);
    const Tensor w = random_tensor({6, 4 / group, 3, 3}, 7);
    const Dims dims = conv_dims(x, w, attrs);
    const Tensor y = random_tensor(dims, 8);
    const Tensor forward = run_ref("Conv", {x, w}, DType::f32, dims, attrs);
    const Tensor back = run_ref("ConvTranspose", {y, w}, DType::f32, x.dims(), attrs);
    double left = 0, right = 0;
    for (int64_t i = 0; i < y.elements(); ++i) left += static_cast<double>(forward.at<float>(i) * y.at<float>(i));
    for (int64_t i = 0; i < x.elements(); ++i) right += static_cast<double>(back.at<float>(i) * x.at<float>(i));
    EXPECT_NEAR(left, right, 1e-4);
  }
}

TEST(RefConv, TransposeCrossesRowPieces) {
  std::vector<float> ones(700, 1.0f);
  const Tensor y =
      run_ref("ConvTranspose", {Tensor::of<float>({1, 1, 700}, ones), Tensor::of<float>({1, 1, 3}, {1, 2, 4})},
              DType::f32, {1, 1, 1401}, {{"group", int64_t{1}}, {"strides", Ints{2}}});
  for (int64_t i = 0; i < 1401; ++i)
    ASSERT_EQ(y.at<float>(i), i % 2 == 1 ? 2 : (i < 1400 ? 1 : 0) + (i > 0 ? 4 : 0)) << i;
}

TEST(RefConv, EmptyOperands) {
  const Attrs attrs = {{"group", int64_t{1}}};
  EXPECT_EQ(run_ref("Conv", {Tensor(DType::f32, {0, 2, 5}), random_tensor({3, 2, 3}, 1)}, DType::f32, {0, 3, 3}, attrs)
                .elements(),
            0);
  // No input channels: the bias alone.
  EXPECT_THAT(elements<float>(run_ref(
                  "Conv", {Tensor(DType::f32, {1, 0, 3}), Tensor(DType::f32, {1, 0, 2}), Tensor::of<float>({1}, {5})},
                  DType::f32, {1, 1, 2}, attrs)),
              ElementsAre(5, 5));
}

TEST(RefConv, IntegerZeroPointsPerChannel) {
  const auto y =
      run_ref("ConvInteger",
              {Tensor::of<uint8_t>({1, 1, 3}, {0, 255, 10}), Tensor::of<int8_t>({2, 1, 2}, {-128, 127, 1, 2}),
               Tensor::of<uint8_t>({}, {10}), Tensor::of<int8_t>({2}, {-128, 1})},
              DType::i32, {1, 2, 4}, {{"group", int64_t{1}}, {"pads", Ints{1, 1}}});
  EXPECT_THAT(elements<int32_t>(y), ElementsAre(-10 * 255, 245 * 255, 0, 0, -10, 245, 0, 0));
}

TEST(RefPool, AverageCountsPaddingAsTold) {
  const Tensor x = Tensor::of<float>({1, 1, 4}, {1, 2, 3, 4});
  Attrs attrs = {{"kernel_shape", Ints{3}},
                 {"strides", Ints{2}},
                 {"pads", Ints{1, 1}},
                 {"ceil_mode", int64_t{1}},
                 {"count_include_pad", int64_t{0}}};
  EXPECT_THAT(elements<float>(run_ref("AveragePool", {x}, DType::f32, {1, 1, 3}, attrs)), ElementsAre(1.5f, 3, 4));
  attrs.set("count_include_pad", int64_t{1});
  // The last window reaches one past the padding: it counts 4 and the padding, not the third.
  EXPECT_THAT(elements<float>(run_ref("AveragePool", {x}, DType::f32, {1, 1, 3}, attrs)), ElementsAre(1, 3, 2));
}

TEST(RefPool, MaxTellsWhereItFoundIt) {
  const Tensor x = Tensor::of<float>({1, 2, 2, 3}, {1, 9, 3, 4, 5, 9, -1, -2, -3, -4, -5, -6});
  const auto run = [&](int64_t storage_order) {
    return run_ref("MaxPool", {x}, {{DType::f32, {1, 2, 1, 2}}, {DType::i64, {1, 2, 1, 2}}},
                   {{"kernel_shape", Ints{2, 2}}, {"storage_order", storage_order}});
  };
  EXPECT_THAT(elements<float>(run(0)[0]), ElementsAre(9, 9, -1, -2));
  EXPECT_THAT(elements<int64_t>(run(0)[1]), ElementsAre(1, 1, 6, 7));  // the first of equals
  EXPECT_THAT(elements<int64_t>(run(1)[1]), ElementsAre(2, 2, 6, 8));
}

TEST(RefPool, WindowsOfNothingButPadding) {
  const Tensor x = Tensor::of<float>({1, 1, 1}, {7});
  const Attrs attrs = {{"kernel_shape", Ints{1}},
                       {"pads", Ints{1, 1}},
                       {"count_include_pad", int64_t{0}},
                       {"storage_order", int64_t{0}}};
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(elements<float>(run_ref("MaxPool", {x}, DType::f32, {1, 1, 3}, attrs)), ElementsAre(-kInf, 7, -kInf));
  EXPECT_THAT(elements<float>(run_ref("AveragePool", {x}, DType::f32, {1, 1, 3}, attrs)), ElementsAre(0, 7, 0));
}

TEST(RefPool, GlobalAndLp) {
  const Tensor x = Tensor::of<float>({1, 2, 2, 1}, {3, -4, 1, 2});
  EXPECT_THAT(elements<float>(run_ref("GlobalAveragePool", {x}, DType::f32, {1, 2, 1, 1})), ElementsAre(-0.5f, 1.5f));
  EXPECT_THAT(elements<float>(run_ref("GlobalMaxPool", {x}, DType::f32, {1, 2, 1, 1})), ElementsAre(3, 2));
  EXPECT_THAT(elements<float>(run_ref("GlobalLpPool", {x}, DType::f32, {1, 2, 1, 1}, {{"p", int64_t{1}}})),
              ElementsAre(7, 3));
  EXPECT_THAT(elements<float>(
                  run_ref("LpPool", {x}, DType::f32, {1, 2, 1, 1}, {{"p", int64_t{2}}, {"kernel_shape", Ints{2, 1}}})),
              ElementsAre(5, testing::FloatNear(std::sqrt(5.0f), 1e-6f)));
}

TEST(RefPool, MaxUnpoolRefusesIndicesOutside) {
  const Attrs attrs = {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}};
  const auto run = [&](int64_t index) {
    return run_ref("MaxUnpool", {Tensor::of<float>({1, 1, 1}, {5}), Tensor::of<int64_t>({1, 1, 1}, {index})},
                   DType::f32, {1, 1, 2}, attrs);
  };
  EXPECT_THAT(elements<float>(run(1)), ElementsAre(0, 5));
  EXPECT_THROW(run(2), Error);
  EXPECT_THROW(run(-1), Error);
}

}  // namespace
}  // namespace tercel::inline kernels
