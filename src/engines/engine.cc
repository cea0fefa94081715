#include "engines/engine.h"

#include "base/error.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/pipeline/pipeline_engine.h"

namespace tercel::inline engines {

std::string listed(std::span<const Refusal> refusals) {
  constexpr size_t kNamed = 5;
  std::string list;
  for (size_t i = 0; i < refusals.size() && i < kNamed; ++i)
    list += fmt::format("\n  {}: {}", refusals[i].node, refusals[i].reason);
  if (refusals.size() > kNamed) list += fmt::format("\n  and {} more", refusals.size() - kNamed);
  return list;
}

void fail_refused(const Engine& engine, std::span<const Refusal> refusals) {
  if (refusals.empty()) return;
  if (refusals.size() == 1) throw Error(ErrorCode::unsupported, refusals[0].reason).within(refusals[0].node);
  fail_unsupported("the {} engine cannot perform {} nodes:{}", engine.name(), refusals.size(), listed(refusals));
}

std::span<const Engine* const> all_engines() {
  static const Engine* const all[] = {&cpu_engine(), &reference_engine(), &pipeline_engine()};
  return all;
}

const Engine& find_engine(std::string_view name) {
  constexpr std::string_view kWithOptions = "pipeline:";
  if (name.starts_with(kWithOptions)) return pipeline_engine(name.substr(kWithOptions.size()));
  std::string known;
  for (const Engine* engine : all_engines()) {
    if (name.empty() || engine->name() == name) return *engine;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", engine->name());
  }
  fail_input("there is no engine '{}'; wanted one of {}", name, known);
}

}  // namespace tercel::inline engines
