#include "graph/ops/conv_rules.h"
#include "graph/ops/families.h"
#include "graph/ops/matmul_rules.h"
#include "tensor/activation.h"

namespace tercel {
namespace {

std::vector<AttrSpec> with_activation(std::vector<AttrSpec> attrs) {
  append(attrs, {AttrSpec::text("activation", "none"), AttrSpec::real("alpha", 0), AttrSpec::real("beta", 0)});
  return attrs;
}

void need_float_operands(const InferContext& c) {
  parse_activation(c.attrs().get_string("activation"));
  c.need_float(0);
  for (size_t i = 1; i < c.inputs(); ++i) c.need_same_dtype(0, i);
}

void infer_fused_conv(InferContext& c) {
  need_float_operands(c);
  auto dims = infer_conv_dims(c, 0, 1, 2);
  if (dims) dims = agree(c, 3, std::move(*dims), "result and residual");
  set_or_unranked(c, c.dtype(0), std::move(dims));
}

void infer_fused_matmul(InferContext& c) {
  need_float_operands(c);
  for (size_t i : {0, 1}) c.need_rank(i, 1, 64);
  if (!c.ranked(0) || !c.ranked(1)) return c.set_unranked(0, c.dtype(0));
  const auto transposed = [&](size_t operand, std::string_view attr) {
    Dims dims = c.dims(operand);
    if (c.attrs().get_bool(attr) && dims.size() >= 2) std::swap(dims.back(), dims[dims.size() - 2]);
    return dims;
  };
  Dims dims = matmul_dims(transposed(0, "transA"), transposed(1, "transB"));
  need_broadcastable_to(c, 2, dims);
  dims = agree(c, 3, std::move(dims), "result and residual");
  Dims row_scale = dims;
  if (!row_scale.empty()) row_scale.back() = 1;
  agree(c, 4, std::move(row_scale), "result and row scale");
  c.set(0, c.dtype(0), std::move(dims));
}

void infer_fused_add(InferContext& c) {
  need_float_operands(c);
  infer_broadcast(c);
}

void infer_silu(InferContext& c) {
  c.need_float(0);
  infer_same_as_input(c);
}

}  // namespace

std::vector<OpSpec> fused_ops() {
  return {
      {.name = "FusedConv",
       .domain = Domain::engine,
       .inputs = {2, 4},
       .attrs = with_activation(conv_attrs()),
       .infer = infer_fused_conv},
      {.name = "FusedMatMul",
       .domain = Domain::engine,
       .inputs = {2, 5},
       .attrs = with_activation(
           {AttrSpec::integer("transA", 0), AttrSpec::integer("transB", 0), AttrSpec::real("alpha_scale", 1)}),
       .infer = infer_fused_matmul},
      {.name = "FusedAdd",
       .domain = Domain::engine,
       .inputs = {2, 2},
       .attrs = with_activation({}),
       .infer = infer_fused_add},
      {.name = "Silu", .domain = Domain::engine, .infer = infer_silu},
  };
}

}  // namespace tercel
