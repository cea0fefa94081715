#pragma once

#include <string>

#include "common.h"
#include "tercel/hopfield.h"

namespace tercel::cli {

std::string to_text(const HopfieldComparison& comparison);
Json to_json(const HopfieldComparison& comparison);
/// A self-contained page with charts.
std::string to_html(const HopfieldComparison& comparison, const std::string& model);

}  // namespace tercel::cli
