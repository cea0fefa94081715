#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Attrs reduce_attrs(int64_t keepdims = 0, int64_t noop = 0) {
  return {{"keepdims", keepdims}, {"noop_with_empty_axes", noop}};
}

template <typename T>
T reduce_all(std::string_view op, std::vector<T> values) {
  const auto count = static_cast<int64_t>(values.size());
  return run_ref(op, {Tensor::of<T>({count}, values)}, dtype_of<T>(), {}, reduce_attrs()).template at<T>(0);
}

TEST(RefReduce, NothingAtAll) {
  EXPECT_EQ(reduce_all<float>("ReduceSum", {}), 0);
  EXPECT_EQ(reduce_all<float>("ReduceProd", {}), 1);
  EXPECT_EQ(reduce_all<float>("ReduceMax", {}), -kInf);
  EXPECT_EQ(reduce_all<float>("ReduceMin", {}), kInf);
  EXPECT_EQ(reduce_all<int32_t>("ReduceMax", {}), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(reduce_all<float>("ReduceLogSumExp", {}), -kInf);
  EXPECT_TRUE(std::isnan(reduce_all<float>("ReduceMean", {})));
  EXPECT_EQ(reduce_all<int64_t>("ReduceMean", {}), 0);
}

TEST(RefReduce, WholeNumbersAreExact) {
  const int64_t big = int64_t{1} << 60;
  EXPECT_EQ(reduce_all<int64_t>("ReduceSum", {big, 1, -big}), 1);
  EXPECT_EQ(reduce_all<int64_t>("ReduceMean", {-7, 0}), -3);
  EXPECT_EQ(reduce_all<uint64_t>("ReduceMean", {~uint64_t{0}}), ~uint64_t{0});
  EXPECT_EQ(reduce_all<int32_t>("ReduceL1", {-3, 4}), 7);
  EXPECT_EQ(reduce_all<int32_t>("ReduceL2", {-3, 4}), 5);
  EXPECT_EQ(reduce_all<int32_t>("ReduceSumSquare", {-3, 4}), 25);
  EXPECT_EQ(reduce_all<int32_t>("ReduceProd", {-3, 4}), -12);
  EXPECT_EQ(reduce_all<int32_t>("ReduceLogSum", {0}), std::numeric_limits<int32_t>::min());  // -inf, saturated
}

TEST(RefReduce, ExponentialsDoNotOverflow) {
  EXPECT_FLOAT_EQ(reduce_all<float>("ReduceLogSumExp", {1000, 1000}), 1000 + std::log(2.0f));
  EXPECT_EQ(reduce_all<float>("ReduceLogSumExp", {kInf, 1}), kInf);
  EXPECT_EQ(reduce_all<float>("ReduceLogSumExp", {-kInf, -kInf}), -kInf);
  EXPECT_EQ(reduce_all<float>("ReduceLogSumExp", {-kInf, 2}), 2);
}

TEST(RefReduce, NaNWins) {
  EXPECT_TRUE(std::isnan(reduce_all<float>("ReduceMax", {1, kNaN, 2})));
  EXPECT_TRUE(std::isnan(reduce_all<float>("ReduceMin", {1, kNaN, 2})));
}

TEST(RefReduce, AxesInAnyOrder) {
  const Tensor x = Tensor::of<int32_t>({2, 3, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  EXPECT_THAT(
      elements<int32_t>(run_ref("ReduceSum", {x, Tensor::of<int64_t>({2}, {-1, 0})}, DType::i32, {3}, reduce_attrs())),
      ElementsAre(14, 22, 30));
  EXPECT_EQ(run_ref("ReduceSum", {x, Tensor::of<int64_t>({0}, {})}, DType::i32, {2, 3, 2}, reduce_attrs(1, 1)), x);
  EXPECT_THROW(run_ref("ReduceSum", {x, Tensor::of<int64_t>({1}, {3})}, DType::i32, {2, 3}, reduce_attrs()), Error);
  EXPECT_THROW(run_ref("ReduceSum", {x, Tensor::of<int64_t>({1}, {0})}, DType::i32, {3}, reduce_attrs()), Error);
}

TEST(RefReduce, BoolsByOrAndAnd) {
  const Tensor x = Tensor::of<Bool>({2}, {Bool(true), Bool(false)});
  EXPECT_TRUE(run_ref("ReduceMax", {x}, DType::boolean, {}, reduce_attrs()).at<Bool>(0));
  EXPECT_FALSE(run_ref("ReduceMin", {x}, DType::boolean, {}, reduce_attrs()).at<Bool>(0));
}

TEST(RefOrder, ArgMaxOfEquals) {
  const Tensor x = Tensor::of<float>({2, 2}, {1, 5, 1, kNaN});
  const auto arg = [&](std::string_view op, int64_t last) {
    return elements<int64_t>(run_ref(op, {x}, DType::i64, {2},
                                     {{"axis", int64_t{0}}, {"keepdims", int64_t{0}}, {"select_last_index", last}}));
  };
  EXPECT_THAT(arg("ArgMax", 0), ElementsAre(0, 1));  // NaN wins
  EXPECT_THAT(arg("ArgMax", 1), ElementsAre(1, 1));
  EXPECT_THAT(arg("ArgMin", 0), ElementsAre(0, 1));  // and below all: as ReduceMin gives it
  EXPECT_THAT(arg("ArgMin", 1), ElementsAre(1, 1));
}

TEST(RefOrder, TopKIsStableAndTotal) {
  const Tensor x = Tensor::of<float>({1, 5, 1}, {2, kNaN, 3, 2, -1});
  const auto top = [&](int64_t k, int64_t largest) {
    return run_ref("TopK", {x, Tensor::of<int64_t>({1}, {k})}, {{DType::none, {}}, {DType::i64, {1, k, 1}}},
                   {{"axis", int64_t{1}}, {"largest", largest}, {"sorted", int64_t{1}}});
  };
  EXPECT_THAT(elements<int64_t>(top(4, 1)[1]), ElementsAre(1, 2, 0, 3));
  EXPECT_THAT(elements<int64_t>(top(5, 0)[1]), ElementsAre(4, 0, 3, 2, 1));
  EXPECT_THAT(elements<int64_t>(top(0, 0)[1]), ElementsAre());
  EXPECT_THROW(top(6, 1), Error);
}

TEST(RefOrder, CumSumBothWays) {
  const auto sum = [](int64_t exclusive, int64_t reverse) {
    return elements<int32_t>(run_ref("CumSum", {Tensor::of<int32_t>({3}, {1, 2, 3}), Tensor::of<int64_t>({}, {0})},
                                     DType::i32, {3}, {{"exclusive", exclusive}, {"reverse", reverse}}));
  };
  EXPECT_THAT(sum(0, 0), ElementsAre(1, 3, 6));
  EXPECT_THAT(sum(1, 0), ElementsAre(0, 1, 3));
  EXPECT_THAT(sum(0, 1), ElementsAre(6, 5, 3));
  EXPECT_THAT(sum(1, 1), ElementsAre(5, 3, 0));
}

TEST(RefSoftmax, LargeScores) {
  const Tensor x = Tensor::of<float>({1, 2, 2}, {10000, 0, 10000, 0});
  const auto run = [&](std::string_view op) {
    return elements<float>(run_ref(op, {x}, DType::f32, x.dims(), {{"axis", int64_t{1}}}));
  };
  EXPECT_THAT(run("Softmax"), ElementsAre(0.5f, 0.5f, 0.5f, 0.5f));
  EXPECT_THAT(run("LogSoftmax"), testing::Each(testing::FloatNear(-std::log(2.0f), 1e-6f)));
  EXPECT_THAT(run("Hardmax"), ElementsAre(1, 1, 0, 0));
}

TEST(RefLoss, LabelsOutsideTheClasses) {
  const Tensor x = Tensor::of<float>({1, 2}, {-1, -2});
  const auto loss = [&](int32_t label, Attrs attrs) {
    return run_ref("NegativeLogLikelihoodLoss", {x, Tensor::of<int32_t>({1}, {label})}, DType::f32, {}, attrs)
        .at<float>(0);
  };
  EXPECT_EQ(loss(1, {{"reduction", std::string("sum")}}), 2);
  EXPECT_EQ(loss(-1, {{"reduction", std::string("sum")}, {"ignore_index", int64_t{-1}}}), 0);
  EXPECT_THROW(loss(2, {{"reduction", std::string("sum")}}), Error);
  EXPECT_THROW(loss(-1, {{"reduction", std::string("sum")}}), Error);
}

TEST(RefDet, SwapsRows) {
  EXPECT_EQ(run_ref("Det", {Tensor::of<float>({2, 2}, {0, 2, 3, 1})}, DType::f32, {}).at<float>(0), -6);
  EXPECT_EQ(run_ref("Det", {Tensor(DType::f32, {0, 0})}, DType::f32, {}).at<float>(0), 1);
}

}  // namespace
}  // namespace tercel::inline kernels
