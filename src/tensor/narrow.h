// f32 values as elements of the floating type they are kept in.
#pragma once

#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tercel::inline tensor {

/// Rounded to nearest even; what is finite stays finite: beyond the type's largest number it becomes that.
/// `out` holds as many elements of the floating type `dtype`.
void narrow(std::span<const float> values, DType dtype, std::byte* out);

/// Elements of a floating type as f32: exact, but f64 is rounded.
std::vector<float> to_floats(const Tensor& tensor);

}  // namespace tercel::inline tensor
