// Accuracy against size, as tables and a chart.
#pragma once

#include <string>
#include <vector>

#include "common.h"

namespace tercel::cli {

/// A heading, a row for each point, and one for the reference network.
std::vector<std::vector<std::string>> front_rows(const std::vector<CompressPoint>& front);

/// Writes a page with a chart. Throws Error where it cannot be written.
void write_front(const std::vector<CompressPoint>& front, const Model& model, const std::string& preprocess,
                 const std::string& path);

}  // namespace tercel::cli
