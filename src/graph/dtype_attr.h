// Attributes that name an element type: a number in ONNX files, a word in graphs.
#pragma once

#include <string_view>

#include "graph/graph.h"

namespace tercel::inline graph {

inline bool names_dtype(const Node& node, std::string_view attribute) {
  if (attribute == "output_datatype")
    return node.is("BlackmanWindow") || node.is("HammingWindow") || node.is("HannWindow");
  return (attribute == "to" && node.is("Cast")) || (attribute == "dtype" && node.is("EyeLike"));
}

}  // namespace tercel::inline graph
