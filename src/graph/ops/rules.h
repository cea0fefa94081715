// Small pieces that shape rules share.
#pragma once

#include "graph/op.h"

namespace tercel::inline graph {

/// Two statements about one extent, made one. Throws Error naming `what` where they contradict each other.
inline int64_t agree(int64_t a, int64_t b, std::string_view what) {
  if (a == kUnknown) return b;
  if (b != kUnknown && a != b) fail_input("{}: {} and {}, wanted the same", what, a, b);
  return a;
}

/// Operand `operand`, where it is there, has the shape `wanted`; returns `wanted` with what the operand adds.
inline Dims agree(const InferContext& c, size_t operand, Dims wanted, std::string_view what) {
  if (!c.ranked(operand)) return wanted;
  const auto rank = static_cast<int64_t>(wanted.size());
  c.need_rank(operand, rank, rank);
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = agree(wanted[i], c.dims(operand)[i], what);
  return wanted;
}

/// Operand `operand`, where it is there, broadcasts to `shape` without enlarging it.
inline void need_broadcastable_to(const InferContext& c, size_t operand, const Dims& shape) {
  if (!c.ranked(operand)) return;
  const Dims& dims = c.dims(operand);
  bool fits = dims.size() <= shape.size();
  for (size_t i = 0; fits && i < dims.size(); ++i) {
    const int64_t have = dims[dims.size() - 1 - i];
    const int64_t want = shape[shape.size() - 1 - i];
    fits = have == want || have == 1 || have == kUnknown || want == kUnknown;
  }
  if (!fits) fail_input("input {} of shape {} does not broadcast to {}", operand, to_string(dims), to_string(shape));
}

inline void need_one_element(const InferContext& c, size_t operand, std::string_view what) {
  if (c.ranked(operand) && all_known(c.dims(operand)) && count_elements(c.dims(operand)) != 1)
    fail_input("{} has shape {}, wanted one element", what, to_string(c.dims(operand)));
}

/// An integer attribute within [at_least, at_most].
inline int64_t attr_within(const InferContext& c, std::string_view name, int64_t at_least, int64_t at_most) {
  const int64_t value = c.attrs().get_int(name);
  if (value < at_least || value > at_most)
    fail_input("attribute '{}' is {}, wanted {} to {}", name, value, at_least, at_most);
  return value;
}

inline void append(std::vector<AttrSpec>& attrs, std::vector<AttrSpec> more) {
  attrs.insert(attrs.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace tercel::inline graph
