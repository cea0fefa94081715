// Operators that cut, join, pad and permute.
#include <algorithm>
#include <cstring>

#include "kernels/ref/axes.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/shape.h"
#include "tensor/slice.h"

namespace tercel::inline kernels {
namespace {

void transpose(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Dims dense = row_major_strides(src[0].dims);
  Dims strides(dense.rbegin(), dense.rend());
  if (attrs.has("perm")) {
    const std::vector<int64_t>& perm = attrs.get_ints("perm");
    for (size_t i = 0; i < strides.size(); ++i) strides[i] = dense[static_cast<size_t>(perm[i])];
  }
  copy_strided(dst[0], src[0], dst[0].dims, strides);
}

void slice(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const std::vector<int64_t> starts = read_ints(src[1]), ends = read_ints(src[2]);
  std::vector<int64_t> axes = read_ints(operand(src, 3)), steps = read_ints(operand(src, 4));
  if (!operand(src, 3)) {
    axes = axes_or_all(nullptr, src[0].rank());
    axes.resize(starts.size());
  }
  if (!operand(src, 4)) steps.assign(starts.size(), 1);
  Dims strides = row_major_strides(src[0].dims);
  int64_t base = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], src[0].rank()));
    const SliceRange range = slice_range(starts[i], ends[i], steps[i], src[0].dims[axis]);
    TERCEL_CHECK(range.count == dst[0].dims[axis], "axis {}: {} elements, dst has {}", axis, range.count,
                 dst[0].dims[axis]);
    base += range.first * strides[axis];
    strides[axis] *= range.step;
  }
  copy_strided(dst[0], src[0], dst[0].dims, strides, base);
}

void split(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (src[0].elements() == 0) return;
  const auto [outer, extent, inner] = AxisSplit(src[0].dims, attrs.get_int("axis"));
  std::vector<int64_t> parts = read_ints(operand(src, 1));
  if (!operand(src, 1)) parts = even_parts(extent, static_cast<int64_t>(dst.size()));
  int64_t begin = 0;
  for (size_t k = 0; k < dst.size(); begin += parts[k], ++k) {
    if (!dst[k]) continue;
    for (int64_t o = 0; o < outer; ++o)
      copy_run(dst[k], o * parts[k] * inner, src[0], (o * extent + begin) * inner, parts[k] * inner);
  }
}

void concat(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const int64_t axis = normalize_axis(attrs.get_int("axis"), dst[0].rank());
  const auto [outer, extent, inner] = AxisSplit(dst[0].dims, axis);
  int64_t begin = 0;
  for (const View& part : src) {
    const int64_t length = part.dims[static_cast<size_t>(axis)];
    for (int64_t o = 0; o < outer; ++o)
      copy_run(dst[0], (o * extent + begin) * inner, part, o * length * inner, length * inner);
    begin += length;
  }
}

/// Position i of an axis of `extent` elements that goes on for ever in the given mode; kNowhere where it does not.
int64_t continued(int64_t i, int64_t extent, std::string_view mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == "edge") return std::clamp(i, int64_t{0}, extent - 1);
  if (mode == "constant") return kNowhere;
  const int64_t period = mode == "wrap" ? extent : std::max(2 * (extent - 1), int64_t{1});
  const int64_t phase = (i % period + period) % period;
  return phase < extent ? phase : period - phase;  // reflect: back again, the ends not repeated
}

/// Negative pads crop first; what is left is then continued outwards.
void pad(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const std::vector<int64_t> pads = read_ints(src[1]), given = read_ints(operand(src, 3));
  const std::vector<int64_t> axes = axes_or_all(operand(src, 3) ? &given : nullptr, src[0].rank());
  const std::string& mode = attrs.get_string("mode");
  std::vector<std::vector<int64_t>> tables;
  for (int64_t extent : dst[0].dims) tables.emplace_back(static_cast<size_t>(extent));
  Dims before(tables.size(), 0), after(tables.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    before[static_cast<size_t>(axes[i])] = pads[i];
    after[static_cast<size_t>(axes[i])] = pads[i + axes.size()];
  }
  for (size_t axis = 0; axis < tables.size(); ++axis) {
    const int64_t cropped = std::max(-before[axis], int64_t{0});
    const int64_t left = src[0].dims[axis] - cropped - std::max(-after[axis], int64_t{0});
    for (size_t i = 0; i < tables[axis].size(); ++i) {
      const int64_t from = continued(static_cast<int64_t>(i) - std::max(before[axis], int64_t{0}), left, mode);
      tables[axis][i] = from == kNowhere ? kNowhere : from + cropped;
    }
  }
  std::byte zero[8] = {};
  const View constant = operand(src, 2);
  copy_by_tables(dst[0], src[0], tables, constant ? constant : View{dst[0].dtype, {}, zero});
}

void center_crop_pad(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  std::vector<std::vector<int64_t>> tables;
  for (size_t axis = 0; axis < dst[0].dims.size(); ++axis) {
    const int64_t in = src[0].dims[axis], out = dst[0].dims[axis];
    const int64_t shift = in > out ? (in - out) / 2 : -((out - in) / 2);
    std::vector<int64_t>& table = tables.emplace_back(static_cast<size_t>(out));
    for (int64_t i = 0; i < out; ++i)
      table[static_cast<size_t>(i)] = i + shift >= 0 && i + shift < in ? i + shift : kNowhere;
  }
  std::byte zero[8] = {};
  copy_by_tables(dst[0], src[0], tables, {dst[0].dtype, {}, zero});
}

/// Writes dst, seen as `dims`, from a src seen as the axes of dims in the order `order` (outermost first).
void permute_blocks(const View& dst, const View& src, const Dims& dims, const std::array<size_t, 6>& order) {
  Dims seen;
  for (size_t axis : order) seen.push_back(dims[axis]);
  const Dims dense = row_major_strides(seen);
  Dims strides(6);
  for (size_t i = 0; i < 6; ++i) strides[order[i]] = dense[i];
  copy_strided(dst, src, dims, strides);
}

void depth_to_space(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t b = attrs.get_int("blocksize");
  const Dims& d = src[0].dims;
  const Dims dims{d[0], d[1] / (b * b), d[2], b, d[3], b};  // n c h bh w bw
  const bool crd = attrs.get_string("mode") == "CRD";
  if (crd) permute_blocks(dst[0], src[0], dims, {0, 1, 3, 5, 2, 4});  // n c bh bw h w
  else permute_blocks(dst[0], src[0], dims, {0, 3, 5, 1, 2, 4});      // n bh bw c h w
}

void space_to_depth(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t b = attrs.get_int("blocksize");
  const Dims& d = src[0].dims;
  const Dims dims{d[0], b, b, d[1], d[2] / b, d[3] / b};     // n bh bw c h w
  permute_blocks(dst[0], src[0], dims, {0, 3, 4, 1, 5, 2});  // n c h bh w bw
}

void trilu(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const bool upper = attrs.get_bool("upper");
  const int64_t rows = src[0].dims[src[0].dims.size() - 2], columns = src[0].dims.back();
  const int64_t k = operand(src, 1) ? std::clamp(*src[1].as<int64_t>(), -rows, columns) : 0;
  std::memset(dst[0].data, 0, dst[0].bytes());
  for (int64_t row = 0, count = dst[0].elements() / columns; row < count; ++row) {
    const int64_t diagonal = std::clamp(row % rows + k, int64_t{0}, columns);
    const int64_t end = std::clamp(row % rows + k + 1, int64_t{0}, columns);
    if (upper) copy_run(dst[0], row * columns + diagonal, src[0], row * columns + diagonal, columns - diagonal);
    else copy_run(dst[0], row * columns, src[0], row * columns, end);
  }
}

void reverse_sequence(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const bool time_first = attrs.get_int("time_axis") == 0;
  const auto [outer, extent, inner] = AxisSplit(src[0].dims, 1);
  const int64_t batch = time_first ? extent : outer, time = time_first ? outer : extent;
  const std::vector<int64_t> lengths = read_ints(src[1]);
  for (int64_t n = 0; n < batch; ++n) {
    const int64_t length = lengths[static_cast<size_t>(n)];
    if (length < 0 || length > time) fail_input("sequence {} has length {}, wanted 0 to {}", n, length, time);
    const auto place = [&, inner = inner](int64_t t) { return (time_first ? t * batch + n : n * time + t) * inner; };
    for (int64_t t = 0; t < time; ++t)
      copy_run(dst[0], place(t), src[0], place(t < length ? length - 1 - t : t), inner);
  }
}

}  // namespace

std::vector<RefEntry> cut_refs() {
  return {
      {"CenterCropPad", center_crop_pad},
      {"Concat", concat},
      {"DepthToSpace", depth_to_space},
      {"Pad", pad},
      {"Slice", slice},
      {"ReverseSequence", reverse_sequence},
      {"SpaceToDepth", space_to_depth},
      {"Split", split},
      {"Transpose", transpose},
      {"Trilu", trilu},
  };
}

}  // namespace tercel::inline kernels
