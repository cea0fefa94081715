#pragma once

#include "tercel/image.h"

namespace tercel::inline image {

/// Sides of a network's input and of the resized picture: settings come with models, and models from strangers.
constexpr int kMaxInputSide = 8192;
/// Pixels of the longer side after resizing; only the crop of it is ever computed.
constexpr int64_t kMaxResizedSide = int64_t{1} << 26;

/// Throws Error naming the field: sizes outside 1..kMaxInputSide, numbers that are not finite, a deviation or scale of
/// 0.
void validate(const Preprocessing& how);

}  // namespace tercel::inline image
