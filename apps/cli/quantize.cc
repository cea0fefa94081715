#include "tercel/quantize.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>

#include "common.h"
#include "preprocess_flag.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model, output, calibrate, range, activations;
  PreprocessFlag preprocess;
  bool json = false, no_bias_correction = false, no_error_feedback = false;
  QuantizeOptions options;
};

/// "31.4"; nothing for what was not measured.
std::string decibels(double value) {
  return std::isnan(value) ? "" : std::isinf(value) ? "exact" : fmt::format("{:.1f}", value);
}

Json json_of(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::vector<std::vector<std::string>> rows_of(const QuantizeReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"node", "operator", "low", "high", "scale", "zero", "clipped", "weights dB", "output dB"}};
  for (const QuantizedLayer& l : report.layers)
    rows.push_back({l.op == "input" ? l.value : l.node, l.op, fmt::format("{:.4g}", l.low),
                    fmt::format("{:.4g}", l.high), fmt::format("{:.4g}", l.scale), fmt::format("{}", l.zero_point),
                    fmt::format("{:.3f} %", 100 * l.clipped), decibels(l.weight_sqnr), decibels(l.output_sqnr)});
  return rows;
}

Json to_json(const QuantizeReport& report) {
  Json layers = Json::array();
  for (const QuantizedLayer& l : report.layers)
    layers.push_back({{"node", l.node},
                      {"operator", l.op},
                      {"value", l.value},
                      {"low", l.low},
                      {"high", l.high},
                      {"scale", l.scale},
                      {"zero_point", l.zero_point},
                      {"clipped", l.clipped},
                      {"weight_sqnr_db", json_of(l.weight_sqnr)},
                      {"output_sqnr_db", json_of(l.output_sqnr)}});
  Json lost = Json::array();
  for (const LostInput& l : report.lost)
    lost.push_back({{"node", l.node}, {"value", l.value}, {"row_sqnr_db", json_of(l.row_sqnr)}});
  Json result{{"agreement", report.agreement}, {"kl", report.kl}};
  if (report.top1 >= 0) result.update({{"top1", report.top1}, {"reference_top1", report.reference_top1}});
  return {{"result", result},
          {"pictures", {{"calibration", report.calibration}, {"judging", report.held_out}}},
          {"range", to_string(report.options.range)},
          {"activations", to_string(report.options.activations)},
          {"bias_correction", report.options.bias_correction},
          {"error_feedback", report.options.error_feedback},
          {"parameters", report.parameters},
          {"quantized_parameters", report.quantized_parameters},
          {"layers", layers},
          {"float_nodes", report.float_nodes},
          {"lost_inputs", lost}};
}

/// "12 Softmax, 1 Gelu".
std::string by_operator(const std::vector<std::string>& nodes) {
  std::map<std::string, int> count;
  for (const std::string& node : nodes) {
    const size_t open = node.rfind('('), close = node.rfind(')');
    ++count[node.substr(open + 1, close - open - 1)];
  }
  std::string text;
  for (const auto& [op, n] : count) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, op);
  return text;
}

void print_report(const Flags& flags, const Model& model, const QuantizeReport& report) {
  if (flags.json) {
    Json json{{"model", flags.model}, {"output", flags.output}};
    json.update(to_json(report));
    json["preprocess"] = flags.preprocess.json(model);
    return print(json);
  }
  std::string text = fmt::format("{}: on {} pictures: {:.1f} % agree, KL {:.4f}", flags.model, report.held_out,
                                 100 * report.agreement, report.kl);
  if (report.top1 >= 0)
    text += fmt::format(", top-1 {:.1f} % (before: {:.1f} %)", 100 * report.top1, 100 * report.reference_top1);
  text +=
      fmt::format("\n  {} of {} parameters are 8-bit levels; ranges: {}; activations: {}{}\n",
                  scaled(static_cast<double>(report.quantized_parameters)),
                  scaled(static_cast<double>(report.parameters)), to_string(report.options.range),
                  to_string(report.options.activations), report.options.bias_correction ? "; biases corrected" : "");
  text += fmt::format("  preprocess: {}\n", flags.preprocess.text(model));
  text += fmt::format("  pictures: {} for calibration, {} held out{}\n", report.calibration, report.held_out,
                      report.options.held_out.empty() ? "" : " (" + report.options.held_out.string() + ")");
  if (!report.float_nodes.empty()) text += fmt::format("  in floats: {}\n", by_operator(report.float_nodes));
  for (const LostInput& l : report.lost)
    text += fmt::format("  kept in floats: {}: its input '{}' would have {:.1f} dB a row on levels\n", l.node, l.value,
                        l.row_sqnr);
  text += "\n" + table(rows_of(report));
  if (!flags.output.empty()) text += fmt::format("written to {}\n", flags.output);
  print(text);
}

void run_quantize(const Flags& flags) {
  check_output(flags.output, {".onnx", ".tercel"});
  listen_for_interrupt();
  QuantizeOptions options = flags.options;
  options.range = parse_range_method(flags.range);
  options.activations = parse_activation_levels(flags.activations);
  options.bias_correction = !flags.no_bias_correction;
  options.error_feedback = !flags.no_error_feedback;
  if (!flags.preprocess.preset.empty()) options.preprocessing = Preprocessing::preset(flags.preprocess.preset);
  warn_of_threads(options.threads);
  options.progress = show_progress();
  options.warn = show_warnings();
  const Model model = load_with_warnings(flags.model);
  const QuantizeResult result = quantize(model, flags.calibrate, options);
  end_progress();
  if (flags.output.ends_with(".tercel")) {
    CompressOptions lossless;
    lossless.lossless = true;
    compress(result.model, lossless).save(flags.output);
  } else if (!flags.output.empty()) {
    result.model.save_onnx(flags.output);
  }
  print_report(flags, model, result.report);
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  QuantizeOptions& options = flags->options;
  flags->range = to_string(options.range);
  flags->activations = to_string(options.activations);
  CLI::App* command = app.add_subcommand("quantize", "Make a network compute on 8-bit levels (ONNX: QDQ)");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_option("-o,--output", flags->output,
                      "File to write (.onnx, or .tercel: lossless); without it only the report is printed");
  command
      ->add_option(
          "--calibrate", flags->calibrate,
          "Folder of pictures, with labels.tsv if their classes are known: split into calibration and held-out "
          "pictures")
      ->required();
  command->add_option("--judge", options.held_out, "Folder of held-out pictures, instead of a part of --calibrate");
  flags->preprocess.add_to(*command);
  command->add_option("--range", flags->range,
                      "Range of a value: minmax (all of it), percentile (outliers cut off), mse (least error)");
  command->add_option("--percentile", options.percentile, "Percent of the values inside a range of that kind");
  command->add_option("--activations", flags->activations,
                      "Levels of activations: u8, i8 (both with any zero point), symmetric (i8, zero point 0)");
  command->add_flag("--no-bias-correction", flags->no_bias_correction,
                    "Leave biases as they are; else each takes up the mean error of its channel");
  command->add_flag(
      "--no-error-feedback", flags->no_error_feedback,
      "Round each weight to its nearest level; else weights take up the errors of those before them (GPTQ)");
  command->add_option("--keep", options.keep, "Nodes that stay in floats, by name or by the name of their result")
      ->delimiter(',');
  command->add_option("--calibration-pictures", options.calibration_pictures, "At most so many for calibration");
  command->add_option("--judging-pictures", options.held_out_pictures, "At most so many held out for the evaluation");
  command->add_option("--seed", options.seed, "Draws the pictures; the same seed gives the same bytes");
  add_threads(*command, options.threads);
  command->add_flag("--json", flags->json, "For programs");
  command->callback([flags] { run_quantize(*flags); });
}

}  // namespace tercel::cli
