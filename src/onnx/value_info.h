// ValueInfoProto: the name and type of an input or output.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "onnx/protozero.h"

namespace tercel::onnx {

constexpr size_t kMaxRank = 32;

struct ValueInfo {
  std::string name;
  ValueType type;
  std::vector<std::string> dim_names;  ///< symbols of extents that are open, else empty
};

/// Throws Error for what is no tensor, types Tercel does not hold, and extents that are none.
ValueInfo read_value_info(const protozero::pbf_reader& message);

}  // namespace tercel::onnx
