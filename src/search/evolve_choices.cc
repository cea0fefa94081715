#include "search/evolve_choices.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/rng.h"

namespace tercel::inline search {
namespace {

struct Member {
  Choices genes;
  double value;
};

class Evolution {
 public:
  Evolution(const std::function<double(const Choices&)>& measure, size_t genes, int32_t alternatives,
            const EvolveChoicesOptions& options)
      : measure_(measure), genes_(genes), alternatives_(alternatives), options_(options), rng_(options.seed) {}

  EvolvedChoices run() {
    std::vector<Member> members;
    for (size_t i = 0; i < static_cast<size_t>(options_.population) && going(); ++i)
      members.push_back(measured(i < options_.start.size() ? options_.start[i] : drawn()));
    note();
    while (going()) {
      std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
      std::vector<Member> next(members.begin(),
                               members.begin() + std::min<std::ptrdiff_t>(options_.elites, std::ssize(members)));
      while (next.size() < members.size() && going()) next.push_back(measured(child(parent(members), parent(members))));
      members = std::move(next);
      note();
    }
    return std::move(found_);
  }

 private:
  bool going() const { return found_.evaluations < options_.evaluations && !found_.stopped; }

  int32_t any() { return static_cast<int32_t>(rng_.below(alternatives_)); }

  Choices drawn() {
    Choices genes(genes_);
    for (int32_t& gene : genes) gene = any();
    return genes;
  }

  const Choices& parent(const std::vector<Member>& members) {
    const Member* best = nullptr;
    for (int i = 0; i < options_.tournament; ++i) {
      const Member& one = members[static_cast<size_t>(rng_.below(std::ssize(members)))];
      if (best == nullptr || one.value < best->value) best = &one;
    }
    return best->genes;
  }

  /// Each gene is one of the parents'; one in `genes` is drawn anew.
  Choices child(const Choices& a, const Choices& b) {
    Choices genes(genes_);
    for (size_t i = 0; i < genes_; ++i) genes[i] = rng_.below(2) == 0 ? a[i] : b[i];
    for (int32_t& gene : genes)
      if (rng_.below(static_cast<int64_t>(genes_)) == 0) gene = any();
    if (rng_.uniform() < options_.exchange)
      std::swap(genes[static_cast<size_t>(rng_.below(static_cast<int64_t>(genes_)))],
                genes[static_cast<size_t>(rng_.below(static_cast<int64_t>(genes_)))]);
    return genes;
  }

  Member measured(Choices genes) {
    double value = measure_(genes);
    if (!(value <= std::numeric_limits<double>::max())) value = std::numeric_limits<double>::infinity();
    ++found_.evaluations;
    if (found_.best.empty() || value < found_.value) {
      found_.best = genes;
      found_.value = value;
    }
    if (options_.progress &&
        !options_.progress(options_.stage, static_cast<double>(found_.evaluations) / options_.evaluations))
      found_.stopped = true;
    return {std::move(genes), value};
  }

  void note() { found_.convergence.emplace_back(found_.evaluations, found_.value); }

  const std::function<double(const Choices&)>& measure_;
  size_t genes_;
  int32_t alternatives_;
  const EvolveChoicesOptions& options_;
  Rng rng_;
  EvolvedChoices found_;
};

}  // namespace

EvolvedChoices evolve_choices(const std::function<double(const Choices&)>& measure, size_t genes, int32_t alternatives,
                              const EvolveChoicesOptions& options) {
  TERCEL_CHECK(genes > 0 && alternatives > 0 && options.evaluations > 0 && options.population > options.elites);
  TERCEL_CHECK(options.tournament > 0 && options.elites >= 0);
  for (const Choices& start : options.start) {
    TERCEL_CHECK(start.size() == genes);
    for (int32_t gene : start) TERCEL_CHECK(gene >= 0 && gene < alternatives);
  }
  return Evolution(measure, genes, alternatives, options).run();
}

}  // namespace tercel::inline search
