#include "passes/pass.h"

#include "base/error.h"
#include "base/file.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace tercel::inline passes {
namespace {

constexpr int64_t kDumpElements = 16;  // larger constants are shown as digests

void dump(const Graph& graph, const std::filesystem::path& dir, int number, std::string_view name) {
  if (dir.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) fail(ErrorCode::io, "{}: {}", dir.string(), error.message());
  AtomicFile file(dir / fmt::format("{:02}_{}.txt", number, name));
  file.write(print(graph, {kDumpElements}));
  file.commit();
}

}  // namespace

PassLog run_passes(Graph& graph, std::span<const Pass> passes, PassContext& context,
                   const std::filesystem::path& dump_dir) {
  PassLog log;
  dump(graph, dump_dir, 0, "start");
  for (const Pass& pass : passes) {
    context.notes.clear();
    const int changes = pass.run(graph, context);
    if (changes > 0) {
      graph.drop_unused();
      infer_types(graph);
      verify(graph, pass.name);
      dump(graph, dump_dir, static_cast<int>(log.size()) + 1, pass.name);
    }
    log.push_back({std::string(pass.name), changes, std::move(context.notes)});
  }
  return log;
}

}  // namespace tercel::inline passes
