// The cubic convolution kernel of Keys (1981), "Cubic convolution interpolation for digital image processing".
#pragma once

namespace tercel::inline kernels {

/// Weight of a sample at `distance` >= 0; a is the slope at distance 1 (-0.5: Catmull-Rom, -0.75: common in networks).
inline double cubic_weight(double distance, double a) {
  const double d = distance;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

}  // namespace tercel::inline kernels
