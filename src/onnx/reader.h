// ONNX bytes -> Graph.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tercel::onnx {

inline constexpr int64_t kOldestOpset = 7;
inline constexpr int64_t kNewestOpset = 22;

struct ReadResult {
  Graph graph;
  std::vector<std::string> warnings;  ///< what is odd but can be lived with: NaN or infinite weights
};

/// Maps the file; initialisers stay in it until somebody needs them elsewhere.
/// Throws Error with a trail file: node: attribute.
ReadResult read_model(const std::filesystem::path& path);

/// The same from memory that `owner` keeps alive. External data is refused:
/// there is no folder to look in.
ReadResult read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace tercel::onnx
