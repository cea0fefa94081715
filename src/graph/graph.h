// The network as Tercel thinks of it: values, and nodes that make values from values, in an order that can be run.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/attrs.h"
#include "tensor/quantization.h"
#include "tensor/tensor.h"

namespace tercel::inline graph {

using tercel::to_string;  // of shapes: the one declared here would hide it

struct Node;
struct OpSpec;

/// What is known of a value without running anything.
struct ValueType {
  DType dtype = DType::none;               ///< none: not known
  bool ranked = false;                     ///< false: not even the rank is known, and dims means nothing
  Dims dims;                               ///< kUnknown where an extent is not known
  QuantizationPtr quantization = nullptr;  ///< what levels stand for; never of floats

  bool static_shape() const { return ranked && all_known(dims); }
  bool operator==(const ValueType& other) const {
    return dtype == other.dtype && ranked == other.ranked && dims == other.dims &&
           same_quantization(quantization, other.quantization);
  }
};

/// "f32[1x3x?x?]", "f32[...]" unranked, "f32[]" scalar, "u8[1x8]{scale = 0.5, zero = 128}".
std::string to_string(const ValueType& type);

/// Made by exactly one of: a graph input, a constant, a node.
struct Value {
  std::string name;  ///< unique in its graph
  ValueType type;
  Tensor constant;                     ///< set: this value is a constant
  Node* producer = nullptr;            ///< set: the node that makes it
  std::vector<Node*> users;            ///< nodes that read it; a node stands here once per operand that reads it
  std::vector<std::string> dim_names;  ///< for graph inputs: symbolic names of the extents, "" where there is none

  bool is_constant() const { return static_cast<bool>(constant); }
};

/// One operation. `op` names an entry of the op table; attributes are complete (defaults filled in).
struct Node {
  std::string name;  ///< may be empty; for people
  std::string op;
  const OpSpec* spec = nullptr;
  std::vector<Value*> inputs;   ///< nullptr: optional operand left out
  std::vector<Value*> outputs;  ///< nullptr: optional result not wanted
  Attrs attrs;

  Value* input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  Value* output(size_t i = 0) const { return i < outputs.size() ? outputs[i] : nullptr; }
  bool is(std::string_view name_of_op) const { return op == name_of_op; }
  /// "node 'conv3' (Conv)", or by its first output where it has no name.
  std::string describe() const;
};

/// Owns its values and nodes. Nodes are kept in an order in which every value is made before it is read; mutators
/// keep `producer` and `users` right, and the order is theirs to keep too (insert before the first reader).
class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  /// A deep copy of the structure; constants share their elements.
  Graph clone() const;

  std::string name;
  std::map<std::string, std::string> metadata;  ///< ONNX metadata_props

  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  const std::vector<std::unique_ptr<Value>>& values() const { return values_; }

  /// nullptr where there is none.
  Value* find_value(std::string_view value_name) const;

  /// `hint` is the name, with a number added where it is taken (or empty).
  Value* add_value(std::string_view hint, ValueType type = {});
  Value* add_input(std::string_view name, ValueType type);
  Value* add_constant(std::string_view hint, Tensor tensor);
  void add_output(Value* value) { outputs_.push_back(value); }
  /// Outputs are places: the same value may be wanted at several.
  void set_output(size_t place, Value* value) { outputs_[place] = value; }
  bool is_output(const Value* value) const;

  /// Appends, or inserts before `before`. Fills in default attributes and checks them and the operand counts against
  /// the op table: Error for what a model could get wrong.
  Node* add_node(std::string_view op, std::vector<Value*> inputs, std::vector<Value*> outputs, Attrs attrs = {},
                 std::string_view node_name = {}, const Node* before = nullptr);

  void set_input(Node* node, size_t operand, Value* value);
  void replace_uses(Value* from, Value* to);         ///< every reader, and every place among the graph outputs
  void make_constant(Value* value, Tensor tensor);   ///< the producer loses this result
  void erase_node(Node* node);                       ///< its results must be unused
  void rename(Value* value, std::string_view hint);  ///< a number is added where the name is taken

  /// Nodes whose results nobody wants, and values that nobody reads, go. Graph inputs stay. Returns nodes removed.
  int drop_unused();

  /// Puts nodes into running order. Throws Error naming a node on a cycle.
  void sort();

 private:
  std::string free_name(std::string_view hint) const;

  std::vector<std::unique_ptr<Value>> values_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  std::map<std::string, Value*, std::less<>> by_name_;
  mutable int64_t next_suffix_ = 0;
};

}  // namespace tercel::inline graph
