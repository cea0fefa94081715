#include "engines/pipeline/layer_shapes.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "engines/engine.h"

namespace tercel::inline engines {
namespace {

bool is_one_of(const Node& node, std::initializer_list<std::string_view> ops) {
  return std::any_of(ops.begin(), ops.end(), [&](std::string_view op) { return node.is(op); });
}

/// Channels and positions of a map, of a matrix (rows are pictures) or of a vector.
struct Extents {
  int64_t batch = 1, channels = 1, h = 1, w = 1;
};

class Walk {
 public:
  explicit Walk(const Graph& graph) : graph_(graph) {}

  std::vector<LayerShape> run() {
    for (const auto& node : graph_.nodes()) {
      try {
        visit(*node);
      } catch (const Error& error) {
        refusals_.push_back({node->describe(), error.what()});
      }
    }
    if (!refusals_.empty())
      fail_unsupported("the pipeline has no stage for {} of the network's nodes:{}", refusals_.size(),
                       listed(refusals_));
    if (!has_conv_) fail_unsupported("the network has no convolution: the pipeline is made for convolutional networks");
    for (const LayerShape& layer : layers_) tercel::check(layer);
    return std::move(layers_);
  }

 private:
  void visit(const Node& node) {
    for (const Value* input : node.inputs)
      if (on_host_.contains(input)) {
        if (!runs_on_host(node)) fail_unsupported("reads what only the host can compute ({})", on_host_op_);
      }
    if (is_one_of(node, {"Conv"})) conv(node, node.input(1));
    else if (is_one_of(node, {"QLinearConv", "ConvInteger"})) conv(node, node.input(node.is("QLinearConv") ? 3 : 1));
    else if (is_one_of(node, {"Gemm", "MatMul"})) linear(node);
    else if (is_one_of(node, {"Pad", "Slice"})) copy(node);
    else if (is_one_of(node, {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"}))
      pool(node);
    else if (node.is("Add")) add(node);
    else if (node.is("LRN")) own_pass(node, LayerKind::lrn);
    else if (is_one_of(node, {"Relu", "Clip", "QuantizeLinear", "DequantizeLinear", "Identity", "Dropout", "Cast"}))
      follow(node);
    else if (is_one_of(node, {"Mul", "Div", "Sub"})) scale(node);
    else if (is_one_of(node, {"Flatten", "Reshape", "Squeeze", "Unsqueeze"})) return;
    else if (node.is("Concat")) concat(node);
    else if (runs_on_host(node)) host(node);
    else fail_unsupported("no stage computes it");
  }

  static bool runs_on_host(const Node& node) {
    return is_one_of(node, {"Softmax", "LogSoftmax", "ArgMax", "TopK", "Squeeze", "Identity"});
  }

  void host(const Node& node) {
    on_host_op_ = node.describe();
    for (const Value* output : node.outputs) on_host_.insert(output);
  }

  static Extents extents_of(const Value* value) {
    if (value == nullptr || !value->type.static_shape()) fail_input("its shapes are not known; give --shape");
    const Dims& dims = value->type.dims;
    if (dims.size() == 4) return {dims[0], dims[1], dims[2], dims[3]};
    if (dims.size() == 3) fail_unsupported("it has one spatial axis; the pipeline reads pictures, with two");
    if (dims.size() == 5) fail_unsupported("it has three spatial axes; the pipeline reads pictures, with two");
    if (dims.size() == 2) return {dims[0], dims[1], 1, 1};
    fail_unsupported("its operand has {} axes", dims.size());
  }

  static std::string name_of(const Node& node) {
    return !node.name.empty() || node.output() == nullptr ? node.name : node.output()->name;
  }

  /// A layer from one map to another; more of it may be said afterwards.
  LayerShape& start(const Node& node, LayerKind kind, const Extents& from, const Extents& to) {
    stream_[node.output()] = layers_.size();
    return layers_.emplace_back(LayerShape{.name = name_of(node),
                                           .kind = kind,
                                           .batch = from.batch,
                                           .ic = from.channels,
                                           .oc = to.channels,
                                           .ih = from.h,
                                           .iw = from.w,
                                           .oh = to.h,
                                           .ow = to.w});
  }

  static void set_window(LayerShape& layer, const std::vector<int64_t>& window, const std::vector<int64_t>& strides) {
    layer.kh = window[0], layer.kw = window[1];
    layer.sh = strides[0], layer.sw = strides[1];
  }

  static void set_pool(LayerShape& layer, const std::vector<int64_t>& window, const Extents& to) {
    layer.pooled = true;
    layer.pool_oh = to.h, layer.pool_ow = to.w;
    layer.pool_kh = window[0], layer.pool_kw = window[1];
  }

  /// Of a node with two spatial axes; 1 along both where it is left out.
  static std::vector<int64_t> extents_attr(const Node& node, std::string_view name) {
    return node.attrs.has(name) ? node.attrs.get_ints(name) : std::vector<int64_t>{1, 1};
  }

  /// The layer whose stream a value comes from, if nothing but one node reads it.
  std::optional<size_t> stream_of(const Value* value) const {
    const auto found = stream_.find(value);
    if (found == stream_.end() || value->users.size() != 1 || graph_.is_output(value)) return std::nullopt;
    return found->second;
  }

  void conv(const Node& node, const Value* weights) {
    const Extents from = extents_of(node.input(0)), to = extents_of(node.output());
    if (weights == nullptr || !weights->type.static_shape() || weights->type.dims.size() != 4)
      fail_unsupported("it has weights without a known shape");
    const std::vector<int64_t> strides = extents_attr(node, "strides");
    if (extents_attr(node, "dilations") != std::vector<int64_t>{1, 1})
      fail_unsupported("dilated windows; the pipeline's are dense");
    const Dims& w = weights->type.dims;
    has_conv_ = true;
    LayerShape& layer = start(node, LayerKind::conv, from, to);
    layer.groups = node.attrs.get_int("group");
    set_window(layer, {w[2], w[3]}, strides);
  }

  void linear(const Node& node) {
    const Value* weights = node.input(1);
    if (weights == nullptr || !constant_behind(weights)) fail_unsupported("a product of two computed matrices");
    if (node.is("Gemm") && node.attrs.get_bool("transA")) fail_unsupported("a transposed first operand");
    const Extents to = extents_of(node.output()), from = extents_of(node.input(0));
    if (to.h != 1 || to.w != 1) fail_unsupported("a product along the last axis of a map");
    start(node, LayerKind::conv, {to.batch, from.channels}, to);
  }

  /// A constant, also behind the nodes that quantized networks put between.
  static bool constant_behind(const Value* value) {
    while (!value->is_constant() && value->producer != nullptr &&
           is_one_of(*value->producer, {"QuantizeLinear", "DequantizeLinear", "Transpose", "Cast"}))
      value = value->producer->input(0);
    return value->is_constant();
  }

  void pool(const Node& node) {
    const Extents from = extents_of(node.input(0));
    const Value* result = node.output();
    if (result == nullptr || !result->type.static_shape()) fail_input("its shapes are not known; give --shape");
    if (node.outputs.size() > 1 && node.output(1) != nullptr) fail_unsupported("indices of the largest elements");
    const Dims& dims = result->type.dims;
    Extents to{from.batch, from.channels, 1, 1};
    if (dims.size() == 4) to = extents_of(result);
    if (count_elements(dims) != to.batch * to.channels * to.h * to.w || from.batch != to.batch ||
        from.channels != to.channels)
      fail_unsupported("a mean over other axes than height and width");
    // Global ones have no such attribute.
    const std::vector<int64_t> window =
        node.attrs.has("kernel_shape") ? node.attrs.get_ints("kernel_shape") : std::vector<int64_t>{from.h, from.w};
    if (from.h == to.h && from.w == to.w && window[0] == 1 && window[1] == 1) return follow(node);
    if (!is_one_of(node, {"MaxPool", "GlobalMaxPool"})) {
      LayerShape& layer = start(node, LayerKind::average, from, to);
      layer.groups = from.channels;
      return set_window(layer, window, extents_attr(node, "strides"));
    }
    const auto before = stream_of(node.input(0));
    if (before && !layers_[*before].pooled && !layers_[*before].add && can_pool(layers_[*before].kind) &&
        !layers_[*before].is_fc()) {
      set_pool(layers_[*before], window, to);
      stream_[result] = *before;
      return;
    }
    set_pool(start(node, LayerKind::pool, from, from), window, to);
  }

  /// Stages that a pooling can follow.
  static bool can_pool(LayerKind kind) { return kind == LayerKind::conv || kind == LayerKind::lrn; }

  /// Maps are copied; of vectors only where they lie changes.
  void copy(const Node& node) {
    const Value* result = node.output();
    if (result == nullptr || !result->type.static_shape()) fail_input("its shapes are not known; give --shape");
    if (result->type.dims.size() != 4) return;
    const Extents e = extents_of(result);
    start(node, LayerKind::copy, e, e);
  }

  void own_pass(const Node& node, LayerKind kind) {
    const Extents e = extents_of(node.input(0));
    start(node, kind, e, e);
  }

  void add(const Node& node) {
    if (node.input(0)->is_constant() || node.input(1)->is_constant()) return follow(node);
    if (node.input(0)->type.dims != node.input(1)->type.dims) fail_unsupported("maps of different shapes are added");
    // The later of two convolutions adds while it writes; the other result is in memory by then.
    std::optional<size_t> into;
    for (size_t i : {0, 1}) {
      const auto before = stream_of(node.input(i));
      if (before && layers_[*before].kind == LayerKind::conv && !layers_[*before].pooled && !layers_[*before].add &&
          (!into || *before > *into))
        into = before;
    }
    if (!into) return own_pass(node, LayerKind::add);
    layers_[*into].add = true;
    stream_[node.output()] = *into;
  }

  /// By a constant: part of the requantization of the layer before.
  void scale(const Node& node) {
    const bool constant = (node.input(0) != nullptr && node.input(0)->is_constant()) ||
                          (node.input(1) != nullptr && node.input(1)->is_constant());
    if (!constant) fail_unsupported("no stage multiplies or subtracts computed maps");
    follow(node);
  }

  void concat(const Node& node) {
    const Value* result = node.output();
    const int64_t rank = static_cast<int64_t>(result->type.dims.size());
    const int64_t axis = node.attrs.get_int("axis");
    if (result->type.ranked && (axis < 0 ? axis + rank : axis) != 1)
      fail_unsupported("maps are joined along axis {}; the pipeline joins channels", axis);
  }

  /// Computed within the stages of the layer before it, if that is in the stream; else nothing is done to the words.
  void follow(const Node& node) {
    const Value* data = node.input(0) != nullptr && node.input(0)->is_constant() ? node.input(1) : node.input(0);
    if (const auto before = stream_of(data)) stream_[node.output()] = *before;
  }

  const Graph& graph_;
  std::vector<LayerShape> layers_;
  std::map<const Value*, size_t> stream_;
  std::set<const Value*> on_host_;
  std::string on_host_op_;
  std::vector<Refusal> refusals_;
  bool has_conv_ = false;
};

}  // namespace

std::vector<LayerShape> layer_shapes(const Graph& graph) { return Walk(graph).run(); }

}  // namespace tercel::inline engines
