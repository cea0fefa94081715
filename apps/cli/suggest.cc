#include "suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace tercel::cli {
namespace {

/// Letters to insert, leave out, exchange or swap with their neighbour until `a` is `b`.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = last;
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(word.size() / 3, 1) + 1;
  for (const std::string& candidate : known) {
    // The beginning of a word counts as near: --calib.
    const bool begins = word.size() >= 4 && candidate.starts_with(word);
    const size_t far = begins ? 1 : distance(word, candidate);
    if (far >= least) continue;
    least = far;
    best = &candidate;
  }
  return best == nullptr ? "" : fmt::format("; did you mean '{}'?", *best);
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return text;
}

}  // namespace tercel::cli
