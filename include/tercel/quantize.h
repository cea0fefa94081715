// Post-training quantization: a network of floats becomes one that computes on 8-bit levels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/export.h"
#include "tercel/image.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

/// How the range of a value is chosen from what it was on the calibration pictures.
enum class RangeMethod {
  minmax,      ///< all of it
  percentile,  ///< all but a share of the values, cut off at either end
  mse,         ///< the range of least mean square error: rounding inside and clipping outside together
};

/// Levels of activations.
enum class ActivationLevels {
  u8,         ///< 0 to 255, any zero point
  i8,         ///< -128 to 127, any zero point
  symmetric,  ///< -127 to 127, zero point 0
};

TERCEL_API std::string_view to_string(RangeMethod method);
TERCEL_API std::string_view to_string(ActivationLevels levels);
/// Throw Error that lists the words.
TERCEL_API RangeMethod parse_range_method(std::string_view word);
TERCEL_API ActivationLevels parse_activation_levels(std::string_view word);

struct QuantizeOptions {
  RangeMethod range = RangeMethod::mse;
  double percentile = 99.99;  ///< of RangeMethod::percentile: so many percent of the values lie in the range
  ActivationLevels activations = ActivationLevels::u8;
  /// Takes the mean error of each output channel out of the bias, layer after layer.
  bool bias_correction = true;
  /// Passes the error of a weight on to those still to be quantized in its row (GPTQ), by the moments of the inputs.
  bool error_feedback = true;
  std::vector<std::string> keep;               ///< nodes that stay in floats, by name or by the name of their result
  std::optional<Preprocessing> preprocessing;  ///< of the pictures; else the model's own
  int calibration_pictures = 256;              ///< at most
  int held_out_pictures = 256;                 ///< at most: others, for the evaluation
  std::filesystem::path held_out;              ///< a folder of its own for these; empty: the rest of the calibration's
  uint64_t seed = 1;                           ///< draws the pictures
  int threads = 0;                             ///< 0: one per processor this process may use
  Progress progress;
  Warn warn;  ///< as in CompressOptions
};

/// One value on levels: what a node gives, with the activation behind it, or an input of the network.
struct QuantizedLayer {
  std::string node, op;      ///< "input" where no node makes it
  std::string value;         ///< what is quantized
  double low = 0, high = 0;  ///< range: levels beyond stand for its ends
  double scale = 0;
  int zero_point = 0;
  double clipped = 0;  ///< share of the calibration's values that lie outside
  /// Signal to quantization noise, in dB: 10 log10(sum of squares / sum of squared errors). Infinite where there is no
  /// error. Of products, and of values whose error was measured; else NaN.
  double weight_sqnr = 0, output_sqnr = 0;
};

/// A product that stays in floats because levels would lose its input.
struct LostInput {
  std::string node;     ///< "node 'fc2' (MatMul)"
  std::string value;    ///< its input
  double row_sqnr = 0;  ///< dB: signal to quantization noise, noise relative to each row's own signal, mean of rows
};

struct QuantizeReport {
  QuantizeOptions options;               ///< as they were used
  int calibration = 0, held_out = 0;     ///< pictures
  std::vector<QuantizedLayer> layers;    ///< in running order
  std::vector<std::string> float_nodes;  ///< nodes that compute in floats: "node 'a' (Softmax)"
  std::vector<LostInput> lost;           ///< those of them that are products and could have read levels
  int64_t parameters = 0, quantized_parameters = 0;
  // Answers to the held-out pictures, compared with those of the network of floats.
  double agreement = 0;                   ///< part with the same most likely class
  double kl = 0;                          ///< mean Kullback-Leibler divergence, nats
  double top1 = -1, reference_top1 = -1;  ///< part answered with their label; -1 without labels
};

struct TERCEL_API QuantizeResult {
  Model model;  ///< standard ONNX with QuantizeLinear and DequantizeLinear (QDQ)
  QuantizeReport report;
};

/// Optimizes the network and quantizes it: weights to 8 bits, symmetric, a scale for each output channel; activations
/// to 8 bits, one scale a value, by their ranges on pictures of the folder `calibration`; biases to 32 bits at the
/// scale of sums. From the first product on everything computes on levels that can: products with constant weights,
/// sums of two such values, pools, LRN, Concat, Relu and Clip, and what only moves elements. Products whose input
/// levels would lose stay in floats (QuantizeReport::lost). Throws Error: no such
/// folder or too few pictures, a network that is quantized already or has nothing to quantize, weights or activations
/// that are NaN or infinite, a node to keep that is not there.
TERCEL_API QuantizeResult quantize(const Model& model, const std::filesystem::path& calibration,
                                   const QuantizeOptions& options = {});

}  // namespace tercel
