#include <gmock/gmock.h>

#include <limits>

#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int32_t kLow = std::numeric_limits<int32_t>::min();
constexpr int64_t kLow64 = std::numeric_limits<int64_t>::min();
constexpr int64_t kHigh64 = std::numeric_limits<int64_t>::max();

template <typename T>
std::vector<T> binary(std::string_view op, std::vector<T> a, std::vector<T> b, const Attrs& attrs = {}) {
  const auto count = static_cast<int64_t>(a.size());
  return elements<T>(
      run_ref(op, {Tensor::of<T>({count}, a), Tensor::of<T>({count}, b)}, dtype_of<T>(), {count}, attrs));
}

template <typename T>
std::vector<T> unary(std::string_view op, std::vector<T> x, const Attrs& attrs = {}) {
  const auto count = static_cast<int64_t>(x.size());
  return elements<T>(run_ref(op, {Tensor::of<T>({count}, x)}, dtype_of<T>(), {count}, attrs));
}

template <typename To, typename From>
std::vector<To> cast(std::vector<From> x) {
  const auto count = static_cast<int64_t>(x.size());
  return elements<To>(run_ref("Cast", {Tensor::of<From>({count}, x)}, dtype_of<To>(), {count}));
}

TEST(RefElementwise, WholeNumbersNeverTrap) {
  EXPECT_THAT(binary<int32_t>("Div", {7, -7, 5, kLow}, {2, 2, 0, -1}), ElementsAre(3, -3, 0, kLow));
  EXPECT_THAT(binary<uint8_t>("Div", {200, 200}, {0, 255}), ElementsAre(0, 0));
  EXPECT_THAT(binary<int32_t>("Add", {std::numeric_limits<int32_t>::max()}, {1}), ElementsAre(kLow));
  EXPECT_THAT(binary<uint16_t>("Mul", {65535}, {65535}), ElementsAre(1));
  EXPECT_THAT(binary<int64_t>("Mul", {kHigh64}, {2}), ElementsAre(-2));
  EXPECT_THAT(unary<int64_t>("Neg", {kLow64}), ElementsAre(kLow64));
  EXPECT_THAT(unary<int8_t>("Abs", {-128, -3}), ElementsAre(-128, 3));
}

TEST(RefElementwise, ModFollowsDivisorOrDividend) {
  EXPECT_THAT(binary<int32_t>("Mod", {-4, 7, 5, -4, kLow, 3}, {3, -3, 0, 2, -1, -3}, {{"fmod", int64_t{0}}}),
              ElementsAre(2, -2, 0, 0, 0, 0));
  EXPECT_THAT(binary<int32_t>("Mod", {-4, 7, 5}, {3, -3, 0}, {{"fmod", int64_t{1}}}), ElementsAre(-1, 1, 0));
}

TEST(RefElementwise, PowOfWholeNumbersIsExact) {
  EXPECT_THAT(binary<int64_t>("Pow", {3, -1, 2, 0, 2, -2}, {39, kLow64, -1, 0, 64, 63}),
              ElementsAre(4052555153018976267, 1, 0, 1, 0, kLow64));
  const Tensor base = Tensor::of<int32_t>({2}, {3, 2});
  EXPECT_THAT(elements<int32_t>(run_ref("Pow", {base, Tensor::of<float>({2}, {2.0f, 0.5f})}, DType::i32, {2})),
              ElementsAre(9, 1));
}

TEST(RefElementwise, ShiftsPastTheWidthGiveZero) {
  EXPECT_THAT(binary<uint8_t>("BitShift", {255, 255, 255}, {7, 8, 200}, {{"direction", std::string("RIGHT")}}),
              ElementsAre(1, 0, 0));
  EXPECT_THAT(binary<uint64_t>("BitShift", {1, 1}, {63, 64}, {{"direction", std::string("LEFT")}}),
              ElementsAre(uint64_t{1} << 63, 0u));
}

TEST(RefElementwise, CastsAreDefinedEverywhere) {
  EXPECT_THAT((cast<int32_t, float>({1.9f, -1.9f, 3e9f, -3e9f, kNaN, kInf})),
              ElementsAre(1, -1, std::numeric_limits<int32_t>::max(), kLow, 0, std::numeric_limits<int32_t>::max()));
  EXPECT_THAT((cast<int64_t, double>({9.3e18, -9.3e18, -9223372036854775808.0})), ElementsAre(kHigh64, kLow64, kLow64));
  EXPECT_THAT((cast<uint8_t, float>({-0.5f, -1.0f, 255.9f, 256.0f})), ElementsAre(0, 0, 255, 255));
  EXPECT_THAT((cast<int8_t, int32_t>({300, -129})), ElementsAre(44, 127));
  EXPECT_THAT((cast<int64_t, int64_t>({kHigh64 - 1})), ElementsAre(kHigh64 - 1));
  const auto truth = cast<Bool, float>({0.0f, -0.0f, 0.25f, kNaN});
  EXPECT_THAT(std::vector<bool>(truth.begin(), truth.end()), ElementsAre(false, false, true, true));
  // 1 + 2^-11 + 2^-40 lies above a tie of f16, but rounds to the tie as f32.
  EXPECT_EQ(static_cast<float>((cast<Half, double>({1.0 + 0x1p-11 + 0x1p-40}))[0]), 1.0f + 0x1p-10f);
}

TEST(RefElementwise, BroadcastsScalarsAndEmptyTensors) {
  const Tensor column = Tensor::of<float>({2, 1}, {10, 20});
  const Tensor row = Tensor::of<float>({3}, {1, 2, 3});
  EXPECT_THAT(elements<float>(run_ref("Add", {column, row}, DType::f32, {2, 3})), ElementsAre(11, 12, 13, 21, 22, 23));
  EXPECT_THAT(elements<float>(run_ref("Sub", {Tensor::scalar(5.0f), Tensor::scalar(2.0f)}, DType::f32, {})),
              ElementsAre(3));
  EXPECT_EQ(run_ref("Add", {Tensor(DType::f32, {0, 3}), row}, DType::f32, {0, 3}).elements(), 0);
  EXPECT_EQ(run_ref("Max", {Tensor(DType::f32, {2, 0}), Tensor(DType::f32, {1})}, DType::f32, {2, 0}).elements(), 0);
}

TEST(RefElementwise, NaNPassesThrough) {
  for (const char* op : {"Relu", "Sign", "Softplus"}) EXPECT_TRUE(std::isnan(unary<float>(op, {kNaN})[0])) << op;
  for (const char* op : {"Max", "Min"}) {
    EXPECT_TRUE(std::isnan(binary<float>(op, {kNaN}, {1})[0])) << op;
    EXPECT_TRUE(std::isnan(binary<float>(op, {1}, {kNaN})[0])) << op;
  }
  EXPECT_TRUE(std::isnan(unary<float>("Shrink", {kNaN}, {{"bias", 0.0f}, {"lambd", 0.5f}})[0]));
}

TEST(RefElementwise, LargeArgumentsDoNotOverflow) {
  EXPECT_THAT(unary<float>("Softplus", {1000, -1000}), ElementsAre(1000, 0));
  EXPECT_THAT(unary<float>("Mish", {1000}), ElementsAre(1000));
  EXPECT_THAT(unary<float>("Sigmoid", {1000, -1000}), ElementsAre(1, 0));
}

TEST(RefElementwise, HalfTypesAreComputedInFloat) {
  const auto sum = elements<Half>(
      run_ref("Sum", {Tensor::scalar(Half(2048)), Tensor::scalar(Half(1)), Tensor::scalar(Half(1))}, DType::f16, {}));
  EXPECT_EQ(static_cast<float>(sum[0]), 2050.0f);  // rounding after each step would stay at 2048
}

TEST(RefElementwise, ClipTakesBoundsThatAreLeftOutOrCross) {
  const Tensor x = Tensor::of<int64_t>({3}, {kLow64, 0, kHigh64});
  EXPECT_THAT(elements<int64_t>(run_ref("Clip", {x, Tensor(), Tensor::scalar(int64_t{5})}, DType::i64, {3})),
              ElementsAre(kLow64, 0, 5));
  EXPECT_THAT(
      elements<int64_t>(run_ref("Clip", {x, Tensor::scalar(int64_t{9}), Tensor::scalar(int64_t{5})}, DType::i64, {3})),
      ElementsAre(5, 5, 5));
}

TEST(RefElementwise, WhereAndEqualTakeEveryType) {
  const Tensor condition = Tensor::of<Bool>({2, 1}, {Bool(true), Bool(false)});
  EXPECT_THAT(
      elements<int64_t>(run_ref("Where", {condition, Tensor::of<int64_t>({2}, {1, kLow64}), Tensor::scalar(kHigh64)},
                                DType::i64, {2, 2})),
      ElementsAre(1, kLow64, kHigh64, kHigh64));
  const auto same =
      elements<Bool>(run_ref("Equal", {Tensor::scalar(Bool(true)), Tensor::scalar(Bool(true))}, DType::boolean, {}));
  EXPECT_TRUE(same[0]);
}

TEST(RefElementwise, RoundsHalfToEven) {
  EXPECT_THAT(unary<float>("Round", {0.5f, 1.5f, 2.5f, -0.5f, -2.5f}), ElementsAre(0, 2, 2, 0, -2));
}

}  // namespace
}  // namespace tercel::inline kernels
