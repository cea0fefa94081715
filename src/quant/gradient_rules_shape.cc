// Derivatives of operators that move elements: gradients go back the way the elements came.
#include <numeric>

#include "base/error.h"
#include "kernels/ref/axes.h"
#include "quant/gradient_rule.h"
#include "tensor/slice.h"

namespace tercel::inline quant {
namespace {

void add_run(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

/// Result and operand hold the same elements in the same order.
void same_elements(RuleContext& c) {
  if (c.into[0] != nullptr) add_run(c.into[0], c.gradients[0], c.count(0));
}

/// The result's element at an index came from the operand's element `base` + index . strides.
void add_strided(RuleContext& c, const Dims& strides, int64_t base = 0) {
  walk(c.result_dims(), std::array{strides},
       [&](int64_t i, const auto& at) { c.into[0][base + at[0]] += c.gradients[0][i]; });
}

void transpose(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const Dims dense = row_major_strides(c.dims(0));
  Dims strides(dense.rbegin(), dense.rend());
  if (c.node.attrs.has("perm")) {
    const std::vector<int64_t>& perm = c.node.attrs.get_ints("perm");
    for (size_t i = 0; i < perm.size(); ++i) strides[i] = dense[static_cast<size_t>(perm[i])];
  }
  add_strided(c, strides);
}

void expand(RuleContext& c) {
  if (c.into[0] != nullptr) add_strided(c, broadcast_strides(c.dims(0), c.result_dims()));
}

/// Elements of a constant operand, or what stands for it where it is left out.
std::vector<int64_t> ints_or(const RuleContext& c, size_t operand, std::vector<int64_t> otherwise) {
  const Value* value = c.node.input(operand);
  return value == nullptr ? otherwise : value->constant.to_ints();
}

/// 0, 1, 2, ...: the axes that are meant where none are named.
std::vector<int64_t> first_axes(size_t count) {
  std::vector<int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

void slice(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const Dims& dims = c.dims(0);
  const std::vector<int64_t> starts = ints_or(c, 1, {}), ends = ints_or(c, 2, {});
  const std::vector<int64_t> axes = ints_or(c, 3, first_axes(starts.size()));
  const std::vector<int64_t> steps = ints_or(c, 4, std::vector<int64_t>(starts.size(), 1));
  Dims strides = row_major_strides(dims);
  int64_t base = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], static_cast<int64_t>(dims.size())));
    const SliceRange range = slice_range(starts[i], ends[i], steps[i], dims[axis]);
    base += range.first * strides[axis];
    strides[axis] *= range.step;
  }
  add_strided(c, strides, base);
}

/// f(part, first element of the whole's line, elements of the part's line, part's line) for a whole that is cut into
/// parts along an axis; lines run over the axis and all axes after it.
template <typename F>
void for_each_part(const Dims& whole, int64_t axis, const std::vector<Value*>& parts, F&& f) {
  const AxisSplit split(whole, axis);
  const auto at = static_cast<size_t>(normalize_axis(axis, static_cast<int64_t>(whole.size())));
  int64_t first = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    const int64_t extent = parts[part]->type.dims[at];
    for (int64_t o = 0; o < split.outer; ++o)
      f(part, (o * split.extent + first) * split.inner, extent * split.inner, o * extent * split.inner);
    first += extent;
  }
}

void concat(RuleContext& c) {
  for_each_part(c.result_dims(), c.node.attrs.get_int("axis"), c.node.inputs,
                [&](size_t part, int64_t whole_at, int64_t count, int64_t part_at) {
                  if (c.into[part] != nullptr) add_run(c.into[part] + part_at, c.gradients[0] + whole_at, count);
                });
}

void split(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  for_each_part(c.dims(0), c.node.attrs.get_int("axis"), c.node.outputs,
                [&](size_t part, int64_t whole_at, int64_t count, int64_t part_at) {
                  if (c.gradients[part] != nullptr) add_run(c.into[0] + whole_at, c.gradients[part] + part_at, count);
                });
}

void gather(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const AxisSplit split(c.dims(0), c.node.attrs.get_int("axis"));
  const std::vector<int64_t> indices = c.node.inputs[1]->constant.to_ints();
  const float* from = c.gradients[0];
  for (int64_t o = 0; o < split.outer; ++o)
    for (int64_t index : indices) {
      if (index < 0) index += split.extent;
      add_run(c.into[0] + (o * split.extent + index) * split.inner, from, split.inner);
      from += split.inner;
    }
}

/// Padding gets nothing; negative padding crops.
void pad(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const Dims& from = c.dims(0);
  const Dims& to = c.result_dims();
  const std::vector<int64_t> pads = c.node.inputs[1]->constant.to_ints();
  const std::vector<int64_t> axes = ints_or(c, 3, first_axes(from.size()));
  Dims kept = from;
  int64_t from_at = 0, to_at = 0;
  const Dims from_strides = row_major_strides(from), to_strides = row_major_strides(to);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], static_cast<int64_t>(from.size())));
    const int64_t before = pads[i], after = pads[i + axes.size()];
    kept[axis] = std::max<int64_t>(from[axis] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0), 0);
    from_at += std::max<int64_t>(-before, 0) * from_strides[axis];
    to_at += std::max<int64_t>(before, 0) * to_strides[axis];
  }
  walk(kept, std::array{from_strides, to_strides},
       [&](int64_t, const auto& at) { c.into[0][from_at + at[0]] += c.gradients[0][to_at + at[1]]; });
}

void constant_pad(RuleContext& c) {
  if (c.node.attrs.get_string("mode") != "constant")
    fail_unsupported("gradient: {}: mode {}", c.node.describe(), c.node.attrs.get_string("mode"));
  pad(c);
}

}  // namespace

std::span<const GradientRule> shape_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"Reshape", 1, kNothing, same_elements},
      {"Flatten", 1, kNothing, same_elements},
      {"Squeeze", 1, kNothing, same_elements},
      {"Unsqueeze", 1, kNothing, same_elements},
      {"Identity", 1, kNothing, same_elements},
      {"Cast", 1, kNothing, same_elements},
      {"Transpose", 1, kNothing, transpose},
      {"Expand", 1, kNothing, expand},
      {"Slice", 1, kNothing, slice},
      {"Concat", kAllOperands, kNothing, concat},
      {"Split", 1, kNothing, split},
      {"Gather", 1, kNothing, gather},
      {"Pad", 1, kNothing, constant_pad},
  };
  return kRules;
}

}  // namespace tercel::inline quant
