#include "engines/workspace.h"

#include <algorithm>

namespace tercel::inline engines {

WorkspacePool::Workspace WorkspacePool::borrow(size_t bytes) {
  Buffer memory;
  {
    const std::lock_guard lock(mutex_);
    // The smallest that is large enough, else the largest to be let go.
    auto best = free_.end();
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      if (best == free_.end()) best = at;
      else if (best->size() >= bytes) best = at->size() >= bytes && at->size() < best->size() ? at : best;
      else if (at->size() > best->size()) best = at;
    }
    if (best != free_.end()) {
      memory = std::move(*best);
      free_.erase(best);
    }
  }
  if (memory.size() < bytes) {
    memory = Buffer();  // first, so that both are never held
    memory = Buffer(bytes);
  }
  return {*this, std::move(memory)};
}

void WorkspacePool::give_back(Buffer memory) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(memory));
}

size_t WorkspacePool::free_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Buffer& buffer : free_) sum += buffer.size();
  return sum;
}

}  // namespace tercel::inline engines
