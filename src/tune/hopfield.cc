#include "tercel/hopfield.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "graph/infer.h"
#include "hopfield/overlaps.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tune/code_words.h"
#include "tune/hopfield_head.h"
#include "tune/labelled_pictures.h"

namespace tercel {
namespace {

constexpr size_t kMostHeldOut = 2000;
constexpr size_t kFewestHeldOut = 10;

void warn(const HopfieldOptions& options, const std::string& text) {
  if (options.warn) options.warn(text);
}

LabelledPictures as_many_as_wanted(LabelledPictures pictures, const HopfieldOptions& options) {
  if (options.pictures < 0) fail_input("{} pictures: wanted 0 (all) or more", options.pictures);
  return options.pictures == 0 ? pictures : pictures.some(static_cast<size_t>(options.pictures), options.seed);
}

/// What is known of the head itself, and warnings of what it cannot hold.
void report_head(HopfieldReport& report, const FittedHead& fitted, const Model& model, const HopfieldOptions& options) {
  report.features = fitted.binarizer.inputs;
  report.bits = fitted.binarizer.bits;
  report.patterns = fitted.head.memory.patterns.count();
  report.networks = options.networks;
  report.classes = static_cast<int>(fitted.head.class_count);
  report.binarization = options.binarization;
  report.rule = options.rule;
  report.assignment = options.networks > 1 ? options.assignment : "";
  report.beta = fitted.head.beta;
  report.capacity = fitted.capacity;
  report.most_in_network = fitted.most_in_network;
  report.kept = fitted.kept;
  report.crosstalk = fitted.assignment.cost;
  report.assignment_evaluations = fitted.assignment.evaluations;
  report.convergence = fitted.assignment.convergence;
  report.removed_bytes = bytes_behind(model, report.cut);
  report.head_bytes = stored_bytes(fitted);
  report.memory_bytes = fitted.memory_bytes;
  if (static_cast<double>(fitted.most_in_network) > fitted.capacity)
    warn(options,
         fmt::format("{} patterns in one network of {} bits: the {} rule holds about {:.0f} random ones, so {:.0f} are "
                     "too many; more networks (--networks), or the pseudo_inverse or softmax rule, hold them",
                     fitted.most_in_network, report.bits, options.rule, fitted.capacity,
                     static_cast<double>(fitted.most_in_network) - fitted.capacity));
  if (const int64_t shared = shared_patterns(fitted.head.memory); shared > 0)
    warn(options,
         fmt::format("{} of {} patterns are the same as one of another class, which a memory cannot tell apart: "
                     "more bits (--bits with hadamard) or another cut may",
                     shared, report.patterns));
  if (fitted.kept < report.patterns)
    warn(options, fmt::format("{} of {} patterns are no fixed points of their networks and cannot be recalled: "
                              "patterns of real features are correlated",
                              report.patterns - fitted.kept, report.patterns));
}

class Fitter {
 public:
  Fitter(const Model& model, const std::filesystem::path& where, const HopfieldOptions& options)
      : options_(options), model_(dequantized(model)) {
    report_.cut = find_cut(model_, options.cut);
    const auto beta = static_cast<float>(options.beta);  // of that type in a file
    if (options.beta != 0 && (!(beta > 0) || !std::isfinite(beta)))
      fail_input("beta is {}, wanted a number above 0 that f32 holds, or 0 for the likeliest", options.beta);
    pictures_ = LabelledPictures::open(where);
    pictures_ = as_many_as_wanted(std::move(pictures_), options);
    check_classes();
  }

  HopfieldResult run() {
    const Model features = features_model(model_, report_.cut, options_.pool);
    OutputTable table = outputs_of(features, pictures_, options_.threads, "compute features", options_.progress);
    data_.width = table.width;
    data_.values = std::move(table.values);
    data_.classes.assign(pictures_.classes().begin(), pictures_.classes().end());
    check_features(data_, report_.cut);
    memories_ = options_.binarization.empty() ? 5 : 2;
    choose();
    FittedHead fitted = fit(data_, options_);
    fitted.head.beta = beta_ > 0 ? beta_ : fitted.head.beta;
    report_head(report_, fitted, model_, options_);
    report_.fitted = pictures_.size();
    Model made = with_memory(model_, report_.cut, options_.pool, fitted.binarizer, fitted.head);
    if (!labels_.empty()) made = made.with_labels(labels_);
    return {std::move(made), std::move(report_)};
  }

 private:
  FittedHead fit(const LabelledFeatures& data, const HopfieldOptions& options) {
    if (options_.progress && !options_.progress("fit memories", static_cast<double>(fitted_++) / memories_))
      fail(ErrorCode::stopped, "stopped while fitting a memory");
    return fit_head(data, class_count_, options);
  }

  /// Numbers of classes, and what they are called.
  void check_classes() {
    class_count_ = pictures_.class_count();
    std::vector<int64_t> sizes(static_cast<size_t>(class_count_));
    for (const int c : pictures_.classes()) ++sizes[static_cast<size_t>(c)];
    const auto there = std::count_if(sizes.begin(), sizes.end(), [](int64_t size) { return size > 0; });
    if (there < 2)
      fail_input("{}: pictures of {} class: a memory tells classes apart, and needs two or more", pictures_.where(),
                 there);
    const std::vector<std::string> known = model_.labels();
    if (!pictures_.names().empty()) {
      labels_ = pictures_.names();
    } else if (!known.empty()) {
      if (static_cast<size_t>(class_count_) > known.size())
        fail_input("{}: a picture of class {}, but the network has labels for classes 0 to {}", pictures_.where(),
                   class_count_ - 1, known.size() - 1);
      class_count_ = static_cast<int>(known.size());
      sizes.resize(known.size());
      labels_ = known;
    }
    same_classes_ = labels_ == known;
    for (size_t c = 0; c < sizes.size(); ++c)
      if (sizes[c] == 0 && ++missing_ == 1) first_missing_ = c;
    if (missing_ > 0)
      warn(options_,
           fmt::format("{} of {} classes have no picture, the first of them {}{}: they are never named", missing_,
                       sizes.size(), first_missing_, labels_.empty() ? "" : " (" + labels_[first_missing_] + ")"));
  }

  /// Binarization and beta, by pictures that a first memory does not see.
  void choose() {
    const auto [fit_numbers, held_numbers] = hold_out(data_.classes, kMostHeldOut, options_.seed);
    if (held_numbers.size() < kFewestHeldOut) {
      if (options_.binarization.empty()) options_.binarization = data_.simple_binarization();
      return;
    }
    const LabelledFeatures some = data_.selected(fit_numbers), held = data_.selected(held_numbers);
    if (options_.binarization.empty()) {
      std::string best;
      double most = -1;
      for (const char* name : {"zero", "median", "hadamard"}) {
        HopfieldOptions tried = options_;
        tried.binarization = name;
        tried.rule = "softmax";  // chosen without settling, which would take long
        tried.networks = 1;
        if (options_.bits != 0 && std::string_view(name) != "hadamard" && options_.bits != data_.width) continue;
        const FittedHead fitted = fit(some, tried);
        const double accuracy = accuracy_of(
            named_classes(scores_of(fitted.head, fitted.binarizer.binarize(held.rows())), class_count_), held.classes);
        report_.binarizations.emplace_back(name, accuracy);
        if (accuracy > most) {
          most = accuracy;
          best = name;
        }
      }
      options_.binarization = best;
    }
    FittedHead fitted = fit(some, options_);
    const hopfield::BitPatterns probes = fitted.binarizer.binarize(held.rows());
    beta_ = options_.beta > 0 ? options_.beta : likeliest_beta(fitted.head, probes, held.classes, options_.progress);
    fitted.head.beta = beta_;
    report_.held_out = held_numbers.size();
    report_.held_out_accuracy =
        accuracy_of(named_classes(scores_of(fitted.head, probes, options_.progress), class_count_), held.classes);
    measure_network(held_numbers, held.classes);
  }

  void measure_network(const std::vector<size_t>& numbers, const std::vector<int32_t>& classes) {
    if (!same_classes_) return;
    const OutputTable answers =
        outputs_of(model_, pictures_.selected(numbers), options_.threads, "answers of the network", options_.progress);
    if (answers.width < class_count_) return;
    report_.network_accuracy = accuracy_of(named_classes(answers.values, answers.width), classes);
  }

  int fitted_ = 0, memories_ = 0;  ///< memories fitted so far, and at most
  HopfieldOptions options_;
  Model model_;
  LabelledPictures pictures_;
  LabelledFeatures data_;
  HopfieldReport report_;
  int class_count_ = 0;
  size_t missing_ = 0, first_missing_ = 0;
  std::vector<std::string> labels_;
  bool same_classes_ = false;
  double beta_ = 0;
};

std::vector<std::string> labels_or_numbers(const Model& model, int64_t count) {
  std::vector<std::string> labels = model.labels();
  for (int64_t c = std::ssize(labels); c < count; ++c) labels.push_back(std::to_string(c));
  labels.resize(static_cast<size_t>(count));
  return labels;
}

void fill_report(HopfieldReport& report, const MemoryHead& head, const std::string& cut) {
  report.cut = cut;
  report.bits = head.memory.patterns.bits();
  report.patterns = head.memory.patterns.count();
  report.networks = head.memory.network_count();
  report.classes = static_cast<int>(head.class_count);
  report.rule = head.rule;
  report.beta = head.beta;
}

/// The network in which the pattern adds least crosstalk.
int32_t cheapest_network(const hopfield::PatternMemory& memory, const uint64_t* pattern) {
  const std::vector<int32_t> a = hopfield::overlaps(pattern, memory.patterns);
  std::vector<double> added(static_cast<size_t>(memory.network_count()));
  for (size_t k = 0; k < a.size(); ++k)
    added[static_cast<size_t>(memory.networks[k])] += crosstalk(a[k], memory.patterns.bits());
  return static_cast<int32_t>(std::min_element(added.begin(), added.end()) - added.begin());
}

}  // namespace

HopfieldResult fit_hopfield(const Model& model, const std::filesystem::path& pictures, const HopfieldOptions& options) {
  return Fitter(model, pictures, options).run();
}

HopfieldResult hopfield_of_code_words(const Model& model, const HopfieldOptions& options) {
  if (!options.cut.empty() || options.pool || !options.binarization.empty() || options.bits != 0 ||
      options.patterns_per_class != 1 || options.pictures != 0 || options.beta != 0)
    fail_input(
        "{}: code words say themselves where the memory begins, and what its bits, patterns and beta are: none of "
        "cut, pool, binarization, bits, patterns, pictures and beta goes with them",
        model.name());
  const Model whole = dequantized(model);
  std::variant<CodeWords, std::string> found = find_code_words(whole);
  if (const auto* why = std::get_if<std::string>(&found))
    fail_input(
        "{}: has no code words: {}; tercel.torch.CodeWords trains such networks, and fit with pictures takes others",
        model.name(), *why);
  FittedHead fitted = head_of_code_words(std::get<CodeWords>(found), options);
  HopfieldOptions as_fitted = options;
  as_fitted.binarization = "zero";
  HopfieldResult result{with_memory(whole, std::get<CodeWords>(found).features, false, fitted.binarizer, fitted.head),
                        {}};
  result.report.cut = std::get<CodeWords>(found).features;
  report_head(result.report, fitted, whole, as_fitted);
  return result;
}

HopfieldResult add_hopfield_classes(const Model& model, const std::filesystem::path& folder,
                                    const HopfieldOptions& options) {
  MemoryHead head = memory_of(model);
  const std::string input = memory_input(model);
  LabelledPictures pictures = LabelledPictures::open_classes(folder);
  pictures = as_many_as_wanted(std::move(pictures), options);
  std::vector<std::string> labels = labels_or_numbers(model, head.class_count), names = pictures.names();
  for (int c = static_cast<int>(names.size()); c < pictures.class_count(); ++c)
    names.push_back(std::to_string(head.class_count + c));
  for (const std::string& name : names) {
    if (std::find(labels.begin(), labels.end(), name) != labels.end())
      fail_input("{}: the memory has a class '{}' already; remove it first to learn it anew", model.name(), name);
    labels.push_back(name);
  }
  const OutputTable table =
      outputs_of(features_model(model, input, false), pictures, options.threads, "compute features", options.progress);
  std::vector<int32_t> classes(pictures.classes().begin(), pictures.classes().end());
  hopfield::PrototypeOptions prototype_options;
  prototype_options.per_class = options.patterns_per_class;
  prototype_options.seed = options.seed;
  const hopfield::Prototypes prototypes =
      hopfield::find_prototypes({table.values, table.width}, classes, prototype_options);
  const hopfield::BitPatterns more = hopfield::BitPatterns::of_signs(prototypes.values, table.width);
  for (int64_t k = 0; k < more.count(); ++k) {
    head.memory.networks.push_back(cheapest_network(head.memory, more.row(k)));
    head.memory.patterns.append(more.row_span(k));
    head.memory.classes.push_back(static_cast<int32_t>(head.class_count) + prototypes.classes[static_cast<size_t>(k)]);
  }
  head.class_count += pictures.class_count();
  HopfieldResult result{with_other_memory(model, head, labels), {}};
  fill_report(result.report, head, input);
  result.report.fitted = pictures.size();
  const double capacity = hopfield::find_rule(head.rule).capacity(result.report.bits);
  result.report.capacity = capacity;
  result.report.most_in_network = head.memory.most_in_network();
  if (static_cast<double>(result.report.most_in_network) > capacity)
    warn(options, fmt::format("{} patterns in one network: the {} rule holds about {:.0f} random ones of {} bits",
                              result.report.most_in_network, head.rule, capacity, result.report.bits));
  return result;
}

Model remove_hopfield_class(const Model& model, std::string_view name) {
  MemoryHead head = memory_of(model);
  std::vector<std::string> labels = labels_or_numbers(model, head.class_count);
  auto at = std::find(labels.begin(), labels.end(), name);
  if (at == labels.end()) {
    size_t number = labels.size();
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number < labels.size())
      at = labels.begin() + static_cast<std::ptrdiff_t>(number);
  }
  if (at == labels.end())
    fail_input("{}: the memory has no class '{}': wanted a label, or a number from 0 to {}", model.name(), name,
               head.class_count - 1);
  if (head.class_count <= 2) fail_input("{}: has {} classes: one would be left", model.name(), head.class_count);
  const auto gone = static_cast<int32_t>(at - labels.begin());
  const bool labelled = !model.labels().empty();
  labels.erase(at);
  std::vector<int64_t> kept;
  hopfield::PatternMemory memory;
  for (size_t k = 0; k < head.memory.classes.size(); ++k) {
    if (head.memory.classes[k] == gone) continue;
    kept.push_back(static_cast<int64_t>(k));
    memory.classes.push_back(head.memory.classes[k] - (head.memory.classes[k] > gone ? 1 : 0));
    memory.networks.push_back(head.memory.networks[k]);
  }
  if (kept.empty()) fail_input("{}: no other class has a pattern", model.name());
  memory.patterns = head.memory.patterns.selected(kept);
  // Networks left empty go, so that there are never more than patterns.
  std::vector<int32_t> used = memory.networks;
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  for (int32_t& network : memory.networks)
    network = static_cast<int32_t>(std::lower_bound(used.begin(), used.end(), network) - used.begin());
  head.memory = std::move(memory);
  --head.class_count;
  return with_other_memory(model, head, labelled ? labels : std::vector<std::string>());
}

}  // namespace tercel
