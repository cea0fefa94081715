#include "tune/hopfield_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "base/threads.h"
#include "hopfield/overlaps.h"
#include "hopfield/readout.h"

namespace tercel::inline tune {
namespace {

using hopfield::BitPatterns;

constexpr int64_t kRecalledAtOnce = 16;  // between two questions whether to stop

/// Greedy is one construction, exhaustive has its own count.
int evaluations_of(AssignmentMethod method, const HopfieldOptions& options) {
  return method == AssignmentMethod::greedy ? 1 : options.evaluations;
}

void assign(FittedHead& fitted, const HopfieldOptions& options) {
  hopfield::PatternMemory& memory = fitted.head.memory;
  AssignmentOptions assign_options;
  assign_options.method = parse_assignment_method(options.assignment);
  if (options.evaluations < 1) fail_input("{} evaluations: wanted at least one", options.evaluations);
  assign_options.evaluations = evaluations_of(assign_options.method, options);
  assign_options.seed = options.seed;
  assign_options.progress = options.progress;
  if (options.networks == 1) {
    fitted.assignment.network_of.assign(memory.classes.size(), 0);
  } else {
    const PatternAssignmentProblem problem(memory.patterns, options.networks);
    fitted.assignment = assign_patterns(problem, assign_options);
  }
  memory.networks = fitted.assignment.network_of;
  fitted.most_in_network = memory.most_in_network();
}

/// How many patterns their networks keep as they are.
void count_kept(FittedHead& fitted) {
  const MemoryHead& head = fitted.head;
  const BitPatterns& patterns = head.memory.patterns;
  fitted.kept = patterns.count();
  if (!head.settles) {
    fitted.memory_bytes = patterns.count() * patterns.words() * 8;
    return;
  }
  const hopfield::ParallelNetworks networks = networks_of(head);
  fitted.memory_bytes = static_cast<int64_t>(networks.bytes());
  fitted.kept = 0;
  for (int64_t k = 0; k < patterns.count(); ++k) fitted.kept += networks.keeps(k) ? 1 : 0;
}

}  // namespace

const char* LabelledFeatures::simple_binarization() const {
  int64_t above = 0, below = 0;  // behind a ReLU many are 0, and none below
  for (const float v : values) {
    above += v > 0 ? 1 : 0;
    below += v < 0 ? 1 : 0;
  }
  const double fair = 0.2 * static_cast<double>(values.size());
  return static_cast<double>(above) > fair && static_cast<double>(below) > fair ? "zero" : "median";
}

LabelledFeatures LabelledFeatures::selected(const std::vector<size_t>& numbers) const {
  LabelledFeatures some;
  some.width = width;
  for (const size_t i : numbers) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(i) * width;
    some.values.insert(some.values.end(), from, from + width);
    some.classes.push_back(classes[i]);
  }
  return some;
}

void check_features(const LabelledFeatures& data, const std::string& cut) {
  const hopfield::FeatureRows rows = data.rows();
  hopfield::check_finite(rows);
  bool same = rows.count() > 1;
  for (int64_t i = 1; i < rows.count() && same; ++i)
    same = std::equal(rows.row(i), rows.row(i) + rows.width, rows.row(0));
  if (same)
    fail_input("the cut at '{}' separates nothing: its features are the same for all {} pictures", cut, rows.count());
}

FittedHead fit_head(const LabelledFeatures& data, int64_t class_count, const HopfieldOptions& options) {
  hopfield::BinarizationOptions bits;
  bits.bits = options.bits;
  bits.seed = options.seed;
  return fit_head(data, hopfield::find_binarization(options.binarization).fit(data.rows(), bits), class_count, options);
}

FittedHead fit_head(const LabelledFeatures& data, const hopfield::Binarizer& binarizer, int64_t class_count,
                    const HopfieldOptions& options) {
  const std::vector<float> projected = binarizer.project(data.rows());
  hopfield::PrototypeOptions prototype_options;
  prototype_options.per_class = options.patterns_per_class;
  prototype_options.seed = options.seed;
  hopfield::Prototypes prototypes =
      hopfield::find_prototypes({projected, binarizer.bits}, data.classes, prototype_options);
  return head_of_patterns(BitPatterns::of_signs(prototypes.values, binarizer.bits), std::move(prototypes.classes),
                          binarizer, class_count, options);
}

FittedHead head_of_patterns(BitPatterns patterns, std::vector<int32_t> classes, const hopfield::Binarizer& binarizer,
                            int64_t class_count, const HopfieldOptions& options) {
  FittedHead fitted;
  fitted.binarizer = binarizer;
  const hopfield::Rule& rule = hopfield::find_rule(options.rule);
  MemoryHead& head = fitted.head;
  head.rule = options.rule;
  head.settles = options.rule != "softmax";
  if (!head.settles && options.networks != 1)
    fail_input("{} networks under the softmax rule: it reads out all patterns at once, in one", options.networks);
  head.recall = options.recall;
  hopfield::parse_recall_mode(head.recall);
  if (options.max_sweeps < 1 || options.max_sweeps > 1 << 16)
    fail_input("{} sweeps at most: wanted 1 to {}", options.max_sweeps, 1 << 16);
  head.max_sweeps = options.max_sweeps;
  head.class_count = class_count;
  head.beta = 1 / std::sqrt(static_cast<double>(binarizer.bits));
  head.memory.patterns = std::move(patterns);
  head.memory.classes = std::move(classes);
  fitted.capacity = rule.capacity(binarizer.bits);
  assign(fitted, options);
  count_kept(fitted);
  return fitted;
}

FittedHead head_of_code_words(const CodeWords& words, const HopfieldOptions& options) {
  hopfield::Binarizer zero;
  zero.inputs = zero.bits = words.words.bits();
  std::vector<int32_t> classes(static_cast<size_t>(words.words.count()));
  std::iota(classes.begin(), classes.end(), 0);
  FittedHead fitted = head_of_patterns(words.words, std::move(classes), zero, words.words.count(), options);
  fitted.head.beta = words.beta;
  return fitted;
}

int64_t shared_patterns(const hopfield::PatternMemory& memory) {
  std::map<std::vector<uint64_t>, std::set<int32_t>> classes_of;
  const auto row = [&](size_t k) {
    const auto words = memory.patterns.row_span(static_cast<int64_t>(k));
    return std::vector<uint64_t>(words.begin(), words.end());
  };
  for (size_t k = 0; k < memory.classes.size(); ++k) classes_of[row(k)].insert(memory.classes[k]);
  int64_t count = 0;
  for (size_t k = 0; k < memory.classes.size(); ++k) count += classes_of.at(row(k)).size() > 1 ? 1 : 0;
  return count;
}

int64_t stored_bytes(const FittedHead& fitted) {
  const BitPatterns& patterns = fitted.head.memory.patterns;
  const int64_t numbers = fitted.head.settles && fitted.head.memory.network_count() > 1 ? 4 : 2;
  return static_cast<int64_t>(fitted.binarizer.bytes()) +
         patterns.count() * (BitPatterns::row_bytes(patterns.bits()) + numbers);
}

hopfield::ParallelNetworks networks_of(const MemoryHead& head) {
  return {head.memory, hopfield::find_rule(head.rule), {head.rule_beta}};
}

hopfield::RecallOptions recall_of(const MemoryHead& head) {
  hopfield::RecallOptions options;
  options.mode = hopfield::parse_recall_mode(head.recall);
  options.max_sweeps = static_cast<int>(head.max_sweeps);
  return options;
}

std::vector<float> scores_of(const MemoryHead& head, const BitPatterns& probes, const Progress& progress) {
  const auto classes = static_cast<size_t>(head.class_count);
  std::vector<float> scores(static_cast<size_t>(probes.count()) * classes);
  const auto beta = static_cast<float>(head.beta);
  if (head.settles) {
    const hopfield::ParallelNetworks networks = networks_of(head);
    const hopfield::RecallOptions options = recall_of(head);
    for (int64_t from = 0; from < probes.count(); from += kRecalledAtOnce) {
      if (progress && !progress("recall", static_cast<double>(from) / static_cast<double>(probes.count())))
        fail(ErrorCode::stopped, "stopped while networks settle");
      parallel_for(std::min(kRecalledAtOnce, probes.count() - from), 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = from + begin; i < from + end; ++i) {
          const std::vector<float> row = networks.scores(probes.row_span(i), head.class_count, options);
          for (size_t c = 0; c < classes; ++c) scores[static_cast<size_t>(i) * classes + c] = beta * row[c];
        }
      });
    }
    return scores;
  }
  parallel_for(probes.count(), 16, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> a(head.memory.classes.size());
    std::vector<float> sums(classes);
    for (int64_t i = begin; i < end; ++i) {
      hopfield::overlaps(probes.row(i), head.memory.patterns, a);
      hopfield::class_scores(a, head.memory.classes, beta, sums,
                             std::span(scores).subspan(static_cast<size_t>(i) * classes, classes));
    }
  });
  return scores;
}

std::vector<int32_t> named_classes(const std::vector<float>& scores, int64_t class_count) {
  std::vector<int32_t> named;
  for (auto row = scores.begin(); row != scores.end(); row += class_count)
    named.push_back(static_cast<int32_t>(std::max_element(row, row + class_count) - row));
  return named;
}

double accuracy_of(const std::vector<int32_t>& named, const std::vector<int32_t>& classes) {
  size_t right = 0;
  for (size_t i = 0; i < classes.size(); ++i) right += named[i] == classes[i] ? 1 : 0;
  return classes.empty() ? -1 : static_cast<double>(right) / static_cast<double>(classes.size());
}

double likeliest_beta(const MemoryHead& head, const BitPatterns& probes, const std::vector<int32_t>& classes,
                      const Progress& progress) {
  constexpr double kLeast = 1e-4;  // of a probability: a network that settles wrongly is sure of it
  const auto count = static_cast<size_t>(head.class_count);
  MemoryHead tried = head;
  // Scores of networks only scale; of a softmax memory each factor gives others.
  tried.beta = 1;
  std::vector<float> scores = head.settles ? scores_of(tried, probes, progress) : std::vector<float>();
  double best = head.beta, least = std::numeric_limits<double>::infinity();
  for (int half_octave = 6; half_octave >= -28; --half_octave) {
    const double beta = std::pow(2.0, 0.5 * half_octave);
    tried.beta = beta;
    if (!head.settles) scores = scores_of(tried, probes);
    const double factor = head.settles ? beta : 1;
    double loss = 0;
    for (size_t i = 0; i < classes.size(); ++i) {
      const float* y = scores.data() + i * count;
      const auto most = static_cast<double>(*std::max_element(y, y + count));
      double sum = 0;
      for (size_t c = 0; c < count; ++c) sum += std::exp(factor * (static_cast<double>(y[c]) - most));
      const double p = std::exp(factor * (static_cast<double>(y[classes[i]]) - most)) / sum;
      loss -= std::log(std::max(p, kLeast));
    }
    if (loss < least) {
      least = loss;
      best = beta;
    }
  }
  return best;
}

std::pair<std::vector<size_t>, std::vector<size_t>> hold_out(const std::vector<int32_t>& classes, size_t most,
                                                             uint64_t seed) {
  std::vector<size_t> order(classes.size()), kept, held;
  std::iota(order.begin(), order.end(), size_t{0});
  Rng rng(seed);
  shuffle(order, rng);
  std::vector<int64_t> of_class;
  for (const int32_t c : classes) {
    if (static_cast<size_t>(c) >= of_class.size()) of_class.resize(static_cast<size_t>(c) + 1);
    ++of_class[static_cast<size_t>(c)];
  }
  std::vector<int64_t> wanted;
  for (const int64_t count : of_class) wanted.push_back(count / 5);
  for (const size_t i : order) {
    int64_t& left = wanted[static_cast<size_t>(classes[i])];
    const bool hold = left > 0 && held.size() < most;
    if (hold) --left;
    (hold ? held : kept).push_back(i);
  }
  std::sort(kept.begin(), kept.end());
  std::sort(held.begin(), held.end());
  return {kept, held};
}

}  // namespace tercel::inline tune
