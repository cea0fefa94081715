#include "tercel/compress.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "chart.h"
#include "common.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

/// What compress and front share.
struct Flags {
  std::string model, output, preset, profile = "max";
  bool json = false;
  CompressOptions options;
  std::vector<CLI::Option*> lossy;  ///< what only matters where something may be lost

  void add_to(CLI::App& command) {
    command.add_option("model", model, "ONNX file")->required();
    CLI::Option* pictures =
        command.add_option("--calibrate", options.pictures,
                           "Folder of pictures: some to measure on, some to choose by, others to judge on");
    command.add_option("--preprocess", preset, "Preset for the pictures, over what the model says")->needs(pictures);
    lossy = {
        command.add_option("--profile", profile, "max (smallest), balanced or fast (read fastest)"),
        command.add_option("--effort", options.effort, "1 (one step for all layers) .. 9 (evolutionary search)"),
        command.add_flag(
            "--trellis", options.trellis,
            "Trellis-coded quantisation, where the build has it: smaller files that default builds do not read"),
        command.add_option("--calibration-pictures", options.calibration_pictures, "To measure on")->needs(pictures),
        command.add_option("--tuning-pictures", options.tuning_pictures, "To choose by")->needs(pictures)};
    for (CLI::Option* option : lossy) option->capture_default_str();
    command.add_option("--judging-pictures", options.judging_pictures, "For the report")
        ->capture_default_str()
        ->needs(pictures);
    command.add_option("--seed", options.seed, "The same seed gives the same bytes")->capture_default_str();
    command.add_option("--threads", options.threads, "0: one per processor")->capture_default_str();
    command.add_flag("--json", json, "For programs");
  }

  CompressOptions finished() const {
    CompressOptions o = options;
    o.profile = parse_profile(profile);
    if (!preset.empty()) o.preprocessing = Preprocessing::preset(preset);
    o.progress = show_progress();
    return o;
  }
};

Json to_json(const CompressPoint& p) {
  if (!p.why_not.empty()) return Json{{"ratio_asked", p.asked}, {"why_not", p.why_not}};
  Json json{{"ratio", p.ratio}, {"bytes", p.bytes}};
  if (p.asked > 0) json["ratio_asked"] = p.asked;
  if (p.pictures > 0) json.update({{"pictures", p.pictures}, {"agreement", p.agreement}, {"kl", p.kl}});
  if (p.pictures > 0 && p.top1 >= 0) json.update({{"top1", p.top1}, {"reference_top1", p.reference_top1}});
  return json;
}

std::string text_of(const CompressPoint& p) {
  std::string text = fmt::format("{:.2f}x smaller, {}", p.ratio, bytes_text(static_cast<size_t>(p.bytes)));
  if (p.pictures == 0) return text;
  text += fmt::format("; on {} pictures: {:.1f} % agree, KL {:.4f}", p.pictures, 100 * p.agreement, p.kl);
  if (p.top1 >= 0) text += fmt::format(", top-1 {:.1f} % (before: {:.1f} %)", 100 * p.top1, 100 * p.reference_top1);
  return text;
}

void run_compress(const Flags& flags) {
  check_writable(flags.output);
  listen_for_interrupt();
  const Compressed compressed = compress(load_with_warnings(flags.model), flags.finished());
  end_progress();
  if (!flags.output.empty()) compressed.save(flags.output);
  const CompressReport& report = compressed.report();
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
               {"result", to_json(report.result)},
               {"graph_bytes", report.graph_bytes},
               {"vector_bytes", report.vector_bytes},
               {"matrix_bytes", report.matrix_bytes},
               {"weighed_by", report.weighed_by},
               {"evaluations", report.evaluations},
               {"layers", layers},
               {"notes", report.notes}});
    return;
  }
  print(fmt::format("{}: {}\n", flags.model, text_of(report.result)));
  print(fmt::format("  {} parameters; weights {}, vectors {}, graph {}; errors weighed by {}\n",
                    scaled(static_cast<double>(report.parameters)),
                    bytes_text(static_cast<size_t>(report.matrix_bytes)),
                    bytes_text(static_cast<size_t>(report.vector_bytes)),
                    bytes_text(static_cast<size_t>(report.graph_bytes)), report.weighed_by));
  for (const std::string& note : report.notes) print(fmt::format("  {}\n", note));
  if (!flags.output.empty()) print(fmt::format("written to {}\n", flags.output));
}

void run_decompress(const std::string& input, const std::string& output, bool json) {
  const Model model = load_with_warnings(input);
  model.save_onnx(output);
  if (json) print(Json{{"model", input}, {"output", output}, {"parameters", model.parameters()}});
  else
    print(fmt::format("{}: {} parameters, written to {}\n", input, scaled(static_cast<double>(model.parameters())),
                      output));
}

void run_front(const Flags& flags, const std::vector<double>& ratios, const std::string& html) {
  check_writable(html);
  listen_for_interrupt();
  const std::vector<CompressPoint> front = compression_front(load_with_warnings(flags.model), ratios, flags.finished());
  end_progress();
  bool drawn = false;
  if (!html.empty()) {
    Chart chart{
        fmt::format("{}: size against answers", flags.model), "ratio (bytes given / bytes of the file)", "percent", {}};
    Series agreement{"agreement with the network as it was", {}}, top1{"top-1", {}};
    for (const CompressPoint& p : front) {
      if (!p.why_not.empty()) continue;
      agreement.points.emplace_back(p.ratio, 100 * p.agreement);
      if (p.top1 >= 0) top1.points.emplace_back(p.ratio, 100 * p.top1);
    }
    chart.series.push_back(agreement);
    if (!top1.points.empty()) chart.series.push_back(top1);
    drawn = !agreement.points.empty();
    if (drawn) write_html(chart, html);
  }
  if (flags.json) {
    Json points = Json::array();
    for (const CompressPoint& p : front) points.push_back(to_json(p));
    print(Json{{"model", flags.model}, {"front", points}});
    return;
  }
  std::vector<std::vector<std::string>> rows{{"ratio", "bytes", "agreement %", "KL", "top-1 %"}};
  for (const CompressPoint& p : front) {
    if (!p.why_not.empty()) continue;
    rows.push_back({fmt::format("{:.2f}", p.ratio), fmt::format("{}", p.bytes),
                    fmt::format("{:.1f}", 100 * p.agreement), fmt::format("{:.4f}", p.kl),
                    p.top1 < 0 ? "" : fmt::format("{:.1f}", 100 * p.top1)});
  }
  print(table(rows));
  for (const CompressPoint& p : front)
    if (!p.why_not.empty()) print(fmt::format("{}\n", p.why_not));
  if (!html.empty()) print(drawn ? fmt::format("chart written to {}\n", html) : "no chart: it would have no point\n");
}

}  // namespace

void add_compress(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("compress", "Store the weights at a few percent of their size");
  flags->add_to(*command);
  command->add_option("-o,--output", flags->output, "File to write (.tercel); without it only the report is printed");
  CLI::Option* drop = command->add_option("--max-drop", flags->options.max_drop,
                                          "Points of top-1 that may be lost (of agreement, without labels)");
  CLI::Option* ratio = command->add_option("--target-ratio", flags->options.target_ratio,
                                           "Bytes of the ONNX file / bytes to write, 1 .. 1000, whatever it costs");
  CLI::Option* lossless =
      command->add_flag("--lossless", flags->options.lossless, "Every bit of every weight as it was");
  drop->excludes(ratio)->excludes(lossless);
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
  command->add_option("-o,--output", paths->output, "ONNX file to write")->required();
  command->add_flag("--json", paths->json, "For programs");
  command->callback([paths] { run_decompress(paths->input, paths->output, paths->json); });
}

void add_front(CLI::App& app) {
  struct FrontFlags : Flags {
    std::vector<double> ratios{4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 30};
    std::string html;
  };
  auto flags = std::make_shared<FrontFlags>();
  CLI::App* command = app.add_subcommand("front", "What each size costs in answers: ratio against agreement and top-1");
  flags->add_to(*command);
  command->add_option("--ratios", flags->ratios, "Ratios to look at: bytes of the ONNX file / bytes to write")
      ->delimiter(',');
  command->add_option("--html", flags->html, "Write a chart (self-contained HTML)");
  command->callback([flags] { run_front(*flags, flags->ratios, flags->html); });
}

}  // namespace tercel::cli
