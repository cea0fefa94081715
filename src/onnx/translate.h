// Older forms of operators -> the form the op table knows (opset 22).
//
// One file per family (translate_*.cc). An operator without a rule goes into the graph as it is.
#pragma once

#include <functional>
#include <map>
#include <string_view>

#include "graph/op.h"

namespace tercel::onnx {

/// A node as the file has it, on its way into the graph. Rules change it in place, or add other nodes and finish it.
struct Draft {
  Graph& graph;
  int64_t opset;
  std::string op;
  std::string name;
  std::vector<Value*> inputs;
  std::vector<Value*> outputs;
  Attrs attrs;
  Domain domain = Domain::onnx;
  bool finished = false;  ///< the rule has dealt with everything; the draft itself makes no node

  Value* input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  Value* output(size_t i) const { return i < outputs.size() ? outputs[i] : nullptr; }

  template <typename T>
  const T* attr(std::string_view key) const {
    const Attr* found = attrs.find(key);
    return found == nullptr ? nullptr : std::get_if<T>(found);
  }

  /// Operand `place` becomes a constant i64 list made from attribute `key`, where it is there.
  void attr_to_input(std::string_view key, size_t place);
  void set_input(size_t place, Value* value);
  Value* constant_ints(std::string_view hint, std::vector<int64_t> values);
  /// Adds a node with one fresh result, and returns the result.
  Value* add(std::string_view op_name, std::vector<Value*> operands, Attrs attributes = {});
  /// Adds a node that makes output `place` of the draft.
  void add_final(std::string_view op_name, std::vector<Value*> operands, Attrs attributes = {}, size_t place = 0);
  /// Element type of operand i as far as known, f32 where it is not.
  DType dtype(size_t i) const;
};

using Rule = void (*)(Draft&);
using Rules = std::map<std::string_view, Rule>;

Rules elementwise_rules();
Rules shape_rules();
Rules reduce_rules();
Rules norm_rules();
Rules quant_rules();

/// Applies the rule for draft.op, if there is one, and adds what is left of the draft to the graph.
void translate(Draft& draft);

}  // namespace tercel::onnx
