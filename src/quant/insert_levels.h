// A network of floats with QuantizeLinear and DequantizeLinear (QDQ) where its values become levels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/level_choice.h"
#include "quant/moments.h"
#include "tercel/quantize.h"

namespace tercel::inline quant {

/// A product on levels. Its bias may still change.
struct InsertedProduct {
  const Node* node = nullptr;
  std::string sums;                  ///< the value it gives, bias included, before any activation
  const Node* first = nullptr;       ///< of the nodes that belong to it
  size_t channel_axis_from_end = 0;  ///< of `sums`
  double weight_signal = 0, weight_noise = 0;

  std::vector<float> bias;   ///< one a channel
  std::vector<float> units;  ///< what one of its levels stands for; empty: the bias is one of floats
  Value* stored = nullptr;   ///< the constant; nullptr: it can take no bias

  /// Writes `bias` into `stored`.
  void store_bias() const;
};

struct InsertedLevels {
  std::vector<InsertedProduct> products;             ///< in running order
  std::map<const Value*, const Value*> dequantized;  ///< LevelValue::value -> what readers of levels read
};

/// What levels stand for, by the value that has them for its own (LevelValue::like).
using LevelScales = std::map<const Value*, QuantizationPtr>;

/// Rewrites the graph that `choice` was made of; values keep their names, and so do outputs. Products are standard
/// QDQ: i8 weights with a scale for each output channel; of convolutions and Gemm an i32 bias at the scale of sums,
/// of zeros where there was none and `with_biases`. Weights whose `moments` are known, by their name, are quantized
/// with error feedback.
InsertedLevels insert_levels(Graph& graph, const LevelChoice& choice, const LevelScales& scales,
                             ActivationLevels levels, bool with_biases,
                             const std::map<std::string, Moments>& moments = {});

}  // namespace tercel::inline quant
