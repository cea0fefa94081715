// Model files that are not ONNX, known by their first bytes.
#pragma once

#include <cstddef>
#include <span>

namespace tercel::onnx {

/// Throws Error that names the format and the way to ONNX, where these are the bytes of a model of another kind (or of
/// what downloads leave in its place). What is not known by its first bytes is left to the parser.
void refuse_other_formats(std::span<const std::byte> bytes);

}  // namespace tercel::onnx
