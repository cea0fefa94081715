#pragma once

#include "graph/graph.h"
#include "tercel/model.h"

namespace tercel {

struct Model::Impl {
  std::string name;
  Graph graph;
  std::vector<std::string> warnings;
  std::vector<PassReport> diary;
};

/// `graph` with the extents of its inputs set. Throws Error naming an input that is not there or does not fit.
void set_input_shapes(Graph& graph, const InputShapes& shapes);

}  // namespace tercel
