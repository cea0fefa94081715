#include "quant/widen.h"

#include <algorithm>

#include "graph/dtype_attr.h"
#include "graph/infer.h"
#include "passes/recipe.h"
#include "session/model_impl.h"
#include "session/optimizer.h"
#include "tensor/narrow.h"

namespace tercel::inline quant {
namespace {

bool is_other_float(DType dtype) { return is_float(dtype) && dtype != DType::f32; }

Tensor as_f32(const Tensor& tensor) { return Tensor::of<float>(tensor.dims(), to_floats(tensor)); }

/// Tensors, and element types by their word (Cast).
void widen_attrs(Node& node) {
  const Attrs before = node.attrs;
  for (const auto& [name, value] : before) {
    if (const auto* tensor = std::get_if<Tensor>(&value); tensor != nullptr && is_other_float(tensor->dtype()))
      node.attrs.set(name, as_f32(*tensor));
    const auto* word = std::get_if<std::string>(&value);
    if (names_dtype(node, name) && word != nullptr && is_other_float(parse_dtype(*word)))
      node.attrs.set(name, std::string(to_string(DType::f32)));
  }
}

}  // namespace

Model widened(const Model& model) {
  const auto& values = model.impl().graph.values();
  if (std::none_of(values.begin(), values.end(), [](const auto& v) { return is_other_float(v->type.dtype); }))
    return model;
  auto impl = changeable_copy(model);
  for (const auto& value : impl->graph.values()) {
    if (!is_other_float(value->type.dtype)) continue;
    if (value->is_constant()) value->constant = as_f32(value->constant);
    value->type.dtype = DType::f32;
  }
  for (const auto& node : impl->graph.nodes()) widen_attrs(*node);
  infer_types(impl->graph);
  return Model(std::move(impl));
}

Model dequantized(const Model& model) {
  const auto& nodes = model.impl().graph.nodes();
  if (std::none_of(nodes.begin(), nodes.end(), [](const auto& n) { return n->is("DequantizeLinear"); })) return model;
  auto impl = changeable_copy(model);
  rewrite(impl->graph, dequantizing_recipe());
  return Model(std::move(impl));
}

}  // namespace tercel::inline quant
