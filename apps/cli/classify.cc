#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "common.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model, labels, preset;
  std::vector<std::string> pictures;
  int top = 5;
  bool json = false;
  RunFlags run;
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run(const Flags& flags) {
  Session session(load_with_warnings(flags.model), flags.run.session());
  const Model& model = session.model();
  const Preprocessing how = flags.preset.empty() ? model.preprocessing() : Preprocessing::preset(flags.preset);
  const std::vector<std::string> labels = flags.labels.empty() ? model.labels() : read_labels(flags.labels);
  Json results = Json::array();
  for (const std::string& path : flags.pictures) {
    double start = now_ms();
    const Image image = Image::open(path);
    const double decode_ms = now_ms() - start;
    if (results.empty())
      session.classify(image, how, 1);  // the first run prepares the plan; it is not what a user waits for later
    start = now_ms();
    const std::vector<Class> classes = session.classify(image, how, flags.top);
    const double ms = now_ms() - start;
    Json list = Json::array();
    if (!flags.json)
      print(fmt::format("{}: {}x{}, decoded in {:.1f} ms, resized and classified in {:.1f} ms\n", path, image.width(),
                        image.height(), decode_ms, ms));
    for (const Class& c : classes) {
      const auto index = static_cast<size_t>(c.index);
      const std::string label = index < labels.size() ? labels[index] : "";
      list.push_back({{"class", c.index}, {"label", label}, {"probability", c.probability}});
      if (!flags.json) print(fmt::format("  {:5.1f} %  {:>4}  {}\n", 100.0 * c.probability, c.index, label));
    }
    results.push_back({{"picture", path}, {"decode_ms", decode_ms}, {"ms", ms}, {"classes", list}});
  }
  if (flags.json) print(results);
}

}  // namespace

void add_classify(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("classify", "What is in a picture: the most likely classes");
  command->add_option("model", flags->model, "ONNX file")->required();
  command->add_option("pictures", flags->pictures, "JPEG, PNG or WebP files")->required();
  command->add_option("-k,--top", flags->top, "Classes to show")->check(CLI::Range(1, 1000000));
  command->add_option("--labels", flags->labels, "Class names, one a line; default: the model's own");
  std::string presets;
  for (std::string_view name : Preprocessing::preset_names())
    presets += (presets.empty() ? "" : ", ") + std::string(name);
  command->add_option("--preprocess", flags->preset, "Preset: " + presets + "; default: what the model says of itself");
  command->add_flag("--json", flags->json, "For programs");
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli
