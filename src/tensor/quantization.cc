#include "tensor/quantization.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tercel::inline tensor {

bool same_quantization(const QuantizationPtr& a, const QuantizationPtr& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

std::string to_string(const Quantization& q) {
  if (q.per_tensor()) return fmt::format("{{scale = {}, zero = {}}}", q.scales.at(0), q.zeros.at(0));
  return fmt::format("{{axis = {}, scale = [{}], zero = [{}]}}", q.axis, fmt::join(q.scales, ", "),
                     fmt::join(q.zeros, ", "));
}

}  // namespace tercel::inline tensor
