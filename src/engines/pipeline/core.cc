#include "engines/pipeline/core.h"

#include "base/error.h"
#include "engines/pipeline/feature_memory.h"
#include "kernels/levels.h"
#include "passes/match.h"

namespace tercel::inline engines {
namespace {

/// Multipliers take signed bytes.
void must_fit(const WeightView& weights, int64_t count) {
  const auto channels = static_cast<int64_t>(weights.zeros.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t o = channels == 1 ? 0 : i / weights.step_o % channels;
    if (const int32_t weight = weights.at(i, o); weight < -128 || weight > 127)
      fail_unsupported(
          "a weight is {} levels from its zero point, and the pipeline's multipliers take -128 to 127; "
          "quantize the weights symmetrically",
          weight);
  }
}

WeightView weights_of(const Value& w, int64_t o, int64_t i, int64_t y, int64_t x, bool with_weights) {
  if (!is_level_type(w.type.dtype) || w.type.quantization == nullptr) fail_unsupported("its weights are no levels");
  WeightView view{nullptr, w.type.dtype == DType::i8, o, i, y, x, w.type.quantization->zeros};
  const bool may_not_fit = !view.is_signed || view.zeros != std::vector<int32_t>(view.zeros.size(), 0);
  if (with_weights || may_not_fit) view.data = w.constant.data();
  if (may_not_fit) must_fit(view, w.constant.elements());
  return view;
}

std::vector<int32_t> bias_of(const Node& node, int64_t channels) {
  const Value* bias = node.input(2);
  if (bias == nullptr) return {};
  if (!bias->is_constant() || bias->type.dtype != DType::i32 || bias->constant.elements() != channels)
    fail_unsupported("its bias is no constant of one i32 per channel");
  std::vector<int32_t> all;
  for (int64_t value : bias->constant.to_ints()) all.push_back(static_cast<int32_t>(value));
  return all;
}

/// Which elements of an axis a Slice or Split takes, or where a Pad puts them.
SliceRange picked(const Node& node, size_t output, int64_t axis) {
  const Dims& from = node.input(0)->type.dims;
  const auto rank = static_cast<int64_t>(from.size());
  const auto at = static_cast<size_t>(axis);
  if (node.is("Split")) {
    if (normalize_axis(node.attrs.get_int("axis"), rank) != axis) return {0, 1, from[at]};
    int64_t first = 0;
    for (size_t i = 0; i < output; ++i) first += node.outputs[i]->type.dims[at];
    return {first, 1, node.outputs[output]->type.dims[at]};
  }
  const auto ints = [&](size_t operand) {
    const Value* value = node.input(operand);
    if (value == nullptr) return std::vector<int64_t>();
    if (!value->is_constant()) fail_unsupported("operand {} is no constant", operand);
    return value->constant.to_ints();
  };
  const std::vector<int64_t> bounds = ints(1), axes = ints(3);
  const size_t count = node.is("Pad") ? bounds.size() / 2 : bounds.size();
  for (size_t i = 0; i < count; ++i) {
    if ((axes.empty() ? static_cast<int64_t>(i) : normalize_axis(axes[i], rank)) != axis) continue;
    if (node.is("Pad")) return {-bounds[i], 1, node.output()->type.dims[at]};
    const std::vector<int64_t> steps = ints(4);
    return slice_range(bounds[i], ints(2)[i], steps.empty() ? 1 : steps[i], from[at]);
  }
  return {0, 1, from[at]};
}

/// Results next to each other along an axis whose windows count as many elements.
struct Run {
  int64_t first = 0, count = 0, elements = 0;
};

std::vector<Run> runs_of(const Window& window, bool counts_padding) {
  std::vector<Run> runs;
  for (int64_t o = 0; o < window.output; ++o) {
    const int64_t start = window.start(o), end = window.input + window.pad_end;
    const Range counted =
        counts_padding ? steps_within(start, window.dilation, start, end, window.kernel) : window.taps(o);
    if (counted.size() == 0) fail_unsupported("windows lie outside of what is pooled");
    if (runs.empty() || runs.back().elements != counted.size()) runs.push_back({o, 0, counted.size()});
    ++runs.back().count;
  }
  return runs;
}

/// The windows of a run.
Window windows_of(const Window& all, const Run& run) {
  Window window = all;
  window.pad_begin -= run.first * all.stride;
  window.output = run.count;
  return window;
}

/// Of channels chosen by weights of one; -1: of zeros.
void choose(Core& core, const FeatureMap& in, const std::vector<int64_t>& from) {
  LayerArithmetic& a = core.arithmetic;
  a.by_channel = false;
  a.groups = 1;
  a.in_channels = in.channels;
  a.out_channels = static_cast<int64_t>(from.size());
  core.own_weights.resize(from.size() * static_cast<size_t>(in.channels));
  for (size_t o = 0; o < from.size(); ++o)
    if (from[o] >= 0)
      core.own_weights[o * static_cast<size_t>(in.channels) + static_cast<size_t>(from[o])] = std::byte{1};
  a.weights = {core.own_weights.data(), true, in.channels, 1, 0, 0, {0}};
}

}  // namespace

Core convolution_core(const Node& node, const FeatureMap& in, bool with_weights) {
  const Value *x = node.input(0), *w = node.input(1), *y = node.output();
  if (node.input(3) != nullptr) fail_unsupported("its residual is not one of levels");
  if (x->type.dims.size() != 4) fail_unsupported("convolves {}: the pipeline has rows and columns", to_string(x->type));
  if (!w->is_constant()) fail_unsupported("its weights are no constant");
  Core core;
  LayerArithmetic& a = core.arithmetic;
  const Dims& dims = w->type.dims;
  const auto windows = conv_windows(node.attrs, std::span(x->type.dims).subspan(2), std::span(dims).subspan(2));
  a.window = {windows[0], windows[1]};
  a.groups = node.attrs.get_int("group");
  a.out_channels = dims[0];
  a.in_channels = dims[1];
  a.by_channel = a.in_channels == 1 && a.groups == in.channels && a.out_channels == a.groups;
  const int64_t plane = dims[2] * dims[3];
  a.weights = weights_of(*w, dims[1] * plane, plane, dims[3], 1, with_weights);
  a.ratios = product_ratios(*in.quantization, *w->type.quantization, *meaning_of(*y));
  a.bias = bias_of(node, dims[0]);
  core.range = range_in_memory(node, *y);
  core.macs = count_elements(y->type.dims) * dims[1] * plane;
  core.images_side_by_side = a.window[0].output == 1 && a.window[1].output == 1 && a.window[0].pad_begin == 0 &&
                             a.window[1].pad_begin == 0 && a.window[1].reach() <= in.width &&
                             a.window[0].reach() <= in.height && in.images > 1 && !a.by_channel;
  return core;
}

Core product_core(const Node& node, const FeatureMap& in, bool with_weights) {
  const Value *x = node.input(0), *w = node.input(1), *y = node.output();
  if (x->type.dims.size() != 2 || w->type.dims.size() != 2 || node.attrs.get_bool("transA"))
    fail_unsupported("multiplies {} by {}: a fully connected layer has rows and columns", to_string(x->type),
                     to_string(w->type));
  if (!w->is_constant()) fail_unsupported("the second operand is no constant");
  if (node.input(3) != nullptr || node.input(4) != nullptr) fail_unsupported("its residual is not one of levels");
  const bool transposed = node.attrs.get_bool("transB");
  const int64_t columns = w->type.dims[transposed ? 0 : 1], depth = w->type.dims[transposed ? 1 : 0];
  if (in.channels * in.plane() != depth) fail_unsupported("its input was given another shape on the way");
  Core core;
  LayerArithmetic& a = core.arithmetic;
  a.window[0] = {in.height, in.height, 1, 0, 0, in.height, 1};
  a.window[1] = {in.width, in.width, 1, 0, 0, in.width, 1};
  a.out_channels = columns;
  a.in_channels = in.channels;
  const int64_t step = transposed ? 1 : columns;
  a.weights = weights_of(*w, transposed ? depth : 1, in.plane() * step, in.width * step, step, with_weights);
  a.ratios =
      product_ratios(*in.quantization, *w->type.quantization, *meaning_of(*y), node.attrs.get_float("alpha_scale"));
  a.bias = bias_of(node, columns);
  core.range = range_in_memory(node, *y);
  core.macs = in.images * depth * columns;
  core.images_side_by_side = true;
  return core;
}

std::vector<AveragePart> average_parts(const Node& node, const FeatureMap& in) {
  const Value& y = *node.output();
  if (node.input(0)->type.dims.size() != 4) fail_unsupported("the pipeline's pools have rows and columns");
  std::vector<Window> windows{{in.height, 1, 1, 0, 0, in.height, 1}, {in.width, 1, 1, 0, 0, in.width, 1}};
  bool counts_padding = false;
  if (node.is("AveragePool")) {
    windows =
        conv_windows(node.attrs, std::span(node.input(0)->type.dims).subspan(2), node.attrs.get_ints("kernel_shape"));
    counts_padding = node.attrs.get_bool("count_include_pad");
  }
  std::vector<AveragePart> parts;
  for (const Run& rows : runs_of(windows[0], counts_padding))
    for (const Run& columns : runs_of(windows[1], counts_padding)) {
      Core core = copy_core(in);
      core.arithmetic.window = {windows_of(windows[0], rows), windows_of(windows[1], columns)};
      core.arithmetic.ratios = {mean_ratio(*in.quantization, *meaning_of(y), rows.elements * columns.elements)};
      core.range = range_in_memory(node, y);
      core.macs = in.images * in.channels * rows.count * columns.count * windows[0].kernel * windows[1].kernel;
      parts.push_back({std::move(core), rows.first, columns.first});
    }
  return parts;
}

Core requantize_core(const Node& node, const FeatureMap& in) {
  const Value& y = *node.output();
  Core core = copy_core(in);
  core.arithmetic.ratios = {ratio_or_fail(in.scale() / meaning_of(y)->scales[0])};
  core.range = range_in_memory(node, y);
  return core;
}

Selection selection_of(const Node& node, size_t output, const FeatureMap& in) {
  if (node.is("Pad") && (node.attrs.get_string("mode") != "constant" || node.input(2) == nullptr ||
                         !passes::is_scalar_constant(node.input(2), in.quantization->zeros[0])))
    fail_unsupported("the pipeline pads with zeros only");
  const auto rank = static_cast<int64_t>(node.input(0)->type.dims.size());
  std::array<SliceRange, 4> axes{{{0, 1, in.images}, {0, 1, in.channels}, {0, 1, 1}, {0, 1, 1}}};
  if (rank > 4) fail_unsupported("the pipeline has rows and columns, and no axes beside them");
  for (int64_t axis = 0; axis < rank; ++axis) {
    SliceRange& range = axes[static_cast<size_t>(axis)] = picked(node, output, axis);
    if (range.step < 0 || range.count < 1) fail_unsupported("the pipeline takes elements in their order");
    if (range.step == 0) range.step = 1;
  }
  if (axes[0].first != 0 || axes[0].count != in.images) fail_unsupported("the pipeline keeps the batch whole");
  return {axes[1], axes[2], axes[3]};
}

/// Elements left out, or zeros put around them: strides and padding of windows of one element.
Core select_core(const FeatureMap& in, const Selection& selection) {
  const auto& [channels, rows, columns] = selection;
  Core core = copy_core(in);
  core.arithmetic.window[0] = {1, rows.step, 1, -rows.first, 0, in.height, rows.count};
  core.arithmetic.window[1] = {1, columns.step, 1, -columns.first, 0, in.width, columns.count};
  if (channels == SliceRange{0, 1, in.channels}) return core;
  std::vector<int64_t> from;
  for (int64_t o = 0; o < channels.count; ++o) {
    const int64_t i = channels.first + o * channels.step;
    from.push_back(i >= 0 && i < in.channels ? i : -1);
  }
  choose(core, in, from);
  return core;
}

Core order_core(const FeatureMap& in, const std::vector<int64_t>& from) {
  Core core = copy_core(in);
  choose(core, in, from);
  return core;
}

Core copy_core(const FeatureMap& in) {
  Core core;
  LayerArithmetic& a = core.arithmetic;
  a.by_channel = true;
  a.groups = a.out_channels = in.channels;
  a.in_channels = 1;
  a.window[0] = {1, 1, 1, 0, 0, in.height, in.height};
  a.window[1] = {1, 1, 1, 0, 0, in.width, in.width};
  a.ratios = {Ratio{1 << 23, 23}};
  core.range = {in.zero(), -128, 127};
  return core;
}

std::optional<std::array<Window, 2>> pool_of(const Node& node) {
  if (node.output(1) != nullptr || node.input(0)->type.dims.size() != 4) return std::nullopt;
  const auto windows =
      conv_windows(node.attrs, std::span(node.input(0)->type.dims).subspan(2), node.attrs.get_ints("kernel_shape"));
  for (const Window& window : windows)
    if (window.dilation != 1 || window.pad_begin >= window.kernel) return std::nullopt;
  return std::array{windows[0], windows[1]};
}

LevelRange range_in_memory(const Node& node, const Value& y) {
  const ActivationOf activation = node.attrs.has("activation") ? ActivationOf(node.attrs) : ActivationOf();
  LevelRange range = range_after(activation, y.type.dtype, *meaning_of(y));
  const int32_t offset = y.type.dtype == DType::u8 ? 128 : 0;
  return {range.zero - offset, range.low - offset, range.high - offset};
}

}  // namespace tercel::inline engines
