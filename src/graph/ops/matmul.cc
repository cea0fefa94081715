#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/matmul_rules.h"
#include "tensor/einsum.h"

namespace tercel::inline graph {
namespace {

constexpr auto kNumbers = {DType::f32, DType::f64, DType::f16, DType::bf16,
                           DType::i32, DType::u32, DType::i64, DType::u64};

void infer_matmul(InferContext& c) {
  c.need_dtype(0, kNumbers);
  c.need_same_dtype(0, 1);
  infer_matmul_of(c, 0, 1, c.dtype(0));
}

void infer_matmul_integer(InferContext& c) {
  for (size_t i : {0, 1}) {
    c.need_dtype(i, {DType::u8, DType::i8});
    c.need_same_dtype(i, i + 2);
  }
  infer_matmul_of(c, 0, 1, DType::i32);
  need_per_row(c, 2, 0);
  need_per_column(c, 3, 1);
}

void infer_gemm(InferContext& c) {
  c.need_dtype(0, kNumbers);
  for (size_t i : {1, 2}) c.need_same_dtype(0, i);
  Dims a = agree(c, 0, {kUnknown, kUnknown}, "a");
  Dims b = agree(c, 1, {kUnknown, kUnknown}, "b");
  if (c.attrs().get_bool("transA")) std::swap(a[0], a[1]);
  if (c.attrs().get_bool("transB")) std::swap(b[0], b[1]);
  agree(a[1], b[0], "inner extents of a and b");
  Dims dims = {a[0], b[1]};
  need_broadcastable_to(c, 2, dims);
  c.set(0, c.dtype(0), std::move(dims));
}

void infer_einsum(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::i16, DType::i32, DType::i64,
                   DType::u8, DType::u16, DType::u32, DType::u64});
  std::vector<Dims> shapes;
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (!c.has(i)) fail_input("input {} is left out", i);
    c.need_same_dtype(0, i);
    if (!c.ranked(i)) return c.set_unranked(0, c.dtype(0));
    shapes.push_back(c.dims(i));
  }
  const EinsumPlan plan = plan_einsum(c.attrs().get_string("equation"), shapes);
  if (all_known(plan.extents)) count_elements(plan.extents);  // the work: small operands can span a huge space
  c.set(0, c.dtype(0), plan.result_dims());
}

/// Operand `operand` fits `owner` with the axis `flat` (from the end) reduced to 1; as 1-D it fits the other of the
/// last two.
void need_per_line(const InferContext& c, size_t operand, size_t owner, size_t flat) {
  if (!c.ranked(operand) || !c.ranked(owner) || c.rank(operand) == 0) return;
  Dims wanted = c.dims(owner);
  if (wanted.size() < 2) {
    wanted = {1};
  } else if (c.rank(operand) == 1) {
    wanted = {wanted[wanted.size() - (3 - flat)]};
  } else {
    wanted[wanted.size() - flat] = 1;
  }
  need_broadcastable_to(c, operand, wanted);
}

}  // namespace

void need_per_row(const InferContext& c, size_t operand, size_t a) { need_per_line(c, operand, a, 1); }
void need_per_column(const InferContext& c, size_t operand, size_t b) { need_per_line(c, operand, b, 2); }

Dims matmul_dims(const Dims& a, const Dims& b) {
  if (a.empty() || b.empty()) fail_input("shapes {} and {}, wanted at least one axis each", to_string(a), to_string(b));
  const bool row = a.size() == 1;
  const bool column = b.size() == 1;
  const int64_t inner = column ? b[0] : b[b.size() - 2];
  if (a.back() != inner && a.back() != kUnknown && inner != kUnknown)
    fail_input("shapes {} and {} have inner extents {} and {}", to_string(a), to_string(b), a.back(), inner);
  const auto batch_of = [](const Dims& dims) { return std::span(dims).first(dims.size() < 2 ? 0 : dims.size() - 2); };
  auto dims = broadcast(batch_of(a), batch_of(b));
  if (!dims) fail_input("batch axes of shapes {} and {} do not broadcast", to_string(a), to_string(b));
  if (!row) dims->push_back(a[a.size() - 2]);
  if (!column) dims->push_back(b.back());
  return *dims;
}

void infer_matmul_of(InferContext& c, size_t a, size_t b, DType dtype) {
  for (size_t i : {a, b}) c.need_rank(i, 1, 64);
  if (c.ranked(a) && c.ranked(b)) c.set(0, dtype, matmul_dims(c.dims(a), c.dims(b)));
  else c.set_unranked(0, dtype);
}

std::vector<OpSpec> matmul_ops() {
  return {
      {.name = "MatMul", .since = 1, .inputs = {2, 2}, .infer = infer_matmul},
      {.name = "MatMulInteger", .since = 10, .inputs = {2, 4}, .infer = infer_matmul_integer},
      {.name = "Gemm",
       .since = 11,
       .inputs = {2, 3},
       .attrs = {AttrSpec::real("alpha", 1), AttrSpec::real("beta", 1), AttrSpec::integer("transA", 0),
                 AttrSpec::integer("transB", 0)},
       .infer = infer_gemm},
      {.name = "Einsum",
       .since = 12,
       .inputs = {1, kAnyNumber},
       .attrs = {AttrSpec::required("equation", AttrKind::text)},
       .infer = infer_einsum},
  };
}

}  // namespace tercel::inline graph
