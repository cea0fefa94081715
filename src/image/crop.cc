#include <algorithm>
#include <cstring>

#include "tercel/image.h"

namespace tercel {
namespace {

struct Overlap {
  int64_t from = 0;  ///< in the picture
  int64_t to = 0;    ///< in the part
  int64_t length = 0;
};

/// Where [start, start + length) and [0, size) meet.
Overlap overlap(int64_t start, int64_t length, int64_t size) {
  const int64_t begin = std::clamp<int64_t>(start, 0, size);
  const int64_t end = std::clamp<int64_t>(start + length, 0, size);
  return {begin, begin - start, end - begin};
}

}  // namespace

Image crop(const Image& image, int x, int y, int width, int height) {
  Image part(width, height);
  const Overlap columns = overlap(x, width, image.width());
  const Overlap rows = overlap(y, height, image.height());
  if (columns.length == 0) return part;
  for (int64_t i = 0; i < rows.length; ++i)
    std::memcpy(part.row(static_cast<int>(rows.to + i)) + columns.to * 3,
                image.row(static_cast<int>(rows.from + i)) + columns.from * 3, static_cast<size_t>(columns.length) * 3);
  return part;
}

}  // namespace tercel
