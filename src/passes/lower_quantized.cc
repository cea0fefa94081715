#include "passes/lower_quantized.h"

#include <cmath>
#include <map>

#include "graph/infer.h"
#include "passes/global_mean.h"
#include "passes/match.h"
#include "passes/node_activation.h"
#include "tensor/normalize_levels.h"
#include "tensor/requantize.h"

namespace tercel::inline passes {
namespace {

/// What the levels on the integer side of a QuantizeLinear or DequantizeLinear stand for; nullptr where that is no
/// constant, or no number.
QuantizationPtr meaning(const Value* scale, const Value* zero, int64_t axis, size_t rank) {
  if (!is_f32_constant(scale) || (zero != nullptr && !zero->is_constant())) return nullptr;
  auto q = std::make_shared<Quantization>();
  for (double s : scale->constant.to_doubles()) {
    if (!std::isfinite(s) || s <= 0) return nullptr;
    q->scales.push_back(static_cast<float>(s));
  }
  q->zeros.assign(q->scales.size(), 0);
  if (zero != nullptr) {
    const auto zeros = zero->constant.to_ints();
    if (zeros.size() != q->zeros.size() && zeros.size() != 1) return nullptr;
    for (size_t i = 0; i < q->zeros.size(); ++i) q->zeros[i] = static_cast<int32_t>(zeros[zeros.size() == 1 ? 0 : i]);
  }
  if (q->scales.empty()) return nullptr;
  if (q->scales.size() > 1) q->axis = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
  return q;
}

QuantizationPtr meaning_at(const Node& node) {
  const Value* ranked = node.is("QuantizeLinear") ? node.output() : node.input(0);
  if (ranked == nullptr || !ranked->type.ranked) return nullptr;
  return meaning(node.input(1), node.input(2), node.attrs.get_int("axis"), ranked->type.dims.size());
}

/// A value of levels, and what they stand for.
struct Levels {
  Value* value = nullptr;
  QuantizationPtr meaning;
  explicit operator bool() const { return value != nullptr; }
  float scale() const { return meaning->scales[0]; }
};

/// Writes down what a value's levels stand for; false where it is said to stand for something else.
bool declare(const Levels& levels) {
  QuantizationPtr& known = levels.value->type.quantization;
  if (known == nullptr) known = levels.meaning;
  return same_quantization(known, levels.meaning);
}

/// A product with everything that goes into its result.
struct Product {
  std::string op;
  Levels x, w;
  size_t channel_axis = 0;    ///< of w
  Value* bias = nullptr;      ///< floats, or i32 levels behind a DequantizeLinear; or nullptr
  bool bias_of_sums = false;  ///< the bias is i32 and counts in what sums count in (QLinearConv)
  float bias_factor = 1;
  Attrs attrs;
  float factor = 1;  ///< of the product, not of the bias
};

class Lowering {
 public:
  explicit Lowering(Graph& graph) : graph_(graph) {}

  bool lower(Node& node) {
    if (node.output() == nullptr || !node.output()->type.static_shape()) return false;
    if (node.is("QuantizeLinear")) return lower_quantize(node);
    if (node.is("QLinearConv") || node.is("QLinearMatMul")) return lower_qlinear(node);
    if (is_global_mean(node)) return lower_mean(node);
    return false;
  }

 private:
  // ---- where levels come from

  /// The levels behind a float value: in front of its DequantizeLinear, moved as the value was.
  Levels levels_of(Value* value) {
    if (value == nullptr || value->producer == nullptr || value->type.dtype != DType::f32) return {};
    if (const auto at = known_.find(value); at != known_.end()) return at->second;
    Levels found = find_levels(value);
    if (found) known_[value] = found;
    return found;
  }

  Levels find_levels(Value* value) {
    Node& node = *value->producer;
    if (node.is("DequantizeLinear")) {
      if (!is_level_type(node.input(0)->type.dtype)) return {};
      Levels levels{node.input(0), meaning_at(node)};
      return levels.meaning != nullptr && declare(levels) ? levels : Levels{};
    }
    const bool pads = node.is("Pad") && node.attrs.get_string("mode") == "constant" &&
                      (node.input(2) == nullptr || is_scalar_constant(node.input(2), 0));
    const bool splits = node.is("Split"), pools = node.is("GlobalMaxPool");
    if (!pads && !pools && !moves_elements(node)) return {};
    if (node.outputs.size() != 1 && !splits) return {};
    // Made in front of the node itself: whoever reads its result may read its levels.
    Levels from = levels_of(node.input(0));
    if (!from || !from.meaning->per_tensor()) return {};
    if (pools) return largest_of(from, *value, node);
    std::vector<Value*> operands = node.inputs;
    operands[0] = from.value;
    if (splits) return part_of(from, operands, *value, node);
    if (node.is("Concat"))
      for (size_t i = 1; i < operands.size(); ++i) {
        const Levels other = levels_of(node.inputs[i]);
        if (!other || !same_quantization(other.meaning, from.meaning)) return {};
        operands[i] = other.value;
      }
    if (pads) {
      operands.resize(std::max<size_t>(operands.size(), 3), nullptr);
      operands[2] = graph_.add_constant("zero", level_constant(from));
    }
    return {
        add(node.op, operands, node.attrs, value->type.dims, from.value->type.dtype, from.meaning, node.name, &node),
        from.meaning};
  }

  /// GlobalMaxPool: the largest level is that of the largest value; a MaxPool over everything.
  Levels largest_of(const Levels& from, const Value& value, const Node& node) {
    const Dims& dims = from.value->type.dims;
    constexpr size_t kMostAxes = 5;  // of MaxPool
    if (!from.value->type.static_shape() || dims.size() < 3 || dims.size() > kMostAxes) return {};
    const Dims spatial(dims.begin() + 2, dims.end());
    return {add("MaxPool", {from.value}, {{"kernel_shape", spatial}}, value.type.dims, from.value->type.dtype,
                from.meaning, node.name, &node),
            from.meaning};
  }

  /// A part of a Split, the others made with it.
  Levels part_of(const Levels& from, const std::vector<Value*>& operands, const Value& value, const Node& node) {
    std::vector<Value*> parts;
    for (const Value* part : node.outputs)
      parts.push_back(part == nullptr ? nullptr
                                      : graph_.add_value("levels", {from.value->type.dtype, part->type.ranked,
                                                                    part->type.dims, from.meaning}));
    graph_.add_node(node.op, operands, parts, node.attrs, node.name, &node);
    Levels found;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] == nullptr) continue;
      known_[node.outputs[i]] = {parts[i], from.meaning};
      if (node.outputs[i] == &value) found = {parts[i], from.meaning};
    }
    return found;
  }

  static Tensor level_constant(const Levels& levels) {
    const int32_t zero = levels.meaning->zeros[0];
    return levels.value->type.dtype == DType::u8 ? Tensor::scalar(static_cast<uint8_t>(zero))
                                                 : Tensor::scalar(static_cast<int8_t>(zero));
  }

  Value* add(std::string_view op, std::vector<Value*> operands, Attrs attrs, const Dims& dims, DType dtype,
             const QuantizationPtr& quantization, std::string_view name, const Node* before) {
    Value* result = graph_.add_value("levels", {dtype, true, dims, quantization});
    graph_.add_node(op, std::move(operands), {result}, std::move(attrs), name, before);
    return result;
  }

  // ---- what is computed between

  static Attrs with(Attrs attrs, const NodeActivation& clamp) {
    set_activation(attrs, clamp);
    return attrs;
  }

  bool lower_quantize(Node& q) {
    Value* y = q.output();
    Value* x = q.input(0);
    const QuantizationPtr to = meaning_at(q);
    if (!is_level_type(y->type.dtype) || x->type.dtype != DType::f32 || to == nullptr || !to->per_tensor())
      return false;
    NodeActivation clamp;  // on levels: a narrower range
    if (x->producer != nullptr && sole_user(graph_, x) == &q)
      if (const NodeActivation found = activation_of(*x->producer);
          found.kind == Activation::relu || found.kind == Activation::clip) {
        clamp = found;
        x = x->producer->input(0);
      }
    Value* result = make(x, clamp, y->type, to, q);
    if (result == nullptr) return false;
    if (const Levels levels = levels_of(x); levels.value == result) {  // nothing changes
      if (!graph_.is_output(y)) {
        graph_.replace_uses(y, result);
        return true;
      }
      result = add("Identity", {result}, {}, y->type.dims, y->type.dtype, to, q.name, &q);
    }
    take_over(graph_, y, result);
    return true;
  }

  /// The levels of clamp(x); nullptr where they cannot be had from levels.
  Value* make(Value* x, const NodeActivation& clamp, const ValueType& type, const QuantizationPtr& to,
              const Node& before) {
    if (const Levels levels = levels_of(x)) return requantized(levels, clamp, type, to, before);
    Node* node = x->producer;
    if (node == nullptr || sole_user(graph_, x) == nullptr) return nullptr;
    if (const auto product = product_of(*node)) return linear(*product, clamp, type, to, before, node->name);
    if (node->is("Add")) return sum(*node, clamp, type, to, before);
    if (node->is("Mul")) return level_product(*node, clamp, type, to, before);
    if (clamp.kind != Activation::none) return nullptr;
    if (const NodeActivation curve = activation_of(*node); curve.kind != Activation::none)
      return looked_up(*node, curve, type, to, before);
    if (node->is("Concat")) return joined(*node, type, to, before);
    if (is_global_mean(*node)) return mean(*node, type, to, before);
    if (node->is("AveragePool") || node->is("LRN")) return neighbours(*node, type, to, before);
    return nullptr;
  }

  Value* requantized(const Levels& from, const NodeActivation& clamp, const ValueType& type, const QuantizationPtr& to,
                     const Node& before) {
    if (!from.meaning->per_tensor() || !ratio_of(from.scale() / to->scales[0])) return nullptr;
    const bool same = same_quantization(from.meaning, to) && from.value->type.dtype == type.dtype;
    if (same && clamp.kind == Activation::none) return from.value;
    return add("Requantize", {from.value}, with({}, clamp), type.dims, type.dtype, to, before.name, &before);
  }

  Value* sum(Node& node, const NodeActivation& clamp, const ValueType& type, const QuantizationPtr& to,
             const Node& before) {
    const Levels a = levels_of(node.input(0)), b = levels_of(node.input(1));
    if (!a || !b || !a.meaning->per_tensor() || !b.meaning->per_tensor()) return nullptr;
    if (!two_ratios_of(a.scale() / to->scales[0], b.scale() / to->scales[0])) return nullptr;
    return add("FusedAdd", {a.value, b.value}, with({}, clamp), type.dims, type.dtype, to, node.name, &before);
  }

  Value* level_product(Node& node, const NodeActivation& clamp, const ValueType& type, const QuantizationPtr& to,
                       const Node& before) {
    const Levels a = levels_of(node.input(0)), b = levels_of(node.input(1));
    if (!a || !b || !a.meaning->per_tensor() || !b.meaning->per_tensor()) return nullptr;
    if (!ratio_of(a.scale() * b.scale() / to->scales[0])) return nullptr;
    if (clamp.kind == Activation::none)
      for (const auto& [x, gate] : {std::pair(a, b), std::pair(b, a)})
        if (Value* gated = gated_by_itself(x, gate, node, type, to, before)) return gated;
    return add("LevelMul", {a.value, b.value}, with({}, clamp), type.dims, type.dtype, to, node.name, &before);
  }

  /// x times a curve of x, both levels: one table. nullptr where it is not that.
  Value* gated_by_itself(const Levels& x, const Levels& gate, const Node& node, const ValueType& type,
                         const QuantizationPtr& to, const Node& before) {
    const Node* curve = gate.value->producer;
    if (curve == nullptr || !curve->is("Requantize") || curve->input(0) != x.value) return nullptr;
    Attrs attrs = curve->attrs;
    attrs.set("gate_scale", gate.scale());
    attrs.set("gate_zero", int64_t{gate.meaning->zeros[0]});
    attrs.set("gate_signed", int64_t{gate.value->type.dtype == DType::i8 ? 1 : 0});
    return add("LevelGate", {x.value}, std::move(attrs), type.dims, type.dtype, to, node.name, &before);
  }

  /// A function of one number: of 256 levels, a table.
  Value* looked_up(Node& node, const NodeActivation& curve, const ValueType& type, const QuantizationPtr& to,
                   const Node& before) {
    const Levels x = levels_of(node.input(0));
    if (!x || !x.meaning->per_tensor()) return nullptr;
    return add("Requantize", {x.value}, with({}, curve), type.dims, type.dtype, to, node.name, &before);
  }

  Value* joined(Node& node, const ValueType& type, const QuantizationPtr& to, const Node& before) {
    std::vector<Value*> parts;
    for (Value* input : node.inputs) {
      const Levels part = levels_of(input);
      Value* same = part ? requantized(part, {}, {type.dtype, true, input->type.dims, nullptr}, to, before) : nullptr;
      if (same == nullptr) return nullptr;
      parts.push_back(same);
    }
    return add("Concat", parts, node.attrs, type.dims, type.dtype, to, node.name, &before);
  }

  /// A mean that no QuantizeLinear reads alone: of levels, in floats.
  bool lower_mean(Node& node) {
    Value* y = node.output();
    const Node* user = sole_user(graph_, y);
    if (y->type.dtype != DType::f32 || (user != nullptr && user->is("QuantizeLinear"))) return false;
    Value* result = mean(node, y->type, nullptr, node);
    if (result == nullptr) return false;
    take_over(graph_, y, result);
    return true;
  }

  /// Over all but the first two axes; `to` nullptr: to floats.
  Value* mean(Node& node, const ValueType& type, const QuantizationPtr& to, const Node& before) {
    const Levels x = levels_of(node.input(0));
    if (!x || !x.meaning->per_tensor() || x.value->type.dims.size() < 3) return nullptr;
    const Dims& dims = x.value->type.dims;
    int64_t area = 1;
    for (size_t i = 2; i < dims.size(); ++i) area *= dims[i];
    if (area < 1 || area >= (int64_t{1} << 23)) return nullptr;
    if (to != nullptr && !ratio_of(x.scale() / (to->scales[0] * static_cast<float>(area)))) return nullptr;
    Dims pooled(dims.size(), 1);
    pooled[0] = dims[0], pooled[1] = dims[1];
    Value* result = add("GlobalAveragePool", {x.value}, {}, pooled, type.dtype, to, node.name, &before);
    if (type.dims == pooled) return result;
    Value* shape =
        graph_.add_constant("shape", Tensor::of<int64_t>({static_cast<int64_t>(type.dims.size())}, type.dims));
    return add("Reshape", {result, shape}, {}, type.dims, type.dtype, to, "", &before);
  }

  /// Of elements near each other: AveragePool, LRN.
  Value* neighbours(Node& node, const ValueType& type, const QuantizationPtr& to, const Node& before) {
    const Levels x = levels_of(node.input(0));
    if (!x || !x.meaning->per_tensor()) return nullptr;
    if (node.is("LRN")) {
      if (!LevelNorm::of(node.attrs, *x.meaning, *to)) return nullptr;
    } else {
      constexpr int64_t kMostElements = int64_t{1} << 23;  // a sum of as many levels fits 32 bits
      int64_t area = 1;
      for (int64_t extent : node.attrs.get_ints("kernel_shape")) {
        if (extent > kMostElements / area) return nullptr;
        area *= extent;
      }
      // An edge may divide by as little as one.
      const float ratio = x.scale() / to->scales[0];
      if (!ratio_of(ratio) || !ratio_of(ratio / static_cast<float>(area))) return nullptr;
    }
    return add(node.op, {x.value}, node.attrs, type.dims, type.dtype, to, node.name, &before);
  }

  // ---- products

  /// Conv, Gemm, MatMul, or an Add of a constant to one of them, whose operands are levels.
  std::optional<Product> product_of(Node& node) {
    if (node.is("Add")) {
      for (size_t i : {size_t{0}, size_t{1}}) {
        Node* inner = made_by(node.input(i), "MatMul");
        Value* bias = node.input(1 - i);
        if (inner == nullptr || sole_user(graph_, node.input(i)) != &node || !is_f32_constant(bias)) continue;
        // One value for each column. A bias of more axes would give the result more than the product has.
        if (inner->output()->type.dims != node.output()->type.dims) continue;
        if (bias->constant.elements() != node.output()->type.dims.back()) continue;
        auto product = product_of(*inner);
        if (product) product->bias = bias;
        return product;
      }
      return std::nullopt;
    }
    Product p;
    if (node.is("Conv")) {
      p.op = "FusedConv";
      p.attrs = node.attrs;
      p.bias = node.input(2);
    } else if (node.is("MatMul")) {
      p.op = "FusedMatMul";
      p.channel_axis = node.input(1)->type.dims.size() - 1;
    } else if (node.is("Gemm")) {
      p.op = "FusedMatMul";
      const bool transposed = node.attrs.get_bool("transB");
      p.attrs = {{"transB", int64_t{transposed}}};
      p.channel_axis = transposed ? 0 : 1;
      p.bias = node.input(2);
      p.factor = node.attrs.get_float("alpha");
      p.bias_factor = node.attrs.get_float("beta");
      if (node.attrs.get_bool("transA") || !(p.factor > 0)) return std::nullopt;
      p.attrs.set("alpha_scale", p.factor);
    } else {
      return std::nullopt;
    }
    p.x = levels_of(node.input(0));
    p.w = levels_of(node.input(1));
    if (!p.x || !p.w) return std::nullopt;
    return p;
  }

  Value* linear(const Product& p, const NodeActivation& clamp, const ValueType& type, const QuantizationPtr& to,
                const Node& before, std::string_view name) {
    const Dims& w = p.w.value->type.dims;
    if (p.op == "FusedMatMul" && (w.size() < 2 || p.x.value->type.dims.size() < 2)) return nullptr;
    if (!p.x.meaning->per_tensor()) return nullptr;
    if (!p.w.meaning->per_tensor() && p.w.meaning->axis != static_cast<int64_t>(p.channel_axis)) return nullptr;
    if (!p.w.value->type.static_shape()) return nullptr;
    for (float scale : p.w.meaning->scales)
      if (!ratio_of(p.x.scale() * scale / to->scales[0] * p.factor)) return nullptr;
    const int64_t channels = p.op == "FusedConv" ? w[0] : type.dims.back();
    std::vector<int32_t> bias;
    if (p.bias != nullptr) {
      const auto sums = bias_of(p, to, channels);
      if (!sums) return nullptr;
      bias = *sums;
    }
    int64_t largest_bias = 0;
    for (int32_t b : bias) largest_bias = std::max<int64_t>(largest_bias, std::abs(int64_t{b}));
    const int64_t taps =
        p.op == "FusedConv" ? count_elements(w) / std::max<int64_t>(1, w[0]) : p.x.value->type.dims.back();
    if (!fits_int32(taps, 255, 255, largest_bias)) return nullptr;
    std::vector<Value*> operands{p.x.value, p.w.value};
    if (p.bias != nullptr) operands.push_back(graph_.add_constant("bias", Tensor::of<int32_t>({channels}, bias)));
    return add(p.op, operands, with(p.attrs, clamp), type.dims, type.dtype, to, name, &before);
  }

  /// A bias in what sums count in: scale of x * scale of w. Of i32 levels with that scale these are the levels; of
  /// anything else the nearest, where that is a small part of a step of the result.
  static std::optional<std::vector<int32_t>> bias_of(const Product& p, const QuantizationPtr& to, int64_t channels) {
    const Node* dq = made_by(p.bias, "DequantizeLinear");
    const Value* stored = dq != nullptr ? dq->input(0) : p.bias;
    if (!stored->is_constant() || !p.bias->type.static_shape()) return std::nullopt;
    if (p.bias_of_sums) {
      const std::vector<int64_t> sums = stored->constant.to_ints();
      return std::vector<int32_t>(sums.begin(), sums.end());
    }
    const QuantizationPtr meant = dq != nullptr ? meaning_at(*dq) : nullptr;
    if (dq != nullptr ? meant == nullptr : p.bias->type.dtype != DType::f32) return std::nullopt;
    const std::vector<double> values = stored->constant.to_doubles();
    if (p.op == "FusedMatMul" && !p.bias->type.dims.empty() &&
        p.bias->type.dims.back() != static_cast<int64_t>(values.size()))
      return std::nullopt;
    if (static_cast<int64_t>(values.size()) != channels && values.size() != 1) return std::nullopt;
    constexpr double kSame = 1e-6, kSmallPart = 0.125, kMost = 1 << 30;
    std::vector<int32_t> sums;
    for (int64_t i = 0; i < channels; ++i) {
      const size_t at = values.size() == 1 ? 0 : static_cast<size_t>(i);
      const double unit =
          static_cast<double>(p.x.scale()) * static_cast<double>(p.w.meaning->scale(i)) * static_cast<double>(p.factor);
      const double scale = static_cast<double>(p.bias_factor) *
                           (meant == nullptr ? 1.0 : static_cast<double>(meant->scale(static_cast<int64_t>(at))));
      const bool exact = meant != nullptr && std::abs(scale / unit - 1) < kSame;
      const double value = meant == nullptr ? values[at] : values[at] - meant->zero(static_cast<int64_t>(at));
      const double sum = exact ? value : value * scale / unit;
      if (!exact && unit > kSmallPart * static_cast<double>(to->scales[0])) return std::nullopt;
      if (!(std::abs(sum) < kMost)) return std::nullopt;
      sums.push_back(static_cast<int32_t>(std::nearbyint(sum)));
    }
    return sums;
  }

  /// Operands x scale zero, w scale zero, y scale zero, bias.
  bool lower_qlinear(Node& node) {
    const auto meant = [&](size_t i, int64_t axis) {
      return meaning(node.input(i + 1), node.input(i + 2), axis, node.input(i)->type.dims.size());
    };
    const bool conv = node.is("QLinearConv");
    const Dims& w = node.input(3)->type.dims;
    if (!node.input(0)->type.ranked || !node.input(3)->type.ranked) return false;
    Product p;
    p.op = conv ? "FusedConv" : "FusedMatMul";
    if (conv) p.attrs = node.attrs;
    p.channel_axis = conv || w.empty() ? 0 : w.size() - 1;
    p.x = {node.input(0), meant(0, 0)};
    p.w = {node.input(3), meant(3, static_cast<int64_t>(p.channel_axis))};
    const QuantizationPtr to = meaning(node.input(6), node.input(7), 0, 1);
    if (p.x.meaning == nullptr || p.w.meaning == nullptr || to == nullptr || !to->per_tensor()) return false;
    // Of matrices in a batch only those of one scale: others give each matrix its own.
    if (!conv && !p.w.meaning->per_tensor() && (w.size() != 2 || node.input(4)->type.dims.size() > 1)) return false;
    if (!p.x.meaning->per_tensor() || !declare(p.x) || !declare(p.w)) return false;
    p.bias = node.input(8);
    p.bias_of_sums = true;
    Value* y = node.output();
    Value* result = linear(p, {}, y->type, to, node, node.name);
    if (result == nullptr) return false;
    take_over(graph_, y, result);
    return true;
  }

  Graph& graph_;
  std::map<const Value*, Levels> known_;
};

}  // namespace

int lower_quantized(Graph& graph, PassContext&) {
  Lowering lowering(graph);
  return for_each_node(graph, [&](Node& node) { return lowering.lower(node); });
}

}  // namespace tercel::inline passes
