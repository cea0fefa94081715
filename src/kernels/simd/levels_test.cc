#include "kernels/simd/levels.h"

#include "kernels/simd/variant_testing.h"
#include "tensor/activation.h"
#include "tensor/window.h"

namespace tercel::inline kernels {
namespace {

using Ints = std::vector<int64_t>;

QuantizationPtr meaning(float scale, int32_t zero) {
  return std::make_shared<const Quantization>(Quantization{{scale}, {zero}, -1});
}

/// A scale and zero point for each of n, all different.
QuantizationPtr meanings(DType dtype, int64_t n, int64_t axis, bool symmetric) {
  Quantization q;
  q.axis = axis;
  for (int64_t i = 0; i < n; ++i) {
    q.scales.push_back(0.004f + 0.0007f * static_cast<float>(i % 13));
    q.zeros.push_back(symmetric ? 0 : static_cast<int32_t>(dtype == DType::u8 ? (i * 37) % 256 : (i * 37) % 256 - 128));
  }
  return std::make_shared<const Quantization>(std::move(q));
}

Tensor random_bias(int64_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<int32_t> values(static_cast<size_t>(n));
  for (int32_t& v : values) v = static_cast<int32_t>(rng.uniform(-20000, 20000));
  return Tensor::of<int32_t>({n}, values);
}

constexpr DType kTypes[] = {DType::u8, DType::i8};

struct Conv {
  int64_t n = 1, c = 8, h = 7, w = 9, oc = 8, kh = 3, kw = 3, group = 1;
  Ints strides = {1, 1}, dilations = {1, 1}, pads = {1, 1, 1, 1};
  DType x = DType::u8, weights = DType::i8, y = DType::u8;
  bool bias = true, per_channel = true, symmetric = true;
  Activation activation = Activation::none;
};

void check(const Conv& conv) {
  VariantCase c;
  c.op = "FusedConv";
  c.attrs = {{"group", conv.group},
             {"strides", conv.strides},
             {"dilations", conv.dilations},
             {"pads", conv.pads},
             {"activation", std::string(to_string(conv.activation))},
             {"alpha", -0.25f},
             {"beta", 0.4f}};
  const Dims x = {conv.n, conv.c, conv.h, conv.w}, weights = {conv.oc, conv.c / conv.group, conv.kh, conv.kw};
  const auto windows = conv_windows(c.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
  const Dims y = {conv.n, conv.oc, windows[0].output, windows[1].output};
  c.src = {random_bytes(conv.x, x, 1), random_bytes(conv.weights, weights, 2),
           conv.bias ? random_bias(conv.oc, 3) : Tensor()};
  c.constant = {1, 2};
  c.dst = {{conv.y, y}};
  c.quantized = {meaning(0.02f, conv.x == DType::u8 ? 117 : -9),
                 conv.per_channel ? meanings(conv.weights, conv.oc, 0, conv.symmetric)
                                  : meaning(0.006f, conv.weights == DType::u8 ? 131 : 0),
                 nullptr, meaning(0.07f, conv.y == DType::u8 ? 128 : 3)};
  c.tolerance = 0;
  check_variants(c, {conv.group == conv.c && conv.oc == conv.c ? "simd_depthwise_levels" : "simd_conv_levels"});
}

TEST(ConvLevels, EveryWidthOfChannels) {
  for (int64_t c : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31})
    for (int64_t oc : {1, 3, 7, 8, 9, 16, 17, 33}) check({.c = c, .h = 5, .w = 6, .oc = oc});
}

TEST(ConvLevels, EveryTypeAndZeroPoint) {
  for (DType x : kTypes)
    for (DType weights : kTypes)
      for (DType y : kTypes)
        for (bool per_channel : {false, true})
          for (bool symmetric : {false, true})
            check({.c = 11,
                   .oc = 13,
                   .x = x,
                   .weights = weights,
                   .y = y,
                   .per_channel = per_channel,
                   .symmetric = symmetric});
}

TEST(ConvLevels, StridesDilationsPadsGroups) {
  for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{2, 0, 1, 3}})
    for (const Ints& strides : {Ints{1, 1}, Ints{2, 2}, Ints{3, 1}})
      for (const Ints& dilations : {Ints{1, 1}, Ints{2, 2}})
        check({.c = 20, .h = 9, .w = 11, .strides = strides, .dilations = dilations, .pads = pads});
  for (int64_t group : {2, 3, 6})
    for (int64_t per : {1, 2, 5}) check({.n = 2, .c = group * 3, .h = 5, .w = 4, .oc = group * per, .group = group});
  check({.n = 2, .c = 17, .oc = 17, .group = 17});  // depthwise
}

TEST(ConvLevels, PointwiseAndOddKernels) {
  for (int64_t pixels : {1, 2, 3, 4, 5, 7, 8, 9, 29})
    check({.n = 2, .c = 19, .h = 1, .w = pixels, .oc = 31, .kh = 1, .kw = 1, .pads = {0, 0, 0, 0}});
  check({.c = 64, .h = 14, .w = 14, .oc = 40, .kh = 1, .kw = 1, .strides = {2, 2}, .pads = {0, 0, 0, 0}});
  check({.c = 5, .kh = 2, .kw = 4, .pads = {0, 1, 1, 2}});
  check({.c = 3, .h = 23, .w = 21, .oc = 16, .kh = 7, .kw = 7, .strides = {2, 2}, .pads = {3, 3, 3, 3}});
}

TEST(ConvLevels, ActivationsAndLongSums) {
  for (Activation activation : {Activation::none, Activation::relu, Activation::clip})
    for (bool bias : {false, true}) check({.n = 3, .c = 18, .oc = 21, .bias = bias, .activation = activation});
  check({.c = 512, .h = 7, .w = 7, .oc = 24});
}

TEST(DepthwiseLevels, EveryWidthOfChannelsAndType) {
  for (int64_t c : {2, 3, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 130})
    for (DType x : kTypes)
      for (bool symmetric : {false, true})
        check({.n = 2, .c = c, .h = 5, .w = 6, .oc = c, .group = c, .x = x, .symmetric = symmetric});
}

TEST(DepthwiseLevels, KernelsStridesDilationsPads) {
  for (int64_t kernel : {1, 2, 3, 5, 7})
    for (const Ints& strides : {Ints{1, 1}, Ints{2, 2}, Ints{3, 1}})
      for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{2, 0, 1, 3}})
        check({.c = 40,
               .h = 9,
               .w = 11,
               .oc = 40,
               .kh = kernel,
               .kw = kernel,
               .group = 40,
               .strides = strides,
               .pads = pads});
  check({.c = 24, .h = 9, .w = 30, .oc = 24, .group = 24, .dilations = {2, 3}});
  check({.c = 96, .h = 1, .w = 1, .oc = 96, .kh = 5, .kw = 5, .group = 96, .pads = {2, 2, 2, 2}});
}

TEST(DepthwiseLevels, EveryTypeAndActivation) {
  for (DType weights : kTypes)
    for (DType y : kTypes)
      for (bool per_channel : {false, true})
        for (Activation activation : {Activation::none, Activation::relu, Activation::clip})
          check({.c = 70,
                 .oc = 70,
                 .group = 70,
                 .weights = weights,
                 .y = y,
                 .bias = per_channel,
                 .per_channel = per_channel,
                 .activation = activation});
}

TEST(ConvLevels, RefusesInWords) {
  VariantCase c;
  c.op = "FusedConv";
  c.attrs = {{"group", int64_t{1}}, {"activation", std::string("none")}, {"alpha", 0.0f}, {"beta", 0.0f}};
  Problem p{c.op, &c.attrs, {}, {}, Isa::baseline, 1};
  p.src = {{DType::u8, {1, 40000, 1, 1}, Layout::channels_last, {}, meaning(1, 0)},
           {DType::i8, {1, 40000, 1, 1}, Layout::plain, random_bytes(DType::i8, {1, 40000, 1, 1}, 1), meaning(1, 0)}};
  p.dst = {{DType::u8, {1, 1, 1, 1}, Layout::channels_last, {}, meaning(1e5f, 0)}};
  const auto variants = menu("FusedConv");
  const auto at =
      std::find_if(variants.begin(), variants.end(), [](const Variant& v) { return v.name == "simd_conv_levels"; });
  ASSERT_NE(at, variants.end());
  EXPECT_EQ(at->why_not(p), "sums of 40000 products and a bias of up to 0 may not fit 32 bits");
  p.src[0].quantization = nullptr;
  EXPECT_EQ(at->why_not(p), "nobody says what the levels stand for");
  p.src[0].dtype = DType::f32;
  EXPECT_EQ(at->why_not(p), "elements are f32, not u8 or i8");
  p.src[0].dtype = DType::u8;
  EXPECT_EQ(variants[0].why_not(p), "elements are u8, not f32");
}

TEST(MatmulLevels, EverySizeAndType) {
  for (DType a : kTypes)
    for (DType b : kTypes)
      for (bool transposed : {false, true})
        for (const auto& [m, k, n] :
             {std::array<int64_t, 3>{1, 1, 1}, {1, 64, 10}, {5, 7, 9}, {13, 31, 17}, {3, 129, 40}}) {
          VariantCase c;
          c.op = "FusedMatMul";
          c.attrs = {{"transA", int64_t{0}}, {"transB", int64_t{transposed}},
                     {"alpha_scale", 1.0f},  {"activation", std::string("none")},
                     {"alpha", 0.0f},        {"beta", 0.0f}};
          c.src = {random_bytes(a, {2, m, k}, 1), random_bytes(b, transposed ? Dims{n, k} : Dims{k, n}, 2),
                   random_bias(n, 3)};
          c.constant = {1, 2};
          c.dst = {{DType::i8, {2, m, n}}};
          c.quantized = {meaning(0.02f, a == DType::u8 ? 99 : 4), meanings(b, n, transposed ? 0 : 1, false), nullptr,
                         meaning(0.05f, -7)};
          c.tolerance = 0;
          check_variants(c, {"simd_matmul_levels"});
        }
}

TEST(PairLevels, ProductsOfEveryTypeAndShape) {
  for (DType a : kTypes)
    for (DType b : kTypes)
      for (const auto& [a_dims, b_dims] : {std::pair<Dims, Dims>{{2, 5, 3, 4}, {2, 5, 3, 4}},
                                           {{3, 7}, {3, 7}},
                                           {{2, 3, 7}, {7}},
                                           {{1, 67, 5, 9}, {1}}})
        for (float scale : {0.001f, 0.04f, 3.0f}) {
          VariantCase c;
          c.op = "LevelMul";
          c.attrs = {{"activation", std::string("none")}, {"alpha", 0.0f}, {"beta", 0.0f}};
          c.src = {random_bytes(a, a_dims, 1), random_bytes(b, b_dims, 2)};
          c.dst = {{DType::u8, a_dims}};
          c.quantized = {meaning(0.02f, 7), meaning(0.31f, 120), meaning(scale, 100)};
          c.tolerance = 0;
          check_variants(c, {"simd_pair_levels"});
        }
}

/// `op` of two tensors whose first scale is this many of the result's.
VariantCase pair_of_ratio(const char* op, float ratio) {
  VariantCase c;
  c.op = op;
  c.attrs = {{"activation", std::string("none")}, {"alpha", 0.0f}, {"beta", 0.0f}};
  c.src = {random_bytes(DType::u8, {3, 50}, 1), random_bytes(DType::u8, {3, 50}, 2)};
  c.dst = {{DType::u8, {3, 50}}};
  c.quantized = {meaning(ratio, 0), meaning(1, 0), meaning(1, 0)};
  c.tolerance = 0;
  return c;
}

TEST(PairLevels, RatiosUpToWhatFits32Bits) {
  for (const auto& [op, most] : {std::pair<const char*, float>{"FusedAdd", 0x1p21f}, {"LevelMul", 0x1p14f}}) {
    check_variants(pair_of_ratio(op, most), {"simd_pair_levels"});
    const VariantCase c = pair_of_ratio(op, 2 * most);
    Problem p{c.op, &c.attrs, {}, {}, Isa::baseline, 1};
    for (size_t i : {0, 1}) p.src.push_back({DType::u8, {3, 50}, Layout::plain, {}, c.quantized[i]});
    p.dst = {{DType::u8, {3, 50}, Layout::plain, {}, c.quantized[2]}};
    EXPECT_THAT(simd_pair_levels().cannot(p), testing::HasSubstr("a ratio of scales is more than 2^"));
  }
}

TEST(TableLevels, GatesOfEveryTypeAndActivation) {
  for (DType x : kTypes)
    for (DType y : kTypes)
      for (int64_t is_signed : {0, 1})
        for (Activation activation : all_activations())
          for (float scale : {0.05f, 3.0f}) {
            VariantCase c;
            c.op = "LevelGate";
            c.attrs = {{"activation", std::string(to_string(activation))},
                       {"alpha", 0.2f},
                       {"beta", 0.5f},
                       {"gate_scale", 0.004f},
                       {"gate_zero", int64_t{is_signed == 0 ? 3 : -120}},
                       {"gate_signed", is_signed}};
            c.src = {random_bytes(x, {2, 37, 5, 3}, 1)};
            c.dst = {{y, {2, 37, 5, 3}}};
            c.quantized = {meaning(scale, 7), meaning(0.11f, 12)};
            c.tolerance = 0;
            check_variants(c, {"table_levels"});
          }
}

TEST(PairLevels, ANumberForEachChannel) {
  for (const char* op : {"FusedAdd", "LevelMul"}) {
    VariantCase c;
    c.op = op;
    c.attrs = {{"activation", std::string("none")}, {"alpha", 0.0f}, {"beta", 0.0f}};
    c.src = {random_bytes(DType::u8, {2, 37, 5, 3}, 1), random_bytes(DType::i8, {1, 37, 1, 1}, 2)};
    c.dst = {{DType::u8, {2, 37, 5, 3}}};
    c.quantized = {meaning(0.02f, 7), meaning(0.31f, 12), meaning(0.4f, 100)};
    c.tolerance = 0;
    check_variants(c, {"simd_pair_levels"});
  }
}

TEST(PairLevels, EitherOperandRepeats) {
  for (const auto& [a_dims, b_dims] : {std::pair<Dims, Dims>{{7}, {2, 3, 7}}, {{1}, {4, 9}}, {{1, 1}, {3, 270}}}) {
    VariantCase c;
    c.op = "FusedAdd";
    c.attrs = {{"activation", std::string("none")}, {"alpha", 0.0f}, {"beta", 0.0f}};
    c.src = {random_bytes(DType::i8, a_dims, 1), random_bytes(DType::u8, b_dims, 2)};
    c.dst = {{DType::u8, b_dims}};
    c.quantized = {meaning(0.02f, -7), meaning(0.031f, 120), meaning(0.04f, 100)};
    c.tolerance = 0;
    check_variants(c, {"simd_pair_levels"});
  }
}

TEST(BatchedMatmulLevels, EverySizeTypeAndBroadcast) {
  for (DType a : kTypes)
    for (DType b : kTypes)
      for (bool transposed : {false, true})
        for (const auto& [m, k, n] :
             {std::array<int64_t, 3>{1, 1, 1}, {1, 64, 10}, {5, 7, 9}, {13, 31, 17}, {3, 129, 40}})
          for (const auto& [a_batch, b_batch] : {std::pair<Dims, Dims>{{2, 3}, {2, 3}}, {{4}, {1}}, {{1}, {5}}}) {
            VariantCase c;
            c.op = "FusedMatMul";
            c.attrs = {{"transA", int64_t{0}}, {"transB", int64_t{transposed}},
                       {"alpha_scale", 0.5f},  {"activation", std::string("none")},
                       {"alpha", 0.0f},        {"beta", 0.0f}};
            const auto with = [](Dims batch, int64_t rows, int64_t columns) {
              batch.push_back(rows);
              batch.push_back(columns);
              return batch;
            };
            c.src = {random_bytes(a, with(a_batch, m, k), 1),
                     random_bytes(b, transposed ? with(b_batch, n, k) : with(b_batch, k, n), 2)};
            c.dst = {{DType::u8, with(b_batch == Dims{1} ? a_batch : b_batch, m, n)}};
            c.quantized = {meaning(0.02f, a == DType::u8 ? 99 : 4), meaning(0.03f, b == DType::u8 ? 140 : -11),
                           meaning(0.09f, 77)};
            c.tolerance = 0;
            check_variants(c, {"simd_batched_matmul_levels"});
          }
}

TEST(PairLevels, EveryTypeAndShape) {
  for (DType a : kTypes)
    for (DType b : kTypes)
      for (const auto& [a_dims, b_dims] : {std::pair<Dims, Dims>{{2, 5, 3, 4}, {2, 5, 3, 4}},
                                           {{3, 7}, {3, 7}},
                                           {{2, 3, 7}, {7}},
                                           {{1, 67, 5, 9}, {1, 67, 5, 9}},
                                           {{5, 40}, {40}},
                                           {{1, 9, 5, 7}, {1}},
                                           {{2, 300}, {1, 1}}})
        for (Activation activation : {Activation::none, Activation::relu}) {
          VariantCase c;
          c.op = "FusedAdd";
          c.attrs = {{"activation", std::string(to_string(activation))}, {"alpha", 0.0f}, {"beta", 0.0f}};
          c.src = {random_bytes(a, a_dims, 1), random_bytes(b, b_dims, 2)};
          c.dst = {{DType::u8, a_dims}};
          c.quantized = {meaning(0.02f, 7), meaning(0.031f, 120), meaning(0.04f, 100)};
          c.tolerance = 0;
          check_variants(c, {"simd_pair_levels"});
        }
}

TEST(TableLevels, WhatIsNoNumberIsLevel0) {
  VariantCase c;
  c.op = "Requantize";
  c.attrs = {
      {"activation", std::string("LeakyRelu")}, {"alpha", std::numeric_limits<float>::quiet_NaN()}, {"beta", 0.0f}};
  c.src = {Tensor::of<uint8_t>({4}, std::vector<uint8_t>{0, 99, 100, 255})};
  c.dst = {{DType::u8, {4}}};
  c.quantized = {meaning(0.5f, 100), meaning(1, 20)};
  c.tolerance = 0;
  const Tensor y = run_ref(c.op, c.src, c.dst, c.attrs, c.quantized).at(0);
  EXPECT_EQ(y, Tensor::of<uint8_t>({4}, std::vector<uint8_t>{0, 0, 20, 98}));
  check_variants(c, {"table_levels"});
}

TEST(TableLevels, CurvedActivations) {
  for (Activation activation : all_activations()) {
    VariantCase c;
    c.op = "Requantize";
    c.attrs = {{"activation", std::string(to_string(activation))}, {"alpha", 0.2f}, {"beta", 0.5f}};
    c.src = {random_bytes(DType::i8, {5, 60}, 1)};
    c.dst = {{DType::u8, {5, 60}}};
    c.quantized = {meaning(0.05f, 3), meaning(0.01f, 128)};
    c.tolerance = 0;
    check_variants(c, {"table_levels"});
  }
}

TEST(TableLevels, EveryLevelUnderAnotherScale) {
  std::vector<uint8_t> all(256);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint8_t>(i);
  for (float scale : {0.5f, 1.0f, 2.0f, 0.37f}) {
    VariantCase c;
    c.op = "Requantize";
    c.attrs = {{"activation", std::string("Clip")}, {"alpha", -20.0f}, {"beta", 60.0f}};
    c.src = {Tensor::of<uint8_t>({256}, all)};
    c.dst = {{DType::i8, {256}}};
    c.quantized = {meaning(scale, 100), meaning(1, -10)};
    c.tolerance = 0;
    check_variants(c, {"table_levels"});
  }
}

TEST(MeanLevels, EveryTypeAndSize) {
  for (DType x : kTypes)
    for (int64_t channels : {1, 3, 64, 65})
      for (int64_t side : {1, 7, 8}) {
        VariantCase c;
        c.op = "GlobalAveragePool";
        c.src = {random_bytes(x, {2, channels, side, side}, 1)};
        c.dst = {{DType::u8, {2, channels, 1, 1}}};
        c.quantized = {meaning(0.02f, 7), meaning(0.015f, 120)};
        c.tolerance = 0;
        check_variants(c, {"mean_levels"});
        c.dst = {{DType::f32, {2, channels, 1, 1}}};
        c.quantized = {meaning(0.02f, 7), nullptr};
        check_variants(c, {"mean_levels"});
      }
}

TEST(QuantizeLevels, TiesEndsAndWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x{0,
                       -0.0f,
                       0.125f,
                       0.375f,
                       -0.125f,
                       -0.375f,
                       1e9f,
                       -1e9f,
                       kInfinity,
                       -kInfinity,
                       3e38f,
                       1e-40f,
                       std::numeric_limits<float>::quiet_NaN()};
  Rng rng(3);
  while (x.size() < 100) x.push_back(static_cast<float>(rng.uniform(-50, 50)));
  for (DType levels : kTypes)
    for (float scale : {0.25f, 0.1f, 3e-39f}) {
      VariantCase c;
      c.op = "QuantizeLinear";
      c.attrs = {{"axis", int64_t{1}}};
      c.src = {Tensor::of<float>({1, 4, 5, 5}, x), Tensor::scalar(scale),
               levels == DType::u8 ? Tensor::scalar<uint8_t>(131) : Tensor::scalar<int8_t>(-5)};
      c.constant = {1, 2};
      c.dst = {{levels, {1, 4, 5, 5}}};
      c.tolerance = 0;
      check_variants(c, {"quantize_levels"});
    }
}

TEST(DequantizeLevels, EveryLevel) {
  for (DType levels : kTypes)
    for (bool zero : {false, true}) {
      VariantCase c;
      c.op = "DequantizeLinear";
      c.attrs = {{"axis", int64_t{1}}};
      c.src = {random_bytes(levels, {2, 8, 8, 8}, 1), Tensor::scalar(0.0371f),
               !zero                 ? Tensor()
               : levels == DType::u8 ? Tensor::scalar<uint8_t>(255)
                                     : Tensor::scalar<int8_t>(-128)};
      c.constant = {1, 2};
      c.dst = {{DType::f32, {2, 8, 8, 8}}};
      c.tolerance = 0;
      check_variants(c, {"dequantize_levels"});
    }
}

}  // namespace
}  // namespace tercel::inline kernels
