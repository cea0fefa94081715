// Search for the quantized network of a ratio, or within a drop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tune/compressor.h"
#include "tune/file_assembly.h"
#include "tune/lossless.h"
#include "tune/picture_splits.h"
#include "tune/rate_distortion.h"

namespace tercel::inline tune {

class CompressJob {
 public:
  /// `optimized`: the network after optimize(). `splits` and `options` must outlive this object.
  CompressJob(const Model& optimized, const Given& given, const PictureSplits& splits, const CompressOptions& options,
              double temperature);

  /// The step scale at which the closed form's network is as small as asked for.
  double step_scale_for_ratio(double ratio);
  /// Searches better per-layer scales at this global step scale; false where none were found.
  bool refine(double step_scale);
  /// Quantizes with this global step scale, with error compensation where the effort has it.
  Coded code(double step_scale);
  /// The network to be written: within the ratio or the drop. A drop is also checked on the held-out pictures; where it
  /// is above the limit there, steps are made finer, a few times.
  Coded choose();
  /// The promise for the network that choose() gave; nothing where a ratio was asked for.
  const std::optional<DropPromise>& promise() const { return promise_; }

  const std::vector<Part>& parts() const { return compressor_.parts(); }
  double ratio_of(const Coded& coded) const { return ratio_of(bytes_of(coded)); }
  /// Whether the drop on the tuning pictures is within the limit; true where a ratio was asked for.
  bool keeps_promise(const Coded& coded);
  /// Why no file has the ratio `asked`: all weights are zero, or the coarsest steps give a larger file. Empty: one has.
  /// `forced`: a larger file is accepted.
  std::string out_of_reach(const Coded& coded, double asked, bool forced) const;
  /// On the tuning pictures.
  Evaluation try_out(const Coded& coded);
  bool stopped() const { return stopped_; }

  Compressed finish(const Coded& coded);
  /// Evaluated, but not written.
  CompressPoint point_of(const Coded& coded) const;

 private:
  /// A candidate and its evaluation on the tuning pictures.
  struct Evaluated {
    Coded coded;
    Evaluation evaluation;
    double lost = 0;  ///< points, upper bound; 0 where a ratio was asked for
  };

  Settings settings(double step_scale) const { return search_->settings(step_scale, layer_scales_); }
  double ratio_of(int64_t bytes) const { return static_cast<double>(given_.bytes) / static_cast<double>(bytes); }
  double ratio_at(double step_scale) { return ratio_of(compressor_.code(settings(step_scale))); }
  double drop_at(double step_scale);
  double step_scale_for_options();
  template <typename Function>
  double solve(Function&& grows, double target, int steps, const char* stage, double low = 1.0 / 64, double high = 64);

  Evaluated evaluated(Coded coded);
  bool drops_too_much(const Evaluated& t) const { return t.lost > options_.max_drop; }
  bool all_levels_are_zero(const Coded& coded) const;
  Coded chosen_at(double& step_scale);
  Evaluated better_with_compensation(double step_scale, Evaluated plain);
  Evaluated compensated_at(double step_scale);
  Coded best_at_ratio(double step_scale, Evaluated last);
  bool compensates_errors() const;
  bool report_progress(std::string_view stage, double done);
  int64_t bytes_of(const Coded& coded) const;
  std::string assembled(const Coded& coded) const {
    return assemble_file(optimized_, compressor_, coded, options_.profile);
  }

  const CompressOptions& options_;
  Given given_;
  Model optimized_;
  const PictureSplits& splits_;
  Compressor compressor_;
  std::unique_ptr<RateDistortion> search_;
  Genome layer_scales_;   // empty: the closed form's
  int64_t overhead_ = 0;  // of a file, besides streams
  int evaluations_ = 0;   // candidates evaluated on the tuning pictures
  std::optional<DropPromise> promise_;
  bool stopped_ = false;
};

}  // namespace tercel::inline tune
