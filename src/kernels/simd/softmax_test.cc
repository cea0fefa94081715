#include "kernels/simd/variant_testing.h"

namespace tercel::inline kernels {
namespace {

void check(const Dims& dims, int64_t axis, std::initializer_list<std::string_view> must_run, double scale = 5) {
  for (std::string_view op : {"Softmax", "LogSoftmax"})
    check_variants({op, {{"axis", axis}}, {random_floats(dims, 1, -scale, scale)}, {}, {{DType::f32, dims}}, 1e-6},
                   must_run);
}

TEST(SimdSoftmax, EverySize) {
  for (int64_t size : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 197, 1000})
    check({3, size}, -1, {"simd_softmax", "simd_softmax_plain"});
  check({1, 3, 197, 197}, -1, {"simd_softmax"});
  check({40, 1000}, 1, {"simd_softmax"});
  check({7}, 0, {"simd_softmax"});
}

TEST(SimdSoftmax, TheAxisThatIsInnermostInOneLayout) {
  check({2, 21, 5, 6}, 1, {"simd_softmax"});  // channels_last
  check({2, 21, 5, 6}, 3, {"simd_softmax_plain"});
  check({1, 1000, 1, 1}, 1, {"simd_softmax"});  // both
}

TEST(SimdSoftmax, LargeDifferences) {
  check({5, 37}, -1, {"simd_softmax"}, 1e4);
  check({5, 37}, -1, {"simd_softmax"}, 1e30);
  constexpr float kInf = std::numeric_limits<float>::infinity();
  check_variants({"Softmax",
                  {{"axis", int64_t{-1}}},
                  {Tensor::of<float>({2, 3}, {-kInf, 1, 2, 0, -kInf, -kInf})},
                  {},
                  {{DType::f32, {2, 3}}},
                  1e-6},
                 {"simd_softmax"});
}

TEST(SimdSoftmax, WhatIsNoNumberStaysNone) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> rows(3 * 37, 1.0f);
  rows[5] = kNan;
  rows[37 + 36] = kNan;
  rows[74] = kInf;
  for (const char* op : {"Softmax", "LogSoftmax"})
    check_variants({op, {{"axis", int64_t{-1}}}, {Tensor::of<float>({3, 37}, rows)}, {}, {{DType::f32, {3, 37}}}, 1e-6},
                   {"simd_softmax"});
}

}  // namespace
}  // namespace tercel::inline kernels
