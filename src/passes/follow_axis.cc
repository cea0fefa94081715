#include "passes/follow_axis.h"

#include <algorithm>

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

/// Elements that lie between neighbours along `axis`, in row-major order; nothing where that is not known.
std::optional<int64_t> inner_size(const Dims& dims, size_t axis) {
  int64_t size = 1;
  for (size_t i = axis + 1; i < dims.size(); ++i) {
    if (dims[i] == kUnknown) return std::nullopt;
    size *= dims[i];
  }
  return size;
}

/// Through operators that keep the row-major order of all elements.
std::optional<int64_t> through_reshape(const Dims& from, const Dims& to, size_t axis) {
  const auto inner = inner_size(from, axis);
  if (!inner || from[axis] == kUnknown) return std::nullopt;
  for (size_t i = 0; i < to.size(); ++i)
    if (to[i] == from[axis] && inner_size(to, i) == inner) return static_cast<int64_t>(i);
  return std::nullopt;
}

bool contains_axis(const std::vector<int64_t>& axes, int64_t axis, int64_t rank) {
  return std::any_of(axes.begin(), axes.end(), [&](int64_t a) { return (a < 0 ? a + rank : a) == axis; });
}

bool cuts(const Node& slice, int64_t axis, int64_t rank) {
  if (slice.input(3) == nullptr) {  // starts are those of the first axes
    const Value* starts = slice.input(1);
    return starts == nullptr || !starts->type.static_shape() || axis < starts->type.dims.at(0);
  }
  return !slice.input(3)->is_constant() || contains_axis(slice.input(3)->constant.to_ints(), axis, rank);
}

/// Zeros only, and none along `axis`?
bool pads_elsewhere(const Node& pad, int64_t axis, int64_t rank) {
  const Value* pads = pad.input(1);
  if (pad.attrs.get_string("mode") != "constant" || pads == nullptr || !pads->is_constant()) return false;
  if (pad.input(2) != nullptr && !is_scalar_constant(pad.input(2), 0)) return false;
  const std::vector<int64_t> counts = pads->constant.to_ints();
  if (pad.input(3) == nullptr) {
    const auto at = static_cast<size_t>(axis);
    return counts.size() == 2 * static_cast<size_t>(rank) && counts[at] == 0 &&
           counts[at + static_cast<size_t>(rank)] == 0;
  }
  return pad.input(3)->is_constant() && !contains_axis(pad.input(3)->constant.to_ints(), axis, rank);
}

int64_t wrapped(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

}  // namespace

std::optional<int64_t> follow_axis(const Node& node, size_t operand, int64_t axis) {
  const Value* value = node.input(operand);
  if (value == nullptr || node.output() == nullptr || !value->type.ranked || !node.output()->type.ranked)
    return std::nullopt;
  const Dims &from = value->type.dims, &to = node.output()->type.dims;
  const auto rank = static_cast<int64_t>(from.size());
  if (node.is("Concat")) {
    if (wrapped(node.attrs.get_int("axis"), rank) == axis) return std::nullopt;
    return axis;
  }
  if (operand != 0) return std::nullopt;
  if (node.is("Identity")) return axis;
  if (node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze"))
    return through_reshape(from, to, static_cast<size_t>(axis));
  if (node.is("Transpose") && node.attrs.has("perm")) {
    const auto& perm = node.attrs.get_ints("perm");
    return std::find(perm.begin(), perm.end(), axis) - perm.begin();
  }
  if (node.is("Expand")) {
    const int64_t there = axis + static_cast<int64_t>(to.size()) - rank;
    const int64_t extent = from[static_cast<size_t>(axis)];
    if (there < 0 || extent == kUnknown || extent != to[static_cast<size_t>(there)]) return std::nullopt;
    return there;
  }
  const bool kept = (node.is("Slice") && !cuts(node, axis, rank)) ||
                    (node.is("Split") && wrapped(node.attrs.get_int("axis"), rank) != axis) ||
                    (node.is("Pad") && pads_elsewhere(node, axis, rank));
  if (kept) return axis;
  if (node.is("Gather")) {
    const int64_t gathered = wrapped(node.attrs.get_int("axis"), rank);
    if (gathered == axis) return std::nullopt;
    return axis < gathered ? axis : axis + static_cast<int64_t>(to.size()) - rank;
  }
  return std::nullopt;
}

}  // namespace tercel::inline passes
