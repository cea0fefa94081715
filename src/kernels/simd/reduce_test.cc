#include "kernels/simd/variant_testing.h"

namespace tercel::inline kernels {
namespace {

using Ints = std::vector<int64_t>;

void check(const Dims& dims, const Ints& axes, bool keep, std::initializer_list<std::string_view> must_run) {
  Dims y;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool reduced =
        std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end() ||
        std::find(axes.begin(), axes.end(), static_cast<int64_t>(i) - static_cast<int64_t>(dims.size())) != axes.end();
    if (!reduced || keep) y.push_back(reduced ? 1 : dims[i]);
  }
  for (std::string_view op : {"ReduceMean", "ReduceSum", "ReduceMax"})
    check_variants({op,
                    {{"keepdims", int64_t{keep}}, {"noop_with_empty_axes", int64_t{0}}},
                    {random_floats(dims, 1), Tensor::of<int64_t>({static_cast<int64_t>(axes.size())}, axes)},
                    {1},
                    {{DType::f32, y}},
                    op == "ReduceMax" ? 0 : 1e-6},
                   must_run);
}

TEST(SimdReduce, LastAxis) {
  for (int64_t size : {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 192, 1000, 5000})
    for (bool keep : {false, true}) check({3, size}, {-1}, keep, {"simd_reduce"});
  check({2, 17, 5, 9}, {2, 3}, false, {"simd_reduce", "simd_reduce_plain"});
  check({70, 1100}, {1}, true, {"simd_reduce"});
}

TEST(SimdReduce, PixelsOfEveryWidthOfChannels) {
  for (int64_t c : {1, 2, 3, 7, 8, 9, 16, 17, 63, 64, 65, 320})
    for (bool keep : {false, true}) check({2, c, 7, 7}, {2, 3}, keep, {"simd_reduce"});
  check({1, 24, 112, 112}, {2, 3}, true, {"simd_reduce"});
}

TEST(SimdReduce, AxesThatLieTogetherInOneLayoutOnly) {
  check({2, 5, 3, 4}, {1}, true, {"simd_reduce", "simd_reduce_plain"});
  check({2, 5, 3, 4}, {1, 2}, true, {"simd_reduce"});
  check({2, 5, 3, 4}, {1, 3}, true, {"simd_reduce"});
  check({2, 5, 3, 4}, {2}, false, {"simd_reduce", "simd_reduce_plain"});
  check({2, 5, 3, 4}, {0, 1, 2, 3}, false, {"simd_reduce"});
  check({2, 5, 3, 4}, {0}, true, {"simd_reduce"});
  check({2, 5, 1, 4}, {1, 3}, true, {"simd_reduce"});
  check({1, 197, 192}, {1}, false, {"simd_reduce"});
  check({2, 3, 4, 5, 6}, {2, 3}, false, {"simd_reduce"});
}

TEST(SimdReduce, GlobalPools) {
  for (int64_t c : {1, 3, 16, 17, 64, 65})
    for (const Dims& pixels : {Dims{7, 7}, Dims{1, 1}, Dims{13, 12}, Dims{9}, Dims{2, 3, 4}}) {
      Dims x = {2, c}, y = {2, c};
      x.insert(x.end(), pixels.begin(), pixels.end());
      y.resize(x.size(), 1);
      check_variants({"GlobalAveragePool", {}, {random_floats(x, 1)}, {}, {{DType::f32, y}}, 1e-6}, {"simd_reduce"});
      check_variants({"GlobalMaxPool", {}, {random_floats(x, 1)}, {}, {{DType::f32, y}}, 0}, {"simd_reduce"});
    }
}

TEST(SimdReduce, ANaNIsTheLargest) {
  std::vector<float> values(19, 1.0f);
  for (size_t at : {0, 7, 18}) {
    values.assign(19, 1.0f);
    values[at] = std::numeric_limits<float>::quiet_NaN();
    for (const Dims& dims : {Dims{1, 19}, Dims{19, 1}})
      check_variants({"ReduceMax",
                      {{"keepdims", int64_t{1}}, {"noop_with_empty_axes", int64_t{0}}},
                      {Tensor::of<float>(dims, values)},
                      {},
                      {{DType::f32, {1, 1}}},
                      1e-6},
                     {"simd_reduce"});
  }
}

}  // namespace
}  // namespace tercel::inline kernels
