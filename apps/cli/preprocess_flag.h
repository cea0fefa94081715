// The preprocessing of pictures, and where it comes from.
#pragma once

#include <string>

#include "common.h"

namespace tercel::cli {

struct PreprocessFlag {
  std::string preset;

  CLI::Option* add_to(CLI::App& command,
                      const std::string& text = "Preprocessing of pictures, instead of the model's own");
  Preprocessing of(const Model& model) const;
  /// "vit (--preprocess)", "vit (the model says so)", "imagenet (assumed: the model does not say; choose with
  /// --preprocess)".
  std::string text(const Model& model) const;
  /// {"how": "vit", "source": "--preprocess" | "model" | "assumed"}
  Json json(const Model& model) const;
};

}  // namespace tercel::cli
