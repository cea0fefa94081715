// Bias correction: the mean error of each output channel goes into the bias.
#pragma once

#include <vector>

#include "quant/insert_levels.h"
#include "tercel/array.h"
#include "tercel/model.h"

namespace tercel::inline quant {

/// Means over all of an array but one axis, counted from the last (0).
std::vector<double> channel_means(const Array& value, size_t axis_from_end);

/// Layer after layer in running order: the quantized network runs up to a product, as it has been corrected so far, and
/// what its output's means lack of `wanted` is added to the bias. (Nagel et al. 2019, arXiv 1906.04721, empirical bias
/// correction.) `graph` is the one that `products` were inserted into; `like` has its name and inputs. Throws
/// Error(stopped) where `progress` says so.
void correct_biases(const Model& like, Graph& graph, std::vector<InsertedProduct>& products,
                    const std::vector<std::vector<double>>& wanted, const std::vector<Array>& inputs, int threads,
                    const Progress& progress);

}  // namespace tercel::inline quant
