// Rules of operators that keep elements and their order, and change the shape.
#include <algorithm>

#include "graph/ops/shape_rules.h"

namespace tercel::inline graph {
namespace {

void infer_reshape(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto shape = constant_ints(c, 1);
  if (!shape) return set_unknown_extents(c, dtype, vector_length(c, 1));
  need_plausible_rank(static_cast<int64_t>(shape->size()));
  const bool allow_zero = c.attrs().get_bool("allowzero");

  // Extents that are copied (0) stand on both sides and cancel, so that [?, 3, 4] to (0, -1) is ?x12.
  Dims left = c.ranked(0) ? c.dims(0) : Dims{};
  Dims named, dims;
  bool copied_zero = false;
  std::optional<size_t> free_axis;
  for (size_t i = 0; i < shape->size(); ++i) {
    const int64_t extent = (*shape)[i];
    dims.push_back(extent);
    if (extent == -1) {
      if (free_axis) fail_input("shape {} has two extents of -1", to_string(*shape));
      free_axis = i;
    } else if (extent == 0 && !allow_zero) {
      dims[i] = kUnknown;
      if (!c.ranked(0)) continue;
      if (i >= left.size()) fail_input("shape copies axis {} of {}", i, to_string(c.dims(0)));
      dims[i] = std::exchange(left[i], 1);
      copied_zero |= dims[i] == 0;
    } else if (extent < 0) {
      fail_input("shape has an extent of {}", extent);
    } else {
      named.push_back(extent);
    }
  }
  const int64_t want = product(named);
  if (free_axis && want == 0) fail_input("shape {} has an extent of -1 beside one of 0", to_string(*shape));
  const int64_t have = c.ranked(0) ? product(left) : kUnknown;
  if (have != kUnknown) {
    const bool fits = free_axis ? have % want == 0 : have == want || copied_zero;
    if (!fits) fail_input("shape {} does not fit the elements of {}", to_string(*shape), to_string(c.dims(0)));
    if (free_axis) dims[*free_axis] = have / want;
  }
  c.set(0, dtype, std::move(dims));
}

void infer_flatten(InferContext& c) {
  if (!c.ranked(0)) return c.set_rank(0, c.dtype(0), 2);
  const int64_t rank = c.rank(0);
  const int64_t given = c.attrs().get_int("axis");
  if (given < -rank || given > rank) fail_input("axis {} is outside [{}, {}]", given, -rank, rank);
  const std::span<const int64_t> dims = c.dims(0);
  const auto axis = static_cast<size_t>(given < 0 ? given + rank : given);
  c.set(0, c.dtype(0), {product(dims.first(axis)), product(dims.subspan(axis))});
}

void infer_squeeze(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto axes = constant_ints(c, 1);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  if (c.has(1) && !axes) {
    const int64_t count = vector_length(c, 1);
    if (count == kUnknown) return c.set_unranked(0, dtype);
    if (count > c.rank(0)) fail_input("{} axes to squeeze, input has {}", count, c.rank(0));
    return c.set_rank(0, dtype, c.rank(0) - count);
  }
  const Dims& dims = c.dims(0);
  std::vector<bool> gone(dims.size(), false);
  if (axes) {
    for (int64_t axis : normalize_axes(*axes, c.rank(0))) {
      const auto i = static_cast<size_t>(axis);
      if (dims[i] != 1 && dims[i] != kUnknown) fail_input("axis {} has {} elements, wanted 1", axis, dims[i]);
      gone[i] = true;
    }
  } else {
    if (!all_known(dims)) return c.set_unranked(0, dtype);
    for (size_t i = 0; i < dims.size(); ++i) gone[i] = dims[i] == 1;
  }
  Dims left;
  for (size_t i = 0; i < dims.size(); ++i)
    if (!gone[i]) left.push_back(dims[i]);
  c.set(0, dtype, std::move(left));
}

void infer_unsqueeze(InferContext& c) {
  const DType dtype = c.dtype(0);
  const auto axes = constant_ints(c, 1);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  const int64_t count = axes ? static_cast<int64_t>(axes->size()) : vector_length(c, 1);
  need_plausible_rank(count);
  if (!axes) return set_unknown_extents(c, dtype, count == kUnknown ? kUnknown : count + c.rank(0));
  Dims dims(c.dims(0).size() + axes->size(), kUnknown);
  std::vector<bool> fresh(dims.size(), false);
  for (int64_t axis : normalize_axes(*axes, static_cast<int64_t>(dims.size()))) fresh[static_cast<size_t>(axis)] = true;
  size_t next = 0;
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = fresh[i] ? 1 : c.dims(0)[next++];
  c.set(0, dtype, std::move(dims));
}

}  // namespace

std::vector<OpSpec> reshape_ops() {
  using A = AttrSpec;
  return {
      {.name = "Flatten", .since = 1, .attrs = {A::integer("axis", 1)}, .infer = infer_flatten},
      {.name = "Reshape", .since = 5, .inputs = {2, 2}, .attrs = {A::integer("allowzero", 0)}, .infer = infer_reshape},
      {.name = "Squeeze", .since = 13, .inputs = {1, 2}, .infer = infer_squeeze},
      {.name = "Unsqueeze", .since = 13, .inputs = {2, 2}, .infer = infer_unsqueeze},
  };
}

}  // namespace tercel::inline graph
