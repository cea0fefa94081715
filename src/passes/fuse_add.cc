#include "passes/fuse_add.h"

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

constexpr size_t kBias = 2, kResidual = 3;

bool untouched(const Node& linear) { return linear.attrs.get_string("activation") == "none"; }

/// The producer of `value` if something may be fused behind it.
Node* open_linear(const Graph& graph, const Value* value, const Node& reader) {
  Node* linear = made_by(value, "FusedConv") != nullptr ? made_by(value, "FusedConv") : made_by(value, "FusedMatMul");
  const bool open = linear != nullptr && sole_user(graph, value) == &reader && untouched(*linear) &&
                    linear->input(kResidual) == nullptr;
  return open ? linear : nullptr;
}

/// A constant that is one number per output channel of `linear`, as a vector; an absent Tensor otherwise.
Tensor channel_vector(const Node& linear, const Value* value) {
  if (!is_f32_constant(value) || !linear.output()->type.ranked) return {};
  const Dims& out = linear.output()->type.dims;
  const size_t axis = linear.is("FusedConv") ? 1 : out.size() - 1;
  if (out.size() <= axis || out[axis] < 1) return {};
  const Dims& dims = value->type.dims;
  if (dims.size() > out.size() || dims.size() < out.size() - axis) return {};
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool channel = i + out.size() - dims.size() == axis;
    if (dims[i] != (channel ? out[axis] : 1)) return {};
  }
  return value->constant.reshaped({out[axis]});
}

/// A copy of `linear` in place of `node`, where all its operands have been made.
void replace(Graph& graph, const Node& linear, Node& node, size_t operand, Value* value, Attrs attrs) {
  std::vector<Value*> operands = linear.inputs;
  if (value != nullptr) {
    if (operands.size() <= operand) operands.resize(operand + 1, nullptr);
    operands[operand] = value;
  }
  Value* result = graph.add_value("linear", node.output()->type);
  graph.add_node(linear.op, std::move(operands), {result}, std::move(attrs), linear.name, &node);
  take_over(graph, node.output(), result);
}

bool fuse_sum(Graph& graph, Node& add) {
  for (size_t i : {size_t{0}, size_t{1}}) {
    const Node* linear = open_linear(graph, add.input(i), add);
    Value* other = add.input(1 - i);
    if (linear == nullptr || other == nullptr || linear->output()->type != add.output()->type) continue;
    if (Tensor bias = channel_vector(*linear, other); bias && linear->input(kBias) == nullptr) {
      replace(graph, *linear, add, kBias, graph.add_constant(other->name + "_bias", std::move(bias)), linear->attrs);
      return true;
    }
    if (!other->is_constant() && other->type.static_shape() && other->type == add.output()->type) {
      replace(graph, *linear, add, kResidual, other, linear->attrs);
      return true;
    }
  }
  return false;
}

bool fuse_scale(Graph& graph, Node& node) {
  const bool divides = node.is("Div");
  for (size_t i : {size_t{0}, size_t{1}}) {
    if (divides && i == 1) continue;
    const Node* linear = open_linear(graph, node.input(i), node);
    const auto scalar = scalar_constant(node.input(1 - i));
    if (linear == nullptr || !scalar || !linear->is("FusedMatMul") || linear->input(kBias) != nullptr) continue;
    if (linear->output()->type != node.output()->type || (divides && *scalar == 0)) continue;
    Attrs attrs = linear->attrs;
    const double scale = attrs.get_float("alpha_scale") * (divides ? 1 / *scalar : *scalar);
    attrs.set("alpha_scale", static_cast<float>(scale));
    replace(graph, *linear, node, 0, nullptr, std::move(attrs));
    return true;
  }
  return false;
}

}  // namespace

int fuse_add(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) {
    if (node.output() == nullptr || node.output()->type.dtype != DType::f32) return false;
    if (node.is("Add")) return fuse_sum(graph, node);
    if (node.is("Mul") || node.is("Div")) return fuse_scale(graph, node);
    return false;
  });
}

}  // namespace tercel::inline passes
