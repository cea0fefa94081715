// The learning rules: one file each, listed in rules.cc.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "hopfield/network.h"

namespace tercel::inline hopfield {

struct RuleOptions {
  double beta = 0.05;  ///< softmax: inverse temperature, per unit of overlap
};

struct Rule {
  std::string_view name;
  std::string_view what;  ///< for people
  /// Random patterns of so many bits that can be stored, each a fixed point; infinity where there is no such bound.
  double (*capacity)(int64_t bits);
  /// Throws Error where the patterns do not fit the rule (a matrix beyond memory).
  std::unique_ptr<Network> (*learn)(const BitPatterns& patterns, const RuleOptions& options);
};

/// Every rule; the first is the default.
std::span<const Rule> all_rules();

/// Throws Error that lists the names.
const Rule& find_rule(std::string_view name);

// One a file.
Rule hebb_rule();
Rule storkey_rule();
Rule pseudo_inverse_rule();
Rule softmax_rule();

}  // namespace tercel::inline hopfield
