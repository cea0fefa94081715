#include "session/optimizer.h"

#include <algorithm>

#include "base/error.h"
#include "passes/recipe.h"
#include "plan/evaluate.h"

namespace tercel::inline session {

PassLog rewrite(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump_dir,
                std::span<const std::string> without) {
  std::vector<Pass> wanted;
  for (const Pass& pass : passes)
    if (std::none_of(without.begin(), without.end(),
                     [&](const std::string& name) { return current_name(name) == pass.name; }))
      wanted.push_back(pass);
  PassContext context;
  context.evaluate = [](const Node& node) { return can_evaluate(node) ? evaluate(node) : std::vector<Tensor>(); };
  return run_passes(graph, wanted, context, dump_dir);
}

void check_pass_names(std::span<const std::string> names) {
  std::string known;
  std::vector<std::string_view> all;
  for (const auto recipe : {portable_recipe(), engine_recipe()})
    for (const Pass& pass : recipe) {
      all.push_back(pass.name);
      known += fmt::format("{}{}", known.empty() ? "" : ", ", pass.name);
    }
  for (const std::string& name : names)
    if (std::find(all.begin(), all.end(), current_name(name)) == all.end())
      fail_input("there is no pass '{}'; wanted one of {}", name, known);
}

void append_pass_log(std::vector<PassReport>& reports, PassLog pass_log) {
  for (PassLogEntry& entry : pass_log)
    reports.push_back({std::move(entry.pass), entry.changes, std::move(entry.notes)});
}

}  // namespace tercel::inline session
