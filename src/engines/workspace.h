// Memory that programs run in, lent to one run at a time.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tensor/buffer.h"

namespace tercel::inline engines {

/// Shared by the programs of one model: as many workspaces are kept as ever ran at once, whatever the number of
/// programs and sessions. Safe from several threads.
class WorkspacePool {
 public:
  /// Gives its memory back at the end of its life. The pool must live longer.
  class Workspace {
   public:
    Workspace(WorkspacePool& pool, Buffer memory) : pool_(pool), memory_(std::move(memory)) {}
    ~Workspace() { pool_.give_back(std::move(memory_)); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    std::byte* data() const { return memory_.data(); }

   private:
    WorkspacePool& pool_;
    Buffer memory_;
  };

  /// At least so many bytes, aligned to kAlignment, with any contents. Allocates only where no free one is large
  /// enough; a free one that is too small is then let go.
  Workspace borrow(size_t bytes);

  /// Bytes of the free ones.
  size_t free_bytes() const;

 private:
  void give_back(Buffer memory);

  mutable std::mutex mutex_;
  std::vector<Buffer> free_;
};

}  // namespace tercel::inline engines
