// ONNX bytes -> Graph.
#pragma once

#include <filesystem>
#include <functional>
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
  int64_t bytes = 0;                  ///< read: of the model, and of each file that elements lie in
};

/// Maps the file; initializers stay in it until somebody needs them elsewhere.
/// Throws Error with a trail file: node: attribute.
ReadResult read_model(const std::filesystem::path& path);

/// The same from memory that `owner` keeps alive. Elements that lie elsewhere come from `elsewhere` (name, location,
/// type, extents); without it they are refused: there is no folder to look in.
using ReadElsewhere = std::function<Tensor(std::string_view name, std::string_view location, DType, const Dims&)>;
ReadResult read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                      ReadElsewhere elsewhere = {});

}  // namespace tercel::onnx
