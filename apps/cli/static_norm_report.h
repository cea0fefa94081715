// What fix_norms did, for people and programs.
#pragma once

#include "common.h"

namespace tercel::cli {

std::string to_text(const StaticNormReport& report);
Json to_json(const StaticNormReport& report);
/// A self-contained page: a chart of the sensitivity of every norm, and tables of candidates and norms.
std::string to_html(const StaticNormReport& report, const std::string& model);

}  // namespace tercel::cli
