#include "graph/infer.h"

#include <algorithm>

#include "base/error.h"
#include "graph/op.h"

namespace tercel::inline graph {
namespace {

/// What `derived` and `known` say together; derived wins where it knows.
ValueType merge(const ValueType& derived, const ValueType& known, const std::string& name) {
  ValueType merged = derived;
  if (derived.dtype == DType::none) merged.dtype = known.dtype;
  // What levels are declared to stand for stays: the same levels may be moved and read at another scale.
  if (known.quantization != nullptr && merged.dtype == known.dtype) merged.quantization = known.quantization;
  if (!derived.ranked) {
    merged.ranked = known.ranked;
    merged.dims = known.dims;
  } else if (known.ranked && known.dims.size() == derived.dims.size()) {
    for (size_t i = 0; i < merged.dims.size(); ++i)
      if (merged.dims[i] == kUnknown) merged.dims[i] = known.dims[i];
  }
  if (derived.dtype != DType::none && known.dtype != DType::none && derived.dtype != known.dtype)
    fail_input("'{}' is declared {} but is {}", name, to_string(known), to_string(derived));
  return merged;
}

/// Moved levels stand for what they stood for. (Of levels with an axis only those in place do.)
void keep_quantization(const Node& node, ValueType& result) {
  if (!moves_elements(node) || result.dtype != node.input(0)->type.dtype) return;
  const QuantizationPtr& quantization = node.input(0)->type.quantization;
  for (const Value* input : node.inputs)
    if (node.is("Concat") && !same_quantization(quantization, input->type.quantization)) return;
  if (quantization == nullptr || quantization->per_tensor() || node.is("Identity")) result.quantization = quantization;
}

}  // namespace

bool moves_elements(const Node& node) {
  static constexpr std::string_view kMovers[] = {"Concat",   "DepthToSpace", "Expand",    "Flatten",  "Gather",
                                                 "Identity", "MaxPool",      "Reshape",   "Slice",    "SpaceToDepth",
                                                 "Split",    "Squeeze",      "Transpose", "Unsqueeze"};
  return node.input(0) != nullptr && std::find(std::begin(kMovers), std::end(kMovers), node.op) != std::end(kMovers);
}

void infer_types(Node& node) {
  at_place([&] { return node.describe(); },
           [&] {
             InferContext context(node);
             node.spec->infer(context);
             for (size_t i = 0; i < node.outputs.size(); ++i)
               if (Value* value = node.outputs[i]) {
                 ValueType derived = context.results()[i];
                 keep_quantization(node, derived);
                 value->type = merge(derived, value->type, value->name);
               }
           });
}

void infer_types(Graph& graph) {
  for (const auto& node : graph.nodes()) infer_types(*node);
}

}  // namespace tercel::inline graph
