// Graph -> ONNX bytes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "graph/graph.h"

namespace tercel::onnx {

/// The lowest opset in which every standard node of the graph has the form it has here (at least 13).
/// Throws Error naming a node of the engine's, which no file can hold.
int64_t needed_opset(const Graph& graph);

/// Where the elements of a constant lie if not in the model itself; empty: in the model.
using Elsewhere = std::function<std::string(const Value&)>;

/// How operators of Tercel's own are written: with a function that says the same in standard operators, so that other
/// tools run the model, or without, for a file that only Tercel reads.
enum class OwnOperators { with_standard_form, alone };

/// A ModelProto that any ONNX runtime of that opset loads. Throws Error for an operator of ours that has no standard
/// form where one is wanted, and Error(limit) above protobuf's 2 GiB.
std::string write_model(const Graph& graph, const Elsewhere& elsewhere = {},
                        OwnOperators own = OwnOperators::with_standard_form);

/// Writes the file whole or not at all.
void write_model(const Graph& graph, const std::filesystem::path& path);

}  // namespace tercel::onnx
