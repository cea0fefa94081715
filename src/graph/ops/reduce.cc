#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace tercel::inline graph {
namespace {

constexpr auto kSortable = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,  DType::u8,
                            DType::i16, DType::u16, DType::i32, DType::u32,  DType::i64, DType::u64};

/// dims without the axes marked, or with extent 1 in their place.
Dims without(const Dims& dims, const std::vector<bool>& marked, bool keep) {
  Dims left;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!marked[i]) left.push_back(dims[i]);
    else if (keep) left.push_back(1);
  }
  return left;
}

/// Reduce*: axes are operand 1; none means all, unless noop_with_empty_axes.
void infer_reduce_shape(InferContext& c) {
  c.need_dtype(1, {DType::i64});
  c.need_rank(1, 1, 1);
  const DType dtype = c.dtype(0);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  const Dims& dims = c.dims(0);
  const bool keep = c.attrs().get_bool("keepdims");
  const bool noop = c.attrs().get_bool("noop_with_empty_axes");
  const Tensor* axes = c.constant(1);
  const bool none = !c.has(1) || (c.ranked(1) && c.dims(1)[0] == 0);
  if (none || axes != nullptr) {
    std::vector<bool> reduced(dims.size(), none && !noop);
    for (int64_t axis : none ? Dims{} : axes->to_ints()) {
      const auto at = static_cast<size_t>(normalize_axis(axis, c.rank(0)));
      if (reduced[at]) fail_input("axis {} is given twice", axis);
      reduced[at] = true;
    }
    return c.set(0, dtype, without(dims, reduced, keep));
  }
  if (keep) return c.set_rank(0, dtype, c.rank(0));
  if (!c.ranked(1) || c.dims(1)[0] == kUnknown) return c.set_unranked(0, dtype);
  if (c.dims(1)[0] > c.rank(0)) fail_input("{} axes to reduce of {}", c.dims(1)[0], c.rank(0));
  c.set_rank(0, dtype, c.rank(0) - c.dims(1)[0]);
}

void infer_reduce(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::u32, DType::i64, DType::u64});
  infer_reduce_shape(c);
}

void infer_reduce_extreme(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::u32, DType::i64, DType::u64,
                   DType::i8, DType::u8, DType::boolean});
  infer_reduce_shape(c);
}

void infer_arg(InferContext& c) {
  c.need_dtype(0, kSortable);
  if (!c.ranked(0)) return c.set_unranked(0, DType::i64);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().get_int("axis"), c.rank(0)));
  if (c.dims(0)[axis] == 0)
    fail_input("axis {} of shape {} is empty: there is no best of nothing", axis, to_string(c.dims(0)));
  std::vector<bool> reduced(c.dims(0).size(), false);
  reduced[axis] = true;
  c.set(0, DType::i64, without(c.dims(0), reduced, c.attrs().get_bool("keepdims")));
}

void infer_top_k(InferContext& c) {
  c.need_dtype(0, kSortable);
  c.need_dtype(1, {DType::i64});
  c.need_rank(1, 0, 1);
  if (c.ranked(1) && c.rank(1) == 1) agree(c.dims(1)[0], 1, "elements of k");
  int64_t k = kUnknown;
  if (const Tensor* value = c.constant(1)) {
    k = value->to_ints().at(0);
    if (k < 0) fail_input("k is {}, wanted 0 or more", k);
  }
  if (!c.ranked(0)) {
    c.set_unranked(0, c.dtype(0));
    c.set_unranked(1, DType::i64);
    return;
  }
  Dims dims = c.dims(0);
  int64_t& extent = dims[static_cast<size_t>(normalize_axis(c.attrs().get_int("axis"), c.rank(0)))];
  if (extent != kUnknown && k > extent) fail_input("k is {}, the axis has {} elements", k, extent);
  extent = k;
  c.set(0, c.dtype(0), dims);
  c.set(1, DType::i64, dims);
}

void infer_cum_sum(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::u32, DType::i64, DType::u64});
  c.need_dtype(1, {DType::i32, DType::i64});
  c.need_rank(1, 0, 1);
  if (c.ranked(1) && c.rank(1) == 1) agree(c.dims(1)[0], 1, "elements of axis");
  if (const Tensor* axis = c.constant(1); axis != nullptr && c.ranked(0))
    normalize_axis(axis->to_ints().at(0), c.rank(0));
  infer_same_as_input(c);
}

void infer_softmax(InferContext& c) {
  c.need_float(0);
  if (c.ranked(0)) normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  infer_same_as_input(c);
}

void infer_det(InferContext& c) {
  c.need_float(0);
  if (!c.ranked(0)) return c.set_unranked(0, c.dtype(0));
  c.need_rank(0, 2, 64);
  Dims dims = c.dims(0);
  const int64_t columns = dims.back();
  dims.pop_back();
  agree(dims.back(), columns, "rows and columns");
  dims.pop_back();
  c.set(0, c.dtype(0), std::move(dims));
}

/// Scores n c d1 ..., labels n d1 ..., weights c: a loss per label, or their sum or mean.
void infer_loss(InferContext& c) {
  c.need_float(0);
  c.need_dtype(1, {DType::i32, DType::i64});
  c.need_same_dtype(0, 2);
  c.need_rank(0, 2, 64);
  const std::string& reduction = c.attrs().get_string("reduction");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    fail_input("attribute 'reduction' is '{}', wanted none, sum or mean", reduction);
  c.set(1, c.type(0));
  if (c.ranked(0)) {
    Dims dims = c.dims(0);
    agree(c, 2, {dims[1]}, "classes and weights");
    dims.erase(dims.begin() + 1);
    dims = agree(c, 1, std::move(dims), "scores and labels");
    if (reduction == "none") return c.set(0, c.dtype(0), std::move(dims));
  }
  if (reduction == "none") c.set(0, {c.dtype(0), c.ranked(1), c.type(1).dims});
  else c.set(0, c.dtype(0), Dims{});
}

}  // namespace

std::vector<OpSpec> reduce_ops() {
  using A = AttrSpec;
  std::vector<OpSpec> ops;
  const auto add_reduce = [&](std::string_view name, int since, void (*infer)(InferContext&)) {
    ops.push_back({.name = name,
                   .since = since,
                   .inputs = {1, 2},
                   .attrs = {A::integer("keepdims", 1), A::integer("noop_with_empty_axes", 0)},
                   .infer = infer});
  };
  add_reduce("ReduceSum", 13, infer_reduce);
  for (std::string_view name :
       {"ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"})
    add_reduce(name, 18, infer_reduce);
  for (std::string_view name : {"ReduceMax", "ReduceMin"}) add_reduce(name, 18, infer_reduce_extreme);
  for (std::string_view name : {"ArgMax", "ArgMin"})
    ops.push_back({.name = name,
                   .since = 1,
                   .attrs = {A::integer("axis", 0), A::integer("keepdims", 1), A::integer("select_last_index", 0)},
                   .infer = infer_arg});
  for (std::string_view name : {"Softmax", "LogSoftmax", "Hardmax"})
    ops.push_back({.name = name, .since = 13, .attrs = {A::integer("axis", -1)}, .infer = infer_softmax});
  ops.push_back({.name = "TopK",
                 .since = 11,
                 .inputs = {2, 2},
                 .outputs = {2, 2},
                 .attrs = {A::integer("axis", -1), A::integer("largest", 1), A::integer("sorted", 1)},
                 .infer = infer_top_k});
  ops.push_back({.name = "CumSum",
                 .since = 11,
                 .inputs = {2, 2},
                 .attrs = {A::integer("exclusive", 0), A::integer("reverse", 0)},
                 .infer = infer_cum_sum});
  ops.push_back({.name = "Det", .since = 11, .infer = infer_det});
  const std::vector<A> loss_attrs = {A::text("reduction", "mean"), A::optional("ignore_index", AttrKind::integer)};
  ops.push_back(
      {.name = "NegativeLogLikelihoodLoss", .since = 12, .inputs = {2, 3}, .attrs = loss_attrs, .infer = infer_loss});
  ops.push_back({.name = "SoftmaxCrossEntropyLoss",
                 .since = 12,
                 .inputs = {2, 3},
                 .outputs = {1, 2},
                 .attrs = loss_attrs,
                 .infer = infer_loss});
  return ops;
}

}  // namespace tercel::inline graph
