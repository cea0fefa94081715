// For tests: a shape rule run by name on operand types and constants.
#pragma once

#include <variant>
#include <vector>

#include "graph/graph.h"
#include "graph/infer.h"
#include "graph/op.h"

namespace tercel::inline graph {

/// A type, a constant, or (std::monostate) an operand left out.
using RuleOperand = std::variant<std::monostate, ValueType, Tensor>;

/// Types of all `results` results.
inline std::vector<ValueType> run_rule(std::string_view op, const std::vector<RuleOperand>& operands, Attrs attrs = {},
                                       size_t results = 1) {
  Graph graph;
  std::vector<Value*> inputs, outputs;
  for (const RuleOperand& operand : operands) {
    if (const auto* type = std::get_if<ValueType>(&operand)) inputs.push_back(graph.add_input("x", *type));
    else if (const auto* tensor = std::get_if<Tensor>(&operand)) inputs.push_back(graph.add_constant("c", *tensor));
    else inputs.push_back(nullptr);
  }
  for (size_t i = 0; i < results; ++i) outputs.push_back(graph.add_value("y"));
  Node* node = graph.add_node(op, inputs, outputs, std::move(attrs));
  infer_types(*node);
  std::vector<ValueType> types;
  for (const Value* value : outputs) types.push_back(value->type);
  return types;
}

/// Type of the first result as text: "f32[1x?]", "i64[...]" unranked.
inline std::string rule(std::string_view op, const std::vector<RuleOperand>& operands, Attrs attrs = {}) {
  return to_string(run_rule(op, operands, std::move(attrs))[0]);
}

inline ValueType f32(Dims dims) { return {DType::f32, true, std::move(dims)}; }
inline ValueType i64(Dims dims) { return {DType::i64, true, std::move(dims)}; }
inline ValueType typed(DType dtype, Dims dims) { return {dtype, true, std::move(dims)}; }
inline ValueType unranked(DType dtype = DType::f32) { return {dtype, false, {}}; }
inline Tensor ints(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

}  // namespace tercel::inline graph
