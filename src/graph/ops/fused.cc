#include "graph/ops/conv_rules.h"
#include "graph/ops/families.h"
#include "graph/ops/matmul_rules.h"
#include "tensor/activation.h"

namespace tercel::inline graph {
namespace {

constexpr size_t kBias = 2;

std::vector<AttrSpec> with_activation(std::vector<AttrSpec> attrs) {
  append(attrs, {AttrSpec::text("activation", "none"), AttrSpec::real("alpha", 0), AttrSpec::real("beta", 0)});
  return attrs;
}

/// Of levels only the declaration of the result says what they stand for: u8 or i8 are no consequence of operands.
DType result_type(const InferContext& c) { return c.is_quantized(0) ? DType::none : c.dtype(0); }

/// Floats of one type; or levels of which is known what they stand for, as many as `levels`, and an i32 bias.
void need_operands(const InferContext& c, size_t levels) {
  parse_activation(c.attrs().get_string("activation"));
  if (c.is_quantized(0)) {
    for (size_t i = 1; i < c.inputs(); ++i) {
      if (!c.has(i)) continue;
      if (i < levels ? !c.is_quantized(i) : i != kBias || c.dtype(i) != DType::i32)
        fail_unsupported("input {} is {}, which does not go with levels", i, to_string(c.type(i)));
    }
    return;
  }
  c.need_float(0);
  for (size_t i = 1; i < c.inputs(); ++i) c.need_same_dtype(0, i);
}

void infer_fused_conv(InferContext& c) {
  need_operands(c, 2);
  auto dims = infer_conv_dims(c, 0, 1, 2);
  if (dims) dims = agree(c, 3, std::move(*dims), "result and residual");
  set_or_unranked(c, result_type(c), std::move(dims));
}

void infer_fused_matmul(InferContext& c) {
  need_operands(c, 2);
  for (size_t i : {0, 1}) c.need_rank(i, 1, 64);
  if (!c.ranked(0) || !c.ranked(1)) return c.set_unranked(0, result_type(c));
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
  c.set(0, result_type(c), std::move(dims));
}

void infer_fused_add(InferContext& c) {
  need_operands(c, 2);
  if (!c.is_quantized(0)) return infer_broadcast(c);
  if (!c.ranked(0) || !c.ranked(1)) return c.set_unranked(0, DType::none);
  const auto dims = broadcast(c.dims(0), c.dims(1));
  if (!dims) fail_input("shapes {} and {} do not broadcast", to_string(c.dims(0)), to_string(c.dims(1)));
  c.set(0, DType::none, *dims);
}

void infer_level_mul(InferContext& c) {
  parse_activation(c.attrs().get_string("activation"));
  for (size_t i : {size_t{0}, size_t{1}})
    if (c.dtype(i) != DType::none && !c.is_quantized(i))
      fail_unsupported("input {} is {}, wanted levels of which is known what they stand for", i, to_string(c.type(i)));
  if (!c.ranked(0) || !c.ranked(1)) return c.set_unranked(0, DType::none);
  const auto dims = broadcast(c.dims(0), c.dims(1));
  if (!dims) fail_input("shapes {} and {} do not broadcast", to_string(c.dims(0)), to_string(c.dims(1)));
  c.set(0, DType::none, *dims);
}

/// Levels that stand for the same numbers under another scale and zero point, an activation between; or (LevelGate) the
/// numbers times their activation, which becomes levels of its own first: SiLU and hard swish of quantized networks.
void infer_requantize(InferContext& c) {
  parse_activation(c.attrs().get_string("activation"));
  if (c.dtype(0) != DType::none && !c.is_quantized(0))
    fail_unsupported("input 0 is {}, wanted levels of which is known what they stand for", to_string(c.type(0)));
  ValueType type = c.type(0);
  type.dtype = DType::none;
  type.quantization = nullptr;
  c.set(0, type);
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
      {.name = "LevelMul",
       .domain = Domain::engine,
       .inputs = {2, 2},
       .attrs = with_activation({}),
       .infer = infer_level_mul},
      {.name = "LevelGate",
       .domain = Domain::engine,
       .attrs = with_activation(
           {AttrSpec::real("gate_scale", 1), AttrSpec::integer("gate_zero", 0), AttrSpec::integer("gate_signed", 0)}),
       .infer = infer_requantize},
      {.name = "Requantize", .domain = Domain::engine, .attrs = with_activation({}), .infer = infer_requantize},
      {.name = "Silu", .domain = Domain::engine, .infer = infer_silu},
  };
}

}  // namespace tercel::inline graph
