// How pictures become inputs, and who says so.
#pragma once

#include <string>

#include "common.h"

namespace tercel::cli {

struct PreprocessFlag {
  std::string preset;

  CLI::Option* add_to(CLI::App& command,
                      const std::string& text = "How pictures become inputs, over what the model says");
  Preprocessing of(const Model& model) const;
  /// "vit (--preprocess)", "vit (the model says so)", "imagenet (assumed: the model does not say; choose with
  /// --preprocess)".
  std::string text(const Model& model) const;
  /// {"how": "vit", "source": "--preprocess" | "model" | "assumed"}
  Json json(const Model& model) const;
};

}  // namespace tercel::cli
