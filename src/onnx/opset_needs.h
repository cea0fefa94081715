// What a node needs of the opset it is written in.
#pragma once

#include "graph/graph.h"

namespace tercel::onnx {

/// The opsets in which ONNX has a node like this: its operator, its attributes, its operands and their types.
struct OpsetRange {
  int64_t since, until;
};

/// Throws Error for what no opset up to kNewestOpset has.
OpsetRange allowed_opsets(const Node& node);

}  // namespace tercel::onnx
