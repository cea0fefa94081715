#include "kernels/simd/variant_testing.h"
#include "tensor/window.h"

namespace tercel::inline kernels {
namespace {

using Ints = std::vector<int64_t>;

struct Pool {
  Dims x = {1, 20, 9, 11};
  Ints kernel = {3, 3}, strides = {2, 2}, dilations = {1, 1}, pads = {1, 1, 1, 1};
  bool ceil = false, counts_pads = false;
};

void check(const Pool& pool) {
  const Attrs attrs = {{"kernel_shape", pool.kernel},     {"strides", pool.strides},
                       {"dilations", pool.dilations},     {"pads", pool.pads},
                       {"ceil_mode", int64_t{pool.ceil}}, {"count_include_pad", int64_t{pool.counts_pads}},
                       {"storage_order", int64_t{0}}};
  Dims y = {pool.x[0], pool.x[1]};
  for (const Window& window : conv_windows(attrs, std::span(pool.x).subspan(2), pool.kernel))
    y.push_back(window.output);
  check_variants({"MaxPool", attrs, {random_floats(pool.x, 1)}, {}, {{DType::f32, y}}, 0}, {"simd_pool"});
  const auto meaning = std::make_shared<const Quantization>(Quantization{{0.5f}, {3}, -1});
  for (DType levels : {DType::u8, DType::i8}) {
    VariantCase c{"MaxPool", attrs, {random_bytes(levels, pool.x, 1)}, {}, {{levels, y}}, 0};
    c.quantized = {meaning, meaning};
    check_variants(c, {"simd_max_levels"});
  }
  check_variants({"AveragePool", attrs, {random_floats(pool.x, 1)}, {}, {{DType::f32, y}}, 1e-6}, {"simd_pool"});
}

TEST(SimdPool, EveryWidthOfChannels) {
  for (int64_t c : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130}) check({.x = {2, c, 5, 6}});
}

TEST(SimdPool, WindowsOfEveryKind) {
  for (bool ceil : {false, true})
    for (bool counts_pads : {false, true})
      for (const Ints& strides : {Ints{1, 1}, Ints{2, 2}, Ints{3, 1}})
        for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{2, 0, 1, 2}})
          for (const Ints& dilations : {Ints{1, 1}, Ints{2, 1}})
            check({.strides = strides, .dilations = dilations, .pads = pads, .ceil = ceil, .counts_pads = counts_pads});
  check({.kernel = {2, 2}, .pads = {0, 0, 0, 0}});
  check({.kernel = {9, 11}, .strides = {1, 1}, .pads = {0, 0, 0, 0}});
  check({.x = {1, 20, 2, 2},
         .kernel = {2, 3},
         .strides = {1, 1},
         .pads = {3, 3, 3, 3}});  // windows of nothing but padding
  check({.x = {1, 64, 56, 56}});
}

TEST(SimdPool, LeavesIndicesToOthers) {
  const Attrs attrs = {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{0}}};
  const Operand x{DType::f32, {1, 2, 4, 4}, Layout::channels_last, {}},
      y{DType::f32, {1, 2, 3, 3}, Layout::channels_last, {}};
  const Problem p{"MaxPool", &attrs, {x}, {y, {DType::i64, {1, 2, 3, 3}, Layout::channels_last, {}}}};
  EXPECT_THAT(menu("MaxPool")[0].why_not(p), testing::HasSubstr("where the largest are"));
}

TEST(SimdPool, ANanWins) {
  std::vector<float> x(2 * 16);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  for (size_t at : {0, 3, 5, 15, 16, 30}) x[at] = std::numeric_limits<float>::quiet_NaN();
  check_variants({"MaxPool",
                  {{"kernel_shape", Ints{2, 2}},
                   {"strides", Ints{2, 2}},
                   {"storage_order", int64_t{0}},
                   {"ceil_mode", int64_t{0}},
                   {"auto_pad", std::string("NOTSET")}},
                  {Tensor::of<float>({1, 2, 4, 4}, x)},
                  {},
                  {{DType::f32, {1, 2, 2, 2}}},
                  0},
                 {"simd_pool"});
}

}  // namespace
}  // namespace tercel::inline kernels
