#include "engines/pipeline/host_ends.h"

#include <algorithm>

#include "base/error.h"
#include "engines/cpu/cpu_engine.h"

namespace tercel::inline engines {
HostEnds::HostEnds(const Graph& graph, FeatureMemory& memory, PipelineNetwork& net)
    : graph_(graph), memory_(memory), net_(net) {
  for (Value* input : graph.inputs()) net.inputs.push_back({input->name, input->type.dtype, input->type.dims});
  for (Value* output : graph.outputs()) net.outputs.push_back({output->name, output->type.dtype, output->type.dims});
}

std::optional<size_t> HostEnds::input_place(const Value* value) const {
  const auto& inputs = graph_.inputs();
  const auto found = std::find(inputs.begin(), inputs.end(), value);
  if (found == inputs.end()) return std::nullopt;
  return static_cast<size_t>(found - inputs.begin());
}

const FeatureMap& HostEnds::levels(const Value* value) {
  if (const FeatureMap* map = memory_.find(value)) return *map;
  if (const auto i = input_place(value)) {  // levels come in as they are
    if (!is_level_type(value->type.dtype))
      fail_unsupported("input '{}' is {}; the pipeline computes on int8 levels: {}", value->name,
                       to_string(value->type), kQuantizeFirst);
    return load(value, *i, value->name, value->type.dtype);
  }
  if (value != nullptr && value->type.dtype == DType::f32)
    fail_unsupported("computes in floats; the pipeline computes on int8 levels: {}", kQuantizeFirst);
  fail_unsupported("operand '{}' is no result of the pipeline", value != nullptr ? value->name : "");
}

const FeatureMap& HostEnds::load(const Value* levels, size_t input, const std::string& name, DType dtype) {
  const FeatureMap& map = memory_.place(levels);
  net_.loads.push_back({{name, dtype, levels->type.dims}, map, static_cast<int64_t>(input)});
  return map;
}

void HostEnds::quantize_input(Node& node) {
  const Value* x = node.input(0);
  if (const auto i = input_place(x); i && x->type.dtype == DType::f32) {
    load(node.output(), *i, x->name, DType::f32);
    net_.host_first.push_back(node.op);
    return;
  }
  fail_unsupported("quantizes floats that another node computes; the pipeline computes on int8 levels: {}",
                   kQuantizeFirst);
}

void HostEnds::dequantize_output(Node& node) {
  floats_[node.output()] = {levels(node.input(0))};
  net_.host_last.push_back(node.op);
}

void HostEnds::tail_node(Node& node) {
  const Value* x = node.input(0);
  if (node.is("GlobalAveragePool") && is_level_type(x->type.dtype)) {
    const FeatureMap& map = levels(x);
    if (!map.lies_as(x->type.dims)) fail_unsupported("its input was given another shape on the way");
    floats_[node.output()] = {map, true};
    net_.host_last.push_back(node.op);
    return;
  }
  const bool form =
      node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity");
  const auto floats = floats_.find(x);
  const bool follows = floats != floats_.end() || (x->producer != nullptr && tail_.contains(x->producer));
  if (!(form || node.is("Softmax") || node.is("LogSoftmax")) || !follows)
    fail_unsupported("computes in floats; the pipeline computes on int8 levels: {}", kQuantizeFirst);
  if (form && floats != floats_.end()) floats_[node.output()] = FloatsOf(floats->second);  // the same elements
  else tail_.insert(&node);
  net_.host_last.push_back(node.op);
}

HostPort HostEnds::store_of(ProgramPort port, const FloatsOf& floats, size_t index) {
  return {std::move(port), floats.map, static_cast<int64_t>(index), floats.means};
}

void HostEnds::finish(std::vector<Refusal>& refusals) {
  if (!tail_.empty()) return make_tail();
  for (size_t i = 0; i < graph_.outputs().size(); ++i) {
    const Value* output = graph_.outputs()[i];
    if (const auto floats = floats_.find(output); floats != floats_.end())
      net_.stores.push_back(store_of(net_.outputs[i], floats->second, i));
    else if (const FeatureMap* map = memory_.find(output)) net_.stores.push_back(store_of(net_.outputs[i], {*map}, i));
    else refusals.push_back({"output '" + output->name + "'", "is computed by no node of the pipeline"});
  }
}

void HostEnds::make_tail() {
  Graph tail;
  std::map<const Value*, Value*> made;
  const auto in_tail = [&](const Value* value) {
    if (const auto at = made.find(value); at != made.end()) return at->second;
    const auto floats = floats_.find(value);
    if (floats == floats_.end()) fail_unsupported("'{}' is no value of floats behind the last levels", value->name);
    net_.stores.push_back(store_of({value->name, DType::f32, value->type.dims}, floats->second, net_.stores.size()));
    return made[value] = tail.add_input(value->name, value->type);
  };
  for (const auto& node : graph_.nodes()) {
    if (!tail_.contains(node.get())) continue;
    std::vector<Value*> inputs;
    for (Value* input : node->inputs)
      inputs.push_back(input == nullptr       ? nullptr
                       : input->is_constant() ? tail.add_constant(input->name, input->constant)
                                              : in_tail(input));
    Value* output = tail.add_value(node->output()->name, node->output()->type);
    made[node->output()] = output;
    tail.add_node(node->op, inputs, {output}, node->attrs, node->name);
  }
  for (const Value* output : graph_.outputs()) tail.add_output(in_tail(output));
  net_.tail = reference_engine().compile(tail, {});
}

}  // namespace tercel::inline engines
