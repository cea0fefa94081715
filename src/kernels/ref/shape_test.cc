#include <gmock/gmock.h>

#include <limits>

#include "base/error.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;

constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();

Tensor ints(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}
Tensor floats(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}
Attrs axis(int64_t value) { return {{"axis", value}}; }

TEST(RefShape, SliceTakesTheEndsOfInt64) {
  const Tensor x = floats({0, 1, 2, 3, 4});
  const auto slice = [&](int64_t start, int64_t end, int64_t step, int64_t count) {
    return elements<float>(
        run_ref("Slice", {x, ints({start}), ints({end}), ints({-1}), ints({step})}, DType::f32, {count}));
  };
  EXPECT_THAT(slice(kHigh, kLow, -2, 3), ElementsAre(4, 2, 0));
  EXPECT_THAT(slice(kLow, kHigh, kHigh, 1), ElementsAre(0));
  EXPECT_THAT(slice(kHigh, kLow, kLow, 1), ElementsAre(4));
  EXPECT_THAT(slice(-2, kHigh, 1, 2), ElementsAre(3, 4));
}

TEST(RefShape, EveryWidthIsCopied) {
  for (DType dtype : {DType::u8, DType::f16, DType::i32, DType::f64}) {
    Tensor x(dtype, {2, 2});
    for (size_t i = 0; i < x.bytes(); ++i) x.mutable_data()[i] = static_cast<std::byte>(i);
    const Tensor once = run_ref("Transpose", {x}, dtype, {2, 2});
    EXPECT_NE(once, x);
    EXPECT_EQ(run_ref("Transpose", {once}, dtype, {2, 2}), x);
  }
}

TEST(RefShape, IndicesOutsideAreRefused) {
  const Tensor x = floats({1, 2, 3});
  const auto gather = [&](int64_t index) {
    return elements<float>(run_ref("Gather", {x, ints({index})}, DType::f32, {1}, axis(0)));
  };
  EXPECT_THAT(gather(-3), ElementsAre(1));
  for (int64_t index : {int64_t{3}, int64_t{-4}, kLow, kHigh}) {
    EXPECT_THROW(gather(index), Error);
    EXPECT_THROW(run_ref("GatherElements", {x, ints({index})}, DType::f32, {1}, axis(0)), Error);
    EXPECT_THROW(
        run_ref("GatherND", {x, Tensor::of<int64_t>({1, 1}, {index})}, DType::f32, {1}, {{"batch_dims", int64_t{0}}}),
        Error);
    EXPECT_THROW(run_ref("ScatterElements", {x, ints({index}), floats({9})}, DType::f32, {3},
                         {{"axis", int64_t{0}}, {"reduction", std::string("add")}}),
                 Error);
    EXPECT_THROW(run_ref("ScatterND", {x, Tensor::of<int64_t>({1, 1}, {index}), floats({9})}, DType::f32, {3},
                         {{"reduction", std::string("none")}}),
                 Error);
  }
  EXPECT_THROW(run_ref("Gather", {Tensor(DType::f32, {0}), ints({0})}, DType::f32, {1}, axis(0)), Error);
  EXPECT_THROW(run_ref("ReverseSequence", {Tensor::of<float>({1, 2}, {1, 2}), ints({3})}, DType::f32, {1, 2},
                       {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}}),
               Error);
}

TEST(RefShape, ScatterReductionsAddUpRepeatedIndices) {
  const auto scatter = [](const char* reduction) {
    return elements<int64_t>(run_ref("ScatterElements", {ints({10, 20}), ints({0, -2, 1}), ints({3, 4, 50})},
                                     DType::i64, {2}, {{"axis", int64_t{0}}, {"reduction", std::string(reduction)}}));
  };
  EXPECT_THAT(scatter("add"), ElementsAre(17, 70));
  EXPECT_THAT(scatter("mul"), ElementsAre(120, 1000));
  EXPECT_THAT(scatter("max"), ElementsAre(10, 50));
  EXPECT_THAT(scatter("min"), ElementsAre(3, 20));
}

TEST(RefShape, PadCropsFirstAndContinuesWhatIsLeft) {
  const auto pad = [](int64_t before, int64_t after, const char* mode) {
    return elements<float>(run_ref("Pad", {floats({1, 2, 3}), ints({before, after})}, DType::f32, {3 + before + after},
                                   {{"mode", std::string(mode)}}));
  };
  EXPECT_THAT(pad(5, 0, "reflect"), ElementsAre(2, 1, 2, 3, 2, 1, 2, 3));  // past both ends
  EXPECT_THAT(pad(-1, 2, "reflect"), ElementsAre(2, 3, 2, 3));
  EXPECT_THAT(pad(2, 2, "wrap"), ElementsAre(2, 3, 1, 2, 3, 1, 2));
  EXPECT_THAT(pad(2, -1, "edge"), ElementsAre(1, 1, 1, 2));
  EXPECT_THAT(pad(-5, 4, "constant"), ElementsAre(0, 0));
  EXPECT_THAT(
      elements<float>(run_ref("Pad", {floats({7}), ints({2, 1})}, DType::f32, {4}, {{"mode", std::string("reflect")}})),
      ElementsAre(7, 7, 7, 7));
}

TEST(RefShape, WindowsPeriodicAndSymmetric) {
  const auto window = [](const char* op, int64_t size, int64_t periodic, DType dtype = DType::f64) {
    return run_ref(op, {Tensor::scalar(size)}, dtype, {size}, {{"periodic", periodic}});
  };
  using testing::DoubleNear;
  constexpr double kNear = 1e-15;
  EXPECT_THAT(elements<double>(window("HannWindow", 4, 1)),
              ElementsAre(DoubleNear(0, kNear), DoubleNear(0.5, kNear), 1, DoubleNear(0.5, kNear)));
  EXPECT_THAT(elements<double>(window("HannWindow", 3, 0)), ElementsAre(DoubleNear(0, kNear), 1, DoubleNear(0, kNear)));
  EXPECT_THAT(elements<double>(window("HammingWindow", 3, 0)),
              ElementsAre(DoubleNear(4.0 / 46, kNear), DoubleNear(1, kNear), DoubleNear(4.0 / 46, kNear)));
  EXPECT_THAT(
      elements<double>(window("BlackmanWindow", 4, 1)),
      ElementsAre(DoubleNear(0, kNear), DoubleNear(0.34, kNear), DoubleNear(1, kNear), DoubleNear(0.34, kNear)));
  EXPECT_THAT(elements<int8_t>(window("HannWindow", 3, 0, DType::i8)), ElementsAre(0, 1, 0));
  for (const char* op : {"BlackmanWindow", "HammingWindow", "HannWindow"}) {
    EXPECT_NEAR(window(op, 1, 0).at<double>(0), 1, kNear);  // not 0 / 0
    EXPECT_EQ(window(op, 0, 0).elements(), 0);
  }
}

TEST(RefShape, RangeAndTriluTakeExtremes) {
  EXPECT_THAT(elements<int64_t>(run_ref("Range", {Tensor::scalar(kHigh), Tensor::scalar(kLow), Tensor::scalar(kLow)},
                                        DType::i64, {2})),
              ElementsAre(kHigh, -1));
  const Tensor x = Tensor::of<int64_t>({2, 2}, {1, 2, 3, 4});
  const Attrs upper{{"upper", int64_t{1}}}, lower{{"upper", int64_t{0}}};
  const auto trilu = [&](int64_t k, const Attrs& attrs) {
    return elements<int64_t>(run_ref("Trilu", {x, Tensor::scalar(k)}, DType::i64, {2, 2}, attrs));
  };
  EXPECT_THAT(trilu(kLow, upper), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(trilu(kHigh, upper), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(trilu(kHigh, lower), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(trilu(-1, lower), ElementsAre(0, 0, 3, 0));
}

TEST(RefShape, OneHotLeavesOutWhatIsOutside) {
  EXPECT_THAT(elements<float>(run_ref("OneHot", {floats({1, -1, 2, 1e30f}), Tensor::scalar(int64_t{2}), floats({5, 9})},
                                      DType::f32, {4, 2}, axis(-1))),
              ElementsAre(5, 9, 5, 9, 5, 5, 5, 5));
}

TEST(RefShape, UniqueCountsNaNOnce) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto results =
      run_ref("Unique", {floats({nan, 2, nan, 1, 2})},
              {{DType::f32, {3}}, {DType::i64, {3}}, {DType::none, {}}, {DType::i64, {3}}}, {{"sorted", int64_t{1}}});
  EXPECT_THAT(elements<int64_t>(results[1]), ElementsAre(3, 1, 0));
  EXPECT_THAT(elements<int64_t>(results[3]), ElementsAre(1, 2, 2));
}

TEST(RefShape, EmptyTensorsWorkEverywhere) {
  const Tensor none(DType::f32, {0, 3});
  EXPECT_EQ(run_ref("Transpose", {none}, DType::f32, {3, 0}).elements(), 0);
  EXPECT_EQ(run_ref("Tile", {none, ints({2, 2})}, DType::f32, {0, 6}).elements(), 0);
  EXPECT_EQ(run_ref("NonZero", {none}, DType::i64, {2, 0}).elements(), 0);
  EXPECT_EQ(run_ref("Gather", {none, ints({})}, DType::f32, {0, 3}, axis(0)).elements(), 0);
  const Tensor one = Tensor::of<float>({1, 3}, {1, 2, 3});
  EXPECT_THAT(elements<float>(run_ref("Concat", {none, one, none}, DType::f32, {1, 3}, axis(0))), ElementsAre(1, 2, 3));
  EXPECT_THAT(elements<float>(
                  run_ref("Pad", {none, ints({1, 0, 0, 0})}, DType::f32, {1, 3}, {{"mode", std::string("constant")}})),
              ElementsAre(0, 0, 0));
}

TEST(RefShape, SplitSkipsResultsNobodyWants) {
  const auto results =
      run_ref("Split", {floats({1, 2, 3, 4, 5})}, {{DType::none, {}}, {DType::f32, {2}}, {DType::f32, {1}}}, axis(0));
  EXPECT_THAT(elements<float>(results[1]), ElementsAre(3, 4));
  EXPECT_THAT(elements<float>(results[2]), ElementsAre(5));
}

Attrs resize_attrs(const char* mode, const char* coordinates, int64_t antialias = 0) {
  return {{"antialias", antialias},       {"coordinate_transformation_mode", std::string(coordinates)},
          {"cubic_coeff_a", -0.75f},      {"exclude_outside", int64_t{0}},
          {"extrapolation_value", -1.0f}, {"keep_aspect_ratio_policy", std::string("stretch")},
          {"mode", std::string(mode)},    {"nearest_mode", std::string("round_prefer_floor")}};
}

TEST(RefShape, ResizeOfWholeNumbersStaysExactAndInRange) {
  const Tensor x = ints({kHigh, kLow});
  EXPECT_THAT(elements<int64_t>(run_ref("Resize", {x, Tensor(), Tensor(), ints({4})}, DType::i64, {4},
                                        resize_attrs("nearest", "half_pixel"))),
              ElementsAre(kHigh, kHigh, kLow, kLow));
  const Tensor bytes = Tensor::of<uint8_t>({4}, {0, 255, 255, 0});
  const auto bigger = elements<uint8_t>(
      run_ref("Resize", {bytes, Tensor(), Tensor(), ints({8})}, DType::u8, {8}, resize_attrs("cubic", "half_pixel")));
  EXPECT_EQ(bigger[3], 255);  // cubic overshoots: saturated, not wrapped
  EXPECT_EQ(bigger[0], 0);
}

TEST(RefShape, ResizeLeavesAxesOfUnchangedSizeAlone) {
  // Two channels of two elements each: no answer may mix them.
  const Tensor x = Tensor::of<float>({2, 2}, {0, 0, 7, 7});
  for (const char* nearest : {"round_prefer_ceil", "round_prefer_floor", "ceil", "floor"})
    for (const char* mode : {"nearest", "linear", "cubic"})
      for (const char* coordinates : {"tf_half_pixel_for_nn", "half_pixel", "asymmetric", "align_corners"}) {
        Attrs attrs = resize_attrs(mode, coordinates);
        attrs.set("nearest_mode", std::string(nearest));
        EXPECT_THAT(
            elements<float>(run_ref("Resize", {x, Tensor(), Tensor(), ints({2, 4})}, DType::f32, {2, 4}, attrs)),
            ElementsAre(0, 0, 0, 0, 7, 7, 7, 7))
            << mode << " " << coordinates << " " << nearest;
      }
}

TEST(RefShape, ResizeAntialiasAveragesWhatItReduces) {
  const auto half = [](const char* mode) {
    return elements<float>(run_ref("Resize", {floats({1, 1, 1, 1, 1, 1}), Tensor(), Tensor(), ints({2})}, DType::f32,
                                   {2}, resize_attrs(mode, "half_pixel", 1)));
  };
  EXPECT_THAT(half("linear"), ElementsAre(testing::FloatEq(1), testing::FloatEq(1)));
  EXPECT_THAT(half("cubic"), ElementsAre(testing::FloatEq(1), testing::FloatEq(1)));
  // Linear, reduced by 3: weights 1 - |d| / 3 around 1 and 4, normalised by 3.
  EXPECT_THAT(elements<float>(run_ref("Resize", {floats({0, 9, 0, 0, 0, 0}), Tensor(), Tensor(), ints({2})}, DType::f32,
                                      {2}, resize_attrs("linear", "half_pixel", 1))),
              ElementsAre(testing::FloatEq(3), testing::FloatEq(0)));
}

TEST(RefShape, ResizeCropsFarOutsideThePicture) {
  const Tensor roi = floats({-1e30f, 1e30f});
  EXPECT_THAT(elements<float>(run_ref("Resize", {floats({1, 2}), roi, Tensor(), ints({3})}, DType::f32, {3},
                                      resize_attrs("linear", "tf_crop_and_resize"))),
              ElementsAre(-1, 1, -1));
}

TEST(RefShape, GridSampleTakesAnyNumber) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::of<float>({1, 1, 2, 2}, {1, 2, 3, 4});
  const Tensor grid = Tensor::of<float>({1, 1, 4, 2}, {inf, 0, nan, nan, 1e30f, -1e30f, 0, 0});
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"}) {
      const auto result = elements<float>(run_ref(
          "GridSample", {x, grid}, DType::f32, {1, 1, 1, 4},
          {{"align_corners", int64_t{0}}, {"mode", std::string(mode)}, {"padding_mode", std::string(padding)}}));
      if (std::string(mode) == "linear") {
        EXPECT_FLOAT_EQ(result[3], 2.5f);
      }
    }
}

TEST(RefShape, GridSampleOfVolumes) {
  const Tensor x = Tensor::of<float>({1, 1, 1, 1, 2}, {1, 3});
  EXPECT_THAT(
      elements<float>(run_ref(
          "GridSample", {x, Tensor::of<float>({1, 1, 1, 1, 3}, {0, 0, 0})}, DType::f32, {1, 1, 1, 1, 1},
          {{"align_corners", int64_t{1}}, {"mode", std::string("linear")}, {"padding_mode", std::string("border")}})),
      ElementsAre(2));
}

}  // namespace
}  // namespace tercel::inline kernels
