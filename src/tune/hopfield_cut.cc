#include "tune/hopfield_cut.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "base/error.h"
#include "graph/infer.h"
#include "graph/op.h"
#include "graph/verify.h"
#include "passes/match.h"
#include "session/model_impl.h"
#include "session/picture_model.h"
#include "tune/chain_builder.h"
#include "tune/code_words.h"

namespace tercel::inline tune {
namespace {

constexpr std::string_view kSoftmaxMemory = "ai.tercel.SoftmaxMemory", kHopfieldMemory = "ai.tercel.HopfieldMemory";

/// What may stand between and behind fully connected layers: each element or row by itself.
constexpr std::string_view kHeadOps[] = {"Gemm",     "MatMul",  "Add",        "Mul",     "Sub",
                                         "Relu",     "Clip",    "Sigmoid",    "Tanh",    "Gelu",
                                         "Elu",      "Flatten", "Reshape",    "Squeeze", "Dropout",
                                         "Identity", "Softmax", "LogSoftmax", "Cast",    "BatchNormalization"};

bool is_head_op(const Node& node) {
  return std::find(std::begin(kHeadOps), std::end(kHeadOps), node.op) != std::end(kHeadOps);
}

bool is_fully_connected(const Node& node) {
  return (node.is("Gemm") || node.is("MatMul")) && node.input(1) != nullptr && node.input(1)->is_constant();
}

/// The one operand that is no constant; nullptr where there are several.
Value* only_operand(const Node& node) {
  Value* found = nullptr;
  for (Value* value : node.inputs) {
    if (value == nullptr || value->is_constant()) continue;
    if (found != nullptr && found != value) return nullptr;
    found = value;
  }
  return found;
}

Value* value_in_front_of_products(const Graph& graph) {
  Value* cut = nullptr;
  for (Value* value = graph.outputs().at(0); value != nullptr && value->producer != nullptr;) {
    const Node& node = *value->producer;
    if (!is_head_op(node)) break;
    Value* operand = only_operand(node);
    if (is_fully_connected(node)) cut = operand;
    value = operand;
  }
  // Of codes: in front of the signs, which the memory takes itself.
  Value* features = cut == nullptr ? nullptr : signed_value(*cut);
  return features == nullptr ? cut : features;
}

/// All that the value is computed from.
std::set<const Value*> upstream_of(const Value* value) {
  std::set<const Value*> seen;
  std::vector<const Value*> rest{value};
  while (!rest.empty()) {
    const Value* one = rest.back();
    rest.pop_back();
    if (one == nullptr || !seen.insert(one).second || one->producer == nullptr) continue;
    rest.insert(rest.end(), one->producer->inputs.begin(), one->producer->inputs.end());
  }
  return seen;
}

Graph cut_at(const Model& model, const std::string& value_name) {
  Graph graph = model.impl().graph.clone();
  Value* value = graph.find_value(value_name);
  for (size_t i = 0; i < graph.outputs().size(); ++i) graph.set_output(i, value);
  graph.drop_unused();
  return graph;
}

std::vector<float> hadamard_matrix(int64_t size) {
  std::vector<float> matrix;
  for (uint64_t i = 0; i < static_cast<uint64_t>(size); ++i)
    for (uint64_t j = 0; j < static_cast<uint64_t>(size); ++j)
      matrix.push_back(std::popcount(i & j) % 2 == 0 ? 1.0f : -1.0f);
  return matrix;
}

/// The transform of 2^n numbers as two products with small Hadamard matrices: H_ab = H_a x H_b (Kronecker), so
/// H_ab vec(X) = vec(H_a X H_b) for the rows of an a x b matrix X.
void add_hadamard(ChainBuilder& b, const hopfield::Binarizer& binarizer) {
  const int64_t padded = binarizer.padded, blocks = std::ssize(binarizer.signs) / padded;
  const int log = std::countr_zero(static_cast<uint64_t>(padded));
  const int64_t left = int64_t{1} << (log / 2), right = padded / left;
  if (padded != binarizer.inputs)
    b.then("Pad", "hopfield_pad", {b.constant("hopfield_pads", integers({0, 0, 0, padded - binarizer.inputs}))});
  b.then("Reshape", "hopfield_rows", {b.constant("hopfield_row_shape", integers({-1, 1, padded}))});
  b.then("Mul", "hopfield_signed", {b.constant("hopfield_signs", floats({blocks, padded}, binarizer.signs))});
  b.then("Reshape", "hopfield_matrices", {b.constant("hopfield_matrix_shape", integers({-1, left, right}))});
  b.then("MatMul", "hopfield_right",
         {b.constant("hopfield_hadamard_right", floats({right, right}, hadamard_matrix(right)))});
  b.add("MatMul", "hopfield_left",
        {b.constant("hopfield_hadamard_left", floats({left, left}, hadamard_matrix(left))), b.at()});
  b.then("Reshape", "hopfield_transformed", {b.constant("hopfield_flat_shape", integers({-1, blocks * padded}))});
  if (blocks * padded != binarizer.bits)
    b.then("Slice", "hopfield_projected",
           {b.constant("hopfield_from", integers({0})), b.constant("hopfield_to", integers({binarizer.bits})),
            b.constant("hopfield_axis", integers({1}))});
}

void add_binarizer(ChainBuilder& b, const hopfield::Binarizer& binarizer) {
  if (!binarizer.shift.empty())
    b.then("Sub", "hopfield_shifted", {b.constant("hopfield_shift", floats({1, binarizer.inputs}, binarizer.shift))});
  if (!binarizer.matrix.empty())
    b.then("MatMul", "hopfield_projected",
           {b.constant("hopfield_matrix", floats({binarizer.inputs, binarizer.bits}, binarizer.matrix))});
  if (!binarizer.signs.empty()) add_hadamard(b, binarizer);
}

Tensor pattern_tensor(const hopfield::BitPatterns& patterns) {
  Tensor tensor(DType::u8, {patterns.count(), hopfield::BitPatterns::row_bytes(patterns.bits())});
  const std::vector<std::byte> bytes = patterns.to_bytes();
  std::copy(bytes.begin(), bytes.end(), tensor.mutable_data());
  return tensor;
}

Value* add_memory(Graph& graph, Value* x, const MemoryHead& head) {
  ChainBuilder b(graph, x);
  const auto numbers = [](const std::vector<int32_t>& values) {
    return integers(std::vector<int64_t>(values.begin(), values.end()));
  };
  std::vector<Value*> operands{b.constant("hopfield_patterns", pattern_tensor(head.memory.patterns)),
                               b.constant("hopfield_classes", numbers(head.memory.classes))};
  Attrs attrs{{"class_count", head.class_count}};
  if (!head.settles) {
    attrs.set("beta", static_cast<float>(head.beta));
    b.then(kSoftmaxMemory, "hopfield_memory", operands, attrs);
    return b.at();
  }
  operands.push_back(b.constant("hopfield_networks", numbers(head.memory.networks)));
  attrs.set("scale", static_cast<float>(head.beta));
  attrs.set("rule", head.rule);
  attrs.set("beta", static_cast<float>(head.rule_beta));
  attrs.set("recall", head.recall);
  attrs.set("max_sweeps", head.max_sweeps);
  b.then(kHopfieldMemory, "hopfield_memory", operands, attrs);
  return b.at();
}

Model finished(const Model& like, Graph graph) {
  infer_types(graph);
  verify(graph, "hopfield");
  return Model(impl_with(like, std::move(graph)));
}

void add_features(ChainBuilder& b, const Model& model, bool pool) {
  const ValueType& type = b.at()->type;
  if (type.dtype != DType::f32)
    fail_input("{}: '{}' is of type {}, wanted features of f32", model.name(), b.at()->name, to_string(type.dtype));
  if (pool) {
    if (!type.ranked || type.dims.size() < 3)
      fail_input("{}: '{}' is {}: there is nothing to average behind its second axis", model.name(), b.at()->name,
                 to_string(type));
    std::vector<int64_t> axes;
    for (size_t i = 2; i < type.dims.size(); ++i) axes.push_back(static_cast<int64_t>(i));
    b.then("ReduceMean", "hopfield_pooled", {b.constant("hopfield_axes", integers(axes))}, {{"keepdims", int64_t{0}}});
  } else if (!type.ranked || type.dims.size() != 2) {
    b.then("Flatten", "hopfield_features", {}, {{"axis", int64_t{1}}});
  }
}

const Node* find_memory(const Model& model) {
  const Node* found = nullptr;
  for (const auto& node : model.impl().graph.nodes()) {
    if (!node->is(kSoftmaxMemory) && !node->is(kHopfieldMemory)) continue;
    if (found != nullptr) fail_input("{}: has more than one memory", model.name());
    found = node.get();
  }
  if (found == nullptr)
    fail_input(
        "{}: has no Hopfield memory; tercel hopfield fit puts one in (a file written with --export-onnx holds it "
        "in standard operators, which cannot be changed)",
        model.name());
  for (size_t i = 1; i < found->inputs.size(); ++i)
    if (!found->inputs[i]->is_constant())
      fail_input("{}: {}: its patterns are computed, not constant", model.name(), found->describe());
  return found;
}

}  // namespace

std::string find_cut(const Model& model, const std::string& cut) {
  const Graph& graph = model.impl().graph;
  const Value* value = nullptr;
  if (cut.empty()) {
    value = value_in_front_of_products(graph);
    if (value == nullptr)
      fail_input(
          "{}: does not end in fully connected layers (Gemm or MatMul with constant weights): name the node in "
          "front of which it is to be cut; tercel inspect lists them",
          model.name());
  } else {
    const Node* node = nullptr;
    for (const auto& one : graph.nodes())
      if (one->name == cut) {
        if (node != nullptr) fail_input("{}: two nodes are named '{}': name a value", model.name(), cut);
        node = one.get();
      }
    if (node != nullptr) {
      for (const Value* operand : node->inputs)
        if (value == nullptr && operand != nullptr && !operand->is_constant()) value = operand;
      if (value == nullptr) fail_input("{}: the node '{}' reads constants only", model.name(), cut);
    } else {
      value = graph.find_value(cut);
    }
    if (value == nullptr)
      fail_input("{}: has no node and no value named '{}'; tercel inspect lists the nodes", model.name(), cut);
  }
  const std::set<const Value*> before = upstream_of(value);
  const bool from_input = std::any_of(graph.inputs().begin(), graph.inputs().end(),
                                      [&](const Value* input) { return before.contains(input); });
  if (value->producer == nullptr || !from_input)
    fail_input("{}: the cut at '{}' separates nothing: no layer of the network is in front of it", model.name(),
               value->name);
  if (value == graph.outputs().at(0) || !upstream_of(graph.outputs().at(0)).contains(value))
    fail_input("{}: the cut at '{}' separates nothing: no layer between it and the output would be replaced",
               model.name(), value->name);
  return value->name;
}

Model features_model(const Model& model, const std::string& value, bool pool) {
  Graph graph = cut_at(model, value);
  ChainBuilder b(graph, graph.find_value(value));
  add_features(b, model, pool);
  for (size_t i = 0; i < graph.outputs().size(); ++i) graph.set_output(i, b.at());
  return finished(model, std::move(graph));
}

Model head_model(const Model& model, const std::string& value) {
  const Preprocessing how = model.preprocessing();
  const std::string input = model.inputs().at(0).name;
  Graph graph = model.with_shapes({{input, picture_dims(model, how)}}).impl().graph.clone();
  Value* cut = graph.find_value(value);
  if (!cut->type.static_shape())
    fail_input("{}: the shape of '{}' is not known before the network runs", model.name(), value);
  Graph head;
  // A graph's inputs stay for ever: what is behind the cut is copied into a graph of its own.
  std::map<const Value*, Value*> made{{cut, head.add_input(value, cut->type)}};
  const std::set<const Value*> needed = upstream_of(graph.outputs().at(0)), before = upstream_of(cut);
  for (const auto& node : graph.nodes()) {
    const auto behind = [&](const Value* result) {
      return result != nullptr && needed.contains(result) && !before.contains(result);
    };
    if (std::none_of(node->outputs.begin(), node->outputs.end(), behind)) continue;
    std::vector<Value*> inputs, outputs;
    for (const Value* operand : node->inputs) {
      if (operand != nullptr && operand->is_constant() && !made.contains(operand))
        made[operand] = head.add_constant(operand->name, operand->constant);
      if (operand != nullptr && !made.contains(operand))
        fail_input("{}: the part behind '{}' also reads '{}', which lies in front of it", model.name(), value,
                   operand->name);
      inputs.push_back(operand == nullptr ? nullptr : made.at(operand));
    }
    for (const Value* result : node->outputs)
      outputs.push_back(result == nullptr ? nullptr : made[result] = head.add_value(result->name, result->type));
    head.add_node(node->op, inputs, outputs, node->attrs, node->name);
  }
  head.add_output(made.at(graph.outputs().at(0)));
  return finished(model, std::move(head));
}

int64_t bytes_behind(const Model& model, const std::string& value) {
  const Graph& graph = model.impl().graph;
  const std::set<const Value*> before = upstream_of(graph.find_value(value));
  int64_t bytes = 0;
  for (const Value* one : upstream_of(graph.outputs().at(0)))
    if (one->is_constant() && !before.contains(one)) bytes += static_cast<int64_t>(one->constant.bytes());
  return bytes;
}

Model with_memory(const Model& model, const std::string& value, bool pool, const hopfield::Binarizer& binarizer,
                  const MemoryHead& head) {
  const std::string output = model.impl().graph.outputs().at(0)->name;
  Graph graph = cut_at(model, value);
  ChainBuilder b(graph, graph.find_value(value));
  add_features(b, model, pool);
  add_binarizer(b, binarizer);
  Value* scores = add_memory(graph, b.at(), head);
  for (size_t i = 0; i < graph.outputs().size(); ++i) graph.set_output(i, scores);
  if (graph.find_value(output) == nullptr) graph.rename(scores, output);
  return finished(model, std::move(graph));
}

MemoryHead memory_of(const Model& model) {
  const Node& node = *find_memory(model);
  const ValueType& x = node.input(0)->type;
  if (!x.ranked || x.dims.size() != 2 || x.dims[1] < 1)
    fail_input("{}: {}: how many bits its patterns have is not known", model.name(), node.describe());
  MemoryHead head;
  const Tensor patterns = node.input(1)->constant;
  head.memory.patterns = hopfield::BitPatterns::from_bytes(x.dims[1], {patterns.data(), patterns.bytes()});
  const auto numbers = [&](size_t operand, std::vector<int32_t>& to) {
    for (const int64_t number : node.input(operand)->constant.to_ints()) to.push_back(static_cast<int32_t>(number));
  };
  numbers(2, head.memory.classes);
  head.class_count = node.attrs.get_int("class_count");
  if (node.is(kSoftmaxMemory)) {
    head.settles = false;
    head.beta = static_cast<double>(node.attrs.get_float("beta"));
    head.memory.networks.assign(head.memory.classes.size(), 0);
  } else {
    numbers(3, head.memory.networks);
    head.rule = node.attrs.get_string("rule");
    head.rule_beta = static_cast<double>(node.attrs.get_float("beta"));
    head.recall = node.attrs.get_string("recall");
    head.max_sweeps = node.attrs.get_int("max_sweeps");
    head.beta = static_cast<double>(node.attrs.get_float("scale"));
  }
  head.memory.check();
  return head;
}

std::string memory_input(const Model& model) { return find_memory(model)->input(0)->name; }

Model with_other_memory(const Model& model, const MemoryHead& head, const std::vector<std::string>& labels) {
  const std::string x = memory_input(model), y = find_memory(model)->output()->name;
  Graph graph = model.impl().graph.clone();
  Value* old = graph.find_value(y);
  passes::take_over(graph, old, add_memory(graph, graph.find_value(x), head));
  graph.erase_node(old->producer);
  graph.drop_unused();
  graph.sort();
  const Model made = finished(model, std::move(graph));
  return labels.empty() ? made : made.with_labels(labels);
}

}  // namespace tercel::inline tune
