// What Tercel's own operators mean in standard ones: how other tools run them.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tercel::inline graph {

struct OpSpec;

/// Written in the op table as the text of a graph (graph/text.h). Its inputs are the operands in their order, and
/// attributes by their names: numbers as scalars, lists as vectors. Its outputs are the results. One form serves every
/// node of the operator, so types and extents stay open.
struct StandardForm {
  Graph graph;
  std::vector<Value*> operands;
  std::vector<Value*> attributes;
};

/// nullptr where the operator has none.
const StandardForm* standard_form(const OpSpec& spec);

/// The form's graph with the types that a node of the operator gives it; nodes without a form are not allowed here.
Graph standard_form_of(const Node& node);

}  // namespace tercel::inline graph
