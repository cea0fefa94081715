// The recipes of n-MNIST (Basu et al. 2015), whose published files are MATLAB's: noise by awgn(x, 9.5), motion by
// fspecial('motion', 5, 15) with replicated borders, contrast halved and then awgn(x, 12).
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/rng.h"
#include "tercel/data.h"

namespace tercel {
namespace {

constexpr double kAwgnDecibels = 9.5, kContrastDecibels = 12, kContrast = 0.5;
constexpr int kReach = 2;  // of the blur: 5 pixels

using BlurKernel = std::array<std::array<double, 2 * kReach + 1>, 2 * kReach + 1>;

/// A segment of length 5 at 15 degrees, drawn with soft edges: a pixel's weight falls with its distance from the line
/// (from the nearer end, for pixels as far out as the ends), to nothing at 1.
BlurKernel motion_kernel() {
  const double angle = 15 * std::numbers::pi / 180, half = kReach;
  BlurKernel kernel{};
  double sum = 0;
  for (int row = -kReach; row <= kReach; ++row)
    for (int column = -kReach; column <= kReach; ++column) {
      const double x = column, y = -row;  // up is positive
      double distance = std::fabs(y * std::cos(angle) - x * std::sin(angle));
      if (std::hypot(x, y) >= half) {
        // Along the line: where the foot of the perpendicular lies, measured from the end.
        const double along = std::fabs(x * std::cos(angle) + y * std::sin(angle)) - half;
        distance = std::hypot(distance, along);
      }
      double& weight = kernel[static_cast<size_t>(row + kReach)][static_cast<size_t>(column + kReach)];
      weight = std::max(0.0, 1 - distance);
      sum += weight;
    }
  for (auto& row : kernel)
    for (double& weight : row) weight /= sum;
  return kernel;
}

std::vector<double> blurred(const std::vector<double>& levels, int width, int height) {
  static const BlurKernel kernel = motion_kernel();
  std::vector<double> out(levels.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      double sum = 0;
      for (int dy = -kReach; dy <= kReach; ++dy)
        for (int dx = -kReach; dx <= kReach; ++dx) {
          const int from_y = std::clamp(y + dy, 0, height - 1), from_x = std::clamp(x + dx, 0, width - 1);
          sum += kernel[static_cast<size_t>(dy + kReach)][static_cast<size_t>(dx + kReach)] *
                 levels[static_cast<size_t>(from_y * width + from_x)];
        }
      out[static_cast<size_t>(y * width + x)] = sum;
    }
  return out;
}

double contrast_of(NoisyMnistVariant variant) { return variant == NoisyMnistVariant::contrast ? kContrast : 1; }

}  // namespace

NoisyMnistVariant parse_noisy_mnist_variant(std::string_view word) {
  if (word == "awgn") return NoisyMnistVariant::awgn;
  if (word == "motion") return NoisyMnistVariant::motion;
  if (word == "contrast") return NoisyMnistVariant::contrast;
  fail_input("there is no variant '{}' of noisy MNIST: wanted awgn, motion or contrast", word);
}

SnrReading parse_snr_reading(std::string_view word) {
  if (word == "default") return SnrReading::assumed;
  if (word == "measured") return SnrReading::measured;
  fail_input("there is no reading '{}' of the signal-to-noise ratio: wanted default or measured", word);
}

double noisy_mnist_sigma(const GreyPictures& pictures, const NoisyMnistOptions& options) {
  if (options.variant == NoisyMnistVariant::motion) return 0;
  double power = 1;
  if (options.snr == SnrReading::measured) {
    double squares = 0;
    for (const uint8_t level : pictures.pixels) squares += static_cast<double>(level) * level / (255.0 * 255.0);
    const double contrast = contrast_of(options.variant);
    power = contrast * contrast * squares / static_cast<double>(std::max<size_t>(pictures.pixels.size(), 1));
  }
  const double decibels = options.variant == NoisyMnistVariant::awgn ? kAwgnDecibels : kContrastDecibels;
  return std::sqrt(power * std::pow(10.0, -decibels / 10));
}

GreyPictures noisy_mnist(const GreyPictures& pictures, const NoisyMnistOptions& options, double sigma) {
  if (!(sigma >= 0) || !std::isfinite(sigma)) fail_input("sigma is {}, wanted a number of 0 or more", sigma);
  GreyPictures out = pictures;
  const double contrast = contrast_of(options.variant);
  Rng rng(options.seed);
  std::vector<double> levels(pictures.picture_size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    const uint8_t* from = pictures.pixels.data() + i * levels.size();
    for (size_t k = 0; k < levels.size(); ++k) levels[k] = contrast * from[k] / 255;
    if (options.variant == NoisyMnistVariant::motion) levels = blurred(levels, pictures.width, pictures.height);
    uint8_t* to = out.pixels.data() + i * levels.size();
    for (size_t k = 0; k < levels.size(); ++k) {
      const double noise = sigma > 0 ? sigma * rng.normal() : 0;
      to[k] = static_cast<uint8_t>(std::lround(std::clamp(levels[k] + noise, 0.0, 1.0) * 255));
    }
  }
  return out;
}

}  // namespace tercel
