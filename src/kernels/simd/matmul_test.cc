#include "kernels/simd/variant_testing.h"
#include "tensor/activation.h"

namespace tercel::inline kernels {
namespace {

struct Product {
  Dims a = {5, 7};
  Dims b = {7, 9};  // n x k where trans_b
  bool trans_b = false;
  bool bias = false, residual = false, row_scale = false, constant_b = true;
  float scale = 1;
  Activation activation = Activation::none;
};

VariantCase case_of(const Product& product) {
  VariantCase c;
  c.op = "FusedMatMul";
  c.attrs = {{"transA", int64_t{0}},
             {"transB", int64_t{product.trans_b}},
             {"alpha_scale", product.scale},
             {"activation", std::string(to_string(product.activation))},
             {"alpha", product.activation == Activation::clip ? -0.25f : 0.3f},
             {"beta", 0.4f}};
  const auto batch_of = [](const Dims& dims) { return std::span(dims).first(dims.size() - 2); };
  Dims y = *broadcast(batch_of(product.a), batch_of(product.b));
  y.push_back(product.a[product.a.size() - 2]);
  const int64_t n = product.b[product.b.size() - (product.trans_b ? 2 : 1)];
  y.push_back(n);
  c.src = {random_floats(product.a, 1), random_floats(product.b, 2), product.bias ? random_floats({n}, 3) : Tensor()};
  c.src.push_back(product.residual ? random_floats(y, 4) : Tensor());
  if (product.row_scale) {
    Dims rows = y;
    rows.back() = 1;
    c.src.push_back(random_floats(rows, 5, 0.25, 4));
  }
  c.constant = {2};
  if (product.constant_b) c.constant.insert(1);
  c.dst = {{DType::f32, y}};
  return c;
}

TEST(SimdMatMul, EverySize) {
  for (int64_t m : {1, 2, 5, 6, 7, 12, 13, 25})
    for (int64_t n : {1, 7, 8, 9, 16, 17, 31, 33, 64})
      for (int64_t k : {1, 3, 16, 65})
        for (bool trans_b : {false, true})
          check_variants(case_of({.a = {m, k}, .b = trans_b ? Dims{n, k} : Dims{k, n}, .trans_b = trans_b}),
                         {"simd_matmul", "simd_batched_matmul"});
}

TEST(SimdMatMul, Bf16) {
  for (int64_t m : {1, 2, 5, 7, 13})
    for (int64_t n : {1, 8, 9, 17, 33, 64})
      for (int64_t k : {1, 2, 3, 16, 65, 130})
        for (bool trans_b : {false, true}) {
          VariantCase c =
              case_of({.a = {m, k}, .b = trans_b ? Dims{n, k} : Dims{k, n}, .trans_b = trans_b, .bias = true});
          for (size_t i : {0, 1}) c.src[i] = rounded_to_bf16(c.src[i]);  // so that nothing is lost by rounding
          c.bf16 = true;
          check_variants(c, {"simd_matmul"});
        }
}

TEST(SimdMatMul, RowsOfManyAxes) {
  check_variants(case_of({.a = {2, 3, 5, 24}, .b = {24, 20}, .bias = true, .residual = true}), {"simd_matmul"});
  check_variants(case_of({.a = {1, 197, 96}, .b = {288, 96}, .trans_b = true, .bias = true}), {"simd_matmul"});
}

TEST(SimdMatMul, BiasResidualScaleAndActivations) {
  for (Activation activation : all_activations())
    for (bool residual : {false, true})
      check_variants(case_of({.a = {13, 20},
                              .b = {20, 37},
                              .bias = !residual,
                              .residual = residual,
                              .scale = residual ? 0.125f : 1,
                              .activation = activation}),
                     {"simd_matmul", "simd_batched_matmul"});
}

TEST(SimdMatMul, RowScale) {
  for (int64_t m : {1, 2, 5, 6, 7, 12, 13, 25})
    for (int64_t n : {1, 7, 8, 9, 16, 17, 33, 64})
      check_variants(case_of({.a = {m, 20},
                              .b = {20, n},
                              .bias = n > 8,
                              .residual = m > 6,
                              .row_scale = true,
                              .scale = 0.5f,
                              .activation = m > 7 ? Activation::gelu : Activation::none}),
                     {"simd_matmul", "simd_batched_matmul"});
  check_variants(case_of({.a = {2, 3, 5, 24}, .b = {24, 20}, .bias = true, .row_scale = true}), {"simd_matmul"});
  check_variants(case_of({.a = {3, 9, 18}, .b = {3, 18, 21}, .row_scale = true, .constant_b = false}),
                 {"simd_batched_matmul"});
  for (int64_t m : {1, 3})
    check_variants(case_of({.a = {m, 33}, .b = {9, 33}, .trans_b = true, .bias = true, .row_scale = true}),
                   {"simd_gemv"});
}

TEST(SimdGemv, FewRows) {
  for (int64_t m : {1, 2, 3, 4})
    for (int64_t n : {1, 9, 100})
      for (int64_t k : {1, 2, 7, 8, 15, 16, 17, 33, 64, 65, 129, 1280})
        check_variants(
            case_of({.a = {m, k}, .b = {n, k}, .trans_b = true, .bias = true, .residual = m == 2, .scale = 0.5f}),
            {"simd_gemv"});
  for (Activation activation : all_activations())
    check_variants(case_of({.a = {1, 40}, .b = {11, 40}, .trans_b = true, .bias = true, .activation = activation}),
                   {"simd_gemv"});
}

TEST(SimdBatchedMatMul, BroadcastBatches) {
  const struct {
    Dims a, b;
  } kBatches[] = {{{}, {}},  {{3}, {3}},       {{3}, {1}},    {{1}, {3}},    {{}, {3}},
                  {{3}, {}}, {{2, 3}, {2, 3}}, {{2, 1}, {3}}, {{3}, {2, 1}}, {{2, 1, 3}, {1, 4, 1}},
                  {{8}, {8}}};
  for (const auto& [batch_a, batch_b] : kBatches)
    for (bool trans_b : {false, true}) {
      Product product{.trans_b = trans_b, .residual = trans_b, .constant_b = false, .scale = 0.125f};
      product.a = batch_a;
      product.a.insert(product.a.end(), {9, 18});
      product.b = batch_b;
      product.b.insert(product.b.end(), {trans_b ? 21 : 18, trans_b ? 18 : 21});
      check_variants(case_of(product), {"simd_batched_matmul"});
    }
}

TEST(SimdBatchedMatMul, AttentionShapes) {
  check_variants(case_of({.a = {1, 3, 197, 64}, .b = {1, 3, 64, 197}, .constant_b = false, .scale = 0.125f}),
                 {"simd_batched_matmul"});
  check_variants(case_of({.a = {1, 3, 197, 197}, .b = {1, 3, 197, 64}, .constant_b = false}), {"simd_batched_matmul"});
}

}  // namespace
}  // namespace tercel::inline kernels
