// "Did you mean": known words similar to an unknown one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tercel::cli {

/// "; did you mean 'classify'?" where one of `known` is near to `word` (two letters in three right), else nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// "a, b and c".
std::string listed(const std::vector<std::string>& words);

}  // namespace tercel::cli
