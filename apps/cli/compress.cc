#include "tercel/compress.h"

#include <fmt/format.h>

#include <memory>

#include "compress_flags.h"
#include "drop_promise.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags : CompressFlags {
  std::string output;
};

/// How the folder was split.
std::string split_text(const CompressReport& report) {
  return fmt::format("{} for calibration, {} for tuning, {} held out", report.calibration_pictures,
                     report.tuning_pictures, report.result.pictures);
}

std::string text_of(const CompressPoint& p) {
  std::string text = fmt::format("{:.2f}x smaller, {}", p.ratio, bytes_text(static_cast<size_t>(p.bytes)));
  if (p.pictures == 0) return text;
  text += fmt::format("; on {} pictures: {:.1f} % agree, KL {:.4f}", p.pictures, 100 * p.agreement, p.kl);
  if (p.top1 >= 0) text += fmt::format(", top-1 {:.1f} % (before: {:.1f} %)", 100 * p.top1, 100 * p.reference_top1);
  return text;
}

void print_report(const Flags& flags, const Model& model, const CompressReport& report) {
  if (flags.json) {
    Json layers = Json::array();
    for (const LayerReport& layer : report.layers)
      layers.push_back({{"constant", layer.constant},
                        {"layer", layer.layer},
                        {"rows", layer.rows},
                        {"columns", layer.columns},
                        {"step", layer.step},
                        {"bits_per_weight", layer.bits_per_weight}});
    print(Json{{"model", flags.model},
               {"output", flags.output},
               {"parameters", report.parameters},
               {"given_bytes", report.given_bytes},
               {"lossless", report.lossless},
               {"result", cli::to_json(report.result)},
               {"pictures", report.calibration_pictures == 0 ? Json()
                                                             : Json{{"calibration", report.calibration_pictures},
                                                                    {"tuning", report.tuning_pictures},
                                                                    {"judging", report.result.pictures}}},
               {"promise", report.promise ? promise_json(*report.promise) : Json()},
               {"graph_bytes", report.graph_bytes},
               {"vector_bytes", report.vector_bytes},
               {"matrix_bytes", report.matrix_bytes},
               {"weighed_by", report.weighed_by},
               {"evaluations", report.evaluations},
               {"layers", layers},
               {"preprocess", flags.options.pictures.empty() ? Json() : flags.preprocess.json(model)},
               {"notes", report.notes}});
    return;
  }
  print(fmt::format("{}: {}\n", flags.model, text_of(report.result)));
  print(fmt::format("  {} parameters; weights {}, vectors {}, graph {}; errors weighed by {}\n",
                    scaled(static_cast<double>(report.parameters)),
                    bytes_text(static_cast<size_t>(report.matrix_bytes)),
                    bytes_text(static_cast<size_t>(report.vector_bytes)),
                    bytes_text(static_cast<size_t>(report.graph_bytes)), report.weighed_by));
  if (!flags.options.pictures.empty()) {
    print(fmt::format("  preprocess: {}\n", flags.preprocess.text(model)));
    print(fmt::format("  pictures: {}\n", split_text(report)));
  }
  if (report.promise)
    print(fmt::format("  {}\n", promise_text(*report.promise, report.result.top1 >= 0 ? "top-1" : "agreement")));
  for (const std::string& note : report.notes) print(fmt::format("  {}\n", note));
  if (!flags.output.empty()) print(fmt::format("written to {}\n", flags.output));
}

void run_compress(const Flags& flags) {
  check_output(flags.output, {".tercel"});
  listen_for_interrupt();
  const Model model = load_with_warnings(flags.model);
  CompressOptions options = flags.finished();
  // A report can say that nothing is promised; a file cannot.
  options.force |= flags.output.empty() && options.target_ratio == 0;
  const Compressed compressed = compress(model, options);
  end_progress();
  if (!flags.output.empty()) compressed.save(flags.output);
  print_report(flags, model, compressed.report());
  warn_of_ratio(compressed.report().result);
  if (interrupted())
    throw Interrupted{flags.output.empty() ? "this is the best so far; nothing was written"
                                           : "best so far written to " + flags.output};
}

void run_decompress(const std::string& input, const std::string& output, bool json) {
  check_output(output, {".onnx"});
  const Model model = load_with_warnings(input);
  model.save_onnx(output);
  if (json) print(Json{{"model", input}, {"output", output}, {"parameters", model.parameters()}});
  else
    print(fmt::format("{}: {} parameters, written to {}\n", input, scaled(static_cast<double>(model.parameters())),
                      output));
}

}  // namespace

void add_compress(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("compress", "Store the weights at a few percent of their size");
  flags->add_to(*command);
  command->add_option("-o,--output", flags->output, "File to write (.tercel); without it only the report is printed");
  CLI::Option* drop = command->add_option(
      "--max-drop", flags->options.max_drop,
      "Points of top-1 (without labels: of agreement) that may be lost, on all pictures like those given; the default "
      "where neither --target-ratio nor --lossless is given");
  CLI::Option* force = command->add_flag(
      "--force", flags->options.force,
      "Write the file even where --max-drop cannot be promised or --target-ratio is not reached; the report says so");
  CLI::Option* ratio = command->add_option(
      "--target-ratio", flags->options.target_ratio,
      "Bytes of the ONNX file / bytes to write, 1 .. 1000, whatever the drop; a file more than 1 % larger is "
      "an error. 0: none");
  CLI::Option* lossless =
      command->add_flag("--lossless", flags->options.lossless, "Every bit of every weight as it was");
  drop->excludes(ratio)->excludes(lossless);
  force->excludes(lossless);
  ratio->excludes(lossless);
  for (CLI::Option* option : flags->lossy) lossless->excludes(option);
  command->callback([flags, ratio] {
    // The library takes 0 for no ratio.
    if (ratio->count() > 0 && flags->options.target_ratio == 0)
      throw Error(ErrorCode::bad_input, "--target-ratio: 0 is not in 1..1000");
    run_compress(*flags);
  });
}

void add_decompress(CLI::App& app) {
  struct Paths {
    std::string input, output;
    bool json = false;
  };
  auto paths = std::make_shared<Paths>();
  CLI::App* command = app.add_subcommand("decompress", "Write a .tercel file as ONNX");
  command->add_option("model", paths->input, ".tercel file")->required();
  command->add_option("-o,--output", paths->output, "ONNX file to write (.onnx)")->required();
  command->add_flag("--json", paths->json, "For programs");
  command->callback([paths] { run_decompress(paths->input, paths->output, paths->json); });
}

}  // namespace tercel::cli
