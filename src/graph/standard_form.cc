#include "graph/standard_form.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/check.h"
#include "graph/infer.h"
#include "graph/op.h"
#include "graph/text.h"

namespace tercel::inline graph {
namespace {

bool is_attribute(const OpSpec& spec, const Value& input) {
  const auto at =
      std::find_if(spec.attrs.begin(), spec.attrs.end(), [&](const AttrSpec& attr) { return attr.name == input.name; });
  if (at == spec.attrs.end()) return false;
  const bool numbers = at->kind == AttrKind::integer || at->kind == AttrKind::real || at->kind == AttrKind::integers ||
                       at->kind == AttrKind::reals;
  TERCEL_CHECK(numbers && at->need != AttrSpec::Need::optional, "{}: the standard form reads attribute '{}'", spec.name,
               at->name);
  return true;
}

StandardForm parse_form(const OpSpec& spec) {
  StandardForm form{parse_graph(spec.standard_form), {}, {}};
  for (Value* input : form.graph.inputs())
    (is_attribute(spec, *input) ? form.attributes : form.operands).push_back(input);
  TERCEL_CHECK(spec.inputs.fits(static_cast<int>(form.operands.size())) &&
                   spec.outputs.fits(static_cast<int>(form.graph.outputs().size())),
               "{}: operands or results of the standard form", spec.name);
  for (const auto& node : form.graph.nodes())
    TERCEL_CHECK(node->spec->domain == Domain::onnx, "{}: the standard form has {}", spec.name, node->describe());
  return form;
}

}  // namespace

const StandardForm* standard_form(const OpSpec& spec) {
  static const auto all = [] {
    std::map<std::string_view, StandardForm> forms;
    for (const OpSpec* op : all_ops())
      if (!op->standard_form.empty()) forms.emplace(op->name, parse_form(*op));
    return forms;
  }();
  const auto at = all.find(spec.name);
  return at == all.end() || spec.standard_form.empty() ? nullptr : &at->second;
}

Graph standard_form_of(const Node& node) {
  const StandardForm* form = standard_form(*node.spec);
  TERCEL_CHECK(form != nullptr, "{}", node.describe());
  Graph graph = form->graph.clone();
  for (size_t i = 0; i < form->operands.size(); ++i)
    if (const Value* operand = node.input(i)) graph.find_value(form->operands[i]->name)->type = operand->type;
  infer_types(graph);
  return graph;
}

}  // namespace tercel::inline graph
