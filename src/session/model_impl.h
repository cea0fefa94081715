#pragma once

#include <memory>
#include <span>

#include "graph/graph.h"
#include "session/model_shared.h"
#include "tercel/model.h"

namespace tercel {

struct Model::Impl {
  std::string name;
  Graph graph;
  std::vector<std::string> warnings;
  std::vector<PassReport> pass_log;
  /// Of the ONNX file and its external data, where the network is what such a file says; else 0.
  int64_t onnx_bytes = 0;
  /// The `.tercel` file, where the network is what it says; else no bytes.
  struct Packed {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  } packed = {};
  /// What the sessions of this model share.
  std::shared_ptr<ModelShared> shared = std::make_shared<ModelShared>();
};

/// A network with `model`'s name, warnings and pass log and with `graph`; not what only the file as given can say.
inline std::shared_ptr<Model::Impl> impl_with(const Model& model, Graph graph) {
  const Model::Impl& from = model.impl();
  return std::make_shared<Model::Impl>(Model::Impl{from.name, std::move(graph), from.warnings, from.pass_log});
}

/// The same with a copy of its graph, to be changed.
inline std::shared_ptr<Model::Impl> changeable_copy(const Model& model) {
  return impl_with(model, model.impl().graph.clone());
}

/// `graph` with the extents of its inputs set. Throws Error naming an input that is not there or does not fit.
void set_input_shapes(Graph& graph, const InputShapes& shapes);

}  // namespace tercel
