#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "preprocess_flag.h"
#include "progress.h"
#include "static_norm_report.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model, output, dump_passes;
  PreprocessFlag preprocess;
  std::vector<std::string> without;
  bool json = false;
  ShapeFlags shape;
  bool static_norm = false;
  std::string calibrate, estimator = "affine", report;
  StaticNormOptions norms;
};

bool ends_with(const std::string& text, std::string_view ending) { return text.ends_with(ending); }

/// Fixed moments, asked for by --static-norm. The report is written after the model, so that there is none without it.
void fix(const Flags& flags, const Model& before) {
  if (flags.calibrate.empty()) throw Error(ErrorCode::bad_input, "--static-norm needs pictures: --calibrate FOLDER");
  check_output(flags.report, {".json", ".html"});
  StaticNormOptions options = flags.norms;
  options.estimator = parse_norm_estimator(flags.estimator);
  listen_for_interrupt();
  options.progress = show_progress();
  options.warn = show_warnings();
  warn_of_threads(options.threads);
  const StaticNormResult result = fix_norms(before, flags.calibrate, options);
  end_progress();
  if (!flags.output.empty()) result.model.save_onnx(flags.output);
  Json json = to_json(result.report);
  json["preprocess"] = flags.preprocess.json(before);
  if (ends_with(flags.report, ".json"))
    write_text(flags.report, json.dump(2, ' ', false, Json::error_handler_t::replace));
  if (ends_with(flags.report, ".html")) write_text(flags.report, to_html(result.report, before.name()));
  if (flags.json) {
    print(json);
  } else {
    print(to_text(result.report));
    print(fmt::format("preprocess: {}\n", flags.preprocess.text(before)));
    if (!flags.output.empty()) print(fmt::format("written to {}\n", flags.output));
  }
  if (interrupted())
    throw Interrupted{flags.output.empty() ? "nothing was written" : "what was finished is written to " + flags.output};
}

void run(const Flags& flags) {
  check_output(flags.output, {".onnx"});
  Model before = load_with_warnings(flags.model);
  if (!flags.preprocess.preset.empty()) before = before.with_metadata(flags.preprocess.of(before).to_metadata());
  const InputShapes shapes = flags.shape.shapes(before);
  if (!shapes.empty()) before = before.with_shapes(shapes);
  if (flags.static_norm) return fix(flags, before);
  OptimizeOptions options;
  options.dump_dir = flags.dump_passes;
  options.without = flags.without;
  const Model after = optimize(before, options);
  if (!flags.output.empty()) after.save_onnx(flags.output);
  if (flags.json) {
    print(Json{{"model", flags.model},
               {"nodes_before", before.nodes().size()},
               {"nodes_after", after.nodes().size()},
               {"output", flags.output},
               {"pass_log", pass_log_json(after.pass_log())},
               {"diary", pass_log_json(after.pass_log())}});  // its name before 0.2
    return;
  }
  print(fmt::format("{}: {} nodes, {} after\n", flags.model, before.nodes().size(), after.nodes().size()));
  print(pass_log_text(after.pass_log()));
  if (!flags.output.empty()) print(fmt::format("written to {}\n", flags.output));
}

}  // namespace

void add_optimize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("optimize", "Fold and fuse; the result is standard ONNX that any runtime loads");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_option("-o,--output", flags->output,
                      "ONNX file to write (.onnx); without it only the report is printed");
  command->add_option("--without", flags->without, "A pass to leave out, by name; may be given again")
      ->allow_extra_args(false);
  command->add_option("--dump-passes", flags->dump_passes, "Write the graph as text after every pass into this folder");
  flags->preprocess.add_to(*command, "Written into the model, as metadata: how pictures become its input");
  command->add_flag("--json", flags->json, "For programs");
  CLI::Option* fixes = command->add_flag("--static-norm", flags->static_norm,
                                         "Also fix the moments of layer normalizations of low sensitivity");
  const auto norm_option = [&](CLI::Option* option) { option->needs(fixes)->group("With --static-norm"); };
  norm_option(command->add_option("--calibrate", flags->calibrate,
                                  "Folder of pictures, with labels.tsv if their classes are known"));
  norm_option(command->add_option(
      "--max-drop", flags->norms.max_drop,
      "Points of top-1 (without labels: of agreement) that may be lost on all pictures like these"));
  norm_option(command->add_option("--estimator", flags->estimator,
                                  "scalar, position, channel, affine, ridge or position_ridge"));
  norm_option(
      command
          ->add_option("--sites", flags->norms.sites,
                       "Fix so many, whatever the drop; of several, as in 4,8, each is evaluated and the last kept")
          ->delimiter(',')
          ->allow_extra_args(false));
  norm_option(
      command->add_option("--pictures", flags->norms.pictures, "Pictures to measure on at most, and as many held out"));
  norm_option(command->add_option("--seed", flags->norms.seed, "Draws the pictures"));
  norm_option(command->add_option("--report", flags->report, "Report to write: name.json or name.html"));
  norm_option(add_threads(*command, flags->norms.threads));
  flags->shape.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli
