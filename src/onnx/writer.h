// Graph -> ONNX bytes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "graph/graph.h"

namespace tercel::onnx {

/// The lowest opset in which every node of the graph has the form it has here (at least 13).
/// Throws Error naming a node that ONNX has no operator for.
int64_t needed_opset(const Graph& graph);

/// Where the elements of a constant lie if not in the model itself; empty: in the model.
using Elsewhere = std::function<std::string(const Value&)>;

/// A ModelProto that any ONNX runtime of that opset loads. Throws Error(limit) above protobuf's 2 GiB.
std::string write_model(const Graph& graph, const Elsewhere& elsewhere = {});

/// Writes the file whole or not at all.
void write_model(const Graph& graph, const std::filesystem::path& path);

}  // namespace tercel::onnx
