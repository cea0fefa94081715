// A tensor that owns its elements, or shares ownership of the file they lie in.
#pragma once

#include <cstring>
#include <initializer_list>
#include <memory>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/view.h"

namespace tercel {

/// Copies share the elements; elements of a shared tensor are not to be changed (mutable_data checks that).
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised elements.
  Tensor(DType dtype, Dims dims);

  /// Elements at `data`, which `owner` keeps alive. Any alignment. `mapped`: they lie in a mapped file.
  Tensor(DType dtype, Dims dims, const std::byte* data, std::shared_ptr<const void> owner, bool mapped = false);

  template <typename T>
  static Tensor of(Dims dims, const std::vector<T>& values) {
    Tensor tensor(dtype_of<T>(), std::move(dims));
    TERCEL_CHECK(tensor.elements() == static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(tensor.mutable_data())[i] = values[i];
    return tensor;
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, std::vector<T>{value});
  }

  explicit operator bool() const { return dtype_ != DType::none; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t elements() const { return count_elements(dims_); }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype_); }

  const std::byte* data() const { return data_; }
  std::byte* mutable_data();  ///< only while nobody shares the elements

  /// Element i; works for any alignment.
  template <typename T>
  T at(int64_t i) const {
    TERCEL_CHECK(dtype_ == dtype_of<T>() && i >= 0 && i < elements());
    T value;
    std::memcpy(&value, data_ + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    return value;
  }

  /// All elements as integers (any integer or bool type) or as doubles (any type). Throws Error for other types.
  std::vector<int64_t> to_ints() const;
  std::vector<double> to_doubles() const;

  /// This tensor if its elements are aligned for their type, else an aligned copy.
  Tensor aligned() const;

  /// The same elements under another shape of the same size.
  Tensor reshaped(Dims dims) const;

  /// Elements of a mapped file: lets their memory go until they are read again. Otherwise nothing.
  void release() const;

  /// For kernels, which take View for sources too; sources are never written.
  View view() const { return {dtype_, dims_, const_cast<std::byte*>(data_)}; }

  bool operator==(const Tensor& other) const;  ///< same type, shape and bytes

 private:
  DType dtype_ = DType::none;
  Dims dims_;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  bool mapped_ = false;
};

}  // namespace tercel
