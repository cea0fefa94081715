#include "graph/infer.h"

#include "base/error.h"
#include "graph/op.h"

namespace tercel {
namespace {

/// What `derived` and `known` say together; derived wins where it knows.
ValueType merge(const ValueType& derived, const ValueType& known, const std::string& name) {
  ValueType merged = derived;
  if (derived.dtype == DType::none) merged.dtype = known.dtype;
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

}  // namespace

void infer_types(Node& node) {
  at_place([&] { return node.describe(); },
           [&] {
             InferContext context(node);
             node.spec->infer(context);
             for (size_t i = 0; i < node.outputs.size(); ++i)
               if (Value* value = node.outputs[i]) value->type = merge(context.results()[i], value->type, value->name);
           });
}

void infer_types(Graph& graph) {
  for (const auto& node : graph.nodes()) infer_types(*node);
}

}  // namespace tercel
