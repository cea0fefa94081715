// What compress and front share.
#pragma once

#include <string>
#include <vector>

#include "common.h"
#include "preprocess_flag.h"

namespace tercel::cli {

struct CompressFlags {
  std::string model, profile = "max";
  PreprocessFlag preprocess;
  bool json = false;
  CompressOptions options;
  CLI::Option* pictures = nullptr;
  std::vector<CLI::Option*> lossy;  ///< what only matters where something may be lost

  void add_to(CLI::App& command);
  CompressOptions finished() const;
};

Json to_json(const CompressPoint& point);

/// Warns where the file has another ratio than the one asked for.
void warn_of_ratio(const CompressPoint& point);

}  // namespace tercel::cli
