// Rules of operators that read or write at places given as elements.
#include <algorithm>

#include "graph/ops/shape_rules.h"
#include "tensor/distinct.h"
#include "tensor/suppress.h"

namespace tercel::inline graph {
namespace {

void infer_gather(InferContext& c) {
  const DType dtype = c.dtype(0);
  need_index(c, 1);
  c.need_rank(0, 1, kMaxRank);
  if (!c.ranked(0) || !c.ranked(1)) return c.set_unranked(0, dtype);
  const int64_t axis = normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  Dims dims(c.dims(0).begin(), c.dims(0).begin() + axis);
  dims.insert(dims.end(), c.dims(1).begin(), c.dims(1).end());
  dims.insert(dims.end(), c.dims(0).begin() + axis + 1, c.dims(0).end());
  c.set(0, dtype, std::move(dims));
}

/// Indices have the rank of the data, and reach beyond it along no axis but their own.
void need_elements_indices(const InferContext& c) {
  need_index(c, 1);
  c.need_rank(0, 1, kMaxRank);
  if (!c.ranked(0)) return;
  const int64_t axis = normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  c.need_rank(1, c.rank(0), c.rank(0));
  if (!c.ranked(1)) return;
  for (size_t i = 0; i < c.dims(0).size(); ++i)
    if (static_cast<int64_t>(i) != axis && c.dims(0)[i] != kUnknown && c.dims(1)[i] > c.dims(0)[i])
      fail_input("indices {} reach beyond data {} along axis {}", to_string(c.dims(1)), to_string(c.dims(0)), i);
}

void infer_gather_elements(InferContext& c) {
  need_elements_indices(c);
  ValueType type = c.type(1);
  type.dtype = c.dtype(0);
  if (!type.ranked && c.ranked(0)) return c.set_rank(0, type.dtype, c.rank(0));
  c.set(0, type);
}

void need_reduction(const InferContext& c) {
  const std::string_view reduction = text_among(c, "reduction", {"none", "add", "mul", "max", "min"});
  if (reduction != "none" && c.dtype(0) == DType::boolean) fail_unsupported("reduction {} of bool", reduction);
}

void infer_scatter_elements(InferContext& c) {
  need_elements_indices(c);
  need_reduction(c);
  c.need_same_dtype(0, 2);
  if (c.ranked(1)) agree(c, 2, c.dims(1), "extents of indices and updates");
  infer_same_as_input(c);
}

/// Extents of the data that one index tuple of GatherND or ScatterND picks, behind the batch axes; nothing where they
/// do not follow. Operand 0 is the data, operand 1 the indices.
std::optional<Dims> picked(const InferContext& c, int64_t batch) {
  c.need_dtype(1, {DType::i64, DType::i32});
  c.need_rank(0, 1, kMaxRank);
  c.need_rank(1, 1, kMaxRank);
  if (!c.ranked(0) || !c.ranked(1)) return std::nullopt;
  const int64_t tuple = c.dims(1).back();
  if (tuple == kUnknown) return std::nullopt;
  if (tuple < 1 || tuple > c.rank(0) - batch)
    fail_input("indices {} have tuples of {}, wanted 1 to {}", to_string(c.dims(1)), tuple, c.rank(0) - batch);
  return Dims(c.dims(0).begin() + batch + tuple, c.dims(0).end());
}

void infer_gather_nd(InferContext& c) {
  const int64_t batch = c.attrs().get_int("batch_dims");
  if (batch < 0 || (c.ranked(0) && batch >= c.rank(0)) || (c.ranked(1) && batch >= c.rank(1)))
    fail_input("batch_dims is {}, which leaves no axis", batch);
  const auto tail = picked(c, batch);
  if (!tail) return c.set_unranked(0, c.dtype(0));
  Dims dims(c.dims(1).begin(), c.dims(1).end() - 1);
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i) dims[i] = agree(dims[i], c.dims(0)[i], "batch extents");
  dims.insert(dims.end(), tail->begin(), tail->end());
  c.set(0, c.dtype(0), std::move(dims));
}

void infer_scatter_nd(InferContext& c) {
  need_reduction(c);
  c.need_same_dtype(0, 2);
  if (const auto tail = picked(c, 0)) {
    Dims wanted(c.dims(1).begin(), c.dims(1).end() - 1);
    wanted.insert(wanted.end(), tail->begin(), tail->end());
    agree(c, 2, std::move(wanted), "extents of updates");
  }
  infer_same_as_input(c);
}

void infer_non_zero(InferContext& c) {
  if (!c.ranked(0)) return c.set_rank(0, DType::i64, 2);
  int64_t count = kUnknown;
  if (const Tensor* x = c.constant(0)) {
    count = visit_dtype(x->dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      int64_t found = 0;
      const int64_t all = x->elements();
      for (int64_t i = 0; i < all; ++i) found += x->at<T>(i) != T{};
      return found;
    });
  }
  c.set(0, DType::i64, {c.rank(0), count});
}

void infer_compress(InferContext& c) {
  c.need_dtype(1, {DType::boolean});
  c.need_rank(1, 1, 1);
  const bool flat = !c.attrs().has("axis");
  if (!flat && !c.ranked(0)) return c.set_unranked(0, c.dtype(0));
  if (!flat) c.need_rank(0, 1, kMaxRank);
  const int64_t axis = flat ? 0 : normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  Dims dims{kUnknown};
  if (!flat) dims = c.dims(0);
  else if (c.ranked(0)) dims = {product(c.dims(0))};
  int64_t& extent = dims[static_cast<size_t>(axis)];
  int64_t count = kUnknown;
  if (const Tensor* condition = c.constant(1)) {
    count = 0;
    const std::vector<int64_t> wanted = condition->to_ints();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] == 0) continue;
      if (extent != kUnknown && static_cast<int64_t>(i) >= extent)
        fail_input("condition chooses element {} of {}", i, extent);
      ++count;
    }
  }
  extent = count;
  c.set(0, c.dtype(0), std::move(dims));
}

void infer_unique(InferContext& c) {
  std::optional<int64_t> axis;
  if (c.attrs().has("axis")) {
    axis = c.attrs().get_int("axis");
    if (c.ranked(0)) axis = normalize_axis(*axis, c.rank(0));
  }
  int64_t groups = kUnknown, slices = kUnknown;
  if (c.ranked(0)) slices = axis ? c.dims(0)[static_cast<size_t>(*axis)] : product(c.dims(0));
  if (const Tensor* x = c.constant(0); x != nullptr && x->elements() == 0)
    groups = std::min(slices, int64_t{1});  // slices without elements are all equal, however many there are
  else if (x != nullptr)
    groups = static_cast<int64_t>(find_distinct(x->view(), axis, c.attrs().get_bool("sorted")).first.size());
  if (!axis) {
    c.set(0, c.dtype(0), {groups});
  } else {
    ValueType type = c.type(0);
    if (type.ranked) type.dims[static_cast<size_t>(*axis)] = groups;
    c.set(0, type);
  }
  c.set(1, DType::i64, {groups});
  c.set(2, DType::i64, {slices});
  c.set(3, DType::i64, {groups});
}

/// The value of an optional scalar operand; nothing where it is there and not known yet.
template <typename T>
std::optional<T> scalar_or(const InferContext& c, size_t operand, T absent) {
  c.need_dtype(operand, {dtype_of<T>()});
  const Tensor* scalar = constant_scalar(c, operand);
  if (!c.has(operand)) return absent;
  return scalar == nullptr ? std::nullopt : std::optional(scalar->at<T>(0));
}

/// boxes: batch n 4; scores: batch classes n; result: one row (batch, class, box) per box chosen.
void infer_non_max_suppression(InferContext& c) {
  c.need_dtype(0, {DType::f32});
  c.need_dtype(1, {DType::f32});
  const Dims boxes = agree(c, 0, {kUnknown, kUnknown, 4}, "boxes");
  agree(c, 1, {boxes[0], kUnknown, boxes[1]}, "scores");
  const auto most = scalar_or<int64_t>(c, 2, 0);
  const auto iou = scalar_or<float>(c, 3, 0), score = scalar_or<float>(c, 4, 0);
  if (iou && !(*iou >= 0 && *iou <= 1)) fail_input("iou_threshold is {}, wanted 0 to 1", *iou);
  int64_t count = kUnknown;
  if (c.constant(0) != nullptr && c.constant(1) != nullptr && most && iou && score)
    count = static_cast<int64_t>(suppress_boxes(c.constant(0)->view(), c.constant(1)->view(),
                                                {c.attrs().get_bool("center_point_box"), *most, *iou, c.has(4), *score})
                                     .size());
  c.set(0, DType::i64, {count, 3});
}

}  // namespace

std::vector<OpSpec> gather_ops() {
  using A = AttrSpec;
  return {
      {.name = "Compress",
       .since = 9,
       .inputs = {2, 2},
       .attrs = {A::optional("axis", AttrKind::integer)},
       .infer = infer_compress},
      {.name = "Gather", .since = 1, .inputs = {2, 2}, .attrs = {A::integer("axis", 0)}, .infer = infer_gather},
      {.name = "GatherElements",
       .since = 11,
       .inputs = {2, 2},
       .attrs = {A::integer("axis", 0)},
       .infer = infer_gather_elements},
      {.name = "GatherND",
       .since = 11,
       .inputs = {2, 2},
       .attrs = {A::integer("batch_dims", 0)},
       .infer = infer_gather_nd},
      {.name = "NonMaxSuppression",
       .since = 10,
       .inputs = {2, 5},
       .attrs = {A::integer("center_point_box", 0)},
       .infer = infer_non_max_suppression},
      {.name = "NonZero", .since = 9, .infer = infer_non_zero},
      {.name = "ScatterElements",
       .since = 11,
       .inputs = {3, 3},
       .attrs = {A::integer("axis", 0), A::text("reduction", "none")},
       .infer = infer_scatter_elements},
      {.name = "ScatterND",
       .since = 11,
       .inputs = {3, 3},
       .attrs = {A::text("reduction", "none")},
       .infer = infer_scatter_nd},
      {.name = "Unique",
       .since = 11,
       .outputs = {1, 4},
       .attrs = {A::optional("axis", AttrKind::integer), A::integer("sorted", 1)},
       .infer = infer_unique},
  };
}

}  // namespace tercel::inline graph
