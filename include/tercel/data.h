// Data sets of small grey pictures: IDX files, as MNIST and its kin come, and noisy MNIST made from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/export.h"
#include "tercel/image.h"

namespace tercel {

/// Grey pictures of one size, with their classes where these are known.
struct TERCEL_API GreyPictures {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;  ///< picture after picture, rows top to bottom
  std::vector<int> classes;     ///< one a picture, or empty

  size_t size() const { return pixels.empty() ? 0 : pixels.size() / picture_size(); }
  size_t picture_size() const { return static_cast<size_t>(width) * static_cast<size_t>(height); }
  /// Picture i with three equal channels.
  Image image(size_t i) const;
};

/// Reads an IDX file of pictures (magic 00 00 08 03) and, where named, one of labels (00 00 08 01); gzip too. Every
/// length is compared with what is there before memory is taken. Throws Error naming the file: not found, not IDX, cut
/// short, bytes left over, other numbers of pictures and labels.
TERCEL_API GreyPictures read_idx(const std::filesystem::path& pictures, const std::filesystem::path& labels = {});

/// The files of a folder as MNIST names them: PART-images-idx3-ubyte and PART-labels-idx1-ubyte, with .gz or without;
/// `part` is "train" or "t10k". Throws Error that says which is missing.
TERCEL_API GreyPictures read_idx_folder(const std::filesystem::path& folder, std::string_view part);

/// Has the folder IDX pictures of that part?
TERCEL_API bool has_idx(const std::filesystem::path& folder, std::string_view part);

/// Writes both files of read_idx_folder, without gzip; each whole or not at all.
TERCEL_API void write_idx_folder(const GreyPictures& set, const std::filesystem::path& folder, std::string_view part);

/// The variants of noisy MNIST (Basu et al. 2015), made anew from MNIST by the same recipes.
enum class NoisyMnistVariant {
  awgn,      ///< white noise at 9.5 dB
  motion,    ///< camera motion of 5 pixels, 15 degrees counter-clockwise
  contrast,  ///< half the contrast, then white noise at 12 dB
};

/// What the signal-to-noise ratio of the recipes refers to: the published scripts do not say it in words.
enum class SnrReading {
  assumed,   ///< a signal power of 1, as MATLAB's awgn assumes unless it is told to measure: the noisier one
  measured,  ///< the mean power of the pictures, levels taken as 0..1
};

/// Throw Error that lists the words: awgn, motion, contrast; default (which is `assumed`), measured.
TERCEL_API NoisyMnistVariant parse_noisy_mnist_variant(std::string_view word);
TERCEL_API SnrReading parse_snr_reading(std::string_view word);

struct NoisyMnistOptions {
  NoisyMnistVariant variant = NoisyMnistVariant::awgn;
  SnrReading snr = SnrReading::assumed;
  uint64_t seed = 1;
};

/// Standard deviation of the noise on levels of 0..1; 0 for motion. `measured` takes the power of these pictures.
TERCEL_API double noisy_mnist_sigma(const GreyPictures& pictures, const NoisyMnistOptions& options);

/// The pictures with noise of that deviation: contrast, blur, noise, then clipped to 0..1 and rounded to 8 bits. The
/// same seed gives the same pixels.
TERCEL_API GreyPictures noisy_mnist(const GreyPictures& pictures, const NoisyMnistOptions& options, double sigma);

}  // namespace tercel
