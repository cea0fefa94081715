// `.tercel` files: a graph with its constants coded. docs/format.md describes the bytes.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "codec/quantized_matrix.h"
#include "graph/graph.h"
#include "onnx/reader.h"

namespace tercel::pack {

/// A constant of a floating type as a matrix of levels; `transposed` where the constant holds columns x rows.
struct CodedMatrix {
  std::shared_ptr<const codec::QuantizedMatrix> matrix;
  bool transposed = false;
};
/// A constant of a floating type as levels with one step (codec::step_of); all vectors share one stream.
struct CodedVector {
  uint8_t step = 0;
  std::vector<int32_t> levels;
};
/// Every bit as it is.
struct Lossless {};

using Coding = std::variant<CodedMatrix, CodedVector, Lossless>;

/// About how many bytes of a file the constant takes where it is Lossless.
int64_t lossless_bytes(const Tensor& constant, const codec::EncodeOptions& options = {});

/// The file's bytes. Constants that `codings` does not name stay in the graph as they are; so do those that are
/// Lossless where that takes no more bytes. Throws Error where the graph holds operators of the engine.
std::string write(const Graph& graph, const std::map<std::string, Coding>& codings,
                  const codec::EncodeOptions& options = {});

/// How the bytes of a file are spent.
struct Sizes {
  int64_t graph = 0, directory = 0, vectors = 0, matrices = 0, lossless = 0;
};

/// Does it start like a `.tercel` file?
bool is_packed(std::span<const std::byte> bytes);

/// The graph with all constants as they were coded. Throws Error that names the tensor whose stream is damaged: all
/// checksums are compared here. Where `owner` keeps the bytes alive, matrices are decoded lazily, when their
/// elements are read, and again after Tensor::release(); without, here. Decoding takes as many threads as
/// base/threads.h says.
onnx::ReadResult read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);
Sizes sizes(std::span<const std::byte> bytes);

}  // namespace tercel::pack
