// What the sessions of one model share: the graph as an engine wants it, packed weights, memory to run in.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engines/workspace.h"
#include "graph/graph.h"
#include "kernels/packed_weights.h"
#include "tercel/model.h"

namespace tercel::inline session {

/// A graph after the passes.
struct Lowered {
  Graph graph;
  std::vector<PassReport> reports;
};

/// Safe from several threads.
class ModelShared {
 public:
  const std::shared_ptr<PackedWeights>& packed() const { return packed_; }
  const std::shared_ptr<WorkspacePool>& workspaces() const { return workspaces_; }

  /// What make() gave for this engine and these passes left out, as long as some session holds it. Sessions must start
  /// from one lowered graph: weights that passes rewrite are known by their tensor, and only the same tensor is packed
  /// once.
  std::shared_ptr<const Lowered> lowered(const std::string& engine, const std::vector<std::string>& without,
                                         const std::function<Lowered()>& make) {
    const std::lock_guard lock(mutex_);
    auto& known = lowered_[{engine, without}];
    auto lowered = known.lock();
    if (lowered == nullptr) known = lowered = std::make_shared<const Lowered>(make());
    return lowered;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::vector<std::string>>, std::weak_ptr<const Lowered>> lowered_;
  std::shared_ptr<PackedWeights> packed_ = std::make_shared<PackedWeights>();
  std::shared_ptr<WorkspacePool> workspaces_ = std::make_shared<WorkspacePool>();
};

}  // namespace tercel::inline session
