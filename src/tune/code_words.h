// Code words that a network was trained towards, read from its last layer.
#pragma once

#include <string>
#include <variant>

#include "graph/graph.h"
#include "hopfield/bit_patterns.h"
#include "tercel/model.h"

namespace tercel::inline tune {

/// Scores = beta * words * signs of the features.
struct CodeWords {
  std::string features;         ///< the value whose signs are the code
  hopfield::BitPatterns words;  ///< one a class
  double beta = 1;
};

/// The code words of a network that ends in the signs of its features (Where over Greater than 0, +c and -c), and a
/// product with weights of one magnitude, without a bias (Softmax and LogSoftmax may follow). Else what is there
/// instead, as the end of a sentence.
std::variant<CodeWords, std::string> find_code_words(const Model& model);

/// x where the value is the signs of x in that form, else nullptr.
Value* signed_value(const Value& value);

}  // namespace tercel::inline tune
