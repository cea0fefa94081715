// tercel hopfield fit | add | remove | compare
#include "tercel/hopfield.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "common.h"
#include "hopfield_report.h"
#include "preprocess_flag.h"
#include "progress.h"
#include "tercel/compress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct FitFlags {
  std::string model, output, export_onnx;
  std::optional<std::string> data;
  PreprocessFlag preprocess;
  bool json = false, code_words = false;
  HopfieldOptions options;
};

/// .tercel without loss, or ONNX that holds the memory as Tercel's operator.
void save(const Model& model, const std::string& path) {
  if (path.ends_with(".onnx")) return model.save_onnx(path);
  CompressOptions lossless;
  lossless.lossless = true;
  compress(model, lossless).save(path);
}

/// Before anything is computed: may the files be written?
void check_outputs(const FitFlags& flags) {
  check_output(flags.output, {".tercel", ".onnx"});
  check_output(flags.export_onnx, {".onnx"});
  std::error_code error;
  const auto place = [&](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  };
  if (!flags.export_onnx.empty() && place(flags.output) == place(flags.export_onnx))
    throw Error(ErrorCode::bad_input,
                fmt::format("{}: named by --output and by --export-onnx: give two files", flags.output));
}

/// What can fail is made before either file is written.
void write(const Model& model, const std::string& output, const std::string& export_onnx) {
  if (export_onnx.empty()) return save(model, output);
  const Model standard = in_standard_operators(model);
  save(model, output);
  standard.save_onnx(export_onnx);
}

std::string percent(double part) { return part < 0 ? "-" : fmt::format("{:.2f} %", 100 * part); }

Json to_json(const HopfieldReport& r) {
  Json tried = Json::object(), convergence = Json::array();
  for (const auto& [name, accuracy] : r.binarizations) tried[name] = accuracy;
  for (const auto& [evaluations, cost] : r.convergence) convergence.push_back({evaluations, cost});
  return {{"cut", r.cut},
          {"features", r.features},
          {"bits", r.bits},
          {"patterns", r.patterns},
          {"classes", r.classes},
          {"networks", r.networks},
          {"binarization", r.binarization},
          {"binarizations", tried},
          {"rule", r.rule},
          {"beta", r.beta},
          {"capacity", std::isfinite(r.capacity) ? Json(r.capacity) : Json()},
          {"most_in_network", r.most_in_network},
          {"kept", r.kept},
          {"assignment", r.assignment},
          {"crosstalk", r.crosstalk},
          {"assignment_evaluations", r.assignment_evaluations},
          {"convergence", convergence},
          {"fitted_pictures", r.fitted},
          {"held_out_pictures", r.held_out},
          {"held_out_accuracy", r.held_out_accuracy < 0 ? Json() : Json(r.held_out_accuracy)},
          {"network_accuracy", r.network_accuracy < 0 ? Json() : Json(r.network_accuracy)},
          {"removed_bytes", r.removed_bytes},
          {"head_bytes", r.head_bytes},
          {"memory_bytes", r.memory_bytes}};
}

std::string to_text(const HopfieldReport& r) {
  std::string out = fmt::format("cut at {}: {} features, {} bits by {}\n", r.cut, r.features, r.bits, r.binarization);
  for (const auto& [name, accuracy] : r.binarizations)
    out += fmt::format("  {} names {} of the held-out pictures right\n", name, percent(accuracy));
  out += fmt::format("{} patterns of {} classes, {} rule, {}\n", r.patterns, r.classes, r.rule,
                     r.networks == 1 ? "one network"
                                     : fmt::format("{} networks ({}, crosstalk {:.3f} after {} evaluations)",
                                                   r.networks, r.assignment, r.crosstalk, r.assignment_evaluations));
  out += fmt::format("a network of {} bits holds {} random patterns; the fullest has {}; {} of {} recall themselves\n",
                     r.bits, std::isfinite(r.capacity) ? fmt::format("about {:.0f}", r.capacity) : "any number of",
                     r.most_in_network, r.kept, r.patterns);
  if (r.held_out > 0)
    out += fmt::format("on {} held-out pictures: memory {}, the network as it was {} (fitted again on all {})\n",
                       r.held_out, percent(r.held_out_accuracy), percent(r.network_accuracy), r.fitted);
  else if (r.fitted > 0) out += fmt::format("fitted on {} pictures: too few to hold some out\n", r.fitted);
  else out += "the patterns are the code words that the network was trained towards\n";
  out += fmt::format("head: {} stored, {} when it runs; what it replaces: {}\n",
                     bytes_text(static_cast<size_t>(r.head_bytes)), bytes_text(static_cast<size_t>(r.memory_bytes)),
                     bytes_text(static_cast<size_t>(r.removed_bytes)));
  return out;
}

Model loaded(const std::string& path, const PreprocessFlag& preprocess) {
  Model model = load_with_warnings(path);
  if (!preprocess.preset.empty()) model = model.with_metadata(preprocess.of(model).to_metadata());
  return model;
}

void listen(FitFlags& flags) {
  listen_for_interrupt();
  flags.options.progress = show_progress();
  flags.options.warn = show_warnings();
  warn_of_threads(flags.options.threads);
}

void print_written(const FitFlags& flags) {
  print(
      fmt::format("written to {}{}\n", flags.output,
                  flags.export_onnx.empty() ? "" : fmt::format(" and, in standard operators, {}", flags.export_onnx)));
}

void fit(FitFlags flags) {
  if (flags.data.has_value() == flags.code_words)
    throw Error(
        ErrorCode::bad_input,
        "hopfield fit learns from pictures (--data), or takes a network's own --code-words: give one of the two");
  check_outputs(flags);
  const Model model = loaded(flags.model, flags.preprocess);
  listen(flags);
  const HopfieldResult result =
      flags.code_words ? hopfield_of_code_words(model, flags.options) : fit_hopfield(model, *flags.data, flags.options);
  end_progress();
  write(result.model, flags.output, flags.export_onnx);
  if (flags.json) {
    Json json{{"model", flags.model}, {"output", flags.output}, {"preprocess", flags.preprocess.json(model)}};
    json.update(to_json(result.report));
    print(json);
    return;
  }
  print(to_text(result.report));
  print(fmt::format("preprocess: {}\n", flags.preprocess.text(model)));
  print_written(flags);
}

void add(FitFlags flags) {
  check_outputs(flags);
  const Model model = loaded(flags.model, flags.preprocess);
  listen(flags);
  const HopfieldResult result = add_hopfield_classes(model, *flags.data, flags.options);
  end_progress();
  write(result.model, flags.output, flags.export_onnx);
  const HopfieldReport& r = result.report;
  if (flags.json) {
    print(Json{{"model", flags.model},
               {"output", flags.output},
               {"classes", r.classes},
               {"patterns", r.patterns},
               {"pictures", r.fitted}});
    return;
  }
  print(fmt::format("{} classes with {} patterns, learned from {} pictures; what was there is as it was\n", r.classes,
                    r.patterns, r.fitted));
  print_written(flags);
}

void remove(const FitFlags& flags, const std::string& name) {
  check_outputs(flags);
  write(remove_hopfield_class(load_with_warnings(flags.model), name), flags.output, flags.export_onnx);
  if (flags.json) print(Json{{"model", flags.model}, {"output", flags.output}, {"removed", name}});
  else print_written(flags);
}

void add_files(CLI::App& command, FitFlags& flags, const char* model) {
  command.add_option("model", flags.model, model)->required();
  command.add_option("-o,--output", flags.output, "File to write: .tercel (without loss) or .onnx")->required();
  command.add_option("--export-onnx", flags.export_onnx, "Also write this ONNX file, in standard operators only");
  command.add_flag("--json", flags.json, "For programs");
}

void add_fit(CLI::App& hopfield) {
  auto flags = std::make_shared<FitFlags>();
  CLI::App* command = hopfield.add_subcommand("fit", "Replace the fully connected layers by a memory");
  HopfieldOptions& o = flags->options;
  add_files(*command, *flags, "ONNX or .tercel file");
  command->add_option(
      "--data", flags->data,
      "Labelled pictures: a folder with labels.tsv or a folder per class, or IDX files (train-images...)");
  command->add_flag("--code-words", flags->code_words,
                    "Instead of pictures: the patterns are the code words that the network was trained towards");
  command->add_option("--cut", o.cut, "Node in front of which to cut, or a value; else before the fully connected end");
  command->add_flag("--pool", o.pool, "Average the features over height and width");
  command->add_option("--binarization", o.binarization,
                      "zero, median, hadamard or itq; else the best of the first three on held-out pictures");
  command->add_option("--bits", o.bits, "Bits of a pattern (hadamard, itq); 0: one a feature");
  command->add_option("--patterns", o.patterns_per_class, "Patterns of a class: its mean, or so many by k-means");
  command->add_option("--rule", o.rule, "softmax, pseudo_inverse, storkey or hebb");
  command->add_option("--networks", o.networks, "Networks in parallel, which share the patterns");
  command->add_option("--assignment", o.assignment, "Patterns to networks: greedy, random, genetic or exhaustive");
  command->add_option("--evaluations", o.evaluations, "Assignments that random and genetic may try");
  command->add_option("--recall", o.recall, "asynchronous or synchronous; softmax does not settle");
  command->add_option("--max-sweeps", o.max_sweeps, "Sweeps over all units after which recall gives up");
  command->add_option("--beta", o.beta, "Factor of the scores; 0: the likeliest on held-out pictures");
  command->add_option("--pictures", o.pictures, "Pictures to take at most; 0: all");
  command->add_option("--seed", o.seed, "Draws pictures, centres, projections and assignments");
  flags->preprocess.add_to(*command);
  add_threads(*command, o.threads);
  command->callback([flags] { fit(*flags); });
}

void add_add(CLI::App& hopfield) {
  auto flags = std::make_shared<FitFlags>();
  CLI::App* command =
      hopfield.add_subcommand("add", "Teach a memory new classes, without the pictures of the old ones");
  add_files(*command, *flags, "A file that hopfield fit wrote");
  command->add_option("--data", flags->data, "Folder of pictures of one class, named as the folder is, or one of such")
      ->required();
  command->add_option("--patterns", flags->options.patterns_per_class, "Patterns of a class");
  command->add_option("--pictures", flags->options.pictures, "Pictures to take at most; 0: all");
  command->add_option("--seed", flags->options.seed, "Draws pictures and centres");
  add_threads(*command, flags->options.threads);
  command->callback([flags] { add(*flags); });
}

void add_remove(CLI::App& hopfield) {
  auto flags = std::make_shared<FitFlags>();
  auto name = std::make_shared<std::string>();
  CLI::App* command = hopfield.add_subcommand("remove", "Make a memory forget a class");
  add_files(*command, *flags, "A file that hopfield fit wrote");
  command->add_option("--class", *name, "Label or number of the class")->required();
  command->callback([flags, name] { remove(*flags, *name); });
}

struct CompareFlags {
  std::string model, data, report;
  PreprocessFlag preprocess;
  bool json = false;
  HopfieldCompareOptions options;
};

void compare(CompareFlags flags) {
  check_output(flags.report, {".json", ".html"});
  const Model model = loaded(flags.model, flags.preprocess);
  listen_for_interrupt();
  flags.options.progress = show_progress();
  warn_of_threads(flags.options.threads);
  const HopfieldComparison comparison = compare_hopfield(model, flags.data, flags.options);
  end_progress();
  const Json json = cli::to_json(comparison);
  if (flags.report.ends_with(".json"))
    write_text(flags.report, json.dump(2, ' ', false, Json::error_handler_t::replace));
  if (flags.report.ends_with(".html")) write_text(flags.report, cli::to_html(comparison, model.name()));
  if (flags.json) print(json);
  else print(cli::to_text(comparison));
}

void add_compare(CLI::App& hopfield) {
  auto flags = std::make_shared<CompareFlags>();
  CLI::App* command = hopfield.add_subcommand(
      "compare", "Every head on the same features: fully connected, linear, prototypes, neighbours, memories");
  HopfieldCompareOptions& o = flags->options;
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_option("--data", flags->data, "Labelled pictures to fit on, as for fit")->required();
  command->add_option("--test", o.test, "Pictures to test on; else the t10k part of IDX, or a fifth of --data");
  command->add_option("--cut", o.cut, "Node in front of which to cut, or a value; else before the fully connected end");
  command->add_flag("--pool", o.pool, "Average the features over height and width");
  command->add_option("--binarization", o.binarization, "Of all heads on bits; else zero or median, by the features");
  command->add_option("--bits", o.bits, "Bits of a pattern (hadamard, itq); 0: one a feature");
  command->add_flag("--quick", o.quick, "Fewer pictures, seeds and heads");
  command->add_option("--seeds", o.seeds, "Each draws four fifths of the pictures to fit on");
  command->add_option("--pictures", o.pictures, "Pictures to fit on at most");
  command->add_option("--shots", o.shots, "Pictures of each class to fit on, beside a layer trained on as few; 0: all");
  command->add_option("--heads", o.heads, "Only heads whose name holds one of these words, with commas between")
      ->delimiter(',');
  command->add_option("--test-pictures", o.test_pictures, "Pictures to test on at most");
  command->add_option("--settled-pictures", o.settled_pictures, "Of these, for networks that settle and neighbours");
  command->add_option("--seed", o.seed, "The first of the seeds");
  command->add_option("--report", flags->report, "Report to write: name.json or name.html");
  command->add_flag("--json", flags->json, "For programs");
  flags->preprocess.add_to(*command);
  add_threads(*command, o.threads);
  command->callback([flags] { compare(*flags); });
}

}  // namespace

void add_hopfield(CLI::App& app) {
  CLI::App* hopfield =
      app.add_subcommand("hopfield", "A Hopfield memory in place of fully connected layers: fit, add, remove, compare");
  hopfield->require_subcommand(1);
  add_fit(*hopfield);
  add_add(*hopfield);
  add_remove(*hopfield);
  add_compare(*hopfield);
}

}  // namespace tercel::cli
