// Derivatives of matrix products.
#include "kernels/ref/broadcast.h"
#include "quant/gradient_product.h"
#include "quant/gradient_rule.h"

namespace tercel::inline quant {
namespace {

bool is_constant(const RuleContext& c, size_t operand) { return c.node.inputs[operand]->is_constant(); }

/// y = a b over broadcast batches: da = dy b', db = a' dy.
void matmul(RuleContext& c) {
  Dims a_dims = c.dims(0), b_dims = c.dims(1);
  if (a_dims.size() == 1) a_dims.insert(a_dims.begin(), 1);
  if (b_dims.size() == 1) b_dims.push_back(1);
  int64_t m = a_dims[a_dims.size() - 2];
  const int64_t k = a_dims.back(), n = b_dims.back();
  Dims a_batch(a_dims.begin(), a_dims.end() - 2), b_batch(b_dims.begin(), b_dims.end() - 2);
  Dims batch = broadcast(a_batch, b_batch).value();
  if (count_elements(b_batch) == 1 && count_elements(a_batch) == count_elements(batch)) {
    m *= count_elements(a_batch);  // one tall product
    batch.clear(), a_batch.clear(), b_batch.clear();
  }
  const std::array strides{broadcast_strides(a_batch, batch), broadcast_strides(b_batch, batch)};
  const bool one = count_elements(batch) == 1;
  walk(batch, strides, [&](int64_t i, const auto& at) {
    const Strided gradient{c.gradients[0] + i * m * n, n};
    const int64_t a_at = at[0] * m * k, b_at = at[1] * k * n;
    if (c.into[0] != nullptr) {
      const Strided b{c.operands[1] + b_at, n};
      multiply({m, k, n, gradient, b.transposed(), c.into[0] + a_at, k}, c.isa, c.workspace,
               one && is_constant(c, 1) ? &c.cache.packed : nullptr);
    }
    if (c.into[1] != nullptr) {
      const Strided a{c.operands[0] + a_at, k};
      multiply({k, n, m, a.transposed(), gradient, c.into[1] + b_at, n}, c.isa, c.workspace);
    }
  });
}

/// y = alpha A B + beta C, where A and B are a and b, transposed or not.
void gemm_node(RuleContext& c) {
  const Attrs& attrs = c.node.attrs;
  const bool trans_a = attrs.get_bool("transA"), trans_b = attrs.get_bool("transB");
  const float alpha = attrs.get_float("alpha"), beta = attrs.get_float("beta");
  const int64_t m = c.result_dims()[0], n = c.result_dims()[1];
  const int64_t k = c.dims(0)[trans_a ? 0 : 1];
  const Strided gradient{c.gradients[0], n};
  const auto matrix = [](const float* data, bool transposed, int64_t rows, int64_t columns) {
    return transposed ? Strided{data, 1, rows} : Strided{data, columns, 1};
  };
  if (c.into[0] != nullptr) {
    const Strided b = matrix(c.operands[1], trans_b, k, n);
    if (trans_a) multiply({k, m, n, b, gradient.transposed(), c.into[0], m, alpha}, c.isa, c.workspace);
    else
      multiply({m, k, n, gradient, b.transposed(), c.into[0], k, alpha}, c.isa, c.workspace,
               is_constant(c, 1) ? &c.cache.packed : nullptr);
  }
  if (c.into[1] != nullptr) {
    const Strided a = matrix(c.operands[0], trans_a, m, k);
    if (trans_b) multiply({n, k, m, gradient.transposed(), a, c.into[1], k, alpha}, c.isa, c.workspace);
    else multiply({k, n, m, a.transposed(), gradient, c.into[1], n, alpha}, c.isa, c.workspace);
  }
  if (c.into.size() > 2 && c.into[2] != nullptr)
    walk(c.result_dims(), std::array{broadcast_strides(c.dims(2), c.result_dims())},
         [&](int64_t i, const auto& at) { c.into[2][at[0]] += beta * c.gradients[0][i]; });
}

}  // namespace

std::span<const GradientRule> linear_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"Conv", 1, kNothing, differentiate_conv},
      {"Gemm", kAllOperands, kOthers, gemm_node},
      {"MatMul", kAllOperands, kOthers, matmul},
  };
  return kRules;
}

}  // namespace tercel::inline quant
