// What fix_norms did, for people and programs.
#pragma once

#include "common.h"

namespace tercel::cli {

std::string to_text(const StaticNormReport& report);
Json to_json(const StaticNormReport& report);
/// One file without anything from elsewhere: numbers, a chart of the harm of every norm, one of what each number of
/// fixed norms costs.
std::string to_html(const StaticNormReport& report, const std::string& model);

}  // namespace tercel::cli
