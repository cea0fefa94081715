#include "kernels/simd/variant_testing.h"

namespace tercel::inline kernels {
namespace {

void check(const Dims& dims, int64_t axis, bool bias = true, std::set<size_t> constant = {1, 2}, double offset = 0) {
  const auto first = dims.begin() + (axis < 0 ? axis + static_cast<int64_t>(dims.size()) : axis);
  const Dims row(first, dims.end());
  std::vector<Tensor> src = {random_floats(dims, 1, offset - 2, offset + 2), random_floats(row, 2)};
  if (bias) src.push_back(random_floats(row, 3));
  check_variants({"LayerNormalization",
                  {{"axis", axis}, {"epsilon", 1e-5f}},
                  src,
                  std::move(constant),
                  {{DType::f32, dims}},
                  2e-6 * (1 + offset)},
                 {"simd_layernorm"});
}

TEST(SimdLayerNorm, EverySize) {
  for (int64_t size : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 192, 768, 1000})
    for (bool bias : {false, true}) check({3, size}, -1, bias);
  check({1, 197, 192}, -1);
  check({2, 5, 7, 24}, -1);
  check({2, 5, 7, 24}, 2);
  check({64, 1000}, 1, true, {});
}

TEST(SimdLayerNorm, LeavesScalesThatAreNoRowToOthers) {
  const Attrs attrs = {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}};
  const Operand x{DType::f32, {4, 4}, Layout::plain, {}};
  const auto why_not = [&](Dims scale) {
    return menu("LayerNormalization")[0].why_not(
        {"LayerNormalization", &attrs, {x, {DType::f32, std::move(scale)}}, {x}});
  };
  for (const Dims& row : {Dims{4}, Dims{1, 4}}) EXPECT_EQ(why_not(row), "") << to_string(row);
  for (const Dims& other : {Dims{4, 1}, Dims{1}, Dims{}, Dims{4, 4}}) EXPECT_NE(why_not(other), "") << to_string(other);
}

TEST(SimdLayerNorm, FarFromZero) { check({4, 384}, -1, true, {1, 2}, 50); }

TEST(SimdRowScale, EverySize) {
  const auto check_scale = [](const Dims& dims, bool centred, double offset) {
    Dims scales = dims;
    scales.back() = 1;
    check_variants({"ai.tercel.RowScale",
                    {{"epsilon", 1e-5f}, {"centred", int64_t{centred}}},
                    {random_floats(dims, 5, offset - 2, offset + 2)},
                    {},
                    {{DType::f32, scales}},
                    2e-6 * (1 + offset)},
                   {"simd_row_scale"});
  };
  for (int64_t size : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 192, 768, 1000})
    for (bool centred : {false, true}) check_scale({3, size}, centred, 0.25);
  check_scale({2, 197, 192}, true, 0);
  check_scale({2, 5, 7, 96}, false, 50);
  check_scale({13}, false, 1);
}

TEST(SimdLayerNorm, LeavesStatisticsToOthers) {
  const Attrs attrs = {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}};
  const Operand x{DType::f32, {2, 8}, Layout::plain, {}}, row{DType::f32, {8}, Layout::plain, {}};
  const Problem p{"LayerNormalization", &attrs, {x, row}, {x, {DType::f32, {2, 1}, Layout::plain, {}}}};
  EXPECT_THAT(menu("LayerNormalization")[0].why_not(p), testing::HasSubstr("statistics"));
}

}  // namespace
}  // namespace tercel::inline kernels
