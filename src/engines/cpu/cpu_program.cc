#include "engines/cpu/cpu_program.h"

#include <cstring>

#include "base/bits.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/threads.h"

namespace tercel::inline engines {
namespace {

std::vector<ProgramPort> ports_of(const std::vector<PlanPort>& ports) {
  std::vector<ProgramPort> all;
  for (const PlanPort& port : ports) all.push_back({port.name, port.dtype, port.dims});
  return all;
}

std::string type_text(const Operand& operand) { return to_string(ValueType{operand.dtype, true, operand.dims}); }

/// Where the operands of one run are.
class Addresses {
 public:
  Addresses(const Plan& plan, std::byte* arena, std::span<const std::byte* const> inputs)
      : plan_(plan), arena_(arena), inputs_(inputs) {}

  std::byte* operator()(const Place& place) const {
    switch (place.kind) {
      case Place::Kind::absent: return nullptr;
      case Place::Kind::arena: return arena_ + place.at;
      case Place::Kind::constant: return const_cast<std::byte*>(plan_.constants[place.at].data());
      case Place::Kind::input: return const_cast<std::byte*>(inputs_[place.at]);
    }
    return nullptr;
  }

 private:
  const Plan& plan_;
  std::byte* arena_;
  std::span<const std::byte* const> inputs_;
};

}  // namespace

CpuProgram::CpuProgram(Plan plan, int threads, std::shared_ptr<WorkspacePool> workspaces)
    : plan_(std::move(plan)),
      threads_(threads),
      workspaces_(workspaces == nullptr ? std::make_shared<WorkspacePool>() : std::move(workspaces)),
      scratch_at_(round_up(plan_.arena_bytes, kAlignment)),
      inputs_(ports_of(plan_.inputs)),
      outputs_(ports_of(plan_.outputs)) {}

void CpuProgram::run(const RunArgs& args) const {
  TERCEL_CHECK(args.inputs.size() == inputs_.size() && args.outputs.size() == outputs_.size());
  const auto workspace = workspaces_->borrow(scratch_at_ + plan_.scratch_bytes);
  const Addresses address(plan_, workspace.data(), args.inputs);
  const ThreadScope threads(threads_);
  if (args.step_ms != nullptr) args.step_ms->assign(plan_.steps.size(), 0);
  std::vector<const std::byte*> src;
  std::vector<std::byte*> dst;
  const Stopwatch clock;
  double before = 0;
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    if (args.stop.stop_requested()) fail(ErrorCode::stopped, "stopped before step {} of {}", i + 1, plan_.steps.size());
    const Step& step = plan_.steps[i];
    src.clear();
    dst.clear();
    for (const Place& place : step.src) src.push_back(address(place));
    for (const Place& place : step.dst) dst.push_back(address(place));
    try {
      step.kernel->run({src, dst, workspace.data() + scratch_at_});
    } catch (const Error& error) {  // reference kernels may find an index out of range
      throw error.within(fmt::format("node '{}' ({})", step.node, step.op));
    }
    if (args.step_ms != nullptr) {
      const double now = clock.ms();
      (*args.step_ms)[i] = now - before;
      before = now;
    }
  }
  for (size_t i = 0; i < outputs_.size(); ++i)
    if (const size_t bytes = outputs_[i].bytes(); bytes > 0)
      std::memcpy(args.outputs[i], address(plan_.outputs[i].place), bytes);
}

PlanReport CpuProgram::report() const {
  PlanReport report;
  report.arena_bytes = plan_.arena_bytes;
  report.unshared_bytes = plan_.unshared_bytes;
  report.scratch_bytes = plan_.scratch_bytes;
  report.weight_bytes = plan_.packed_bytes;
  for (const Tensor& tensor : plan_.constants) report.weight_bytes += tensor.bytes();
  for (const Step& step : plan_.steps) {
    StepReport s{
        step.node,  step.op, step.variant, {}, step.dst_types.empty() ? "" : type_text(step.dst_types[0]), step.macs,
        step.bytes, 0};
    for (const WhyNot& why : step.why_nots) s.why_nots.push_back(why.variant + ": " + why.reason);
    report.steps.push_back(std::move(s));
  }
  return report;
}

}  // namespace tercel::inline engines
