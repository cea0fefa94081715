#include <array>
#include <string>

#include "base/error.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {

std::span<const Rule> all_rules() {
  static const std::array rules{softmax_rule(), pseudo_inverse_rule(), storkey_rule(), hebb_rule()};
  return rules;
}

const Rule& find_rule(std::string_view name) {
  std::string known;
  for (const Rule& rule : all_rules()) {
    if (rule.name == name) return rule;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", rule.name);
  }
  fail_input("there is no learning rule '{}': wanted one of {}", name, known);
}

}  // namespace tercel::inline hopfield
