#include "kernels/reorder.h"

#include "kernels/simd/strided_copy.h"

namespace tercel::inline kernels {
namespace {

/// What both layouts have in common are the index tuples; the strides differ.
StridedCopy layout_change(DType dtype, const Dims& dims, Layout from) {
  TERCEL_CHECK(dims.size() == 4);
  const Layout to = from == Layout::plain ? Layout::channels_last : Layout::plain;
  return StridedCopy(dims, strides_in(dims, from), strides_in(dims, to), size_of(dtype));
}

class ReorderKernel final : public Kernel {
 public:
  explicit ReorderKernel(StridedCopy copy) : copy_(std::move(copy)) {}
  void run(const Args& args) const override { copy_.run(args.src[0], args.dst[0]); }

 private:
  StridedCopy copy_;
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
  layout_change(dtype, dims, from).run(src, dst);
}

std::unique_ptr<Kernel> make_reorder(DType dtype, const Dims& dims, Layout from) {
  return std::make_unique<ReorderKernel>(layout_change(dtype, dims, from));
}

}  // namespace tercel::inline kernels
