#include "tensor/einsum.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

/// Axes that an ellipsis stands for are named by place from the right: innermost kEllipsis - 1, then kEllipsis - 2, ...
/// so that their alphabetical order is their order in the shape. Letters are their own character codes.
constexpr int kEllipsis = 0;
constexpr int kNoEllipsis = -1;

/// One operand's or the result's letters, with the place of the ellipsis among them.
struct Term {
  std::vector<int> letters;
  int ellipsis = kNoEllipsis;
};

Term parse_term(std::string_view text, std::string_view equation) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      term.letters.push_back(c);
    } else if (text.substr(i, 3) == "..." && term.ellipsis == kNoEllipsis) {
      term.ellipsis = static_cast<int>(term.letters.size());
      i += 2;
    } else {
      fail_input("equation '{}' has an unexpected '{}'", equation, c);
    }
  }
  return term;
}

std::vector<Term> parse_operands(std::string_view text, std::string_view equation) {
  std::vector<Term> terms;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    terms.push_back(parse_term(text.substr(begin, end - begin), equation));
    begin = end + 1;
  }
  return terms;
}

/// The letters with `axes` ellipsis names put where the ellipsis stands.
std::vector<int> spell_out(const Term& term, size_t axes) {
  std::vector<int> names = term.letters;
  if (term.ellipsis == kNoEllipsis) return names;
  std::vector<int> dots(axes);
  for (size_t i = 0; i < axes; ++i) dots[i] = kEllipsis - static_cast<int>(axes - i);
  names.insert(names.begin() + term.ellipsis, dots.begin(), dots.end());
  return names;
}

void merge_extent(std::map<int, int64_t>& extents, int name, int64_t extent, std::string_view equation) {
  const auto [at, fresh] = extents.emplace(name, extent);
  if (fresh) return;
  const auto both = broadcast(std::span(&at->second, 1), std::span(&extent, 1));
  if (!both) fail_input("equation '{}': one label has extents {} and {}", equation, at->second, extent);
  at->second = both->front();
}

}  // namespace

EinsumPlan plan_einsum(std::string_view equation, const std::vector<Dims>& shapes) {
  const size_t arrow = equation.find("->");
  const std::vector<Term> terms = parse_operands(equation.substr(0, arrow), equation);
  if (terms.size() != shapes.size())
    fail_input("equation '{}' has {} operands, the node {}", equation, terms.size(), shapes.size());
  size_t dots = 0;  // axes of the longest ellipsis
  std::vector<std::vector<int>> names;
  std::map<int, int64_t> extents;
  std::map<int, int> uses;
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t letters = terms[i].letters.size();
    if (shapes[i].size() < letters || (terms[i].ellipsis == kNoEllipsis && shapes[i].size() > letters))
      fail_input("equation '{}': operand {} has shape {}", equation, i, to_string(shapes[i]));
    names.push_back(spell_out(terms[i], shapes[i].size() - letters));
    dots = std::max(dots, terms[i].ellipsis == kNoEllipsis ? 0 : shapes[i].size() - letters);
    for (size_t axis = 0; axis < names[i].size(); ++axis) {
      merge_extent(extents, names[i][axis], shapes[i][axis], equation);
      ++uses[names[i][axis]];
    }
  }

  std::vector<int> result;
  if (arrow == std::string_view::npos) {
    for (const auto& [name, count] : uses)
      if (count == 1 || name < kEllipsis) result.push_back(name);
  } else {
    result = spell_out(parse_term(equation.substr(arrow + 2), equation), dots);
  }
  EinsumPlan plan;
  std::map<int, int> labels;
  const auto label_of = [&](int name) {
    const auto [at, fresh] = labels.emplace(name, static_cast<int>(labels.size()));
    if (fresh) plan.extents.push_back(extents.at(name));
    return at->second;
  };
  for (int name : result) {
    if (uses.count(name) == 0) fail_input("equation '{}': '{}' is in no operand", equation, static_cast<char>(name));
    if (labels.count(name) != 0) fail_input("equation '{}': the result has a label twice", equation);
    plan.result.push_back(label_of(name));
  }
  for (const std::vector<int>& operand : names) {
    plan.operands.emplace_back();
    for (int name : operand) plan.operands.back().push_back(label_of(name));
  }
  return plan;
}

}  // namespace tercel::inline tensor
