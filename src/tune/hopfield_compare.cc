// Every head on the same frozen features.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "base/threads.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tercel/session.h"
#include "tune/code_words.h"
#include "tune/head_baselines.h"
#include "tune/hopfield_head.h"
#include "tune/labelled_pictures.h"

namespace tercel {
namespace {

using hopfield::BitPatterns;

/// Two-sided binomial test of b against c at one half (McNemar's, exact).
double mcnemar(int64_t b, int64_t c) {
  const int64_t n = b + c, least = std::min(b, c);
  if (n == 0) return 1;
  double log_choose = 0, sum = 0;
  for (int64_t k = 0; k <= least; ++k) {
    if (k > 0) log_choose += std::log(static_cast<double>(n - k + 1) / static_cast<double>(k));
    sum += std::exp(log_choose - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * sum);
}

/// The memory as a head: of probes made by the binarizer.
Head memory_head(FittedHead fitted, double beta) {
  struct State {
    FittedHead fitted;
    std::optional<hopfield::ParallelNetworks> networks;
    hopfield::RecallOptions recall;
  };
  auto state = std::make_shared<State>();
  fitted.head.beta = beta;
  state->fitted = std::move(fitted);
  const MemoryHead& memory = state->fitted.head;
  Head head;
  head.bytes = stored_bytes(state->fitted);
  head.memory = state->fitted.memory_bytes + static_cast<int64_t>(state->fitted.binarizer.bytes());
  const auto probe_of = [state](const float* features) {
    const hopfield::Binarizer& map = state->fitted.binarizer;
    return map.binarize({{features, static_cast<size_t>(map.inputs)}, map.inputs});
  };
  if (!memory.settles) {
    head.name = [state, probe_of](const float* features) {
      return named_classes(scores_of(state->fitted.head, probe_of(features)), state->fitted.head.class_count)[0];
    };
    return head;
  }
  state->networks.emplace(networks_of(memory));
  state->recall = recall_of(memory);
  head.verdict = [state, probe_of](const float* features) {
    return state->networks->decide(probe_of(features).row_span(0), state->recall);
  };
  head.name = [verdict = head.verdict](const float* features) { return verdict(features).class_index; };
  return head;
}

class Comparer {
 public:
  Comparer(const Model& model, const std::filesystem::path& where, const HopfieldCompareOptions& options)
      : options_(options), model_(dequantized(model)) {
    const auto at_least = [](const char* what, int value, int least) {
      if (value < least) fail_input("{}: {}, wanted {} or more", what, value, least);
    };
    at_least("seeds", options_.seeds, 1);
    at_least("pictures to fit on", options_.pictures, 1);
    at_least("pictures to test on", options_.test_pictures, 1);
    at_least("pictures for heads that settle", options_.settled_pictures, 1);
    at_least("shots (pictures of each class)", options_.shots, 0);
    if (options_.quick) {
      options_.seeds = std::min(options_.seeds, 2);
      options_.pictures = std::min(options_.pictures, 3000);
      options_.test_pictures = std::min(options_.test_pictures, 1000);
      options_.settled_pictures = std::min(options_.settled_pictures, 200);
    }
    out_.cut = find_cut(model_, options_.cut);
    load(where);
  }

  HopfieldComparison run() {
    if (options_.shots > 0) {
      few_shot_rows();
    } else {
      network_rows();
      code_word_rows();
      linear_rows();
      prototype_rows();
      memory_rows();
      if (options_.heads.empty()) compare_assignments();
    }
    if (out_.rows.empty())
      fail_input("no head's name holds one of the words '{}'; here the heads are: {}",
                 fmt::join(options_.heads, "', '"), fmt::join(names_, "; "));
    return std::move(out_);
  }

 private:
  void load(const std::filesystem::path& where) {
    LabelledPictures all = LabelledPictures::open(where), test;
    std::error_code error;
    if (!options_.test.empty()) {
      test = LabelledPictures::open(options_.test, "t10k");
    } else if (std::filesystem::is_directory(where, error) && has_idx(where, "t10k")) {
      test = LabelledPictures::open(where, "t10k");
    } else {
      const std::vector<int32_t> classes(all.classes().begin(), all.classes().end());
      const auto [kept, held] = hold_out(classes, classes.size(), options_.seed);
      if (held.empty()) fail_input("{}: too few pictures to hold some out for a test", where.string());
      test = all.selected(held);
      all = all.selected(kept);
    }
    all = all.some(static_cast<size_t>(options_.pictures), options_.seed);
    test = test.some(static_cast<size_t>(options_.test_pictures), options_.seed);
    const int classes = std::max(all.class_count(), test.class_count());
    if (std::set<int>(all.classes().begin(), all.classes().end()).size() < 2)
      fail_input("{}: pictures of one class: heads tell classes apart", where.string());
    const Model features = features_model(model_, out_.cut, options_.pool);
    train_ = features_of(features, all, "features to fit on");
    test_ = features_of(features, test, "features to test on");
    if (train_.width != test_.width) fail_input("features to fit and to test on have other sizes");
    class_count_ = classes;
    if (options_.shots > 0) {
      check_shots(where);
    } else {
      const OutputTable answers =
          outputs_of(model_, test, options_.threads, "answers of the network", options_.progress);
      if (answers.width < class_count_)
        fail_input("{}: tells {} classes apart, the pictures are of {}", model_.name(), answers.width, class_count_);
      network_named_ = named_classes(answers.values, answers.width);
    }
    if (options_.binarization.empty()) options_.binarization = train_.simple_binarization();
    out_.features = train_.width;
    out_.bits = options_.bits > 0 ? options_.bits : train_.width;
    out_.classes = classes;
    out_.fitted = static_cast<size_t>(train_.count());
    out_.tested = static_cast<size_t>(test_.count());
    out_.binarization = options_.binarization;
    out_.shots = options_.shots;
  }

  LabelledFeatures features_of(const Model& features, const LabelledPictures& pictures, std::string_view stage) {
    OutputTable table = outputs_of(features, pictures, options_.threads, stage, options_.progress);
    LabelledFeatures data{table.width, std::move(table.values), {pictures.classes().begin(), pictures.classes().end()}};
    check_features(data, out_.cut);
    return data;
  }

  /// Classes of the test count, too: of them no head could name one that has no picture to fit on.
  void check_shots(const std::filesystem::path& where) const {
    std::map<int32_t, int> sizes;
    for (const int32_t c : test_.classes) sizes[c] = 0;
    for (const int32_t c : train_.classes) ++sizes[c];
    for (const auto& [c, size] : sizes)
      if (size < options_.shots)
        fail_input("{}: {} pictures of class {} among those to fit on, wanted {} of each", where.string(), size, c,
                   options_.shots);
  }

  /// The rows to fit on, drawn anew for each seed: four fifths, or as many of each class as there are shots.
  const LabelledFeatures& part(uint64_t seed) {
    if (part_seed_ == seed && part_.width != 0) return part_;
    part_seed_ = seed;
    part_ = train_.selected(options_.shots > 0 ? some_of_each(train_.classes, options_.shots, seed)
                                               : hold_out(train_.classes, train_.classes.size(), seed).first);
    return part_;
  }

  static std::vector<size_t> some_of_each(const std::vector<int32_t>& classes, int count, uint64_t seed) {
    std::vector<size_t> order(classes.size()), chosen;
    std::iota(order.begin(), order.end(), size_t{0});
    Rng rng(seed);
    shuffle(order, rng);
    std::map<int32_t, int> taken;
    for (const size_t i : order)
      if (taken[classes[i]]++ < count) chosen.push_back(i);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  using MakeHead = std::function<Head(const LabelledFeatures&, uint64_t seed)>;

  /// Measures a head; `slow`: on fewer pictures.
  void add(const std::string& name, bool slow, int seeds, const MakeHead& make) {
    names_.push_back(name);
    if (!wanted(name)) return;
    HopfieldComparisonRow row;
    row.head = name;
    row.seeds = seeds;
    const auto limit = static_cast<int64_t>(slow ? options_.settled_pictures : options_.test_pictures);
    const int64_t count = std::min(test_.count(), limit);
    row.tested = static_cast<size_t>(count);
    std::vector<double> accuracies;
    for (int s = 0; s < seeds; ++s) {
      if (options_.progress && !options_.progress(name, static_cast<double>(s) / seeds))
        fail(ErrorCode::stopped, "stopped while comparing");
      const uint64_t seed = options_.seed + static_cast<uint64_t>(s);
      const std::vector<int32_t>& reference_named = held_against(seed);
      const Head head = make(part(seed), seed);
      std::vector<int32_t> named(static_cast<size_t>(count));
      std::vector<hopfield::Verdict> verdicts(head.verdict ? named.size() : 0);
      {
        const ThreadScope scope(options_.threads > 0 ? options_.threads : hardware_threads());
        parallel_for(count, 4, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const auto at = static_cast<size_t>(i);
            if (!head.verdict) {
              named[at] = head.name(test_.rows().row(i));
              continue;
            }
            verdicts[at] = head.verdict(test_.rows().row(i));
            named[at] = verdicts[at].class_index;
          }
        });
      }
      double accuracy = 0, reference = 0;
      for (int64_t i = 0; i < count; ++i) {
        accuracy += right(named, i) / static_cast<double>(count);
        reference += right(reference_named, i) / static_cast<double>(count);
      }
      accuracies.push_back(accuracy);
      row.difference += (accuracy - reference) / seeds;
      if (s > 0) continue;
      row.bytes = head.bytes;
      row.memory = head.memory;
      int64_t only_head = 0, only_reference = 0;
      for (int64_t i = 0; i < count; ++i) {
        only_head += right(named, i) > right(reference_named, i) ? 1 : 0;
        only_reference += right(named, i) < right(reference_named, i) ? 1 : 0;
      }
      row.mcnemar = mcnemar(only_head, only_reference);
      time(head, row);
      if (head.verdict) count_settled(verdicts, row);
    }
    row.accuracy = std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / seeds;
    for (const double a : accuracies) row.deviation += (a - row.accuracy) * (a - row.accuracy);
    row.deviation = seeds > 1 ? std::sqrt(row.deviation / (seeds - 1)) : 0;
    out_.rows.push_back(std::move(row));
  }

  bool wanted(const std::string& name) const {
    return options_.heads.empty() ||
           std::any_of(options_.heads.begin(), options_.heads.end(),
                       [&](const std::string& w) { return name.find(w) != std::string::npos; });
  }

  double right(const std::vector<int32_t>& named, int64_t i) const {
    return named[static_cast<size_t>(i)] == test_.classes[static_cast<size_t>(i)] ? 1 : 0;
  }

  /// One picture after the other, on one thread.
  void time(const Head& head, HopfieldComparisonRow& row) const {
    const ThreadScope one(1);
    std::vector<double> times;
    const Stopwatch all;
    for (int64_t i = 0; i < std::min<int64_t>(test_.count(), 200) && (all.ms() < 300 || i < 5); ++i) {
      const Stopwatch watch;
      head.name(test_.rows().row(i));
      times.push_back(1000 * watch.ms());
    }
    std::sort(times.begin(), times.end());
    row.median_us = times[times.size() / 2];
    row.p95_us = times[times.size() * 95 / 100];
  }

  void count_settled(const std::vector<hopfield::Verdict>& verdicts, HopfieldComparisonRow& row) const {
    row.settles = true;
    SettlingReport& r = row.settling;
    double recalls = 0;
    for (size_t i = 0; i < verdicts.size(); ++i) {
      for (const hopfield::NetworkOutcome& one : verdicts[i].networks) {
        ++recalls;
        r.sweeps += one.sweeps;
        if (one.end != hopfield::RecallEnd::fixed_point) ++r.unsettled;
        else if (one.kind == hopfield::StateKind::stored) ++r.stored;
        else if (one.kind == hopfield::StateKind::inverse) ++r.inverse;
        else ++r.spurious;
      }
      r.fell_back += verdicts[i].settled ? 0 : 1;
      const int32_t wanted = test_.classes[i];
      const bool nearest = verdicts[i].nearest_class == wanted, final = verdicts[i].class_index == wanted;
      r.right_to_wrong += nearest && !final ? 1 : 0;
      r.wrong_to_right += !nearest && final ? 1 : 0;
    }
    for (double* part : {&r.stored, &r.inverse, &r.spurious, &r.unsettled, &r.sweeps}) *part /= recalls;
    for (double* part : {&r.fell_back, &r.right_to_wrong, &r.wrong_to_right})
      *part /= static_cast<double>(verdicts.size());
  }

  /// The classes of the test that a row is held against: those the network names. With few shots, as it saw all
  /// pictures, those a layer names that was trained on what the heads of this seed see.
  const std::vector<int32_t>& held_against(uint64_t seed) {
    if (options_.shots == 0) return network_named_;
    std::vector<int32_t>& named = few_shot_named_[seed];
    if (!named.empty()) return named;
    const Head& layer = few_shot_layer(seed);
    for (int64_t i = 0; i < test_.count(); ++i) named.push_back(layer.name(test_.rows().row(i)));
    return named;
  }

  const Head& few_shot_layer(uint64_t seed) {
    const auto known = few_shot_layers_.find(seed);
    if (known != few_shot_layers_.end()) return known->second;
    return few_shot_layers_.emplace(seed, softmax_regression(part(seed), class_count_)).first->second;
  }

  void few_shot_rows() {
    add("fully connected, trained on as few", false, options_.seeds,
        [&](const LabelledFeatures&, uint64_t seed) { return few_shot_layer(seed); });
    linear_rows();
    prototype_rows();
    softmax_memory_rows();
  }

  void network_rows() {
    for (const FullyConnected& fc : fully_connected_heads(model_, out_.cut))
      add(fc.what, false, 1, [&](const LabelledFeatures&, uint64_t) { return fc.head(train_.width); });
  }

  hopfield::Binarizer binarizer(const LabelledFeatures& data, uint64_t seed, const std::string& method = {},
                                int64_t bits = -1) const {
    hopfield::BinarizationOptions options;
    options.bits = bits >= 0 ? bits : options_.bits;
    options.seed = seed;
    return hopfield::find_binarization(method.empty() ? options_.binarization : method).fit(data.rows(), options);
  }

  void linear_rows() {
    const int seeds = options_.seeds;
    if (train_.width <= kMostRidgeFeatures) {
      add("linear, ridge on the features, f32", false, seeds, [&](const LabelledFeatures& data, uint64_t) {
        return ridge_head(data, class_count_, {}, RidgeWeights::f32);
      });
      for (const auto& [what, weights] : {std::pair("linear on the bits, int8", RidgeWeights::int8),
                                          std::pair("linear on the bits, signs of weights", RidgeWeights::signs)})
        add(what, false, seeds, [&, kind = weights](const LabelledFeatures& data, uint64_t seed) {
          return ridge_head(data, class_count_, binarizer(data, seed), kind);
        });
    }
    add("nearest class mean, f32", false, seeds,
        [&](const LabelledFeatures& data, uint64_t seed) { return prototype_head(data, 1, seed); });
    for (const int k : {1, 5})
      if (most_per_class() >= k)
        add(fmt::format("{} nearest neighbour{}, f32", k, k > 1 ? "s" : ""), true, options_.quick ? 1 : seeds,
            [&, k](const LabelledFeatures& data, uint64_t) { return neighbour_head(data, class_count_, k); });
  }

  void prototype_rows() {
    const int seeds = options_.seeds;
    for (const int k : {4, 16})
      if (most_per_class() >= k)
        add(fmt::format("{} k-means prototypes a class, f32", k), false, seeds,
            [&, k](const LabelledFeatures& data, uint64_t seed) { return prototype_head(data, k, seed); });
    // The same patterns read out by the largest overlap: no dynamics.
    for (const int k : {1, 4, 16})
      if (most_per_class() >= k) memory_row("Hamming, nearest of", k, "softmax", 1, "greedy", 1e3, seeds, false);
    for (const std::string method : {"zero", "median", "hadamard", "itq"}) {
      const bool itq = method == "itq";
      if (method == options_.binarization || (itq && (options_.quick || train_.width > 1024))) continue;
      add(fmt::format("Hamming, nearest of 1 a class, {} bits", method), false, itq ? 1 : seeds,
          [&](const LabelledFeatures& data, uint64_t seed) {
            HopfieldOptions options;
            options.seed = seed;
            const int64_t bits = itq ? std::min<int64_t>(train_.width, 256) : 0;
            return memory_head(fit_head(data, binarizer(data, seed, method, bits), class_count_, options), 1e3);
          });
    }
  }

  int64_t most_per_class() const {
    if (options_.shots > 0) return options_.shots;
    std::map<int32_t, int64_t> sizes;
    for (const int32_t c : train_.classes) ++sizes[c];
    int64_t most = 0;
    for (const auto& [c, size] : sizes) most = std::max(most, size);
    return most;
  }

  /// beta 0: the likeliest on a fifth of the rows.
  void memory_row(const std::string& what, int patterns, const std::string& rule, int networks,
                  const std::string& assignment, double beta, int seeds, bool slow) {
    std::string name = fmt::format("{} {} a class", what, patterns);
    if (rule != "softmax")
      name += networks == 1 ? ", one network" : fmt::format(", {} networks ({})", networks, assignment);
    add(name, slow, seeds, [&](const LabelledFeatures& data, uint64_t seed) {
      HopfieldOptions options;
      options.seed = seed;
      options.patterns_per_class = patterns;
      options.rule = rule;
      options.networks = networks;
      options.assignment = assignment;
      options.evaluations = kEvaluations;
      const hopfield::Binarizer map = binarizer(data, seed);
      double factor = beta;
      if (beta == 0) {
        const auto [fit, held] = hold_out(data.classes, 2000, seed + 1000);
        const LabelledFeatures others = data.selected(held);
        if (!held.empty())
          factor = likeliest_beta(fit_head(data.selected(fit), map, class_count_, options).head,
                                  map.binarize(others.rows()), others.classes);
      }
      return memory_head(fit_head(data, map, class_count_, options), factor == 0 ? 1 : factor);
    });
  }

  /// A network trained towards code words has its memory already.
  void code_word_rows() {
    const std::variant<CodeWords, std::string> found = find_code_words(model_);
    const auto* words = std::get_if<CodeWords>(&found);
    if (words == nullptr || words->features != out_.cut || words->words.count() != class_count_) return;
    for (const std::string rule : {"softmax", "pseudo_inverse", "storkey", "hebb"}) {
      HopfieldOptions options;
      options.rule = rule;
      const bool dense = rule == "storkey";
      if (dense && out_.bits > 4096) continue;
      add(rule == "softmax" ? "trained code words, memory" : fmt::format("trained code words, settled by {}", rule),
          dense, 1, [&](const LabelledFeatures&, uint64_t) {
            FittedHead fitted = head_of_code_words(*words, options);
            const double beta = fitted.head.beta;
            return memory_head(std::move(fitted), beta);
          });
    }
  }

  void softmax_memory_rows() {
    for (const int k : {1, 4, 16})
      if (most_per_class() >= k) memory_row("softmax memory,", k, "softmax", 1, "greedy", 0, options_.seeds, false);
  }

  void memory_rows() {
    const int seeds = options_.seeds;
    softmax_memory_rows();
    for (const std::string rule : {"pseudo_inverse", "storkey", "hebb"}) {
      if (rule == "storkey" && out_.bits > 4096) continue;  // gigabytes of W
      const int some = std::max(2, class_count_ / 2);
      memory_row(rule + ",", 1, rule, 1, "greedy", 1, seeds, true);
      // Its matrices are read from end to end for every picture.
      const bool brief = options_.quick && rule == "storkey";
      for (const char* assignment : {"random", "greedy", "genetic"})
        if (!brief || std::string_view(assignment) == "greedy")
          memory_row(rule + ",", 1, rule, some, assignment, 1, seeds, true);
      if (class_count_ <= 100 && !brief) memory_row(rule + ",", 1, rule, class_count_, "greedy", 1, seeds, true);
      if (options_.quick || most_per_class() < 4 || class_count_ > 100) continue;
      memory_row(rule + ",", 4, rule, 1, "greedy", 1, seeds, true);
      for (const char* assignment : {"random", "greedy", "genetic"})
        memory_row(rule + ",", 4, rule, class_count_, assignment, 1, seeds, true);
    }
  }

  /// On the patterns of the first seed, four a class.
  void compare_assignments() {
    constexpr int kSeeds = 10;
    HopfieldOptions options;
    options.seed = options_.seed;
    options.patterns_per_class = 4;
    const LabelledFeatures& data = part(options_.seed);
    const FittedHead fitted = fit_head(data, binarizer(data, options_.seed), class_count_, options);
    const BitPatterns& patterns = fitted.head.memory.patterns;
    out_.assigned_patterns = patterns.count();
    out_.assignment_networks = static_cast<int>(std::min<int64_t>(class_count_, patterns.count()));
    out_.assignment_evaluations = kEvaluations;
    out_.assignment_seeds = kSeeds;
    const PatternAssignmentProblem problem(patterns, out_.assignment_networks);
    std::map<std::string, std::vector<double>> costs;
    for (const char* method : {"random", "greedy", "genetic", "genetic from greedy"}) {
      AssignmentComparison one;
      one.method = method;
      one.least = std::numeric_limits<double>::infinity();
      for (int s = 0; s < kSeeds; ++s) {
        AssignmentOptions assign;
        const bool from_greedy = std::string_view(method) == "genetic from greedy";
        assign.method = from_greedy ? AssignmentMethod::genetic : parse_assignment_method(method);
        assign.start_greedy = from_greedy;
        assign.evaluations = kEvaluations;
        assign.seed = options_.seed + static_cast<uint64_t>(s);
        const PatternAssignment found = assign_patterns(problem, assign);
        costs[method].push_back(found.cost);
        one.mean += found.cost / kSeeds;
        one.least = std::min(one.least, found.cost);
        if (s == 0) one.convergence = found.convergence;
      }
      out_.assignments.push_back(std::move(one));
    }
    const auto wins = [&](const char* a, const char* b) {
      int count = 0;
      for (size_t s = 0; s < kSeeds; ++s) count += costs[a][s] < costs[b][s] - 1e-12 ? 1 : 0;
      return count;
    };
    const auto verdict = [&](const char* other) {
      const int better = wins("genetic", other), worse = wins(other, "genetic");
      const double by = 100 * (mean_of(other) / std::max(mean_of("genetic"), 1e-12) - 1);
      // Nine of ten is p = 0.02 by the sign test.
      const char* word = better >= 9 ? "better than" : worse >= 9 ? "worse than" : "not told apart from";
      return fmt::format("{} {} ({} of {} seeds better, {} worse; mean cost of {} is {:.1f} % {} the genetic one's)",
                         word, other, better, kSeeds, worse, other, std::abs(by), by < 0 ? "below" : "above");
    };
    out_.assignment_verdict = fmt::format(
        "{} patterns in {} networks, {} evaluations each: the genetic algorithm is {}, and {}.", out_.assigned_patterns,
        out_.assignment_networks, kEvaluations, verdict("greedy"), verdict("random"));
  }

  double mean_of(std::string_view method) const {
    for (const AssignmentComparison& one : out_.assignments)
      if (one.method == method) return one.mean;
    return 0;
  }

  static constexpr int kEvaluations = 6000;

  HopfieldCompareOptions options_;
  Model model_;
  LabelledFeatures train_, test_, part_;
  uint64_t part_seed_ = 0;
  int class_count_ = 0;
  std::vector<int32_t> network_named_;                       ///< none with few shots
  std::map<uint64_t, Head> few_shot_layers_;                 ///< by seed
  std::map<uint64_t, std::vector<int32_t>> few_shot_named_;  ///< by seed
  std::vector<std::string> names_;                           ///< of all heads, asked for or not
  HopfieldComparison out_;
};

}  // namespace

HopfieldComparison compare_hopfield(const Model& model, const std::filesystem::path& pictures,
                                    const HopfieldCompareOptions& options) {
  return Comparer(model, pictures, options).run();
}

}  // namespace tercel
