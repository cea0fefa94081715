// A plan, performed on this machine's processor.
#pragma once

#include "engines/engine.h"
#include "engines/workspace.h"
#include "plan/plan.h"

namespace tercel::inline engines {

class CpuProgram final : public Program {
 public:
  CpuProgram(Plan plan, int threads, std::shared_ptr<WorkspacePool> workspaces);

  std::span<const ProgramPort> inputs() const override { return inputs_; }
  std::span<const ProgramPort> outputs() const override { return outputs_; }
  void run(const RunArgs& args) const override;
  PlanReport report() const override;

 private:
  Plan plan_;
  int threads_;
  std::shared_ptr<WorkspacePool> workspaces_;
  size_t scratch_at_;  // behind the arena
  std::vector<ProgramPort> inputs_, outputs_;
};

}  // namespace tercel::inline engines
