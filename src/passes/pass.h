// A pass rewrites a graph without changing its answers.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline passes {

/// One line of the pass log: what one run of one pass did.
struct PassLogEntry {
  std::string pass;
  int changes = 0;
  std::vector<std::string> notes;  ///< why nodes were left alone, and the like
};
using PassLog = std::vector<PassLogEntry>;

/// What passes need from outside the graph.
struct PassContext {
  /// Results of a node whose operands are all constant; empty where it cannot be computed. (Passes do not see
  /// kernels, so the caller supplies this: plan/evaluate.h.)
  std::function<std::vector<Tensor>(const Node&)> evaluate;
  std::vector<std::string> notes;  ///< of the pass that runs now
};

struct Pass {
  std::string_view name;
  std::string_view what;
  int (*run)(Graph&, PassContext&);  ///< returns the number of changes
};

/// In order, each checked by the verifier. `dump_dir`, where not empty, gets `NN_name.txt` after every pass that
/// changed something (and `00_start.txt`).
PassLog run_passes(Graph& graph, std::span<const Pass> passes, PassContext& context,
                   const std::filesystem::path& dump_dir = {});

}  // namespace tercel::inline passes
