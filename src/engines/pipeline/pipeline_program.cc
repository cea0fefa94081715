#include "engines/pipeline/pipeline_program.h"

#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "tensor/requantize.h"

namespace tercel::inline engines {
namespace {

/// f(index in the elements of the array, index in the levels of the words), for every element of a map.
template <typename F>
void for_each_level(const FeatureMap& map, int vec, F&& f) {
  int64_t element = 0;
  for (int64_t n = 0; n < map.images; ++n)
    for (int64_t c = 0; c < map.channels; ++c) {
      const int64_t channel = map.channel + c;
      const int64_t first = (n * map.image_words + channel / vec * map.plane()) * vec + channel % vec;
      for (int64_t p = 0; p < map.plane(); ++p) f(element++, first + p * vec);
    }
}

int64_t words_of(const FeatureMap& map) { return map.images * map.image_words; }

}  // namespace

PipelineProgram::PipelineProgram(PipelineNetwork network, const MakeExecutor& make_executor)
    : network_(std::move(network)), executor_(make_executor(network_)) {}

void PipelineProgram::run(const RunArgs& args) const {
  const std::lock_guard lock(one_at_a_time_);
  const Stopwatch clock;
  const int vec = network_.design.vec;
  std::vector<int8_t> words;
  for (const HostPort& load : network_.loads) {
    const FeatureMap& map = load.map;
    words.assign(static_cast<size_t>(words_of(map) * vec), 0);
    const std::byte* from = args.inputs[static_cast<size_t>(load.index)];
    const auto* floats = reinterpret_cast<const float*>(from);
    const LevelRange range = range_of(map.dtype, map.quantization->zeros[0]);
    for_each_level(map, vec, [&](int64_t element, int64_t at) {
      const int32_t level = load.port.dtype == DType::f32 ? level_of(floats[element], map.scale(), range)
                            : map.dtype == DType::u8      ? std::to_integer<uint8_t>(from[element])
                                                          : static_cast<int8_t>(from[element]);
      words[static_cast<size_t>(at)] = static_cast<int8_t>(level - map.offset());
    });
    executor_->write(map.at, words);
  }
  const double first_ms = clock.ms();
  executor_->run(args.step_ms, args.stop);
  const double layers_end = clock.ms();
  std::vector<std::vector<float>> results;  // for the tail
  for (const HostPort& store : network_.stores) {
    const FeatureMap& map = store.map;
    words.resize(static_cast<size_t>(words_of(map) * vec));
    executor_->read(map.at, words);
    std::byte* to = nullptr;
    if (network_.tail == nullptr) to = args.outputs[static_cast<size_t>(store.index)];
    else
      to = reinterpret_cast<std::byte*>(
          results.emplace_back(static_cast<size_t>(count_elements(store.port.dims))).data());
    auto* floats = reinterpret_cast<float*>(to);
    if (store.means) {
      std::vector<int64_t> sums(static_cast<size_t>(map.images * map.channels));
      for_each_level(map, vec, [&](int64_t element, int64_t at) {
        sums[static_cast<size_t>(element / map.plane())] += words[static_cast<size_t>(at)] - map.zero();
      });
      for (size_t i = 0; i < sums.size(); ++i) floats[i] = mean_in_floats(sums[i], map.scale(), map.plane());
      continue;
    }
    for_each_level(map, vec, [&](int64_t element, int64_t at) {
      const int8_t level = words[static_cast<size_t>(at)];
      if (store.port.dtype == DType::f32) floats[element] = static_cast<float>(level - map.zero()) * map.scale();
      else to[element] = static_cast<std::byte>(level + map.offset());
    });
  }
  if (network_.tail != nullptr) {
    std::vector<const std::byte*> inputs;
    for (const auto& result : results) inputs.push_back(reinterpret_cast<const std::byte*>(result.data()));
    network_.tail->run({inputs, args.outputs});
  }
  if (args.step_ms != nullptr) {
    args.step_ms->insert(args.step_ms->begin(), first_ms);
    args.step_ms->push_back(clock.ms() - layers_end);
  }
}

PlanReport PipelineProgram::report() const {
  PlanReport report;
  report.arena_bytes = report.unshared_bytes = static_cast<size_t>(network_.feature_words * network_.design.vec);
  report.weight_bytes = network_.weights.size() + 4 * (network_.scales.size() + network_.tables.size());
  const std::string variant =
      fmt::format("{}, vec={}, lane={}", executor_->what(), network_.design.vec, network_.design.lane);
  const auto on_host = [&](const char* what, const std::vector<std::string>& ops) {
    report.steps.push_back({what, fmt::format("{}", fmt::join(ops, " + ")), "host", {}, "", 0, 0, 0});
  };
  on_host("inputs", network_.host_first);
  for (const PipelineLayer& layer : network_.layers)
    report.steps.push_back({layer.node, layer.op, variant, {}, layer.result, layer.macs, 0, 0});
  on_host("outputs", network_.host_last);
  return report;
}

}  // namespace tercel::inline engines
