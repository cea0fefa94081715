// The pictures that a compressed network is measured, tuned and evaluated on.
#pragma once

#include <optional>
#include <vector>

#include "quant/drop_estimate.h"
#include "quant/observe.h"
#include "quant/pictures.h"
#include "tercel/compress.h"

namespace tercel::inline tune {

Session session_of(const Model& model, const CompressOptions& options);

/// Three disjoint sets of pictures, and the answers of the reference network to the last two. Empty where the options
/// name no pictures.
struct PictureSplits {
  std::vector<Array> calibration, tuning, held_out;
  std::vector<int> tuning_classes, held_out_classes;
  Answers tuning_answers, held_out_answers;
  std::optional<DropModel> drops;  ///< from all pictures; where a max_drop was asked for

  /// `model`: the reference network, optimized and widened. The pictures are drawn as the options say.
  PictureSplits(const Model& model, const CompressOptions& options);
  /// Three disjoint parts of `all`.
  PictureSplits(const Model& model, const PictureSet& all, PictureSet calibrated, PictureSet tuned,
                PictureSet evaluated, const CompressOptions& options);

  size_t pictures() const { return calibration.size() + tuning.size() + held_out.size(); }
  /// Enough to promise a max_drop? The estimate was not validated on fewer (docs/compression.md).
  bool suffice() const { return pictures() >= kFewestToPromise; }
  static constexpr size_t kFewestToPromise = 24;

  /// The answers of a network to the tuning pictures, and their evaluation.
  Answers tuning_answers_of(const Model& model, const CompressOptions& options) const;
  Evaluation try_out(const Model& model, const CompressOptions& options) const;
  /// Fills in the numbers of calibration and tuning pictures.
  void count_into(CompressReport& report) const;
  /// Fills in the evaluation on the held-out pictures; nothing when `progress` asks to stop.
  void evaluate_into(CompressPoint& point, const Model& model, const CompressOptions& options,
                     const Progress& progress) const;
};

}  // namespace tercel::inline tune
