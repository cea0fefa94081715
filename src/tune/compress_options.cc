#include "tune/compress_options.h"

#include "base/error.h"
#include "codec/trellis.h"
#include "quant/curvature.h"
#include "quant/observe.h"
#include "search/evolve.h"
#include "tune/effort.h"

namespace tercel::inline tune {

void check_options(const CompressOptions& options) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) fail_input("{}: {} is not in {}..{}", name, value, low, high);
  };
  within("max_drop", options.max_drop, 0, 100);
  if (options.target_ratio != 0) within("target_ratio", options.target_ratio, 1, kMostRatio);
  within("effort", options.effort, 1, kMostEffort);
  within("calibration_pictures", options.calibration_pictures, 1, 100000);
  within("tuning_pictures", options.tuning_pictures, 1, 100000);
  within("held_out_pictures", options.held_out_pictures, 1, 100000);
  if (options.pictures.empty() && !options.lossless && options.target_ratio == 0)
    fail_input(
        "a bound on the drop needs pictures: give a folder of them (--calibrate), or a ratio (--target-ratio), "
        "or --lossless");
  codec::check_trellis(options.trellis);
  if (effort_of(options.effort).evaluations == 0 || options.lossless) return;
  if (options.pictures.empty()) fail_input("effort {}: a search needs pictures to try candidates on", options.effort);
  if (!can_evolve())
    fail_unsupported(
        "effort {}: it adds an evolutionary search, and this Tercel was built without pagmo (Debian: libpagmo-dev)",
        options.effort);
}

std::vector<double> temperatures(const Model& optimized, const CompressOptions& options) {
  const double soft = MomentOptions().temperature;
  if (options.pictures.empty() || !ends_in_softmax(optimized)) return {soft};
  if (!effort_of(options.effort).error_compensation) return {1};
  return {soft, 1};
}

}  // namespace tercel::inline tune
