// Lossless coding of constants: the smallest of several codings.
#pragma once

#include <string>

#include "codec/codec.h"
#include "pack/file_fields.h"
#include "tensor/tensor.h"

namespace tercel::pack {

struct Exact {
  bool in_graph = false;  ///< smallest in the graph, which Zstandard compresses
  RecordKind kind = RecordKind::planes;
  std::string stream;  ///< empty in the graph
  int64_t bytes = 0;   ///< that the file grows by, about
};

Exact code_exactly(const Tensor& constant, const codec::EncodeOptions& options);

/// Integers of 8 bits as levels: the first axis is the rows, the last two of four are kernels; u8 counts from 128.
codec::MatrixShape shape_of_integers(const Dims& dims);
int32_t zero_of_integers(DType dtype);

}  // namespace tercel::pack
