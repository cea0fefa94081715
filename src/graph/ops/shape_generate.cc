// Rules of operators whose results are made from a shape or from few elements.
#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "graph/ops/shape_rules.h"

namespace tercel::inline graph {
namespace {

void infer_constant(InferContext& c) {
  const Tensor& value = c.attrs().get_tensor("value");
  c.set(0, value.dtype(), value.dims());
}

void infer_shape(InferContext& c) {
  if (!c.ranked(0)) return c.set_rank(0, DType::i64, 1);
  const int64_t rank = c.rank(0);
  const auto clamp = [rank](int64_t bound) { return std::clamp(bound < 0 ? bound + rank : bound, int64_t{0}, rank); };
  const int64_t start = clamp(c.attrs().get_int("start"));
  const int64_t end = c.attrs().has("end") ? clamp(c.attrs().get_int("end")) : rank;
  c.set(0, DType::i64, {std::max(end - start, int64_t{0})});
}

void infer_size(InferContext& c) { c.set(0, DType::i64, Dims{}); }

Dims extents(const std::vector<int64_t>& shape) {
  need_plausible_rank(static_cast<int64_t>(shape.size()));
  for (int64_t extent : shape)
    if (extent < 0) fail_input("shape {} has an extent of {}", to_string(shape), extent);
  return shape;
}

void infer_constant_of_shape(InferContext& c) {
  DType dtype = DType::f32;
  if (c.attrs().has("value")) {
    const Tensor& value = c.attrs().get_tensor("value");
    if (value.elements() != 1) fail_input("attribute 'value' has {} elements, wanted one", value.elements());
    dtype = value.dtype();
  }
  const auto shape = constant_ints(c, 0);
  if (!shape) return set_unknown_extents(c, dtype, vector_length(c, 0));
  c.set(0, dtype, extents(*shape));
}

int64_t range_count(DType dtype, const Tensor& start, const Tensor& limit, const Tensor& delta) {
  if (is_float(dtype)) {
    const double from = start.to_doubles()[0], to = limit.to_doubles()[0], step = delta.to_doubles()[0];
    const double count = std::ceil((to - from) / step);
    if (step == 0 || !std::isfinite(from) || !std::isfinite(step) || std::isnan(count))
      fail_input("range from {} to {} by {}", from, to, step);
    if (count > static_cast<double>(kMaxElements)) fail(ErrorCode::limit, "range of {} elements", count);
    return count > 0 ? static_cast<int64_t>(count) : 0;
  }
  const int64_t from = start.to_ints()[0], to = limit.to_ints()[0], step = delta.to_ints()[0];
  if (step == 0) fail_input("range from {} to {} by 0", from, to);
  if (step > 0 ? to <= from : to >= from) return 0;
  // In unsigned arithmetic, where the distance between any two int64 fits.
  const auto a = static_cast<uint64_t>(from), b = static_cast<uint64_t>(to), s = static_cast<uint64_t>(step);
  const uint64_t count = ((step > 0 ? b - a : a - b) - 1) / (step > 0 ? s : 0 - s) + 1;
  if (count > static_cast<uint64_t>(kMaxElements)) fail(ErrorCode::limit, "range of {} elements", count);
  return static_cast<int64_t>(count);
}

void infer_range(InferContext& c) {
  const Tensor* bounds[3];
  bool known = true;
  for (size_t i = 0; i < 3; ++i) {
    c.need_dtype(i, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i16, DType::i32, DType::i64});
    c.need_same_dtype(0, i);
    bounds[i] = constant_scalar(c, i);
    known &= bounds[i] != nullptr;
  }
  c.set(0, c.dtype(0), {known ? range_count(c.dtype(0), *bounds[0], *bounds[1], *bounds[2]) : kUnknown});
}

void infer_expand(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto shape = constant_ints(c, 1);
  if (shape) extents(*shape);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  if (!shape) {
    const int64_t length = vector_length(c, 1);
    return set_unknown_extents(c, dtype, length == kUnknown ? kUnknown : std::max(length, c.rank(0)));
  }
  const auto both = broadcast(c.dims(0), *shape);
  if (!both) fail_input("shape {} does not broadcast with {}", to_string(*shape), to_string(c.dims(0)));
  c.set(0, dtype, *both);
}

void infer_tile(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto repeats = constant_ints(c, 1);
  if (!c.ranked(0)) return set_unknown_extents(c, dtype, vector_length(c, 1));
  if (const int64_t length = vector_length(c, 1); length != kUnknown && length != c.rank(0))
    fail_input("{} repeats for {} axes", length, c.rank(0));
  if (!repeats) return c.set_rank(0, dtype, c.rank(0));
  Dims dims = c.dims(0);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t times = (*repeats)[i];
    if (times < 0) fail_input("axis {} is repeated {} times", i, times);
    if (times == 0) dims[i] = 0;
    if (dims[i] == kUnknown) continue;
    const auto extent = checked_mul(dims[i], times);
    if (!extent || *extent > kMaxElements) fail(ErrorCode::limit, "axis {} of {} elements {} times", i, dims[i], times);
    dims[i] = *extent;
  }
  c.set(0, dtype, std::move(dims));
}

void infer_eye_like(InferContext& c) {
  c.need_rank(0, 2, 2);
  ValueType type = c.type(0);
  if (c.attrs().has("dtype")) {
    type.dtype = parse_dtype(c.attrs().get_string("dtype"));
    if (type.dtype == DType::none) fail_unsupported("no element type '{}'", c.attrs().get_string("dtype"));
  }
  c.set(0, type);
}

/// HannWindow, HammingWindow, BlackmanWindow
void infer_window(InferContext& c) {
  c.need_dtype(0, {DType::i32, DType::i64});
  const std::string& word = c.attrs().get_string("output_datatype");
  const DType dtype = parse_dtype(word);
  if (dtype == DType::none || dtype == DType::boolean) fail_unsupported("no window of element type '{}'", word);
  const Tensor* size = constant_scalar(c, 0);
  if (size == nullptr) return c.set(0, dtype, {kUnknown});
  const int64_t length = size->to_ints()[0];
  if (length < 0) fail_input("window of {} elements", length);
  if (length > kMaxElements) fail(ErrorCode::limit, "window of {} elements", length);
  c.set(0, dtype, {length});
}

OpSpec window(std::string_view name) {
  return {.name = name,
          .since = 17,
          .attrs = {AttrSpec::text("output_datatype", "f32"), AttrSpec::integer("periodic", 1)},
          .infer = infer_window};
}

void infer_one_hot(InferContext& c) {
  const Tensor* depth = constant_scalar(c, 1);
  c.need_rank(2, 1, 1);
  if (c.ranked(2)) agree(c.dims(2)[0], 2, "values of OneHot (off, on)");
  int64_t extent = kUnknown;
  if (depth != nullptr) {
    const double given = depth->to_doubles()[0];
    if (!(given >= 0 && given <= static_cast<double>(kMaxElements))) fail_input("depth is {}", given);
    extent = static_cast<int64_t>(given);
  }
  if (!c.ranked(0)) return c.set_unranked(0, c.dtype(2));
  Dims dims = c.dims(0);
  const int64_t axis = normalize_axis(c.attrs().get_int("axis"), c.rank(0) + 1);
  dims.insert(dims.begin() + axis, extent);
  c.set(0, c.dtype(2), std::move(dims));
}

}  // namespace

std::vector<OpSpec> generate_ops() {
  using A = AttrSpec;
  return {
      {.name = "Constant",
       .since = 1,
       .inputs = {0, 0},
       .attrs = {A::required("value", AttrKind::tensor)},
       .infer = infer_constant},
      {.name = "ConstantOfShape",
       .since = 9,
       .attrs = {A::optional("value", AttrKind::tensor)},
       .infer = infer_constant_of_shape},
      {.name = "Expand", .since = 8, .inputs = {2, 2}, .infer = infer_expand},
      {.name = "EyeLike",
       .since = 9,
       .attrs = {A::optional("dtype", AttrKind::text), A::integer("k", 0)},
       .infer = infer_eye_like},
      {.name = "OneHot", .since = 9, .inputs = {3, 3}, .attrs = {A::integer("axis", -1)}, .infer = infer_one_hot},
      {.name = "Range", .since = 11, .inputs = {3, 3}, .infer = infer_range},
      {.name = "Shape",
       .since = 1,
       .attrs = {A::integer("start", 0), A::optional("end", AttrKind::integer)},
       .infer = infer_shape},
      {.name = "Size", .since = 1, .infer = infer_size},
      {.name = "Tile", .since = 6, .inputs = {2, 2}, .infer = infer_tile},
      window("BlackmanWindow"),
      window("HammingWindow"),
      window("HannWindow"),
  };
}

}  // namespace tercel::inline graph
