#include "preprocess_flag.h"

#include <fmt/format.h>

namespace tercel::cli {

CLI::Option* PreprocessFlag::add_to(CLI::App& command, const std::string& text) {
  std::string presets;
  for (std::string_view name : Preprocessing::preset_names())
    presets += (presets.empty() ? "" : ", ") + std::string(name);
  return command.add_option("--preprocess", preset, fmt::format("{}: {}", text, presets));
}

Preprocessing PreprocessFlag::of(const Model& model) const {
  return preset.empty() ? model.preprocessing() : Preprocessing::preset(preset);
}

std::string PreprocessFlag::text(const Model& model) const {
  const char* source = !preset.empty() ? "--preprocess"
                       : Preprocessing::in_metadata(model.metadata())
                           ? "the model says so"
                           : "assumed: the model does not say; choose with --preprocess";
  return fmt::format("{} ({})", of(model).describe(), source);
}

Json PreprocessFlag::json(const Model& model) const {
  const char* source = !preset.empty()                                ? "--preprocess"
                       : Preprocessing::in_metadata(model.metadata()) ? "model"
                                                                      : "assumed";
  return {{"how", of(model).describe()}, {"source", source}};
}

}  // namespace tercel::cli
