#include "compress_flags.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "progress.h"

namespace tercel::cli {

void CompressFlags::add_to(CLI::App& command) {
  command.add_option("model", model, "ONNX or .tercel file")->required();
  pictures =
      command.add_option("--calibrate", options.pictures,
                         "Folder of pictures, with labels.tsv if their classes are known: split into calibration, "
                         "tuning and held-out pictures");
  preprocess.add_to(command)->needs(pictures);
  lossy = {
      command.add_option("--profile", profile,
                         "Entropy coder: max (smallest file), balanced or fast (fastest to decode)"),
      command.add_option(
          "--effort", options.effort,
          "1 (steps in proportion to the weights' deviation) .. 5 (good), 6 (more candidates), 7 .. 9 (evolutionary "
          "search)"),
      command.add_flag(
          "--trellis", options.trellis,
          "Trellis-coded quantization, where the build has it: smaller files that default builds do not read"),
      command.add_option("--calibration-pictures", options.calibration_pictures, "At most so many for calibration")
          ->needs(pictures),
      command.add_option("--tuning-pictures", options.tuning_pictures, "At most so many others for tuning")
          ->needs(pictures)};
  command.add_option("--judging-pictures", options.held_out_pictures, "At most so many held out for the evaluation")
      ->needs(pictures);
  command.add_option("--seed", options.seed, "Draws the pictures; the same seed gives the same bytes");
  add_threads(command, options.threads);
  command.add_flag("--json", json, "For programs");
}

CompressOptions CompressFlags::finished() const {
  warn_of_threads(options.threads);
  CompressOptions o = options;
  o.profile = parse_profile(profile);
  if (!preprocess.preset.empty()) o.preprocessing = Preprocessing::preset(preprocess.preset);
  o.progress = show_progress();
  o.warn = show_warnings();
  return o;
}

Json to_json(const CompressPoint& p) {
  if (!p.why_not.empty()) return Json{{"ratio_asked", p.asked}, {"why_not", p.why_not}};
  Json json{{"ratio", p.ratio}, {"bytes", p.bytes}};
  if (p.asked > 0) json["ratio_asked"] = p.asked;
  if (p.pictures > 0) json.update({{"pictures", p.pictures}, {"agreement", p.agreement}, {"kl", p.kl}});
  if (p.pictures > 0 && p.top1 >= 0) json.update({{"top1", p.top1}, {"reference_top1", p.reference_top1}});
  return json;
}

void warn_of_ratio(const CompressPoint& p) {
  constexpr double kTolerance = 0.01;
  if (p.asked == 0 || !p.why_not.empty() || std::abs(p.ratio / p.asked - 1) <= kTolerance) return;
  fmt::print(stderr, "warning: {:.4g}x smaller, not the {:.4g}x asked for: {}\n", p.ratio, p.asked,
             p.ratio > p.asked ? "sizes jump over it" : "it was not reached");
}

}  // namespace tercel::cli
