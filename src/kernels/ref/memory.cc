#include "kernels/ref/memory.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace tercel::inline kernels {
namespace {

using hopfield::BitPatterns;

void softmax_memory(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t rows = src[0].dims[0], bits = src[0].dims[1], count = attrs.get_int("class_count");
  const hopfield::PatternMemory memory = pattern_memory(attrs, bits, src[1], src[2], {});
  const auto beta = static_cast<double>(attrs.get_float("beta"));
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = src[0].as<float>() + r * bits;
    float* y = dst[0].as<float>() + r * count;
    std::vector<double> scores;
    for (int64_t k = 0; k < memory.patterns.count(); ++k) {
      int64_t overlap = 0;
      for (int64_t i = 0; i < bits; ++i) overlap += (x[i] > 0 ? 1 : -1) * memory.patterns.sign(k, i);
      scores.push_back(beta * static_cast<double>(overlap));
    }
    for (int64_t c = 0; c < count; ++c) {
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for (size_t k = 0; k < scores.size(); ++k)
        if (memory.classes[k] == c) most = std::max(most, scores[k]);
      for (size_t k = 0; k < scores.size(); ++k)
        if (memory.classes[k] == c) sum += std::exp(scores[k] - most);
      y[c] = static_cast<float>(sum == 0 ? most : most + std::log(sum));
    }
  }
}

void hopfield_memory(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t rows = src[0].dims[0], bits = src[0].dims[1], count = attrs.get_int("class_count");
  const hopfield::ParallelNetworks networks =
      parallel_networks(attrs, pattern_memory(attrs, bits, src[1], src[2], src[3]));
  const BitPatterns probes = BitPatterns::of_signs({src[0].as<float>(), static_cast<size_t>(rows * bits)}, bits);
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<float> scores = networks.scores(probes.row_span(r), count, recall_options(attrs));
    for (int64_t c = 0; c < count; ++c)
      dst[0].as<float>()[r * count + c] = attrs.get_float("scale") * scores[static_cast<size_t>(c)];
  }
}

}  // namespace

hopfield::PatternMemory pattern_memory(const Attrs& attrs, int64_t bits, const View& patterns, const View& classes,
                                       const View& networks) {
  hopfield::PatternMemory memory;
  memory.patterns = BitPatterns::from_bytes(bits, {patterns.data, patterns.bytes()});
  const int64_t class_count = attrs.get_int("class_count");
  for (int64_t k = 0; k < memory.patterns.count(); ++k) {
    const int64_t c = classes.as<int64_t>()[k], n = networks.dtype == DType::none ? 0 : networks.as<int64_t>()[k];
    if (c < 0 || c >= class_count) fail_input("pattern {} is of class {}, wanted 0 to {}", k, c, class_count - 1);
    if (n < 0 || n >= memory.patterns.count())
      fail_input("pattern {} is in network {}, wanted 0 to {}", k, n, memory.patterns.count() - 1);
    memory.classes.push_back(static_cast<int32_t>(c));
    memory.networks.push_back(static_cast<int32_t>(n));
  }
  return memory;
}

hopfield::ParallelNetworks parallel_networks(const Attrs& attrs, hopfield::PatternMemory memory) {
  return {
      std::move(memory), hopfield::find_rule(attrs.get_string("rule")), {static_cast<double>(attrs.get_float("beta"))}};
}

hopfield::RecallOptions recall_options(const Attrs& attrs) {
  hopfield::RecallOptions options;
  options.mode = hopfield::parse_recall_mode(attrs.get_string("recall"));
  options.max_sweeps = static_cast<int>(attrs.get_int("max_sweeps"));
  return options;
}

std::vector<RefEntry> memory_refs() {
  return {{"ai.tercel.SoftmaxMemory", softmax_memory}, {"ai.tercel.HopfieldMemory", hopfield_memory}};
}

}  // namespace tercel::inline kernels
