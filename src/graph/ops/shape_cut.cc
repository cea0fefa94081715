// Rules of operators that cut, join, pad and permute.
#include <algorithm>

#include "base/bits.h"
#include "graph/ops/shape_rules.h"
#include "tensor/slice.h"

namespace tercel::inline graph {
namespace {

void infer_transpose(InferContext& c) {
  const DType dtype = c.dtype(0);
  const bool given = c.attrs().has("perm");
  if (!given) {
    if (!c.ranked(0)) return c.set_unranked(0, dtype);
    return c.set(0, dtype, Dims(c.dims(0).rbegin(), c.dims(0).rend()));
  }
  const std::vector<int64_t>& perm = c.attrs().get_ints("perm");
  std::vector<bool> seen(perm.size(), false);
  for (int64_t axis : perm) {
    if (axis < 0 || axis >= static_cast<int64_t>(perm.size()) || seen[static_cast<size_t>(axis)])
      fail_input("perm ({}) is not a permutation", fmt::join(perm, ", "));
    seen[static_cast<size_t>(axis)] = true;
  }
  const auto rank = static_cast<int64_t>(perm.size());
  c.need_rank(0, rank, rank);
  if (!c.ranked(0)) return c.set_rank(0, dtype, rank);
  Dims dims;
  for (int64_t axis : perm) dims.push_back(c.dims(0)[static_cast<size_t>(axis)]);
  c.set(0, dtype, std::move(dims));
}

void infer_slice(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto starts = constant_ints(c, 1), ends = constant_ints(c, 2);
  const auto axes_given = constant_ints(c, 3), steps = constant_ints(c, 4);
  int64_t count = kUnknown;
  for (size_t i = 1; i <= 4; ++i) count = agree(count, vector_length(c, i), "lengths of starts, ends, axes and steps");
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  if (count > c.rank(0)) fail_input("{} axes to slice, input has {}", count, c.rank(0));

  std::vector<int64_t> axes;
  if (axes_given) axes = normalize_axes(*axes_given, c.rank(0));
  else if (c.has(3) || count == kUnknown) return c.set_rank(0, dtype, c.rank(0));
  else
    for (int64_t axis = 0; axis < count; ++axis) axes.push_back(axis);

  Dims dims = c.dims(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& extent = dims[static_cast<size_t>(axes[i])];
    const bool known = starts && ends && (steps || !c.has(4)) && extent != kUnknown;
    extent = known ? slice_range((*starts)[i], (*ends)[i], steps ? (*steps)[i] : 1, extent).count : kUnknown;
  }
  c.set(0, dtype, std::move(dims));
}

/// Extents of the parts along the axis; kUnknown where they do not follow.
std::vector<int64_t> split_extents(const InferContext& c, int64_t extent) {
  const auto parts = static_cast<int64_t>(c.outputs());
  if (c.has(1)) {
    const auto given = constant_ints(c, 1);
    agree(vector_length(c, 1), parts, "number of parts and of outputs");
    if (!given) return std::vector<int64_t>(c.outputs(), kUnknown);
    int64_t sum = 0;
    for (int64_t part : *given) {
      if (part < 0) fail_input("split has a part of {} elements", part);
      sum = checked_add(sum, part).value_or(kMaxElements + 1);
      if (sum > kMaxElements) fail_input("split adds up to too many elements");
    }
    if (extent != kUnknown && sum != extent) fail_input("split adds up to {}, the axis has {} elements", sum, extent);
    return *given;
  }
  const bool uneven = c.attrs().has("num_outputs");
  if (uneven) agree(c.attrs().get_int("num_outputs"), parts, "num_outputs and number of outputs");
  if (extent == kUnknown) return std::vector<int64_t>(c.outputs(), kUnknown);
  if (!uneven && extent % parts != 0) fail_input("{} elements do not split into {} equal parts", extent, parts);
  return even_parts(extent, parts);
}

void infer_split(InferContext& c) {
  const bool ranked = c.ranked(0);
  const int64_t axis = ranked ? normalize_axis(c.attrs().get_int("axis"), c.rank(0)) : 0;
  const auto extents = split_extents(c, ranked ? c.dims(0)[static_cast<size_t>(axis)] : kUnknown);
  for (size_t i = 0; i < c.outputs(); ++i) {
    ValueType type = c.type(0);
    if (ranked) type.dims[static_cast<size_t>(axis)] = extents[i];
    c.set(i, type);
  }
}

void infer_concat(InferContext& c) {
  const DType dtype = c.dtype(0);
  bool complete = true;  // every operand ranked
  std::optional<Dims> dims;
  int64_t axis = 0, sum = 0;
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (!c.has(i)) fail_input("input {} is left out, but is not optional", i);
    c.need_same_dtype(0, i);
    if (!c.ranked(i)) {
      complete = false;
      continue;
    }
    if (!dims) {
      dims = c.dims(i);
      axis = normalize_axis(c.attrs().get_int("axis"), c.rank(i));
    }
    Dims wanted = *dims;
    wanted[static_cast<size_t>(axis)] = kUnknown;
    *dims = agree(c, i, wanted, "extents of concatenated inputs");
    const int64_t extent = c.dims(i)[static_cast<size_t>(axis)];
    if (sum == kUnknown || extent == kUnknown) {
      sum = kUnknown;
    } else {
      const auto total = checked_add(sum, extent);
      if (!total) fail(ErrorCode::limit, "concatenated axis has too many elements");
      sum = *total;
    }
  }
  if (!dims) return c.set_unranked(0, dtype);
  (*dims)[static_cast<size_t>(axis)] = complete ? sum : kUnknown;
  c.set(0, dtype, std::move(*dims));
}

void infer_pad(InferContext& c) {
  const DType dtype = c.dtype(0);
  const std::string_view mode = text_among(c, "mode", {"constant", "reflect", "edge", "wrap"});
  const auto pads = constant_ints(c, 1);
  c.need_same_dtype(0, 2);
  constant_scalar(c, 2);
  const auto axes_given = constant_ints(c, 3);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  std::vector<int64_t> axes;
  if (axes_given) axes = normalize_axes(*axes_given, c.rank(0));
  else if (c.has(3)) return c.set_rank(0, dtype, c.rank(0));
  else
    for (int64_t axis = 0; axis < c.rank(0); ++axis) axes.push_back(axis);
  agree(vector_length(c, 1), 2 * static_cast<int64_t>(axes.size()), "length of pads");

  Dims dims = c.dims(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& extent = dims[static_cast<size_t>(axes[i])];
    if (!pads) extent = kUnknown;
    if (extent == kUnknown) continue;
    const int64_t before = (*pads)[i], after = (*pads)[i + axes.size()];
    for (int64_t pad : {before, after})
      if (pad > kMaxElements || pad < -kMaxElements) fail(ErrorCode::limit, "axis {} is padded by {}", axes[i], pad);
    if (extent > kMaxElements) fail(ErrorCode::limit, "axis {} has {} elements", axes[i], extent);
    const int64_t kept = extent + std::min(before, int64_t{0}) + std::min(after, int64_t{0});
    const int64_t padded = extent + before + after;
    if (padded < 0) fail_input("axis {} of {} elements is cropped by {} and {}", axes[i], extent, before, after);
    if (mode != "constant" && padded > 0 && kept <= 0)
      fail_input("axis {} has nothing left to pad from in mode {}", axes[i], mode);
    extent = padded;
  }
  c.set(0, dtype, std::move(dims));
}

void infer_center_crop_pad(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto shape = constant_ints(c, 1);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  std::vector<int64_t> axes;
  if (c.attrs().has("axes")) axes = normalize_axes(c.attrs().get_ints("axes"), c.rank(0));
  else
    for (int64_t axis = 0; axis < c.rank(0); ++axis) axes.push_back(axis);
  agree(vector_length(c, 1), static_cast<int64_t>(axes.size()), "length of shape");
  Dims dims = c.dims(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (shape && (*shape)[i] < 0) fail_input("shape has an extent of {}", (*shape)[i]);
    dims[static_cast<size_t>(axes[i])] = shape ? (*shape)[i] : kUnknown;
  }
  c.set(0, dtype, std::move(dims));
}

/// Channels by blocksize squared, height and width by blocksize: divided or multiplied.
void infer_blocks(InferContext& c, bool to_depth) {
  c.need_rank(0, 4, 4);
  const int64_t block = attr_within(c, "blocksize", 1, 1 << 20);
  if (!c.ranked(0)) return c.set_rank(0, c.dtype(0), 4);
  Dims dims = c.dims(0);
  for (size_t axis = 1; axis < 4; ++axis) {
    if (dims[axis] == kUnknown) continue;
    const int64_t factor = axis == 1 ? block * block : block;
    if ((axis == 1) == to_depth) {
      const auto extent = checked_mul(dims[axis], factor);
      if (!extent || *extent > kMaxElements) fail(ErrorCode::limit, "axis {} has too many elements", axis);
      dims[axis] = *extent;
    } else {
      if (dims[axis] % factor != 0) fail_input("axis {} has {} elements, no multiple of {}", axis, dims[axis], factor);
      dims[axis] /= factor;
    }
  }
  c.set(0, c.dtype(0), std::move(dims));
}

void infer_depth_to_space(InferContext& c) {
  text_among(c, "mode", {"DCR", "CRD"});
  infer_blocks(c, false);
}
void infer_space_to_depth(InferContext& c) { infer_blocks(c, true); }

void infer_trilu(InferContext& c) {
  c.need_rank(0, 2, kMaxRank);
  c.need_dtype(1, {DType::i64});
  constant_scalar(c, 1);
  infer_same_as_input(c);
}

void infer_reverse_sequence(InferContext& c) {
  c.need_rank(0, 2, kMaxRank);
  const int64_t batch = attr_within(c, "batch_axis", 0, 1);
  const int64_t time = attr_within(c, "time_axis", 0, 1);
  if (batch == time) fail_input("batch_axis and time_axis are both {}", batch);
  c.need_dtype(1, {DType::i64});
  if (c.ranked(0)) agree(c, 1, {c.dims(0)[static_cast<size_t>(batch)]}, "sequence lengths");
  infer_same_as_input(c);
}

}  // namespace

std::vector<OpSpec> cut_ops() {
  using A = AttrSpec;
  return {
      {.name = "CenterCropPad",
       .since = 18,
       .inputs = {2, 2},
       .attrs = {A::optional("axes", AttrKind::integers)},
       .infer = infer_center_crop_pad},
      {.name = "Concat",
       .since = 4,
       .inputs = {1, kAnyNumber},
       .attrs = {A::required("axis", AttrKind::integer)},
       .infer = infer_concat},
      {.name = "DepthToSpace",
       .since = 1,
       .attrs = {A::required("blocksize", AttrKind::integer), A::text("mode", "DCR")},
       .infer = infer_depth_to_space},
      {.name = "Pad", .since = 11, .inputs = {2, 4}, .attrs = {A::text("mode", "constant")}, .infer = infer_pad},
      {.name = "ReverseSequence",
       .since = 10,
       .inputs = {2, 2},
       .attrs = {A::integer("batch_axis", 1), A::integer("time_axis", 0)},
       .infer = infer_reverse_sequence},
      {.name = "Slice", .since = 10, .inputs = {3, 5}, .infer = infer_slice},
      {.name = "SpaceToDepth",
       .since = 1,
       .attrs = {A::required("blocksize", AttrKind::integer)},
       .infer = infer_space_to_depth},
      {.name = "Split",
       .since = 13,
       .inputs = {1, 2},
       .outputs = {1, kAnyNumber},
       .attrs = {A::integer("axis", 0), A::optional("num_outputs", AttrKind::integer)},
       .infer = infer_split},
      {.name = "Transpose", .since = 1, .attrs = {A::optional("perm", AttrKind::integers)}, .infer = infer_transpose},
      {.name = "Trilu", .since = 14, .inputs = {1, 2}, .attrs = {A::integer("upper", 1)}, .infer = infer_trilu},
  };
}

}  // namespace tercel::inline graph
