#include "kernels/ref/copy.h"

namespace tercel::inline kernels {

void copy_by_tables(const View& dst, const View& src, const std::vector<std::vector<int64_t>>& tables,
                    const View& fill) {
  if (dst.elements() == 0) return;
  if (tables.empty()) return copy_run(dst, 0, src, 0, 1);
  const size_t last = tables.size() - 1;
  const Dims strides = row_major_strides(src.dims);
  const Dims outer(dst.dims.begin(), dst.dims.end() - 1);
  Dims index(last, 0);
  visit_width(size_of(dst.dtype), [&](auto width) {
    for (int64_t row = 0, rows = count_elements(outer); row < rows; ++row) {
      int64_t base = 0;
      bool nowhere = false;
      for (size_t axis = 0; axis < last; ++axis) {
        const int64_t from = tables[axis][static_cast<size_t>(index[axis])];
        nowhere |= from == kNowhere;
        base += from * strides[axis];
      }
      const std::vector<int64_t>& table = tables[last];
      const auto length = static_cast<int64_t>(table.size());
      for (int64_t i = 0; i < length; ++i) {
        const int64_t from = table[static_cast<size_t>(i)];
        if (nowhere || from == kNowhere) copy_element<width>(dst, row * length + i, fill, 0);
        else copy_element<width>(dst, row * length + i, src, base + from);
      }
      for (size_t axis = last; axis-- > 0;) {
        if (++index[axis] < outer[axis]) break;
        index[axis] = 0;
      }
    }
  });
}

}  // namespace tercel::inline kernels
