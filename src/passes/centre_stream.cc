#include "passes/centre_stream.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/error.h"
#include "passes/follow_axis.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline passes {
namespace {

constexpr size_t kWeights = 1, kBias = 2, kResidual = 3;

/// Of a constant whose means are taken off.
double bound_centred(const Tensor& tensor) { return 2 * static_cast<double>(tensor.bound()); }

/// Can it be centred without elements that are infinite or NaN?
bool centres(const Value* value) { return is_f32_constant(value) && fits_f32(bound_centred(value->constant)); }

/// A constant without its mean along `axis`.
Tensor centred(const Tensor& tensor, size_t axis) {
  return edited_later(tensor, bound_centred(tensor), [dims = tensor.dims(), axis](float* elements) {
    int64_t inner = 1;
    for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
    const int64_t extent = dims[axis], block = extent * inner;
    const std::vector<double> average(static_cast<size_t>(extent), 1 / static_cast<double>(extent));
    std::vector<double> means(static_cast<size_t>(inner));
    for (float* at = elements; at < elements + count_elements(dims); at += block) {
      const auto* m = reinterpret_cast<const std::byte*>(at);
      if (inner == 1) {
        sum_along_rows(m, extent, 0, 1, extent, average.data(), means.data());
        subtract_from_rows({at, 1, extent, extent}, means.data());
      } else {
        sum_rows(m, inner, extent, 0, inner, average.data(), means.data());
        subtract_from_columns({at, extent, inner, inner}, means.data());
      }
    }
  });
}

Tensor with_centred_outputs(const Node& linear) {
  const double bound = bound_centred(linear.input(kWeights)->constant);
  const auto mean = std::make_shared<std::vector<double>>();
  return LinearWeights(linear).edited_later(
      bound, {.look = [mean](const LinearWeights& weights) { *mean = weights.output_mean(); },
              .edit = [mean](const OutputsPart& part) { part.subtract_from_inputs(*mean); }});
}

/// Everything that is one stream with the value it starts from.
class Stream {
 public:
  explicit Stream(const Graph& graph) : graph_(graph) {}

  std::string collect(Value* start) {
    reach(start, static_cast<int64_t>(start->type.dims.size()) - 1);
    channels_ = start->type.dims.back();
    for (size_t i = 0; i < order_.size() && refusal_.empty(); ++i) {
      look_back(order_[i]);
      look_forward(order_[i]);
    }
    return refusal_;
  }

  const std::vector<Value*>& values() const { return order_; }

  void centre(Graph& graph) const {
    for (Node* linear : linears_) {
      const bool conv = linear->is("FusedConv");
      Tensor weights = conv ? centred(linear->input(kWeights)->constant, 0) : with_centred_outputs(*linear);
      replace(graph, linear, kWeights, std::move(weights));
      if (const Value* bias = linear->input(kBias))
        replace(graph, linear, kBias, centred(bias->constant, bias->type.dims.size() - 1));
    }
    for (const auto& [node, operand, axis] : constants_)
      replace(graph, node, operand, centred(node->input(operand)->constant, static_cast<size_t>(axis)));
  }

 private:
  struct ConstantOperand {
    Node* node;
    size_t operand;
    int64_t axis;
  };

  static void replace(Graph& graph, Node* node, size_t operand, Tensor tensor) {
    graph.set_input(node, operand, graph.add_constant(node->input(operand)->name + "_centred", std::move(tensor)));
  }

  void refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
  }

  void reach(Value* value, int64_t axis) {
    const auto [at, fresh] = axis_of_.emplace(value, axis);
    if (fresh) order_.push_back(value);
    else if (at->second != axis) refuse(fmt::format("'{}' belongs to it along two axes", value->name));
  }

  /// Operand `operand` of a node whose result belongs to the stream belongs to it too, along `axis`.
  void reach_operand(Node& node, size_t operand, int64_t axis) {
    Value* value = node.input(operand);
    const Dims& dims = value->type.dims;
    if (axis < 0 || axis >= static_cast<int64_t>(dims.size()) || dims[static_cast<size_t>(axis)] != channels_)
      return refuse(fmt::format("{} spreads one number over the channels", node.describe()));
    if (!value->is_constant()) return reach(value, axis);
    if (!centres(value)) return refuse(fmt::format("a constant of {} is not f32, or not finite", node.describe()));
    constants_.push_back({&node, operand, axis});
  }

  static bool plain(const Node& node) { return node.attrs.get_string("activation") == "none"; }

  /// A product or convolution that writes the stream along `axis`: can it be edited?
  bool editable(const Node& node, int64_t axis) const {
    const Value* bias = node.input(kBias);
    const bool fits = plain(node) && centres(node.input(kWeights)) &&
                      (bias == nullptr || (centres(bias) && bias->type.dims == Dims{channels_}));
    if (node.is("FusedConv")) return fits && axis == 1 && node.attrs.get_int("group") == 1;
    return fits && axis == static_cast<int64_t>(node.output()->type.dims.size()) - 1 && LinearWeights::readable(node);
  }

  void look_back(const Value* value) {
    const int64_t axis = axis_of_.at(value);
    Node* node = value->producer;
    if (node == nullptr) return refuse(fmt::format("'{}' is given to the network", value->name));
    if (!visited_.insert(node).second) return;
    const auto rank = static_cast<int64_t>(value->type.dims.size());
    if (node->is("Add")) {
      for (size_t i : {size_t{0}, size_t{1}})
        reach_operand(*node, i, axis - rank + static_cast<int64_t>(node->input(i)->type.dims.size()));
      return;
    }
    if (node->is("FusedMatMul") || node->is("FusedConv")) {
      if (!editable(*node, axis))
        return refuse(fmt::format("{} writes to it in a way that cannot be centred", node->describe()));
      linears_.push_back(node);
      if (node->input(kResidual) != nullptr) reach_operand(*node, kResidual, axis);
      return;
    }
    const size_t operands = node->is("Concat") ? node->inputs.size() : 1;
    for (size_t i = 0; i < operands; ++i) {
      const auto from = axis_before(*node, i, axis);
      if (!from) return refuse(fmt::format("{} writes to it", node->describe()));
      reach_operand(*node, i, *from);
    }
  }

  static std::optional<int64_t> axis_before(const Node& node, size_t operand, int64_t axis) {
    const auto rank = static_cast<int64_t>(node.input(operand)->type.dims.size());
    for (int64_t from = 0; from < rank; ++from)
      if (follow_axis(node, operand, from) == axis) return from;
    return std::nullopt;
  }

  void look_forward(const Value* value) {
    if (graph_.is_output(value)) return refuse(fmt::format("'{}' is a result of the network", value->name));
    for (Node* user : value->users)
      if (!keeps_to_itself(*user, value)) refuse(fmt::format("{} reads it", user->describe()));
  }

  /// A reader that does not notice what is done to the stream, or hands it on.
  bool keeps_to_itself(Node& user, const Value* value) {
    const int64_t axis = axis_of_.at(value);
    const auto rank = static_cast<int64_t>(value->type.dims.size());
    if (user.is("LayerNormalization")) return is_row_norm(user) && axis == rank - 1 && user.input(0) == value;
    if (user.output() == nullptr) return false;
    const int64_t from_end = axis - rank + static_cast<int64_t>(user.output()->type.dims.size());
    if (user.is("Add")) {
      reach(user.output(), from_end);
      return true;
    }
    if (user.is("FusedMatMul") || user.is("FusedConv")) {
      const bool residual = user.input(kResidual) == value && user.input(0) != value && user.input(1) != value;
      if (residual) reach(user.output(), axis);
      return residual;
    }
    const auto at = std::find(user.inputs.begin(), user.inputs.end(), value) - user.inputs.begin();
    const auto next = follow_axis(user, static_cast<size_t>(at), axis);
    if (!next) return false;
    for (Value* result : user.outputs)
      if (result != nullptr) reach(result, *next);
    return true;
  }

  const Graph& graph_;
  int64_t channels_ = 0;
  std::string refusal_;
  std::map<const Value*, int64_t> axis_of_;
  std::vector<Value*> order_;  // values reached, in the order in which they are looked at
  std::set<const Node*> visited_;
  std::vector<Node*> linears_;
  std::vector<ConstantOperand> constants_;
};

}  // namespace

std::string centre_stream(Graph& graph, Value* stream, std::set<const Value*>& centred) {
  if (centred.contains(stream)) return {};
  Stream all(graph);
  std::string refusal = all.collect(stream);
  if (!refusal.empty()) return refusal;
  all.centre(graph);
  centred.insert(all.values().begin(), all.values().end());
  return {};
}

}  // namespace tercel::inline passes
