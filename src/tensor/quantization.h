// What levels (whole numbers) stand for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tercel::inline tensor {

/// A level stands for (level - zero point) * scale: one scale and zero point for all, or one pair for each place along
/// an axis.
struct Quantization {
  std::vector<float> scales;
  std::vector<int32_t> zeros;  ///< as many
  int64_t axis = -1;           ///< -1: one for all

  bool per_tensor() const { return axis < 0; }
  float scale(int64_t place) const { return scales[per_tensor() ? 0 : static_cast<size_t>(place)]; }
  int32_t zero(int64_t place) const { return zeros[per_tensor() ? 0 : static_cast<size_t>(place)]; }
  bool operator==(const Quantization&) const = default;
};

/// Shared and never changed; nullptr: elements stand for themselves.
using QuantizationPtr = std::shared_ptr<const Quantization>;

bool same_quantization(const QuantizationPtr& a, const QuantizationPtr& b);

/// "{scale = 0.5, zero = 128}", "{axis = 0, scale = [0.5, 0.25], zero = [0, 0]}".
std::string to_string(const Quantization& quantization);

/// The types whose levels products and sums take: u8 and i8.
inline bool is_level_type(DType dtype) { return dtype == DType::u8 || dtype == DType::i8; }

}  // namespace tercel::inline tensor
