// A network on the pipeline: the host's part.
#pragma once

#include <functional>
#include <mutex>

#include "engines/pipeline/executor.h"

namespace tercel::inline engines {

class PipelineProgram final : public Program {
 public:
  using MakeExecutor = std::function<std::unique_ptr<Executor>(const PipelineNetwork&)>;
  PipelineProgram(PipelineNetwork network, const MakeExecutor& make_executor);

  std::span<const ProgramPort> inputs() const override { return network_.inputs; }
  std::span<const ProgramPort> outputs() const override { return network_.outputs; }
  void run(const RunArgs& args) const override;
  PlanReport report() const override;

  const PipelineNetwork& network() const { return network_; }

 private:
  PipelineNetwork network_;
  std::unique_ptr<Executor> executor_;
  mutable std::mutex one_at_a_time_;  ///< there is one memory
};

}  // namespace tercel::inline engines
