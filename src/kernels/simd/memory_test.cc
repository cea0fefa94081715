#include "base/error_testing.h"
#include "kernels/simd/variant_testing.h"

namespace tercel::inline kernels {
namespace {

/// Patterns as files hold them.
Tensor random_rows(int64_t count, int64_t bits, uint64_t seed) {
  Tensor rows = random_bytes(DType::u8, {count, (bits + 7) / 8}, seed);
  for (int64_t k = 0; bits % 8 != 0 && k < count; ++k)
    rows.mutable_data()[(k + 1) * rows.dims()[1] - 1] &= static_cast<std::byte>((1 << (bits % 8)) - 1);
  return rows;
}

Tensor numbers(int64_t count, int64_t below, uint64_t seed) {
  Rng rng(seed);
  std::vector<int64_t> values;
  for (int64_t k = 0; k < count; ++k) values.push_back(rng.below(below));
  return Tensor::of<int64_t>({count}, values);
}

void check_softmax(int64_t rows, int64_t bits, int64_t count, float beta, int64_t classes = 5) {
  check_variants({"ai.tercel.SoftmaxMemory",
                  {{"beta", beta}, {"class_count", classes}},
                  {random_floats({rows, bits}, 1), random_rows(count, bits, 2), numbers(count, classes, 3)},
                  {1, 2},
                  {{DType::f32, {rows, classes}}}},
                 {"popcount_memory"});
}

TEST(PopcountMemory, EverySize) {
  for (const int64_t bits : {1, 2, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 129, 257, 1021, 1600})
    for (const int64_t count : {1, 2, 13}) check_softmax(3, bits, count, 0.25f);
  check_softmax(1, 4096, 100, 0.01f, 40);
  check_softmax(17, 300, 50, 1e-4f);
  check_softmax(2, 300, 50, 100.0f);
}

TEST(PopcountMemory, SignsAreThoseAboveZero) {
  const Tensor x = Tensor::of<float>({1, 6}, {0.0f, -0.0f, std::nanf(""), 1e-40f, -1e-40f, INFINITY});
  check_variants({"ai.tercel.SoftmaxMemory",
                  {{"beta", 1.0f}, {"class_count", int64_t{1}}},
                  {x, Tensor::of<uint8_t>({1, 1}, {0b101000}), Tensor::of<int64_t>({1}, {0})},
                  {1, 2},
                  {{DType::f32, {1, 1}}}},
                 {"popcount_memory"});
  const std::vector<Tensor> y =
      run_ref("ai.tercel.SoftmaxMemory", {x, Tensor::of<uint8_t>({1, 1}, {0b101000}), Tensor::of<int64_t>({1}, {0})},
              {{DType::f32, {1, 1}}}, {{"beta", 1.0f}, {"class_count", int64_t{1}}});
  EXPECT_EQ(y[0].at<float>(0), 6);
}

TEST(LearnedMemory, EveryRule) {
  for (const char* rule : {"hebb", "storkey", "pseudo_inverse", "softmax"})
    for (const char* recall : {"asynchronous", "synchronous"})
      for (const int64_t bits : {1, 63, 64, 65, 131})
        check_variants({"ai.tercel.HopfieldMemory",
                        {{"rule", std::string(rule)},
                         {"recall", std::string(recall)},
                         {"max_sweeps", int64_t{7}},
                         {"beta", 0.25f},
                         {"scale", 0.5f},
                         {"class_count", int64_t{4}}},
                        {random_floats({5, bits}, 1), random_rows(9, bits, 2), numbers(9, 3, 3), numbers(9, 2, 4)},
                        {1, 2, 3},
                        {{DType::f32, {5, 4}}}},
                       {"learned_memory"});
}

TEST(Memories, WhatOperandsCannotHoldIsRefused) {
  const auto error = [](std::vector<Tensor> src, Attrs attrs, std::string_view op) {
    return error_of([&] { run_ref(op, src, {{DType::f32, {1, 2}}}, attrs); });
  };
  const Tensor x = random_floats({1, 9}, 1), rows = random_rows(2, 9, 1);
  const auto classes = [](int64_t a, int64_t b) { return Tensor::of<int64_t>({2}, {a, b}); };
  const Attrs softmax{{"beta", 1.0f}, {"class_count", int64_t{2}}};
  EXPECT_THAT(error({x, rows, classes(0, 2)}, softmax, "ai.tercel.SoftmaxMemory"),
              testing::HasSubstr("pattern 1 is of class 2, wanted 0 to 1"));
  EXPECT_THAT(error({x, Tensor::of<uint8_t>({1, 2}, {1, 2}), Tensor::of<int64_t>({1}, {0})}, softmax,
                    "ai.tercel.SoftmaxMemory"),
              testing::HasSubstr("bits set past its 9 units"));
  Attrs hopfield{{"rule", std::string("hop")},
                 {"recall", std::string("asynchronous")},
                 {"max_sweeps", int64_t{5}},
                 {"beta", 1.0f},
                 {"scale", 1.0f},
                 {"class_count", int64_t{2}}};
  EXPECT_THAT(error({x, rows, classes(0, 1), classes(0, 0)}, hopfield, "ai.tercel.HopfieldMemory"),
              testing::HasSubstr("no learning rule 'hop'"));
  hopfield.set("rule", std::string("hebb"));
  EXPECT_THAT(error({x, rows, classes(0, 1), classes(0, 5)}, hopfield, "ai.tercel.HopfieldMemory"),
              testing::HasSubstr("in network 5"));
  hopfield.set("recall", std::string("slow"));
  EXPECT_THAT(error({x, rows, classes(0, 1), classes(0, 0)}, hopfield, "ai.tercel.HopfieldMemory"),
              testing::HasSubstr("no recall 'slow'"));
}

}  // namespace
}  // namespace tercel::inline kernels
