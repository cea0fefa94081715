// Numbers in and out: what a session is given and gives back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tercel/export.h"

namespace tercel {

/// Element types.
enum class DType : uint8_t { none, f32, f64, f16, bf16, i8, u8, i16, u16, i32, u32, i64, u64, boolean };

/// Bytes per element.
TERCEL_API size_t size_of(DType dtype);

/// The word used in text, errors and JSON: "f32", "i64", "bool".
TERCEL_API std::string_view to_string(DType dtype);

/// Dense, row-major elements that the array owns.
class TERCEL_API Array {
 public:
  Array() = default;
  /// Zeros. Throws Error for negative extents and for sizes no machine holds.
  Array(DType dtype, std::vector<int64_t> dims);
  /// Floats; their number must fit the extents.
  Array(std::vector<int64_t> dims, std::span<const float> values);

  /// Reads `.npy` (NumPy, little-endian, C order) or `.pb` (one ONNX TensorProto), told apart by their first bytes.
  static Array open(const std::filesystem::path& path);
  /// Writes the format that the ending names, `.npy` or `.pb`; whole or not at all. `name` goes into `.pb` files.
  void save(const std::filesystem::path& path, std::string_view name = "") const;

  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  int64_t elements() const;

  const std::byte* data() const { return bytes_.data(); }
  std::byte* data() { return bytes_.data(); }
  size_t bytes() const { return bytes_.size(); }

  /// The elements of an f32 array. Throws Error for other types: use to_floats().
  std::span<const float> floats() const;
  std::span<float> floats();
  /// Elements of any type, converted.
  std::vector<float> to_floats() const;

 private:
  DType dtype_ = DType::none;
  std::vector<int64_t> dims_;
  std::vector<std::byte> bytes_;
};

/// Elements that somebody else owns: dense, row-major, at any address. The memory must outlive the view.
struct TERCEL_API ArrayView {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  const std::byte* data = nullptr;

  ArrayView() = default;
  ArrayView(DType type, std::vector<int64_t> extents, const void* elements)
      : dtype(type), dims(std::move(extents)), data(static_cast<const std::byte*>(elements)) {}
  ArrayView(const Array& array) : ArrayView(array.dtype(), array.dims(), array.data()) {}

  size_t bytes() const;  ///< throws Error for extents that no machine holds
  Array copy() const;    ///< throws Error for such extents
};

/// The same, to be written.
struct TERCEL_API MutableArrayView {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  std::byte* data = nullptr;

  MutableArrayView() = default;
  MutableArrayView(DType type, std::vector<int64_t> extents, void* elements)
      : dtype(type), dims(std::move(extents)), data(static_cast<std::byte*>(elements)) {}
  MutableArrayView(Array& array) : MutableArrayView(array.dtype(), array.dims(), array.data()) {}

  size_t bytes() const;  ///< throws Error for extents that no machine holds
};

}  // namespace tercel
