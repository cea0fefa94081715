// A look at a tensor's elements: what kernels are given.
#pragma once

#include <span>

#include "base/check.h"
#include "tensor/dtype.h"
#include "tensor/quantization.h"
#include "tensor/shape.h"

namespace tercel::inline tensor {

/// Dense row-major elements that somebody else owns. A missing optional operand has dtype none and no data.
/// `data` may lie at any address when it points into a mapped file: kernels that dereference T* must see aligned data
/// (Tensor::aligned), packers read with load_unaligned.
struct View {
  DType dtype = DType::none;
  Dims dims;
  std::byte* data = nullptr;
  const Quantization* quantization = nullptr;  ///< what levels stand for

  explicit operator bool() const { return dtype != DType::none; }
  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t elements() const { return count_elements(dims); }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype); }

  template <typename T>
  T* as() const {
    TERCEL_CHECK(dtype == dtype_of<T>(), "view holds {}, asked for {}", to_string(dtype), to_string(dtype_of<T>()));
    return reinterpret_cast<T*>(data);
  }
};

}  // namespace tercel::inline tensor
