// The minimal filtering algorithms F(M x M, 3 x 3) of Winograd (1980) as Toom and Cook build them: a tile of M + 2
// inputs a side is evaluated at M + 1 points and at infinity, multiplied there, and interpolated to M outputs a side.
//
// All points but 0 and infinity come in pairs +-p, so that sums over even and odd terms serve both. With
// Q(x) = product over pairs of x^2 - p^2, and Q_i the same without pair i:
//
//   input   at 0: Q(x)    at +-p_i: (x^2 +- p_i x) Q_i(x)    at infinity: x Q(x), as coefficients of the tile's inputs
//   kernel  at 0: g0 / Q(0)    at +-p_i: (g0 +- p_i g1 + p_i^2 g2) / (2 p_i^2 Q_i(p_i))    at infinity: g2
//   output  r: sum over points of x^r times the product there, and the product at infinity for the last r
#pragma once

#include <array>
#include <cstdint>

namespace tercel::inline kernels {

template <int M>
struct WinogradPoints;

// The points decide how much rounding grows (error_growth below). +-1 and +-2, which papers use for M = 4, let it
// grow 2.3 times as much on average as these, whose powers and products are exact floats, too.
template <>
struct WinogradPoints<2> {
  static constexpr std::array<double, 1> kPairs = {1};
};
template <>
struct WinogradPoints<4> {
  static constexpr std::array<double, 2> kPairs = {0.625, 1.5};
};

template <int M>
struct Winograd {
  static constexpr int kTile = M + 2, kPairs = M / 2;
  static constexpr double point(int pair) { return WinogradPoints<M>::kPairs[static_cast<size_t>(pair)]; }

  /// Coefficient of x^(2k) in Q; without pair `but`, where that is one.
  static constexpr double q(int k, int but = -1) {
    std::array<double, kPairs + 1> c{1};
    for (int i = 0; i < kPairs; ++i) {
      if (i == but) continue;
      for (size_t j = kPairs; j > 0; --j) c[j] = c[j - 1] - point(i) * point(i) * c[j];
      c[0] *= -point(i) * point(i);
    }
    return c[static_cast<size_t>(k)];
  }
  /// What the kernel's value at +-p_i is divided by.
  static constexpr double divisor(int pair) {
    double value = 0, power = 1;
    for (int k = 0; k < kPairs; ++k, power *= point(pair) * point(pair)) value += q(k, pair) * power;
    return 2 * point(pair) * point(pair) * value;
  }
  static constexpr double power(int pair, int exponent) {
    double value = 1;
    for (int i = 0; i < exponent; ++i) value *= point(pair);
    return value;
  }

  /// How much rounding may grow against products that are summed as they are, whatever the kernel: the largest sum over
  /// positions of |output coefficient| * sum of |input coefficients| * |kernel coefficient|, squared for two axes. (The
  /// componentwise form of the bound of Barabasz, Anderson, Soodhalter, Gregg, "Error analysis and improving the
  /// accuracy of Winograd convolution for deep neural networks", ACM TOMS 46(4), 2020, arXiv 1803.10986.)
  static constexpr double error_growth() {
    double most = 0;
    for (int r = 0; r < M; ++r)
      for (int k = 0; k < 3; ++k) {
        double inputs = 0;
        for (int j = 0; j <= kPairs; ++j) inputs += abs(q(j));
        double sum = (r == 0 && k == 0 ? inputs / abs(q(0)) : 0) + (r == M - 1 && k == 2 ? inputs : 0);
        for (int i = 0; i < kPairs; ++i) {
          double near = 0;
          for (int j = 0; j < kPairs; ++j) near += abs(q(j, i)) * (1 + point(i));
          sum += 2 * power(i, r) * near * power(i, k) / abs(divisor(i));
        }
        most = sum > most ? sum : most;
      }
    return most * most;
  }

  /// What the kernel's taps count at position y.
  static constexpr double kernel(int y, int tap) {
    if (y == 0) return tap == 0 ? 1 / q(0) : 0;
    if (y == kTile - 1) return tap == 2 ? 1 : 0;
    const int pair = (y - 1) / 2;
    return power(pair, tap) / divisor(pair) * (y % 2 == 0 && tap == 1 ? -1 : 1);
  }

 private:
  static constexpr double abs(double x) { return x < 0 ? -x : x; }
};

/// Winograd<M>::kernel.
template <int M>
inline constexpr auto kKernelRows = [] {
  std::array<std::array<float, 3>, M + 2> rows{};
  for (int y = 0; y < M + 2; ++y)
    for (int tap = 0; tap < 3; ++tap)
      rows[static_cast<size_t>(y)][static_cast<size_t>(tap)] = static_cast<float>(Winograd<M>::kernel(y, tap));
  return rows;
}();

}  // namespace tercel::inline kernels
