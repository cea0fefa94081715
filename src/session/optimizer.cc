#include "session/optimizer.h"

#include "plan/evaluate.h"

namespace tercel {

Diary rewrite(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump_dir) {
  PassContext context;
  context.evaluate = [](const Node& node) { return can_evaluate(node) ? evaluate(node) : std::vector<Tensor>(); };
  return run_passes(graph, passes, context, dump_dir);
}

void append_diary(std::vector<PassReport>& reports, Diary diary) {
  for (DiaryEntry& entry : diary) reports.push_back({std::move(entry.pass), entry.changes, std::move(entry.notes)});
}

}  // namespace tercel
