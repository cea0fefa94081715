#include "kernels/simd/conv_testing.h"

namespace tercel::inline kernels {
namespace {

void check(const Conv& conv, std::string_view variant = "simd_conv") { check_variants(case_of(conv), {variant}); }

void check_depthwise(Conv conv) {
  conv.group = conv.oc = conv.c;
  check(conv, "simd_depthwise");
}

TEST(SimdConv, EveryWidthOfChannels) {
  for (int64_t c : {1, 2, 3, 5, 15, 16, 17, 31})
    for (int64_t oc : {1, 7, 8, 9, 16, 17, 33}) check({.c = c, .h = 5, .w = 6, .oc = oc});
}

TEST(SimdConv, Pointwise) {
  for (int64_t pixels : {1, 2, 5, 6, 7, 11, 12, 13, 29})
    for (int64_t oc : {1, 8, 31, 32, 40})
      check({.n = 2, .c = 19, .h = 1, .w = pixels, .oc = oc, .kh = 1, .kw = 1, .pads = {0, 0, 0, 0}});
  check({.c = 64, .h = 14, .w = 14, .oc = 128, .kh = 1, .kw = 1, .strides = {2, 2}, .pads = {0, 0, 0, 0}});
  check({.c = 4, .h = 3, .w = 3, .oc = 4, .kh = 1, .kw = 1, .pads = {1, 0, 2, 1}});
}

TEST(SimdConv, StridesDilationsPads) {
  for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{2, 0, 1, 3}, Ints{0, 2, 2, 0}})
    for (const Ints& strides : {Ints{1, 1}, Ints{2, 2}, Ints{3, 1}, Ints{1, 2}})
      for (const Ints& dilations : {Ints{1, 1}, Ints{2, 2}, Ints{1, 3}})
        for (int64_t c : {3, 20})
          check({.c = c, .h = 9, .w = 11, .strides = strides, .dilations = dilations, .pads = pads});
}

TEST(SimdConv, KernelShapes) {
  check({.c = 3, .h = 23, .w = 21, .oc = 64, .kh = 7, .kw = 7, .strides = {2, 2}, .pads = {3, 3, 3, 3}});
  check({.c = 3, .h = 32, .w = 48, .oc = 24, .kh = 16, .kw = 16, .strides = {16, 16}, .pads = {0, 0, 0, 0}});
  check({.c = 1, .h = 28, .w = 28, .oc = 6, .kh = 5, .kw = 5, .pads = {2, 2, 2, 2}});
  check({.c = 20, .kh = 1, .kw = 7, .pads = {0, 3, 0, 3}});
  check({.c = 20, .kh = 7, .kw = 1, .pads = {3, 0, 3, 0}});
  check({.c = 5, .kh = 2, .kw = 4, .pads = {0, 1, 1, 2}});
  check({.c = 20, .h = 4, .w = 4, .kh = 4, .kw = 4, .pads = {0, 0, 0, 0}});
  check({.c = 3, .h = 11, .w = 11, .oc = 10, .kh = 11, .kw = 11, .strides = {4, 4}, .pads = {2, 2, 2, 2}});
  // More taps than eight tiles have room for.
  check({.c = 20, .h = 17, .w = 13, .kh = 9, .kw = 9, .pads = {4, 4, 4, 4}});
  check({.c = 17, .h = 30, .w = 31, .oc = 7, .kh = 14, .kw = 14, .strides = {3, 2}, .pads = {0, 0, 0, 0}});
  check({.c = 32, .h = 24, .w = 26, .oc = 6, .kh = 22, .kw = 23, .group = 2, .pads = {1, 1, 1, 1}});
}

TEST(SimdConv, AbsurdPadsTakeNoMemory) {
  constexpr int64_t kFar = int64_t{1} << 30;
  const Conv conv{.c = 3, .h = 2, .w = 2, .oc = 4, .strides = {kFar, kFar}, .pads = {kFar, kFar, kFar, kFar}};
  check(conv);
  check_depthwise(conv);
}

TEST(SimdConv, NaNGoesThrough) {
  for (Activation activation :
       {Activation::none, Activation::relu, Activation::clip, Activation::sigmoid, Activation::hard_sigmoid}) {
    VariantCase c = case_of({.c = 18, .h = 3, .w = 3, .oc = 9, .activation = activation});
    reinterpret_cast<float*>(c.src[0].mutable_data())[0] = std::numeric_limits<float>::quiet_NaN();
    check_variants(c, {"simd_conv"});
  }
}

TEST(SimdConv, InfiniteWeightsBesidePaddingAreTheReferences) {
  for (float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (int64_t pad : {0, 1}) {
      VariantCase c = case_of({.c = 32, .h = 8, .w = 8, .oc = 16, .pads = {pad, pad, 0, 0}});
      reinterpret_cast<float*>(c.src[1].mutable_data())[7] = value;
      if (pad == 0) {
        check_variants(c, {"simd_conv"});
        continue;
      }
      Problem p{c.op, &c.attrs, {}, {}, machine_isa(), 1};
      for (size_t i = 0; i < c.src.size(); ++i)
        p.src.push_back({DType::f32, c.src[i].dims(), Layout::channels_last, i == 0 ? Tensor() : c.src[i]});
      p.dst = {{DType::f32, c.dst[0].second, Layout::channels_last, {}}};
      for (const Variant& variant : menu(c.op)) {
        if (variant.name == "ref") continue;
        EXPECT_NE(variant.cannot(p), "") << variant.name;
      }
    }
  Conv depthwise{.c = 20, .h = 5, .w = 9, .oc = 20, .group = 20};
  VariantCase c = case_of(depthwise);
  reinterpret_cast<float*>(c.src[1].mutable_data())[7] = std::numeric_limits<float>::infinity();
  check_variants(c, {"simd_depthwise"});
}

TEST(SimdConv, Groups) {
  for (int64_t group : {2, 3, 4, 6})
    for (int64_t per : {1, 2, 5, 17})
      check({.n = 2, .c = group * 3, .h = 5, .w = 4, .oc = group * per, .group = group, .residual = true});
  check({.c = 48, .oc = 32, .kh = 1, .kw = 1, .group = 2, .pads = {0, 0, 0, 0}});
}

TEST(SimdConv, BatchesResidualsAndActivations) {
  for (Activation activation : all_activations())
    for (bool residual : {false, true})
      check({.n = 3,
             .c = 18,
             .h = 4,
             .w = 5,
             .oc = 21,
             .bias = residual,
             .residual = residual,
             .activation = activation});
}

TEST(SimdConv, LongSums) {
  check({.c = 512, .h = 7, .w = 7, .oc = 40});
  check({.c = 1280, .h = 1, .w = 1, .oc = 100, .kh = 1, .kw = 1, .pads = {0, 0, 0, 0}});
}

/// Operands that bf16 holds: whatever is rounded, sums are those of the reference.
VariantCase bf16_case(const Conv& conv) {
  VariantCase c = case_of(conv);
  for (size_t i : {0, 1}) c.src[i] = rounded_to_bf16(c.src[i]);
  c.bf16 = true;
  return c;
}

TEST(SimdConv, Bf16) {
  for (int64_t c : {1, 2, 3, 5, 15, 16, 17, 31, 64, 65, 130})
    for (int64_t oc : {1, 7, 8, 9, 17, 33, 64}) {
      check_variants(bf16_case({.c = c, .h = 5, .w = 6, .oc = oc}), {"simd_conv"});
      check_variants(bf16_case({.c = c, .h = 5, .w = 6, .oc = oc, .kh = 1, .kw = 1, .pads = {0, 0, 0, 0}}),
                     {"simd_conv"});
    }
  check_variants(bf16_case({.n = 2, .c = 6, .h = 5, .w = 4, .oc = 10, .group = 2, .residual = true}), {"simd_conv"});
  check_variants(bf16_case({.c = 512, .h = 7, .w = 7, .oc = 40}), {"simd_conv"});
}

TEST(SimdConv, Bf16RoundsWeights) {
  VariantCase c = case_of({.c = 32, .h = 5, .w = 6, .oc = 40, .kh = 1, .kw = 1, .pads = {0, 0, 0, 0}});
  c.src[0] = rounded_to_bf16(c.src[0]);
  VariantCase rounded = c;
  rounded.src[1] = rounded_to_bf16(c.src[1]);
  c.bf16 = true;
  const auto wanted = run_ref(rounded.op, rounded.src, rounded.dst, rounded.attrs);
  for (const Variant& variant : menu(c.op)) {
    if (variant.name != "simd_conv") continue;
    for (Isa isa : machine_isas()) {
      std::string reason;
      EXPECT_TRUE(variant_testing::run_variant(c, variant, isa, 1, Layout::channels_last, wanted, reason)) << reason;
    }
  }
}

TEST(SimdDepthwise, EveryWidthOfChannels) {
  for (int64_t c : {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 97}) check_depthwise({.n = 2, .c = c});
}

TEST(SimdDepthwise, StridesDilationsPadsAndSizes) {
  for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{2, 0, 1, 3}})
    for (const Ints& strides : {Ints{1, 1}, Ints{2, 2}, Ints{3, 1}})
      for (const Ints& dilations : {Ints{1, 1}, Ints{2, 2}})
        check_depthwise({.c = 20, .h = 9, .w = 13, .strides = strides, .dilations = dilations, .pads = pads});
  check_depthwise({.c = 20, .h = 7, .w = 7, .kh = 7, .kw = 7, .pads = {3, 3, 3, 3}});
  check_depthwise({.c = 20, .h = 14, .w = 14, .kh = 5, .kw = 5, .strides = {2, 2}, .pads = {1, 1, 2, 2}});
  check_depthwise({.c = 20, .h = 1, .w = 1});
  check_depthwise({.c = 20, .h = 2, .w = 2, .kh = 5, .kw = 5, .pads = {2, 2, 2, 2}});
  check_depthwise({.c = 20, .h = 2, .w = 2, .pads = {4, 4, 4, 4}});  // some windows read nothing but padding
}

TEST(SimdDepthwise, BatchesResidualsAndActivations) {
  for (Activation activation : all_activations())
    for (bool residual : {false, true})
      check_depthwise(
          {.n = 3, .c = 21, .h = 4, .w = 5, .bias = !residual, .residual = residual, .activation = activation});
}

}  // namespace
}  // namespace tercel::inline kernels
