#include "graph/ops/conv_rules.h"
#include "graph/ops/families.h"
#include "graph/ops/matmul_rules.h"

namespace tercel::inline graph {
namespace {

/// A scale (operand 1) and zero point (operand 2) are one number each, or one per element of the axis.
void need_scale_and_zero_point(const InferContext& c) {
  int64_t count = kUnknown;
  for (size_t i : {1, 2}) {
    c.need_rank(i, 0, 1);
    if (c.ranked(i)) count = agree(count, c.rank(i) == 0 ? 1 : c.dims(i)[0], "scales and zero points");
  }
  if (!c.ranked(0) || count == kUnknown || count == 1) return;
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().get_int("axis"), c.rank(0)));
  agree(c.dims(0)[axis], count, "the axis and its scales");
}

void infer_quantize(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f16, DType::bf16, DType::i32});
  c.need_dtype(1, {DType::f32, DType::f16, DType::bf16, DType::i32});
  c.need_dtype(2, {DType::u8, DType::i8, DType::u16, DType::i16});
  need_scale_and_zero_point(c);
  ValueType type = c.type(0);
  type.dtype = c.has(2) ? c.dtype(2) : DType::u8;
  c.set(0, type);
}

void infer_dequantize(InferContext& c) {
  c.need_dtype(0, {DType::u8, DType::i8, DType::u16, DType::i16, DType::i32});
  c.need_dtype(1, {DType::f32, DType::f16, DType::bf16});
  c.need_same_dtype(0, 2);
  need_scale_and_zero_point(c);
  ValueType type = c.type(0);
  type.dtype = c.dtype(1);
  c.set(0, type);
}

void infer_dynamic_quantize(InferContext& c) {
  c.need_dtype(0, {DType::f32});
  ValueType type = c.type(0);
  type.dtype = DType::u8;
  c.set(0, type);
  c.set(1, DType::f32, Dims{});
  c.set(2, DType::u8, Dims{});
}

/// Operands x scale zero, w scale zero, y scale zero: types that both QLinear operators share.
void need_qlinear_types(const InferContext& c, std::initializer_list<DType> scales) {
  for (size_t i : {0, 3, 7}) c.need_dtype(i, {DType::u8, DType::i8});
  for (size_t i : {1, 4, 6}) c.need_dtype(i, scales);
  for (size_t i : {4, 6}) c.need_same_dtype(1, i);
  c.need_same_dtype(0, 2);
  c.need_same_dtype(3, 5);
  need_one_element(c, 6, "scale of y");
  need_one_element(c, 7, "zero point of y");
}

void infer_qlinear_conv(InferContext& c) {
  need_qlinear_types(c, {DType::f32});
  c.need_dtype(8, {DType::i32});
  need_one_element(c, 1, "scale of x");
  need_one_element(c, 2, "zero point of x");
  const auto dims = infer_conv_dims(c, 0, 3, 8);
  if (dims) {
    need_per_channel(c, 4, (*dims)[1], "scales of w");
    need_per_channel(c, 5, (*dims)[1], "zero points of w");
  }
  set_or_unranked(c, c.dtype(7), dims);
}

void infer_qlinear_matmul(InferContext& c) {
  need_qlinear_types(c, {DType::f32, DType::f16, DType::bf16});
  for (size_t i : {1, 2}) need_per_row(c, i, 0);
  for (size_t i : {4, 5}) need_per_column(c, i, 3);
  infer_matmul_of(c, 0, 3, c.dtype(7));
}

}  // namespace

std::vector<OpSpec> quant_ops() {
  return {
      {.name = "QuantizeLinear",
       .since = 13,
       .inputs = {2, 3},
       .attrs = {AttrSpec::integer("axis", 1)},
       .infer = infer_quantize},
      {.name = "DequantizeLinear",
       .since = 13,
       .inputs = {2, 3},
       .attrs = {AttrSpec::integer("axis", 1)},
       .infer = infer_dequantize},
      {.name = "DynamicQuantizeLinear", .since = 11, .outputs = {3, 3}, .infer = infer_dynamic_quantize},
      {.name = "QLinearConv", .since = 10, .inputs = {8, 9}, .attrs = conv_attrs(), .infer = infer_qlinear_conv},
      {.name = "QLinearMatMul", .since = 10, .inputs = {8, 8}, .infer = infer_qlinear_matmul},
  };
}

}  // namespace tercel::inline graph
