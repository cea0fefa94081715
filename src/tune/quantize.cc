#include "tercel/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/words.h"
#include "quant/bias_correction.h"
#include "quant/insert_levels.h"
#include "quant/level_choice.h"
#include "quant/migrate_scale.h"
#include "quant/moments.h"
#include "quant/observe.h"
#include "quant/pictures.h"
#include "quant/range.h"
#include "quant/row_noise.h"
#include "quant/widen.h"
#include "session/model_impl.h"

namespace tercel {
namespace {

constexpr std::array<std::pair<RangeMethod, std::string_view>, 3> kMethods{
    {{RangeMethod::minmax, "minmax"}, {RangeMethod::percentile, "percentile"}, {RangeMethod::mse, "mse"}}};
constexpr std::array<std::pair<ActivationLevels, std::string_view>, 3> kLevels{
    {{ActivationLevels::u8, "u8"}, {ActivationLevels::i8, "i8"}, {ActivationLevels::symmetric, "symmetric"}}};

constexpr size_t kCorrectionPictures = 64, kMomentPictures = 64, kErrorPictures = 16;
constexpr int64_t kMomentPositions = 128;  // of one picture
constexpr double kLeastRowSqnr = 15;       // dB: less, and a product reads floats

void check_options(const QuantizeOptions& options) {
  if (!(options.percentile > 50 && options.percentile <= 100))
    fail_input("percentile: {} is not above 50 and at most 100", options.percentile);
  for (const auto& [name, count] : {std::pair("calibration_pictures", options.calibration_pictures),
                                    std::pair("held_out_pictures", options.held_out_pictures)})
    if (count < 1 || count > 100000) fail_input("{}: {} is not in 1..100000", name, count);
}

void check_not_quantized(const Model& model) {
  for (const auto& node : model.impl().graph.nodes()) {
    const bool by_name = node->op.starts_with("QLinear") || node->op.ends_with("Integer");
    const bool of_activations = node->is("DequantizeLinear") && !node->input(0)->is_constant();
    if (by_name || of_activations || node->is("QuantizeLinear") || node->is("DynamicQuantizeLinear"))
      fail_input("{}: is quantized already: {}; take the network of floats that it was made of", model.name(),
                 node->describe());
  }
}

/// `given`: the model before it was optimized.
std::set<std::string> nodes_to_keep(const Model& given, const Model& model, const std::vector<std::string>& names) {
  const auto known_in = [](const Model& m, const std::string& name) {
    const auto& nodes = m.impl().graph.nodes();
    return std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
      return node->name == name || (node->output() != nullptr && node->output()->name == name);
    });
  };
  for (const std::string& name : names) {
    if (known_in(model, name)) continue;
    if (known_in(given, name))
      fail_input(
          "{}: node '{}' cannot be kept: it is folded into another; 'tercel optimize' shows which nodes are left",
          model.name(), name);
    fail_input("{}: has no node '{}' to keep; 'tercel inspect --layers' lists them", model.name(), name);
  }
  return {names.begin(), names.end()};
}

void check_weights(const Model& model, const LevelChoice& choice) {
  for (const LevelProduct& p : choice.products)
    for (const Value* value : {static_cast<const Value*>(p.node->input(1)), static_cast<const Value*>(p.bias)})
      if (value != nullptr && !value->constant.finite())
        fail_input("{}: {}: the weights '{}' hold NaN or infinity, which no level stands for", model.name(),
                   p.node->describe(), value->name);
}

struct Noise {
  double signal = 0, noise = 0;
  void add(std::span<const float> wanted, std::span<const float> got) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const auto x = static_cast<double>(wanted[i]), error = x - static_cast<double>(got[i]);
      signal += x * x, noise += error * error;
    }
  }
  double sqnr() const {
    if (noise == 0) return std::numeric_limits<double>::infinity();
    return 10 * std::log10(signal / noise);
  }
};

class QuantizeJob {
 public:
  QuantizeJob(const Model& given, const std::filesystem::path& calibration, const QuantizeOptions& options)
      : options_(options) {
    check_options(options);
    check_not_quantized(given);
    model_ = optimize(dequantized(widened(given)));
    keep_ = nodes_to_keep(given, model_, options.keep);
    choose();
    if (choice_.products.empty())
      fail_input("{}: nothing to quantize: no Conv, Gemm or MatMul with constant weights of f32{}", model_.name(),
                 options.keep.empty() ? "" : " but those kept in floats");
    check_weights(model_, choice_);
    read_pictures(calibration);
  }

  QuantizeResult run() {
    model_ = with_even_channels(model_, inputs_, session_options(), options_.progress);
    choose();
    std::vector<Histogram> histograms = measure();
    LevelScales scales = scales_of(histograms);
    if (keep_lost_values(scales)) {
      histograms = measure();
      scales = scales_of(histograms);
    }
    list_layers(histograms, scales);
    // Errors of values are measured where the network of floats and the quantized one have the same value.
    std::vector<std::string> float_names;
    for (const LevelValue& v : choice_.values) float_names.push_back(v.value->name);
    const std::map<std::string, Moments> moments = input_moments();
    InsertedLevels inserted =
        insert_levels(graph_, choice_, scales, options_.activations, options_.bias_correction, moments);
    if (options_.bias_correction) {
      correct_biases(model_, graph_, inserted.products, means_, first_inputs(kCorrectionPictures), options_.threads,
                     options_.progress);
    }
    const Model quantized = finished();
    measure_errors(quantized, inserted, float_names);
    list_floats();
    evaluate_on(quantized);
    report_.options = options_;
    return {quantized, report_};
  }

 private:
  void choose() {
    graph_ = model_.impl().graph.clone();
    choice_ = choose_levels(graph_, keep_);
  }

  LevelScales scales_of(const std::vector<Histogram>& histograms) const {
    // Of the network's outputs, such as scores, it is the largest that matter: they are not cut off.
    std::set<const Value*> answers;
    for (const LevelValue& v : choice_.values)
      if (graph_.is_output(v.value)) answers.insert(v.like);
    LevelScales scales;
    for (size_t i = 0; i < own_.size(); ++i) {
      const ValueRange range =
          answers.contains(own_[i]) ? minmax_range(histograms[i]) : range_of(histograms[i], options_);
      scales[own_[i]] = std::make_shared<const Quantization>(levels_over(range, options_.activations));
    }
    return scales;
  }

  /// Products whose input floats make, and levels would lose, stay in floats: one scale cannot serve a few large
  /// elements and the rows without them (the "massive activations" of transformers). Rows are measured each for itself,
  /// so that one of large elements does not hide what the others lose. Says whether there is any such product.
  bool keep_lost_values(const LevelScales& scales) {
    std::vector<const LevelValue*> made_by_floats;
    std::vector<std::string> names;
    for (const LevelValue& v : choice_.values) {
      if (v.by != nullptr || v.value->producer == nullptr) continue;
      made_by_floats.push_back(&v);
      names.push_back(v.value->name);
    }
    if (names.empty()) return false;
    std::vector<RowNoise> noise(names.size());
    observe(
        model_, names, first_inputs(kErrorPictures),
        [&](size_t, const std::vector<Array>& values) {
          for (size_t i = 0; i < values.size(); ++i)
            noise[i].add(values[i], row_elements(choice_, *made_by_floats[i]->value, values[i].dims()),
                         *scales.at(made_by_floats[i]->like), options_.activations);
        },
        session_options(), options_.progress);
    std::set<std::string> lost;
    for (size_t i = 0; i < names.size(); ++i) {
      if (noise[i].sqnr() >= kLeastRowSqnr) continue;
      for (const LevelProduct& p : choice_.products)
        if (p.node->input(0) == made_by_floats[i]->value) {
          lost.insert(p.node->output()->name);
          report_.lost.push_back({p.node->describe(), names[i], noise[i].sqnr()});
        }
    }
    if (lost.size() == choice_.products.size())
      fail_input("{}: nothing to quantize: the inputs of all products would lose too much on levels", model_.name());
    keep_.insert(lost.begin(), lost.end());
    if (!lost.empty()) choose();
    return !lost.empty();
  }

  void read_pictures(const std::filesystem::path& folder) {
    const auto most = static_cast<size_t>(options_.calibration_pictures);
    const auto most_held_out = static_cast<size_t>(options_.held_out_pictures);
    PictureSet measured, held_out;
    const PictureSet all = without_copies(find_pictures(folder), options_.warn);
    if (options_.held_out.empty()) {
      std::tie(measured, held_out) = split_pictures(all, most, most_held_out, options_.seed);
    } else {
      const auto drawn = [&](const PictureSet& from, size_t count) {
        return from.size() <= count ? from : split_pictures(from, count, 1, options_.seed).first;
      };
      measured = drawn(all, most);
      held_out = drawn(without_copies(find_pictures(options_.held_out), options_.warn), most_held_out);
    }
    const Preprocessing how = options_.preprocessing.value_or(model_.preprocessing());
    inputs_ = load_inputs(model_, measured, how, options_.progress, options_.warn);
    held_out_ = load_inputs(model_, held_out, how, options_.progress, options_.warn);
    classes_ = held_out.classes;
    report_.calibration = static_cast<int>(inputs_.size());
    report_.held_out = static_cast<int>(held_out_.size());
  }

  SessionOptions session_options() const {
    SessionOptions how;
    how.threads = options_.threads;
    return how;
  }

  /// Of the calibration pictures, at most so many.
  std::vector<Array> first_inputs(size_t most) const {
    return {inputs_.begin(), inputs_.begin() + static_cast<std::ptrdiff_t>(std::min(most, inputs_.size()))};
  }
  size_t corrections() const { return std::min(kCorrectionPictures, inputs_.size()); }

  /// Runs the network of floats over the calibration pictures: a histogram of each value that has a scale of its own,
  /// and the means of each product's sums.
  std::vector<Histogram> measure() {
    std::vector<std::string> names;
    own_.clear(), means_.clear();
    for (const LevelValue& v : choice_.values)
      if (v.like == v.value) own_.push_back(v.value), names.push_back(v.value->name);
    if (options_.bias_correction)
      for (const LevelProduct& p : choice_.products) names.push_back(p.sums->name);
    std::vector<Histogram> histograms(own_.size());
    means_.resize(choice_.products.size());
    observe(
        model_, names, inputs_,
        [&](size_t input, const std::vector<Array>& values) {
          for (size_t i = 0; i < own_.size(); ++i) {
            histograms[i].add(values[i].floats());
            if (!histograms[i].finite())
              fail_input("{}: the value '{}' is NaN or infinite on a calibration picture, number {} of them",
                         model_.name(), own_[i]->name, input + 1);
          }
          if (!options_.bias_correction || input >= corrections()) return;
          for (size_t p = 0; p < means_.size(); ++p) {
            const std::vector<double> mean =
                channel_means(values[own_.size() + p], choice_.products[p].channel_axis_from_end);
            means_[p].resize(mean.size());
            for (size_t c = 0; c < mean.size(); ++c) means_[p][c] += mean[c] / static_cast<double>(corrections());
          }
        },
        session_options(), options_.progress);
    return histograms;
  }

  /// Of the inputs of products, for error feedback.
  std::map<std::string, Moments> input_moments() const {
    if (!options_.error_feedback) return {};
    std::vector<LinearSite> sites = find_linear_sites(model_.impl().graph);
    std::erase_if(sites, [&](const LinearSite& site) {
      return std::none_of(choice_.products.begin(), choice_.products.end(),
                          [&](const LevelProduct& p) { return p.node->input(1)->name == site.weights; });
    });
    MomentOptions how;
    how.samples = 0;  // plain
    how.positions = kMomentPositions;
    how.threads = options_.threads;
    return measure_moments(model_, sites, first_inputs(kMomentPictures), how, options_.progress);
  }

  void list_layers(const std::vector<Histogram>& histograms, const LevelScales& scales) {
    for (const LevelValue& v : choice_.values) {
      const Quantization& q = *scales.at(v.like);
      const LevelRange ends = range_of(options_.activations, q.zeros[0]);
      const auto scale = static_cast<double>(q.scales[0]);
      const auto own = static_cast<size_t>(std::find(own_.begin(), own_.end(), v.like) - own_.begin());
      QuantizedLayer layer;
      const Node* maker = v.by != nullptr ? v.by : v.value->producer;
      layer.node = maker == nullptr ? "" : !maker->name.empty() ? maker->name : maker->output()->name;
      layer.op = maker == nullptr ? "input" : maker->op;
      layer.value = v.value->name;
      layer.low = (ends.low - ends.zero) * scale;
      layer.high = (ends.high - ends.zero) * scale;
      layer.scale = scale;
      layer.zero_point = q.zeros[0];
      layer.clipped = histograms[own].share_outside(layer.low - scale / 2, layer.high + scale / 2);
      layer.weight_sqnr = layer.output_sqnr = std::numeric_limits<double>::quiet_NaN();
      report_.layers.push_back(std::move(layer));
    }
  }

  Model finished() const { return Model(impl_with(model_, graph_.clone())); }

  void measure_errors(const Model& quantized, const InsertedLevels& inserted,
                      const std::vector<std::string>& float_names) {
    for (const InsertedProduct& p : inserted.products)
      for (size_t i = 0; i < choice_.values.size(); ++i)
        if (choice_.values[i].by == p.node)
          report_.layers[i].weight_sqnr = Noise{p.weight_signal, p.weight_noise}.sqnr();
    std::vector<std::string> names;
    for (const LevelValue& v : choice_.values) names.push_back(inserted.dequantized.at(v.value)->name);
    std::vector<Noise> noise(names.size());
    Session floats(with_outputs(model_, float_names), session_options());
    Session levels(with_outputs(quantized, names), session_options());
    const size_t own = model_.outputs().size(), few = std::min(kErrorPictures, held_out_.size());
    for (size_t i = 0; i < few; ++i) {
      const std::vector<Array> wanted = floats.run({held_out_[i]}), got = levels.run({held_out_[i]});
      for (size_t v = 0; v < names.size(); ++v) noise[v].add(wanted[own + v].floats(), got[own + v].floats());
      report_progress("measure errors", i + 1, few);
    }
    for (size_t v = 0; v < names.size(); ++v) report_.layers[v].output_sqnr = noise[v].sqnr();
  }

  void report_progress(std::string_view stage, size_t done, size_t of) const {
    if (options_.progress && !options_.progress(stage, static_cast<double>(done) / static_cast<double>(of)))
      fail(ErrorCode::stopped, "stopped while measuring errors");
  }

  /// What computes with floats: not what prepares shapes, nor the QuantizeLinear and DequantizeLinear themselves.
  void list_floats() {
    for (const auto& node : graph_.nodes()) {
      const bool on_levels = choice_.nodes.contains(node.get());
      const bool around = node->is("QuantizeLinear") || node->is("DequantizeLinear");
      if (on_levels || around || node->output() == nullptr || node->output()->type.dtype != DType::f32) continue;
      report_.float_nodes.push_back(node->describe());
    }
    report_.parameters = model_.parameters();
    for (const LevelProduct& p : choice_.products)
      report_.quantized_parameters += count_elements(p.node->input(1)->type.dims);
  }

  void evaluate_on(const Model& quantized) {
    Session floats(model_, session_options()), levels(quantized, session_options());
    const Answers reference = answers_of(floats, held_out_, options_.progress);
    const Evaluation e = evaluate(reference, answers_of(levels, held_out_, options_.progress), classes_);
    report_.agreement = e.agreement;
    report_.kl = e.kl;
    report_.top1 = e.top1;
    report_.reference_top1 = e.reference_top1;
  }

  QuantizeOptions options_;
  Model model_;  ///< optimized, of floats
  Graph graph_;  ///< the same, and then with levels
  LevelChoice choice_;
  std::set<std::string> keep_;  ///< nodes that stay in floats, by name or result
  std::vector<Array> inputs_, held_out_;
  std::vector<int> classes_;
  std::vector<const Value*> own_;           ///< values with a scale of their own
  std::vector<std::vector<double>> means_;  ///< of each product's sums, on the first corrections() pictures
  QuantizeReport report_;
};

}  // namespace

std::string_view to_string(RangeMethod method) { return word_of(kMethods, method); }
std::string_view to_string(ActivationLevels levels) { return word_of(kLevels, levels); }
RangeMethod parse_range_method(std::string_view word) {
  if (const auto method = kind_of(kMethods, word)) return *method;
  fail_input("range '{}': wanted one of {}", word, words_of(kMethods));
}
ActivationLevels parse_activation_levels(std::string_view word) {
  if (const auto levels = kind_of(kLevels, word)) return *levels;
  fail_input("activations '{}': wanted one of {}", word, words_of(kLevels));
}

QuantizeResult quantize(const Model& model, const std::filesystem::path& calibration, const QuantizeOptions& options) {
  return QuantizeJob(model, calibration, options).run();
}

}  // namespace tercel
