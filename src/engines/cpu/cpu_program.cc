#include "engines/cpu/executor.h"

#include "base/error.h"
#include "base/threads.h"

namespace tercel {

Executor::Executor(Plan plan, int threads)
    : plan_(std::move(plan)),
      threads_(threads),
      arena_(plan_.arena_bytes),
      scratch_(plan_.scratch_bytes),
      inputs_(plan_.inputs.size(), nullptr) {
  for (const Step& step : plan_.steps) {
    StepArgs args;
    for (const Place& place : step.src) args.src.push_back(address(place));
    for (const Place& place : step.dst) args.dst.push_back(address(place));
    args_.push_back(std::move(args));
  }
}

std::byte* Executor::address(const Place& place) const {
  switch (place.kind) {
    case Place::Kind::absent: return nullptr;
    case Place::Kind::arena: return arena_.data() + place.at;
    case Place::Kind::constant: return const_cast<std::byte*>(plan_.constants[place.at].data());
    case Place::Kind::input: return const_cast<std::byte*>(inputs_[place.at]);
  }
  return nullptr;
}

void Executor::run(std::span<const std::byte* const> inputs, const std::function<void(size_t)>* after_step) {
  TERCEL_CHECK(inputs.size() == inputs_.size());
  inputs_.assign(inputs.begin(), inputs.end());
  const ThreadScope threads(threads_);
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    const Step& step = plan_.steps[i];
    StepArgs& args = args_[i];
    for (size_t s = 0; s < step.src.size(); ++s)
      if (step.src[s].kind == Place::Kind::input) args.src[s] = inputs_[step.src[s].at];
    try {
      step.kernel->run({args.src, args.dst, scratch_.data()});
    } catch (const Error& error) {  // reference kernels may find an index out of range
      throw error.within(fmt::format("node '{}' ({})", step.node, step.op));
    }
    if (after_step != nullptr) (*after_step)(i);
  }
}

const std::byte* Executor::output(size_t i) const { return address(plan_.outputs[i].place); }

}  // namespace tercel
