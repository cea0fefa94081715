#include "kernels/simd/winograd.h"

#include "kernels/simd/conv_testing.h"
#include "kernels/simd/winograd_sizes.h"

namespace tercel::inline kernels {
namespace {

void check_winograd(VariantCase c) {
  c.only = "simd_winograd";
  check_variants(c, {"simd_winograd_2", "simd_winograd_4"});
}

float* floats(Tensor& tensor) { return reinterpret_cast<float*>(tensor.mutable_data()); }

/// As the plan asks: activations channels last, weights and bias known.
Problem problem_of(const VariantCase& c, Isa isa, int threads, PackedWeights* shared = nullptr) {
  Problem p{c.op, &c.attrs, {}, {}, isa, threads, shared};
  for (size_t i = 0; i < c.src.size(); ++i)
    p.src.push_back({c.src[i].dtype(), c.src[i].dims(), c.constant.contains(i) ? Layout::plain : Layout::channels_last,
                     c.constant.contains(i) ? c.src[i] : Tensor()});
  p.dst.push_back({c.dst[0].first, c.dst[0].second, Layout::channels_last, {}});
  return p;
}

/// The result, channels last.
Tensor run(const Variant& variant, const VariantCase& c, Isa isa, int threads) {
  const ThreadScope scope(threads);
  const auto kernel = variant.make(problem_of(c, isa, threads));
  const Tensor src = variant_testing::in_layout(c.src[0], Layout::plain, Layout::channels_last);
  Tensor dst(c.dst[0].first, c.dst[0].second);
  const std::byte* from[] = {src.data(), nullptr, nullptr};
  std::byte* to[] = {dst.mutable_data()};
  Buffer scratch(kernel->scratch_bytes());
  kernel->run({from, to, scratch.data()});
  return dst;
}

/// The first that the plan would take.
std::string_view chosen(const Conv& conv, Isa isa, int threads = 1) {
  const VariantCase c = case_of(conv);
  const Problem p = problem_of(c, isa, threads);
  for (const Variant& variant : menu(c.op))
    if (variant.why_not(p).empty()) return variant.name;
  return "";
}

TEST(SimdWinograd, ChannelsMapsPadsAndBatches) {
  struct Map {
    int64_t h, w;
  };
  for (int64_t c : {1, 3, 7, 17, 64})
    for (Map map : {Map{1, 1}, Map{2, 3}, Map{5, 7}, Map{14, 14}, Map{57, 31}})
      for (const Ints& pads : {Ints{1, 1, 1, 1}, Ints{2, 0, 1, 3}}) {
        const int64_t oc = c == 64 ? 33 : c + 2;
        check_winograd(case_of({.n = map.h == 14 ? 3 : 1, .c = c, .h = map.h, .w = map.w, .oc = oc, .pads = pads}));
      }
  check_winograd(case_of({.n = 3, .c = 5, .h = 3, .w = 3, .oc = 3, .pads = {0, 0, 0, 0}}));
  check_winograd(case_of({.c = 4, .h = 3, .w = 2, .oc = 3, .pads = {5, 4, 6, 7}}));  // tiles of nothing but padding
}

TEST(SimdWinograd, SeveralChunksOfChannelsAndBlocksOfTiles) {
  check_winograd(case_of({.c = 300, .h = 6, .w = 5, .oc = 20}));
  check_winograd(case_of({.c = 129, .h = 40, .w = 33, .oc = 9}));
}

TEST(SimdWinograd, ResidualsAndActivations) {
  for (Activation activation : all_activations())
    for (bool residual : {false, true})
      check_winograd(case_of({.n = 2,
                              .c = 18,
                              .h = 6,
                              .w = 5,
                              .oc = 21,
                              .bias = residual,
                              .residual = residual,
                              .activation = activation}));
}

TEST(SimdWinograd, WhatIsNotFiniteStaysWhereItBelongs) {
  for (float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()})
    for (int64_t at = 0; at < 30; at += 7) {
      VariantCase c = case_of({.c = 3, .h = 5, .w = 6, .oc = 18, .activation = Activation::relu});
      floats(c.src[0])[30 + at] = odd;
      check_winograd(c);
      c = case_of({.c = 3, .h = 5, .w = 6, .oc = 18, .residual = true});
      floats(c.src[3])[at] = odd;
      check_winograd(c);
    }
  VariantCase c = case_of({.c = 5, .h = 9, .w = 6, .oc = 18, .pads = {0, 0, 0, 0}});
  floats(c.src[1])[9 * 7 + 3] = std::numeric_limits<float>::infinity();
  check_winograd(c);
}

TEST(SimdWinograd, SumsThatOverflowOnlyOnTheWayAreRight) {
  VariantCase c = case_of({.c = 3, .h = 9, .w = 10, .oc = 17, .bias = false});
  for (int64_t i = 0; i < c.src[0].elements(); ++i) floats(c.src[0])[i] *= 3e38f;
  for (int64_t i = 0; i < c.src[1].elements(); ++i) floats(c.src[1])[i] *= 0.05f;
  check_winograd(c);
}

TEST(SimdWinograd, TinyNumbersKeepTheirDigits) {
  VariantCase c = case_of({.c = 16, .h = 9, .w = 10, .oc = 17, .bias = false});
  VariantCase tiny = c;
  tiny.src[0] = Tensor(DType::f32, c.src[0].dims());
  const float scale = 0x1p-120f;
  for (int64_t i = 0; i < c.src[0].elements(); ++i) floats(tiny.src[0])[i] = floats(c.src[0])[i] * scale;
  for (int out : kWinogradForms) {
    Tensor wanted = run(simd_winograd(out), c, chosen_isa(), 1), got = run(simd_winograd(out), tiny, chosen_isa(), 1);
    for (int64_t i = 0; i < got.elements(); ++i) floats(got)[i] /= scale;
    variant_testing::expect_close(got, wanted, 1e-6);
  }
  for (int64_t i = 0; i < tiny.src[0].elements(); ++i) floats(tiny.src[0])[i] *= 0x1p-20f;  // denormal
  check_winograd(tiny);
}

TEST(SimdWinograd, TheSameBytesOnAnyNumberOfThreads) {
  for (const Conv& conv : {Conv{.c = 20, .h = 41, .w = 37, .oc = 40}, Conv{.c = 150, .h = 7, .w = 7, .oc = 70}})
    for (int out : kWinogradForms)
      for (Isa isa : machine_isas()) {
        const VariantCase c = case_of(conv);
        const Tensor alone = run(simd_winograd(out), c, isa, 1);
        for (int threads : {2, 3, 16}) EXPECT_TRUE(run(simd_winograd(out), c, isa, threads) == alone) << threads;
      }
}

TEST(SimdWinograd, ErrorStaysBelowItsBound) {
  for (int64_t channels : {4, 64, 300}) {
    const VariantCase c = case_of({.c = channels, .h = 12, .w = 12, .oc = 16, .bias = false});
    const Dims &x = c.src[0].dims(), &y = c.dst[0].second;
    for (int out : kWinogradForms) {
      const Tensor got = run(simd_winograd(out), c, chosen_isa(), 1);
      double worst = 0;
      for (int64_t oc = 0; oc < y[1]; ++oc)
        for (int64_t oh = 1; oh + 1 < y[2]; ++oh)
          for (int64_t ow = 1; ow + 1 < y[3]; ++ow) {
            double sum = 0;
            for (int64_t i = 0; i < channels; ++i)
              for (int64_t kh = 0; kh < 3; ++kh)
                for (int64_t kw = 0; kw < 3; ++kw)
                  sum += static_cast<double>(c.src[0].at<float>((i * x[2] + oh - 1 + kh) * x[3] + ow - 1 + kw)) *
                         static_cast<double>(c.src[1].at<float>(((oc * channels + i) * 3 + kh) * 3 + kw));
            const auto result = static_cast<double>(got.at<float>((oh * y[3] + ow) * y[1] + oc));
            worst = std::max(worst, std::fabs(result - sum));
          }
      // Inputs and kernels are at most 1: each channel can give 1 per tap, and the bound counts the worst tap.
      EXPECT_LE(worst, winograd_error(out, channels) * static_cast<double>(channels) * 9) << channels << " " << out;
      EXPECT_GT(worst, 0);
    }
  }
  EXPECT_LT(winograd_error(2, 512), winograd_error(4, 512) / 5);
}

TEST(SimdWinograd, LargeErrorsAreRefused) {
  const VariantCase c = case_of({.c = 4096, .h = 1, .w = 1, .oc = 1});
  const Problem p = problem_of(c, Isa::baseline, 1);
  EXPECT_THAT(simd_winograd(4).why_not(p), testing::HasSubstr("rounding may change results by"));
  EXPECT_EQ(simd_winograd(2).cannot(p), "");
}

TEST(SimdWinograd, OtherShapesAreRefused) {
  const auto reason = [](const Conv& conv) {
    const VariantCase c = case_of(conv);
    return simd_winograd(2).why_not(problem_of(c, Isa::baseline, 1));
  };
  EXPECT_EQ(reason({.kh = 5}), "5 x 3 taps, not 3 x 3");
  EXPECT_EQ(reason({.strides = {1, 2}}), "the stride is not 1");
  EXPECT_EQ(reason({.dilations = {2, 1}}), "the taps are dilated");
  EXPECT_EQ(reason({.group = 2}), "2 groups");
}

TEST(SimdWinograd, ChosenOnlyWhereItPays) {
  for (Isa isa : machine_isas()) {
    EXPECT_EQ(chosen({.c = 64, .h = 56, .w = 56, .oc = 64}, isa), "simd_winograd_4");
    EXPECT_EQ(chosen({.c = 256, .h = 14, .w = 14, .oc = 256}, isa, 2), "simd_winograd_4");
    EXPECT_EQ(chosen({.c = 64, .h = 2, .w = 2, .oc = 64}, isa), "simd_conv");
    EXPECT_EQ(chosen({.c = 3, .h = 56, .w = 56, .oc = 64}, isa), "simd_conv");
    EXPECT_EQ(chosen({.c = 8, .h = 56, .w = 56, .oc = 1}, isa), "simd_conv");
  }
}

TEST(SimdWinograd, TheChoiceDoesNotDependOnThreads) {
  for (Isa isa : machine_isas())
    for (int64_t channels : {8, 16, 32, 64, 256})
      for (int64_t size : {1, 3, 7, 8, 14, 32}) {
        const Conv conv{.c = channels, .h = size, .w = size, .oc = channels};
        for (int threads : {2, 3, 64}) EXPECT_EQ(chosen(conv, isa, threads), chosen(conv, isa)) << channels << size;
      }
}

TEST(SimdWinograd, HoldsTheWeightsOnceForBothTiles) {
  const VariantCase c = case_of({.c = 20, .h = 9, .w = 9, .oc = 48});
  for (Isa isa : machine_isas()) {
    PackedWeights shared;
    const Problem p = problem_of(c, isa, 1, &shared);
    const auto first = simd_winograd(4).make(p), second = simd_winograd(2).make(p);
    EXPECT_EQ(shared.bytes(), packed_b_floats(20 * 9, 48, isa) * sizeof(float));
  }
}

}  // namespace
}  // namespace tercel::inline kernels
