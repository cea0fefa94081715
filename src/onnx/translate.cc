#include "onnx/translate.h"

#include "base/error.h"
#include "graph/infer.h"

namespace tercel::onnx {

void Draft::set_input(size_t place, Value* value) {
  if (inputs.size() <= place) inputs.resize(place + 1, nullptr);
  inputs[place] = value;
}

Value* Draft::constant_ints(std::string_view hint, std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return graph.add_constant(hint, Tensor::of<int64_t>({count}, values));
}

void Draft::attr_to_input(std::string_view key, size_t place) {
  const Attr* value = attrs.find(key);
  if (value == nullptr) return;
  if (input(place) != nullptr) fail_input("'{}' stands both as attribute and as input {}", key, place);
  std::vector<int64_t> values;
  if (const auto* list = std::get_if<std::vector<int64_t>>(value)) values = *list;
  else if (const auto* one = std::get_if<int64_t>(value)) values = {*one};
  else fail_input("attribute '{}' is not a list of integers", key);
  set_input(place, constant_ints(key, std::move(values)));
  attrs.erase(key);
}

Value* Draft::add(std::string_view op_name, std::vector<Value*> operands, Attrs attributes) {
  Value* result = graph.add_value(op_name);
  infer_types(*graph.add_node(op_name, std::move(operands), {result}, std::move(attributes), name));
  return result;
}

void Draft::add_final(std::string_view op_name, std::vector<Value*> operands, Attrs attributes, size_t place) {
  infer_types(*graph.add_node(op_name, std::move(operands), {output(place)}, std::move(attributes), name));
}

DType Draft::dtype(size_t i) const {
  const Value* value = input(i);
  return value == nullptr || value->type.dtype == DType::none ? DType::f32 : value->type.dtype;
}

void translate(Draft& draft) {
  static const Rules rules = [] {
    Rules all;
    for (auto* family : {&elementwise_rules, &shape_rules, &reduce_rules, &norm_rules, &quant_rules})
      all.merge(family());
    return all;
  }();
  const auto rule = rules.find(draft.op);
  if (draft.domain == Domain::onnx && rule != rules.end()) rule->second(draft);
  if (draft.finished) return;
  const OpSpec* spec = find_op(draft.op);
  if (spec == nullptr || spec->domain != draft.domain) fail_unsupported("Tercel has no operator '{}'", draft.op);
  infer_types(*draft.graph.add_node(draft.op, draft.inputs, draft.outputs, draft.attrs, draft.name));
}

}  // namespace tercel::onnx
