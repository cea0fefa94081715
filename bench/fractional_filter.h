// Kernels as fractional derivatives of a Gaussian: few numbers for a whole kernel, whatever its size.
//
// A 2-D Gaussian, differentiated in y and in x by orders that need not be whole (Zamora et al. 2021, "Convolutional
// Filter Approximation Using Fractional Calculus", ICCVW): K(y, x) = gain * D^a G(y) * D^b G(x). It is a product of a
// column and a row, so its rank is 1 and best_rank_one() is a bound on what it can reach.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tercel {

/// First `terms` coefficients of the Gruenwald-Letnikov derivative: (-1)^n binomial(order, n). Those of a whole order
/// are 0 past n = order.
std::vector<double> gl_coefficients(double order, int terms);

/// One axis of a filter, in pixels; pixel i of a kernel lies at i.
struct FractionalAxis {
  double centre = 0;  ///< of the Gaussian, before it is differentiated
  double sigma = 1;   ///< > 0
  double order = 0;   ///< 0: the Gaussian itself; 1: its slope; 2: its curvature
};

/// D^order of exp(-u^2 / (2 sigma^2)) at the `length` pixels: h^-order * sum_n c_n G(x - centre - n h), h = 1/2 pixel,
/// with as many terms as span the kernel, but not fewer than 15. One-sided: whole orders are backward differences,
/// whose middle lies order * h / 2 right of the centre.
std::vector<double> fractional_profile(const FractionalAxis& axis, int64_t length);

struct FractionalFilter {
  double gain = 0;
  FractionalAxis y, x;
};

/// height x width, row-major.
std::vector<double> evaluate(const FractionalFilter& filter, int64_t height, int64_t width);

/// d evaluate / d (gain, y.centre, y.order, x.centre, x.order, ln y.sigma, ln x.sigma): height * width x 7, row-major.
std::vector<double> evaluate_jacobian(const FractionalFilter& filter, int64_t height, int64_t width);

/// How many widths a filter has: one for both axes (6 numbers a kernel, Zamora's) or one each (7).
enum class Sigmas { one, two };

/// Least squares fit to a row-major kernel: Levenberg-Marquardt inside the box of FractionalGrid, from the best of a
/// grid of profiles for each of six widths (and, for two sigmas, of all of them). The same answer every time. Kernels
/// of zeros give gain 0. Throws Error for elements that are not finite.
FractionalFilter fit_fractional(std::span<const float> kernel, int64_t height, int64_t width,
                                Sigmas sigmas = Sigmas::one);

/// column * row' is the matrix of rank 1 nearest to a kernel (Eckart and Young 1936); both have the same norm.
struct RankOne {
  std::vector<double> column, row;
};

/// Throws Error for elements that are not finite.
RankOne best_rank_one(std::span<const float> kernel, int64_t height, int64_t width);

/// What a filter's shape may be and how it becomes whole numbers: centres from -1 to `length` on 2 * `levels` places,
/// orders from 0 to 2 and the logarithm of sigma from 0.3 to max(2, length) on `levels` places each.
struct FractionalGrid {
  int64_t height = 1, width = 1;
  int levels = 16;  ///< >= 2
  Sigmas sigmas = Sigmas::one;

  static constexpr int kShape = 6;  ///< y.centre, y.order, x.centre, x.order, y.sigma, x.sigma
  std::array<double, kShape> low() const, high() const;
  int shape_numbers() const { return sigmas == Sigmas::one ? kShape - 1 : kShape; }
  int places(int number) const { return number == 0 || number == 2 ? 2 * levels : levels; }
};

/// A filter in whole numbers. The gain stands for a multiple of `gain_step` of the filter of norm 1, so that its error
/// weighs like that of a single weight.
struct FractionalLevels {
  int32_t gain = 0;
  std::array<int, FractionalGrid::kShape> shape{};  ///< 0 <= shape[i] < grid.places(i)
};

/// The nearest places to `filter`, then single steps from place to place as long as they bring it nearer to `kernel`;
/// the gain last, its magnitude between `least` and `most` (0: no bound).
FractionalLevels quantize_fractional(const FractionalFilter& filter, std::span<const float> kernel,
                                     const FractionalGrid& grid, double gain_step, int32_t least = 0, int32_t most = 0);

/// The kernel that levels stand for, height x width.
std::vector<double> evaluate(const FractionalLevels& levels, const FractionalGrid& grid, double gain_step);

}  // namespace tercel
