#include "kernels/reorder.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"

namespace tercel {
namespace {

// rows x columns to columns x rows, in square tiles that stay in the first-level cache.
template <typename T>
void transpose(const std::byte* src_bytes, std::byte* dst_bytes, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(r0 + kTile, rows);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t c1 = std::min(c0 + kTile, columns);
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c)
          std::memcpy(dst_bytes + (c * rows + r) * static_cast<int64_t>(sizeof(T)),
                      src_bytes + (r * columns + c) * static_cast<int64_t>(sizeof(T)), sizeof(T));
    }
  }
}

class ReorderKernel final : public Kernel {
 public:
  ReorderKernel(DType dtype, Dims dims, Layout from) : dtype_(dtype), dims_(std::move(dims)), from_(from) {}
  void run(const Args& args) const override { reorder(args.src[0], args.dst[0], dtype_, dims_, from_); }

 private:
  DType dtype_;
  Dims dims_;
  Layout from_;
};

}  // namespace

bool layouts_coincide(const Dims& dims) { return dims.size() != 4 || dims[1] == 1 || dims[2] * dims[3] == 1; }

Dims physical_dims(const Dims& dims, Layout layout) {
  if (layout == Layout::plain || dims.size() != 4) return dims;
  return {dims[0], dims[2], dims[3], dims[1]};
}

int64_t physical_axis(int64_t axis, int64_t rank, Layout layout) {
  if (layout == Layout::plain || rank != 4) return axis;
  constexpr int64_t kPlace[] = {0, 3, 1, 2};
  return kPlace[axis];
}

void reorder(const std::byte* src, std::byte* dst, DType dtype, const Dims& dims, Layout from) {
  TERCEL_CHECK(dims.size() == 4);
  const int64_t channels = dims[1], pixels = dims[2] * dims[3];
  const int64_t rows = from == Layout::plain ? channels : pixels;
  const int64_t columns = from == Layout::plain ? pixels : channels;
  const int64_t image = rows * columns;
  if (image == 0) return;
  const auto size = static_cast<int64_t>(size_of(dtype));
  for (int64_t n = 0; n < dims[0]; ++n) {
    const std::byte* from_image = src + n * image * size;
    std::byte* to_image = dst + n * image * size;
    switch (size) {
      case 1: transpose<uint8_t>(from_image, to_image, rows, columns); break;
      case 2: transpose<uint16_t>(from_image, to_image, rows, columns); break;
      case 4: transpose<uint32_t>(from_image, to_image, rows, columns); break;
      default: transpose<uint64_t>(from_image, to_image, rows, columns);
    }
  }
}

std::unique_ptr<Kernel> make_reorder(DType dtype, const Dims& dims, Layout from) {
  return std::make_unique<ReorderKernel>(dtype, dims, from);
}

}  // namespace tercel
