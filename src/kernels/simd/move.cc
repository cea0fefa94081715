#include "kernels/simd/move.h"

#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/simd/strided_copy.h"
#include "tensor/slice.h"

namespace tercel::inline kernels {
namespace {

/// A box of source `src` that becomes a box of result `dst`.
struct Move {
  size_t src, dst;
  StridedCopy copy;
};

class MoveKernel final : public Kernel {
 public:
  explicit MoveKernel(std::vector<Move> moves) : moves_(std::move(moves)) {}
  /// Result 0 is filled with `element` first.
  MoveKernel(std::vector<Move> moves, std::vector<std::byte> element, int64_t elements)
      : moves_(std::move(moves)), element_(std::move(element)), elements_(elements) {}

  void run(const Args& args) const override {
    if (!element_.empty()) fill(args.dst[0]);
    for (const Move& move : moves_) move.copy.run(args.src[move.src], args.dst[move.dst]);
  }

 private:
  void fill(std::byte* dst) const {
    const size_t width = element_.size();
    parallel_for(elements_, 1 << 15, [&](int64_t begin, int64_t end) {
      std::byte* to = dst + static_cast<size_t>(begin) * width;
      const size_t bytes = static_cast<size_t>(end - begin) * width;
      // What is filled already is copied on: ever longer pieces.
      std::memcpy(to, element_.data(), width);
      for (size_t done = width; done < bytes; done *= 2) std::memcpy(to + done, to, std::min(done, bytes - done));
    });
  }

  std::vector<Move> moves_;
  std::vector<std::byte> element_;
  int64_t elements_ = 0;
};

using Made = std::unique_ptr<Kernel>;

Made one_move(StridedCopy copy) {
  std::vector<Move> moves;
  moves.push_back({0, 0, std::move(copy)});
  return std::make_unique<MoveKernel>(std::move(moves));
}

size_t width_of(const Problem& p) { return size_of(p.src[0].dtype); }
Dims src_strides(const Problem& p, size_t i = 0) { return strides_in(p.src[i].dims, p.src[i].layout); }
Dims dst_strides(const Problem& p, size_t i = 0) { return strides_in(p.dst[i].dims, p.dst[i].layout); }

std::string refuse_rank(const Problem& p) {
  for (const auto* operands : {&p.src, &p.dst})
    for (const Operand& operand : *operands)
      if (operand.dims.size() > kMaxAxes) return fmt::format("{} axes, more than {}", operand.dims.size(), kMaxAxes);
  return {};
}

/// All operands from `first` on that are there have to be constants.
std::string refuse_unknown(const Problem& p, size_t first) {
  for (size_t i = first; i < p.src.size(); ++i)
    if (p.src[i] && !p.src[i].constant) return fmt::format("operand {} is not constant", i);
  return refuse_rank(p);
}

std::vector<int64_t> ints_of(const Operand& operand) {
  return operand ? operand.constant.to_ints() : std::vector<int64_t>();
}

/// The axes that operand `axes` names, counted from the front; the first `count` where it is left out.
std::vector<int64_t> axes_of(const Operand& axes, size_t count, int64_t rank) {
  std::vector<int64_t> list = ints_of(axes);
  if (!axes)
    for (size_t i = 0; i < count; ++i) list.push_back(static_cast<int64_t>(i));
  for (int64_t& axis : list) axis = normalize_axis(axis, rank);
  return list;
}

// ---- Transpose

Made make_transpose(const Problem& p) {
  const Dims own = src_strides(p);
  Dims strides(own.rbegin(), own.rend());
  if (p.attrs->has("perm")) {
    const std::vector<int64_t>& perm = p.attrs->get_ints("perm");
    for (size_t i = 0; i < strides.size(); ++i) strides[i] = own[static_cast<size_t>(perm[i])];
  }
  return one_move(StridedCopy(p.dst[0].dims, strides, dst_strides(p), width_of(p)));
}

// ---- Slice: every axis starts later and goes in longer, possibly backward steps.

Made make_slice(const Problem& p) {
  const auto starts = ints_of(p.src[1]), ends = ints_of(p.src[2]);
  const auto steps = ints_of(p.input(4));
  const auto axes = axes_of(p.input(3), starts.size(), p.src[0].rank());
  Dims strides = src_strides(p);
  int64_t base = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    const SliceRange range = slice_range(starts[i], ends[i], steps.empty() ? 1 : steps[i], p.src[0].dims[axis]);
    base += range.first * strides[axis];
    strides[axis] *= range.step;
  }
  return one_move(StridedCopy(p.dst[0].dims, strides, dst_strides(p), width_of(p), base));
}

// ---- Split and Concat: parts that lie one after the other along an axis.

Made make_split(const Problem& p) {
  const auto axis = static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()));
  auto parts = ints_of(p.input(1));
  if (!p.input(1)) parts = even_parts(p.src[0].dims[axis], static_cast<int64_t>(p.dst.size()));
  const Dims strides = src_strides(p);
  std::vector<Move> moves;
  int64_t begin = 0;
  for (size_t i = 0; i < p.dst.size(); begin += parts[i++])
    if (p.dst[i])
      moves.push_back(
          {0, i, StridedCopy(p.dst[i].dims, strides, dst_strides(p, i), width_of(p), begin * strides[axis])});
  return std::make_unique<MoveKernel>(std::move(moves));
}

Made make_concat(const Problem& p) {
  const auto axis = static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.dst[0].rank()));
  const Dims strides = dst_strides(p);
  std::vector<Move> moves;
  int64_t begin = 0;
  for (size_t i = 0; i < p.src.size(); begin += p.src[i++].dims[axis])
    moves.push_back(
        {i, 0, StridedCopy(p.src[i].dims, src_strides(p, i), strides, width_of(p), 0, begin * strides[axis])});
  return std::make_unique<MoveKernel>(std::move(moves));
}

// ---- Pad: filled with the constant first; then what is left after negative pads have cropped.

std::string refuse_pad(const Problem& p) {
  if (p.attrs->get_string("mode") != "constant") return "it repeats elements: mode " + p.attrs->get_string("mode");
  return refuse_unknown(p, 1);
}

Made make_pad(const Problem& p) {
  const auto pads = ints_of(p.src[1]);
  const auto axes = axes_of(p.input(3), p.src[0].dims.size(), p.src[0].rank());
  Dims kept = p.src[0].dims;
  const Dims from = src_strides(p), to = dst_strides(p);
  int64_t src_base = 0, dst_base = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    const int64_t before = pads[i], after = pads[i + axes.size()];
    src_base += std::max<int64_t>(-before, 0) * from[axis];
    dst_base += std::max<int64_t>(before, 0) * to[axis];
    kept[axis] = std::max<int64_t>(kept[axis] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0), 0);
  }
  std::vector<std::byte> element(width_of(p), std::byte{0});
  if (p.input(2)) std::memcpy(element.data(), p.src[2].constant.data(), element.size());
  std::vector<Move> moves;
  if (count_elements(kept) > 0) moves.push_back({0, 0, StridedCopy(kept, from, to, width_of(p), src_base, dst_base)});
  return std::make_unique<MoveKernel>(std::move(moves), std::move(element), p.dst[0].elements());
}

// ---- Expand

Made make_expand(const Problem& p) {
  return one_move(
      StridedCopy(p.dst[0].dims, broadcast_strides_in(p.src[0], p.dst[0].dims), dst_strides(p), width_of(p)));
}

// ---- Blocks of pixels to channels and back: six axes n c bh bw h w on both sides.

struct Blocks {
  Dims dims, deep, wide;  ///< extents; strides in the tensor with more channels, and in the one with more pixels

  /// `deep_first`: block positions stand before the other channels (DCR, and SpaceToDepth), else after (CRD).
  Blocks(const Operand& deep_one, const Operand& wide_one, int64_t b, bool deep_first) {
    const int64_t c = wide_one.dims[1];
    dims = {wide_one.dims[0], c, b, b, deep_one.dims[2], deep_one.dims[3]};
    const Dims d = strides_in(deep_one.dims, deep_one.layout), w = strides_in(wide_one.dims, wide_one.layout);
    const int64_t channel = deep_first ? 1 : b * b, block = deep_first ? c : 1;
    deep = {d[0], channel * d[1], block * b * d[1], block * d[1], d[2], d[3]};
    wide = {w[0], w[1], w[2], w[3], b * w[2], b * w[3]};
  }
};

Made make_depth_to_space(const Problem& p) {
  const Blocks blocks(p.src[0], p.dst[0], p.attrs->get_int("blocksize"), p.attrs->get_string("mode") == "DCR");
  return one_move(StridedCopy(blocks.dims, blocks.deep, blocks.wide, width_of(p)));
}

Made make_space_to_depth(const Problem& p) {
  const Blocks blocks(p.dst[0], p.src[0], p.attrs->get_int("blocksize"), true);
  return one_move(StridedCopy(blocks.dims, blocks.wide, blocks.deep, width_of(p)));
}

// ---- Gather along one axis

std::string refuse_gather(const Problem& p) {
  if (std::string reason = refuse_unknown(p, 1); !reason.empty()) return reason;
  const int64_t extent = p.src[0].dims[static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()))];
  for (int64_t index : p.src[1].constant.to_ints())
    if (index < -extent || index >= extent)
      return fmt::format("index {} is outside an axis of {} elements", index, extent);
  return {};
}

class GatherKernel final : public Kernel {
 public:
  explicit GatherKernel(const Problem& p) : indices_(ints_of(p.src[1])) {
    const std::span<const int64_t> dims = p.src[0].dims;
    const auto axis = static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()));
    extent_ = dims[axis];
    for (int64_t& index : indices_) index += index < 0 ? extent_ : 0;
    outer_ = p.dst[0].elements() == 0 ? 0 : count_elements(dims.first(axis));
    run_bytes_ = count_elements(dims.subspan(axis + 1)) * static_cast<int64_t>(width_of(p));
  }
  bool consumed(size_t operand) const override { return operand == 1; }
  size_t packed_bytes() const override { return indices_.size() * sizeof(int64_t); }

  void run(const Args& args) const override {
    const auto count = static_cast<int64_t>(indices_.size());
    parallel_for(outer_ * count, std::max<int64_t>(1, 65536 / (run_bytes_ + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = i / count * extent_ + indices_[static_cast<size_t>(i % count)];
        std::memcpy(args.dst[0] + i * run_bytes_, args.src[0] + from * run_bytes_, static_cast<size_t>(run_bytes_));
      }
    });
  }

 private:
  std::vector<int64_t> indices_;
  int64_t outer_ = 0, extent_ = 0, run_bytes_ = 0;
};

Made make_gather(const Problem& p) { return std::make_unique<GatherKernel>(p); }

std::string refuse_shape_unknown(const Problem& p) { return refuse_unknown(p, 1); }

}  // namespace

Variant copy_transpose() { return {"copy_transpose", LayoutRule::plain, Elements::any, refuse_rank, make_transpose}; }
Variant copy_slice() { return {"copy_slice", LayoutRule::same, Elements::any, refuse_shape_unknown, make_slice}; }
Variant copy_split() { return {"copy_split", LayoutRule::same, Elements::any, refuse_shape_unknown, make_split}; }
Variant copy_concat() { return {"copy_concat", LayoutRule::same, Elements::any, refuse_rank, make_concat}; }
Variant copy_pad() { return {"copy_pad", LayoutRule::same, Elements::any, refuse_pad, make_pad}; }
Variant copy_expand() { return {"copy_expand", LayoutRule::plain, Elements::any, refuse_rank, make_expand}; }
Variant copy_depth_to_space() {
  return {"copy_depth_to_space", LayoutRule::same, Elements::any, refuse_rank, make_depth_to_space};
}
Variant copy_space_to_depth() {
  return {"copy_space_to_depth", LayoutRule::same, Elements::any, refuse_rank, make_space_to_depth};
}
Variant copy_gather() { return {"copy_gather", LayoutRule::plain, Elements::any, refuse_gather, make_gather}; }

}  // namespace tercel::inline kernels
