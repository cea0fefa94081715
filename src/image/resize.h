#pragma once

#include "tercel/image.h"

namespace tercel::inline image {

struct PixelBox {
  int x = 0, y = 0, width = 0, height = 0;
};

/// `part` of what resize(image, width, height, interpolation) gives, and only that is computed. The part lies inside.
Image resize_part(const Image& image, int width, int height, Interpolation interpolation, const PixelBox& part);

}  // namespace tercel::inline image
