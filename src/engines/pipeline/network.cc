#include "engines/pipeline/network.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/pipeline/layer_packing.h"
#include "graph/infer.h"
#include "kernels/levels.h"
#include "passes/match.h"
#include "tensor/normalize_levels.h"
#include "tensor/slice.h"

namespace tercel::inline engines {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int32_t narrow(int64_t value) {
  if (value != static_cast<int32_t>(value)) fail(ErrorCode::limit, "feature maps or weights need more than 2^31 words");
  return static_cast<int32_t>(value);
}

/// What a layer starts from: a product, or a copy whose channels are computed one by one.
struct Core {
  LayerArithmetic arithmetic;
  LevelRange range;  ///< as memory has it
  int64_t macs = 0;
  bool images_side_by_side = false;  ///< each image gives one pixel
};

class Builder {
 public:
  Builder(const Graph& graph, const DesignPoint& design, const TileLimits& limits, bool pack)
      : graph_(graph), limits_(limits), pack_(pack) {
    net_.design = design;
  }

  void build() {
    find_homes();
    for (Value* input : graph_.inputs()) net_.inputs.push_back({input->name, input->type.dtype, input->type.dims});
    for (Value* output : graph_.outputs())
      net_.outputs.push_back({output->name, output->type.dtype, output->type.dims});
    for (const auto& node : graph_.nodes()) {
      if (done_.contains(node.get()) || needs_refused(*node)) continue;
      try {
        add(*node);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported && error.code() != ErrorCode::limit) throw;
        refusals_.push_back({node->describe(), error.what()});
        for (const Value* output : node->outputs) refused_.insert(output);
      }
    }
    if (net_.layers.empty() && refusals_.empty())
      refusals_.push_back({"the network", "nothing in it is for the pipeline: no node computes on levels"});
    if (refusals_.empty()) finish();
    // Whatever lies behind them in memory is aligned for its words.
    net_.data_words = narrow(round_up(net_.data_words, 256));
    net_.row_words = narrow(round_up(net_.row_words, 16));
  }

  std::vector<Refusal> refusals_;
  PipelineNetwork net_;

 private:
  // ---- nodes

  bool needs_refused(const Node& node) {
    for (const Value* input : node.inputs)
      if (refused_.contains(input)) {
        for (const Value* output : node.outputs) refused_.insert(output);
        return true;
      }
    return false;
  }

  void add(Node& node) {
    if (node.output() == nullptr) return;
    if (!node.output()->type.static_shape()) fail_unsupported("the shape of its result is not known");
    if (node.is("QuantizeLinear")) return quantize_input(node);
    if (node.is("DequantizeLinear")) return dequantize_output(node);
    if (node.output()->type.dtype == DType::f32) return tail_node(node);
    if (!is_level_type(node.output()->type.dtype))
      fail_unsupported("the pipeline has no levels of {}", to_string(node.output()->type.dtype));
    if (node.is("FusedConv")) return convolution(node);
    if (node.is("FusedMatMul")) return product(node);
    if (node.is("MaxPool")) return max_pool(node);
    if (node.is("AveragePool") || node.is("GlobalAveragePool")) return average(node);
    if (node.is("FusedAdd")) return sum(node);
    if (node.is("Requantize")) return requantize(node);
    if (node.is("Concat")) return concat(node);
    if (node.is("LRN")) return normalize(node);
    if (node.is("Slice") || node.is("Pad")) return select(node);
    if (node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity"))
      return relabel(node);
    fail_unsupported("the pipeline has no stage for {}", node.op);
  }

  static QuantizationPtr meaning_of(const Value& value) {
    const QuantizationPtr& q = value.type.quantization;
    if (q == nullptr || !q->per_tensor()) fail_unsupported("'{}' has no single scale and zero point", value.name);
    return q;
  }

  const FeatureMap& map_of(const Value* value) {
    const auto at = maps_.find(value);
    if (at != maps_.end()) return at->second;
    for (size_t i = 0; i < graph_.inputs().size(); ++i)
      if (graph_.inputs()[i] == value) {  // levels come in as they are
        if (!is_level_type(value->type.dtype))
          fail_unsupported("input '{}' is {}; the pipeline computes on int8 levels: {}", value->name,
                           to_string(value->type), kQuantizeFirst);
        return load(value, i, value->name, value->type.dtype);
      }
    if (value != nullptr && value->type.dtype == DType::f32)
      fail_unsupported("computes in floats; the pipeline computes on int8 levels: {}", kQuantizeFirst);
    fail_unsupported("operand '{}' is no result of the pipeline", value != nullptr ? value->name : "");
  }

  static constexpr std::string_view kQuantizeFirst = "quantize the network first (tercel quantize)";

  // ---- memory

  static FeatureMap shape_of(const Value& value) {
    const Dims& dims = value.type.dims;
    FeatureMap map;
    if (dims.size() != 2 && dims.size() != 4)
      fail_unsupported("'{}' is {}: feature maps have two axes (images, channels) or four", value.name,
                       to_string(value.type));
    if (count_elements(dims) == 0) fail_unsupported("'{}' is empty", value.name);
    map.images = dims[0];
    map.channels = dims[1];
    if (dims.size() == 4) map.height = dims[2], map.width = dims[3];
    map.dtype = value.type.dtype;
    map.quantization = meaning_of(value);
    return map;
  }

  /// Room for a value: its own, or its part of a concatenation.
  FeatureMap& place(const Value* value) {
    FeatureMap map = shape_of(*value);
    if (const auto home = homes_.find(value); home != homes_.end()) {
      const auto whole = maps_.find(home->second.whole);
      const FeatureMap& from = whole != maps_.end() ? whole->second : place(home->second.whole);
      map.at = from.at, map.image_words = from.image_words, map.words = from.words;
      map.channel = from.channel + home->second.channel;
    } else {
      map.words = ceil_div(map.channels, net_.design.vec);
      map.image_words = map.words * map.plane();
      map.at = net_.feature_words;
      net_.feature_words += map.images * map.image_words;
      narrow(net_.feature_words);
    }
    return maps_[value] = std::move(map);
  }

  struct Home {
    const Value* whole;
    int64_t channel;
  };

  /// Parts of a concatenation are written where the whole lies, if they begin with a word.
  void find_homes() {
    for (const auto& node : graph_.nodes()) {
      if (!node->is("Concat") || !is_level_type(node->output()->type.dtype) || !joins_channels(*node)) continue;
      int64_t channel = 0;
      for (const Value* part : node->inputs) {
        const Node* maker = part->producer;
        const bool layer =
            maker != nullptr && (maker->is("FusedConv") || maker->is("MaxPool") || maker->is("FusedAdd") ||
                                 maker->is("AveragePool") || maker->is("Requantize"));
        if (layer && channel % net_.design.vec == 0 && part->type.static_shape())
          homes_.try_emplace(part, Home{node->output(), channel});
        if (part->type.dims.size() < 2) break;
        channel += part->type.dims[1];
      }
    }
  }

  static bool joins_channels(const Node& node) {
    const int64_t axis = node.attrs.get_int("axis"), rank = static_cast<int64_t>(node.output()->type.dims.size());
    return axis == 1 || axis + rank == 1;
  }

  // ---- the host's part

  FeatureMap& load(const Value* levels, size_t input, const std::string& name, DType dtype) {
    FeatureMap& map = place(levels);
    net_.loads.push_back({{name, dtype, levels->type.dims}, map, static_cast<int64_t>(input)});
    return map;
  }

  void quantize_input(Node& node) {
    const Value* x = node.input(0);
    for (size_t i = 0; i < graph_.inputs().size(); ++i)
      if (graph_.inputs()[i] == x && x->type.dtype == DType::f32) {
        declare(node.output(), node);
        load(node.output(), i, x->name, DType::f32);
        net_.host_nodes.push_back(node.describe() + ": input to levels");
        return;
      }
    fail_unsupported("quantizes floats that another node computes; the pipeline computes on int8 levels: {}",
                     kQuantizeFirst);
  }

  /// The levels of a QuantizeLinear that lower_quantized left alone.
  void declare(Value* value, const Node& node) {
    if (value->type.quantization != nullptr) return;
    const Value *scale = node.input(1), *zero = node.input(2);
    if (!passes::is_f32_constant(scale) || scale->constant.elements() != 1 || (zero != nullptr && !zero->is_constant()))
      fail_unsupported("its scale is no single constant");
    const auto s = static_cast<float>(scale->constant.to_doubles()[0]);
    if (!std::isfinite(s) || s <= 0) fail_unsupported("its scale is {}", s);
    value->type.quantization = std::make_shared<Quantization>(
        Quantization{{s}, {zero != nullptr ? static_cast<int32_t>(zero->constant.to_ints()[0]) : 0}});
  }

  void dequantize_output(Node& node) {
    const FeatureMap& map = map_of(node.input(0));
    tail_inputs_[node.output()] = map;
    net_.host_nodes.push_back(node.describe() + ": levels to floats");
  }

  /// Of floats behind the last levels: what only gives the answer its form.
  void tail_node(Node& node) {
    const bool form = node.is("Softmax") || node.is("LogSoftmax") || node.is("Reshape") || node.is("Flatten") ||
                      node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity");
    const Value* x = node.input(0);
    const bool follows = tail_inputs_.contains(x) || (x->producer != nullptr && tail_.contains(x->producer));
    if (!form || !follows)
      fail_unsupported("computes in floats; the pipeline computes on int8 levels: {}", kQuantizeFirst);
    tail_.insert(&node);
    net_.host_nodes.push_back(node.describe() + ": on the host, in floats");
  }

  // ---- layers

  void convolution(Node& node) {
    const Value *x = node.input(0), *w = node.input(1), *y = node.output();
    if (node.input(3) != nullptr) fail_unsupported("its residual is not one of levels");
    if (x->type.dims.size() != 4)
      fail_unsupported("convolves {}: the pipeline has rows and columns", to_string(x->type));
    if (!w->is_constant()) fail_unsupported("its weights are no constant");
    const FeatureMap in = map_of(x);
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
    a.weights = weights_of(*w, dims[1] * plane, plane, dims[3], 1);
    a.ratios = product_ratios(*in.quantization, *w->type.quantization, *meaning_of(*y));
    a.bias = bias_of(node, dims[0]);
    core.range = range_in_memory(node, *y);
    core.macs = count_elements(y->type.dims) * dims[1] * plane;
    core.images_side_by_side = a.window[0].output == 1 && a.window[1].output == 1 && a.window[0].pad_begin == 0 &&
                               a.window[1].pad_begin == 0 && a.window[1].reach() <= in.width &&
                               a.window[0].reach() <= in.height && in.images > 1 && !a.by_channel;
    chain(node, core, in);
  }

  void product(Node& node) {
    const Value *x = node.input(0), *w = node.input(1), *y = node.output();
    if (x->type.dims.size() != 2 || w->type.dims.size() != 2 || node.attrs.get_bool("transA"))
      fail_unsupported("multiplies {} by {}: a fully connected layer has rows and columns", to_string(x->type),
                       to_string(w->type));
    if (!w->is_constant()) fail_unsupported("the second operand is no constant");
    if (node.input(3) != nullptr || node.input(4) != nullptr) fail_unsupported("its residual is not one of levels");
    const FeatureMap in = map_of(x);
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
    a.weights = weights_of(*w, transposed ? depth : 1, in.plane() * step, in.width * step, step);
    a.ratios =
        product_ratios(*in.quantization, *w->type.quantization, *meaning_of(*y), node.attrs.get_float("alpha_scale"));
    a.bias = bias_of(node, columns);
    core.range = range_in_memory(node, *y);
    core.macs = in.images * depth * columns;
    core.images_side_by_side = true;
    chain(node, core, in);
  }

  void max_pool(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    Core core = copy_core(in, in);
    Chain all{&node, node.op, node.output()};
    all.pool = pool_of(node);
    if (!all.pool) fail_unsupported("the pipeline's pools have rows, columns and one result");
    layer(all, core, in);
  }

  void average(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    const Value& y = *node.output();
    Core core = copy_core(in, in);
    LayerArithmetic& a = core.arithmetic;
    if (node.input(0)->type.dims.size() != 4) fail_unsupported("the pipeline's pools have rows and columns");
    if (node.is("GlobalAveragePool")) {
      a.window[0] = {in.height, 1, 1, 0, 0, in.height, 1};
      a.window[1] = {in.width, 1, 1, 0, 0, in.width, 1};
    } else {
      const auto windows =
          conv_windows(node.attrs, std::span(node.input(0)->type.dims).subspan(2), node.attrs.get_ints("kernel_shape"));
      a.window = {windows[0], windows[1]};
      const bool counts_padding = node.attrs.get_bool("count_include_pad");
      for (const Window& window : windows) {
        const int64_t beyond = window.start(window.output - 1) + window.reach() - window.input;
        if (beyond > (counts_padding ? window.pad_end : 0) || (!counts_padding && window.pad_begin > 0))
          fail_unsupported("windows at the edge have fewer elements; the pipeline divides by one number");
      }
    }
    const int64_t area = a.window[0].kernel * a.window[1].kernel;
    a.ratios = {mean_ratio(*in.quantization, *meaning_of(y), area)};
    core.range = range_in_memory(node, y);
    core.macs = count_elements(y.type.dims) * area;
    chain(node, core, in);
  }

  void requantize(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    const Value& y = *node.output();
    Core core = copy_core(in, in);
    core.arithmetic.ratios = {ratio_or_fail(in.scale() / meaning_of(y)->scales[0])};
    core.range = range_in_memory(node, y);
    chain(node, core, in);
  }

  void sum(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    map_of(node.input(1));
    Chain all{&node, node.op, node.output()};
    all.sum = &node;
    all.sum_operand = 0;
    layer(all, copy_core(in, in), in);
  }

  void concat(Node& node) {
    if (!joins_channels(node)) fail_unsupported("the pipeline joins channels (axis 1) only");
    const auto found = maps_.find(node.output());
    const FeatureMap whole = found != maps_.end() ? found->second : place(node.output());
    int64_t channel = 0;
    for (const Value* part : node.inputs) {
      const FeatureMap in = map_of(part);
      const bool in_place = in.at == whole.at && in.channel == whole.channel + channel;
      if (!in_place) {
        FeatureMap out = in;
        out.at = whole.at, out.image_words = whole.image_words, out.words = whole.words;
        out.channel = whole.channel + channel;
        Chain all{&node, "Concat", nullptr};
        layer(all, copy_core(in, out), in, &out);
      }
      channel += in.channels;
    }
  }

  void normalize(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    const FeatureMap out = place(node.output());
    const auto levels = LevelNorm::of(node.attrs, *in.quantization, *out.quantization);
    if (!levels) fail_unsupported("a factor or a sum of squares does not fit 32 bits");
    PipelineLayer layer = named(node, node.op, node.output());
    layer.normalizes = true;
    Norm& n = layer.norm;
    n.in_at = narrow(in.at + in.channel / net_.design.vec * in.plane());
    n.in_image_words = narrow(in.image_words);
    n.out_at = narrow(out.at + out.channel / net_.design.vec * out.plane());
    n.out_image_words = narrow(out.image_words);
    n.plane = narrow(in.plane()), n.images = narrow(in.images);
    n.channels = narrow(in.channels), n.size = levels->size;
    n.in_zero = in.zero(), n.out_zero = out.zero();
    n.low = -128, n.high = 127;
    n.table_at = narrow(static_cast<int64_t>(net_.tables.size())), n.shift = levels->shift;
    net_.tables.insert(net_.tables.end(), levels->factors.begin(), levels->factors.end());
    net_.layers.push_back(std::move(layer));
  }

  /// Which elements of an axis a Slice takes, or where a Pad puts them: result i is element first + i * step.
  static SliceRange picked(const Node& node, int64_t axis) {
    const Dims& from = node.input(0)->type.dims;
    const auto rank = static_cast<int64_t>(from.size());
    const auto at = static_cast<size_t>(axis);
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

  /// Elements left out, or zeros put around them: strides and padding of windows of one element. Channels are chosen by
  /// weights of one.
  void select(Node& node) {
    const FeatureMap in = map_of(node.input(0));
    if (node.is("Pad") && (node.attrs.get_string("mode") != "constant" || node.input(2) == nullptr ||
                           !is_scalar_constant(node.input(2), in.quantization->zeros[0])))
      fail_unsupported("the pipeline pads with zeros only");
    const auto rank = static_cast<int64_t>(node.input(0)->type.dims.size());
    std::array<SliceRange, 4> axes{{{0, 1, in.images}, {0, 1, in.channels}, {0, 1, 1}, {0, 1, 1}}};
    for (int64_t axis = 0; axis < rank; ++axis) {
      SliceRange& range = axes[static_cast<size_t>(axis)] = picked(node, axis);
      if (range.step < 0 || range.count < 1) fail_unsupported("the pipeline takes elements in their order");
      if (range.step == 0) range.step = 1;
    }
    if (axes[0].first != 0 || axes[0].count != in.images) fail_unsupported("the pipeline keeps the batch whole");
    Core core = copy_core(in, in);
    LayerArithmetic& a = core.arithmetic;
    a.window[0] = {1, axes[2].step, 1, -axes[2].first, 0, in.height, axes[2].count};
    a.window[1] = {1, axes[3].step, 1, -axes[3].first, 0, in.width, axes[3].count};
    std::vector<std::byte> chosen;
    if (axes[1].first != 0 || axes[1].step != 1 || axes[1].count != in.channels) {
      a.by_channel = false;
      a.groups = 1;
      a.in_channels = in.channels;
      a.out_channels = axes[1].count;
      chosen.resize(static_cast<size_t>(a.out_channels * a.in_channels));
      for (int64_t o = 0; o < a.out_channels; ++o)
        if (const int64_t i = axes[1].first + o * axes[1].step; i >= 0 && i < in.channels)
          chosen[static_cast<size_t>(o * in.channels + i)] = std::byte{1};
      a.weights = {chosen.data(), true, in.channels, 1, 0, 0, {0}};
    }
    chain(node, core, in);
  }

  void relabel(Node& node) {
    const FeatureMap& in = map_of(node.input(0));
    const Dims &from = node.input(0)->type.dims, &to = node.output()->type.dims;
    if (from.empty() || to.empty() || from[0] != to[0])
      fail_unsupported("gives levels another shape: {}", to_string(to));
    const Dims tail(to.begin() + 1, to.end());
    const bool same = tail == Dims(from.begin() + 1, from.end());
    const bool vector = in.plane() == 1 && to.size() >= 2 && to[1] == in.channels;
    if (!same && !vector && to.size() != 2) fail_unsupported("gives levels another shape: {}", to_string(to));
    maps_[node.output()] = in;
  }

  // ---- what becomes of a core

  struct Chain {
    Node* first;
    std::string ops;
    Value* result;
    std::optional<std::array<Window, 2>> pool = {};
    Node* sum = nullptr;
    size_t sum_operand = 0;  ///< that this chain computes
  };

  /// The node, and the pool and the sum behind it where nobody else reads what is between.
  void chain(Node& node, const Core& core, const FeatureMap& in) {
    Chain all{&node, node.op, node.output()};
    if (Node* user = sole_user(graph_, all.result); user != nullptr && user->is("MaxPool") && !core.images_side_by_side)
      if (auto pool = pool_of(*user)) {
        all.pool = pool;
        take(all, *user);
      }
    if (Node* user = sole_user(graph_, all.result); user != nullptr && user->is("FusedAdd"))
      if (const Value* other = other_operand(*user, all.result); maps_.contains(other) &&
                                                                 other->type.dims == user->output()->type.dims &&
                                                                 all.result->type.dims == other->type.dims) {
        all.sum = user;
        all.sum_operand = user->input(0) == all.result ? 0 : 1;
        take(all, *user);
      }
    layer(all, core, in);
  }

  void take(Chain& all, Node& node) {
    done_.insert(&node);
    all.ops += " + " + node.op;
    all.result = node.output();
  }

  static std::optional<std::array<Window, 2>> pool_of(const Node& node) {
    if (node.output(1) != nullptr || node.input(0)->type.dims.size() != 4) return std::nullopt;
    const auto windows =
        conv_windows(node.attrs, std::span(node.input(0)->type.dims).subspan(2), node.attrs.get_ints("kernel_shape"));
    for (const Window& window : windows)
      if (window.dilation != 1 || window.pad_begin >= window.kernel) return std::nullopt;
    return std::array{windows[0], windows[1]};
  }

  PipelineLayer named(const Node& node, std::string ops, const Value* result) const {
    PipelineLayer layer;
    layer.node = node.name.empty() ? node.output()->name : node.name;
    layer.op = std::move(ops);
    if (result != nullptr) layer.result = to_string(result->type);
    return layer;
  }

  /// Levels as they are, channel by channel.
  static Core copy_core(const FeatureMap& in, const FeatureMap& out) {
    Core core;
    LayerArithmetic& a = core.arithmetic;
    a.by_channel = true;
    a.groups = a.out_channels = in.channels;
    a.in_channels = 1;
    a.window[0] = {1, 1, 1, 0, 0, in.height, in.height};
    a.window[1] = {1, 1, 1, 0, 0, in.width, in.width};
    a.ratios = {Ratio{1 << 23, 23}};
    core.range = {out.zero(), -128, 127};
    return core;
  }

  void layer(const Chain& all, const Core& core, const FeatureMap& in, const FeatureMap* to = nullptr) {
    const FeatureMap out = to != nullptr ? *to : place(all.result);
    const DesignPoint& design = net_.design;
    const LayerArithmetic& a = core.arithmetic;
    const LayerShares shares = shares_of(a, design);
    PipelineLayer planned = named(*all.first, all.ops, all.result);
    planned.macs = core.macs;
    Layer& l = planned.layer;
    const bool beside = core.images_side_by_side;
    l.mode = a.by_channel ? LAYER_CHANNEL : LAYER_DOT;
    l.images = narrow(beside ? 1 : in.images);
    l.lane_groups = narrow(shares.lane_groups);
    l.groups_of_lanes = narrow(shares.groups_of_lanes);

    l.in_at = narrow(in.at + in.channel / design.vec * in.plane());
    l.in_image_words = narrow(in.image_words);
    l.in_words = narrow(in.words - in.channel / design.vec);
    l.in_h = narrow(in.height);
    l.image_w = narrow(in.width);
    l.in_w = narrow(beside ? in.width * in.images : in.width);
    l.pad_level = in.zero();

    const auto& [rows, columns] = a.window;
    l.kernel_h = narrow(rows.kernel), l.kernel_w = narrow(columns.kernel);
    l.stride_h = narrow(rows.stride), l.stride_w = narrow(beside ? in.width : columns.stride);
    l.dilation_h = narrow(rows.dilation), l.dilation_w = narrow(columns.dilation);
    l.pad_top = narrow(rows.pad_begin), l.pad_left = narrow(columns.pad_begin);
    l.words_per_tap = narrow(shares.words_per_tap);
    l.channels_in_group = narrow(a.in_channels * shares.together);
    l.taps = narrow(shares.taps);

    l.out_h = narrow(rows.output);
    l.out_w = narrow(beside ? in.images : columns.output);
    l.pool_h = l.pool_w = l.pool_stride_h = l.pool_stride_w = 1;
    l.pooled_h = l.out_h, l.pooled_w = l.out_w;
    if (all.pool) {
      const auto& [pool_rows, pool_columns] = *all.pool;
      l.pool_h = narrow(pool_rows.kernel), l.pool_w = narrow(pool_columns.kernel);
      l.pool_stride_h = narrow(pool_rows.stride), l.pool_stride_w = narrow(pool_columns.stride);
      l.pool_top = narrow(pool_rows.pad_begin), l.pool_left = narrow(pool_columns.pad_begin);
      l.pooled_h = narrow(pool_rows.output), l.pooled_w = narrow(pool_columns.output);
      net_.pool_lines = std::max(net_.pool_lines, l.pool_h);
      net_.pool_columns = std::max(net_.pool_columns, l.out_w);
    }
    l.low = core.range.low, l.high = core.range.high, l.zero = core.range.zero;

    l.out_at = narrow(out.at), l.out_image_words = narrow(out.image_words);
    l.out_plane = narrow(out.plane());
    l.out_image_w = beside ? 1 : l.pooled_w;
    l.out_channel = narrow(out.channel);
    l.channels_to_group = narrow(a.by_channel ? a.out_channels : a.out_channels / a.groups * shares.together);
    if (all.sum != nullptr) residual(l, *all.sum, all.sum_operand);

    group_and_bands(l);
    l.keep_weights = int64_t{l.out_h} * l.out_w > l.group || l.images > 1;  // else each weight is wanted once
    if (l.keep_weights && l.taps > design.weight_buffer_words)
      fail_unsupported("keeps {} words of weights, but weight_buffer_words is {}: make it larger, or vec", l.taps,
                       design.weight_buffer_words);
    if (l.keep_weights) net_.weight_words = std::max(net_.weight_words, l.taps);
    l.weights_at = narrow(static_cast<int64_t>(net_.weights.size()) / (design.vec * design.lane));
    l.scales_at = narrow(static_cast<int64_t>(net_.scales.size()) / (4 * design.lane));
    if (pack_) {
      pack_weights(a, design, net_.weights);
      pack_scales(a, in.zero(), design, net_.scales);
    }
    net_.layers.push_back(std::move(planned));
  }

  void residual(Layer& l, const Node& node, size_t mine) {
    const Value &a = *node.input(0), &b = *node.input(1), &y = *node.output();
    if (a.type.dims != y.type.dims || b.type.dims != y.type.dims)
      fail_unsupported("adds {} and {}: the pipeline does not broadcast", to_string(a.type), to_string(b.type));
    const TwoRatios ratios = sum_ratios(*meaning_of(a), *meaning_of(b), *meaning_of(y));
    const FeatureMap other = map_of(mine == 0 ? &b : &a);
    l.add = 1;
    l.add_at = narrow(other.at), l.add_image_words = narrow(other.image_words), l.add_plane = narrow(other.plane());
    l.add_channel = narrow(other.channel);
    l.add_zero = other.zero();
    l.add_multiplier = narrow(mine == 0 ? ratios.b : ratios.a);
    l.sum_multiplier = narrow(mine == 0 ? ratios.a : ratios.b);
    l.add_shift = ratios.shift;
    const LevelRange range = range_in_memory(node, y);
    l.sum_low = range.low, l.sum_high = range.high, l.sum_zero = range.zero;
  }

  /// How many pixels share a weight word, and how many rows a tile has.
  void group_and_bands(Layer& l) {
    const int64_t most = net_.design.window_buffer_words;
    const int64_t reach = int64_t{l.kernel_w - 1} * l.dilation_w + 1;
    const auto words = [&](int64_t pixels) {
      const int64_t columns = l.stride_w < reach ? (pixels - 1) * l.stride_w + reach : pixels * reach;
      return l.kernel_h * columns * l.words_per_tap;
    };
    l.group = net_.design.window_x;
    while (l.group > 1 && words(l.group) > most) --l.group;
    if (words(l.group) > most)
      fail_unsupported("reads windows of {} words, but window_buffer_words is {}: make it larger, or vec", words(1),
                       most);
    net_.window_words = std::max(net_.window_words, narrow(words(std::min(l.group, l.out_w))));
    const int64_t row_bytes = int64_t{l.taps} * l.out_w * net_.design.vec;
    int64_t rows = l.pooled_h;
    if (!limits_.whole_layers) {
      const int64_t fit = std::max<int64_t>(1, limits_.ring_bytes / row_bytes);
      rows = std::clamp<int64_t>((fit - l.pool_h) / l.pool_stride_h + 1, 1, l.pooled_h);
    }
    l.band_rows = narrow(rows);
    l.bands = narrow(ceil_div(l.pooled_h, rows));
    const int64_t conv_rows = std::min<int64_t>(l.out_h, (rows - 1) * l.pool_stride_h + l.pool_h);
    net_.data_words = std::max(net_.data_words, limits_.whole_layers ? 1 : narrow(conv_rows * l.taps * l.out_w));
    net_.row_words = std::max(net_.row_words, narrow(std::max(conv_rows * l.out_w, rows * l.pooled_w)));
  }

  LevelRange range_in_memory(const Node& node, const Value& y) const {
    const ActivationOf activation = node.attrs.has("activation") ? ActivationOf(node.attrs) : ActivationOf();
    LevelRange range = range_after(activation, y.type.dtype, *meaning_of(y));
    const int32_t offset = y.type.dtype == DType::u8 ? 128 : 0;
    return {range.zero - offset, range.low - offset, range.high - offset};
  }

  WeightView weights_of(const Value& w, int64_t o, int64_t i, int64_t y, int64_t x) const {
    if (!is_level_type(w.type.dtype) || w.type.quantization == nullptr) fail_unsupported("its weights are no levels");
    const std::vector<int32_t>& zeros = w.type.quantization->zeros;
    const bool is_signed = w.type.dtype == DType::i8;
    if (!is_signed || zeros != std::vector<int32_t>(zeros.size(), 0)) must_fit(w, zeros, o);
    return {pack_ ? w.constant.data() : nullptr, is_signed, o, i, y, x, zeros};
  }

  /// Multipliers take signed bytes.
  static void must_fit(const Value& w, const std::vector<int32_t>& zeros, int64_t step_o) {
    const std::vector<int64_t> levels = w.constant.to_ints();
    const auto channels = static_cast<int64_t>(zeros.size());
    for (size_t i = 0; i < levels.size(); ++i) {
      const int64_t o = channels == 1 ? 0 : static_cast<int64_t>(i) / step_o % channels;
      const int64_t weight = levels[i] - zeros[static_cast<size_t>(o)];
      if (weight < -128 || weight > 127)
        fail_unsupported(
            "a weight is {} levels from its zero point, and the pipeline's multipliers take -128 to 127; "
            "quantize the weights symmetrically",
            weight);
    }
  }

  static std::vector<int32_t> bias_of(const Node& node, int64_t channels) {
    const Value* bias = node.input(2);
    if (bias == nullptr) return {};
    if (!bias->is_constant() || bias->type.dtype != DType::i32 || bias->constant.elements() != channels)
      fail_unsupported("its bias is no constant of one i32 per channel");
    std::vector<int32_t> all;
    for (int64_t value : bias->constant.to_ints()) all.push_back(static_cast<int32_t>(value));
    return all;
  }

  // ---- the end

  /// Outputs: levels as they are, floats from the last levels, or what the tail makes of them.
  void finish() {
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      const Value* output = graph_.outputs()[i];
      const auto floats = tail_inputs_.find(output);
      if (tail_.empty() && (floats != tail_inputs_.end() || maps_.contains(output)))
        net_.stores.push_back(
            {net_.outputs[i], floats != tail_inputs_.end() ? floats->second : maps_[output], static_cast<int64_t>(i)});
      else if (tail_.empty())
        refusals_.push_back({"output '" + output->name + "'", "is computed by no node of the pipeline"});
    }
    if (!tail_.empty()) make_tail();
  }

  void make_tail() {
    Graph tail;
    std::map<const Value*, Value*> made;
    for (const auto& node : graph_.nodes())
      if (node->is("DequantizeLinear") && tail_inputs_.contains(node->output())) {
        const Value* value = node->output();
        made[value] = tail.add_input(value->name, value->type);
        net_.stores.push_back({{value->name, DType::f32, value->type.dims},
                               tail_inputs_[value],
                               static_cast<int64_t>(net_.stores.size())});
      }
    for (const auto& node : graph_.nodes()) {
      if (!tail_.contains(node.get())) continue;
      std::vector<Value*> inputs;
      for (Value* input : node->inputs)
        inputs.push_back(input == nullptr       ? nullptr
                         : input->is_constant() ? tail.add_constant(input->name, input->constant)
                                                : made.at(input));
      Value* output = tail.add_value(node->output()->name, node->output()->type);
      made[node->output()] = output;
      tail.add_node(node->op, inputs, {output}, node->attrs, node->name);
    }
    for (const Value* output : graph_.outputs()) {
      const auto at = made.find(output);
      if (at == made.end()) fail_unsupported("output '{}' is one of levels, others are not", output->name);
      tail.add_output(at->second);
    }
    net_.tail = reference_engine().compile(tail, {});
  }

  const Graph& graph_;
  TileLimits limits_;
  bool pack_;
  std::map<const Value*, FeatureMap> maps_;
  std::map<const Value*, Home> homes_;
  std::map<const Value*, FeatureMap> tail_inputs_;
  std::set<const Node*> tail_, done_;
  std::set<const Value*> refused_;
};

}  // namespace

LayerShape shape_of(const PipelineLayer& layer) {
  if (layer.normalizes) {
    const Norm& n = layer.norm;
    return {.name = layer.node,
            .kind = LayerKind::lrn,
            .batch = n.images,
            .ic = n.channels,
            .oc = n.channels,
            .ih = 1,
            .iw = n.plane,
            .oh = 1,
            .ow = n.plane};
  }
  const Layer& l = layer.layer;
  const bool beside = l.in_w != l.image_w;
  LayerShape shape{.name = layer.node};
  shape.batch = beside ? l.out_w : l.images;
  const int64_t channel_groups = l.lane_groups / l.groups_of_lanes;
  shape.oc = channel_groups * l.channels_to_group;
  if (l.mode == LAYER_CHANNEL) {
    shape.ic = shape.groups = shape.oc;
    if (shape.oc == 1) shape.kind = LayerKind::pool;
  } else {
    shape.ic = channel_groups * l.channels_in_group;
    shape.groups = channel_groups;
  }
  shape.ih = l.in_h, shape.iw = l.image_w;
  shape.oh = l.out_h, shape.ow = beside ? 1 : l.out_w;
  shape.kh = l.kernel_h, shape.kw = l.kernel_w;
  shape.sh = l.stride_h, shape.sw = beside ? 1 : l.stride_w;
  shape.pooled = l.pool_h != 1 || l.pool_w != 1 || l.pool_stride_h != 1 || l.pool_stride_w != 1;
  if (shape.pooled) {
    shape.pool_oh = l.pooled_h, shape.pool_ow = l.pooled_w;
    shape.pool_kh = l.pool_h, shape.pool_kw = l.pool_w;
  }
  shape.add = l.add != 0;
  return shape;
}

std::vector<Refusal> pipeline_refusals(const Graph& graph, const DesignPoint& design) {
  Builder builder(graph, design, {}, false);
  builder.build();
  return std::move(builder.refusals_);
}

PipelineNetwork make_pipeline_network(const Graph& graph, const DesignPoint& design, const TileLimits& limits) {
  Builder builder(graph, design, limits, true);
  builder.build();
  TERCEL_CHECK(builder.refusals_.empty(), "{}", builder.refusals_[0].reason);
  return std::move(builder.net_);
}

}  // namespace tercel::inline engines
