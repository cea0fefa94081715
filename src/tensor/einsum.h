// Einstein summation equations ("bij,bjk->bik"), as numbers. Shape rule and kernel read the same one.
#pragma once

#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace tercel::inline tensor {

/// Labels of all axes, operand by operand. Labels count from 0; axes that an ellipsis stands for have labels of their
/// own, aligned at the innermost one, as broadcasting does.
struct EinsumPlan {
  std::vector<std::vector<int>> operands;
  std::vector<int> result;
  Dims extents;  ///< per label, kUnknown where it is not known; the result's labels come first, in the result's order
  Dims result_dims() const { return {extents.begin(), extents.begin() + static_cast<std::ptrdiff_t>(result.size())}; }
};

/// Throws Error for an equation that cannot be read, or that does not fit the shapes (extents may be kUnknown).
/// Without "->" the result has the ellipsis axes, then the letters that occur once, in alphabetical order.
EinsumPlan plan_einsum(std::string_view equation, const std::vector<Dims>& shapes);

}  // namespace tercel::inline tensor
