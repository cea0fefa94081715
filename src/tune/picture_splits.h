// What a compressed network is tried on.
#pragma once

#include <optional>
#include <vector>

#include "quant/drop_estimate.h"
#include "quant/observe.h"
#include "tercel/compress.h"

namespace tercel::inline tune {

Session session_of(const Model& model, const CompressOptions& options);

/// Pictures in three parts that share none, and what the network as it was answers to the last two; nothing where the
/// options name no pictures.
struct Trials {
  std::vector<Array> calibration, tuning, judging;
  std::vector<int> tuning_classes, judging_classes;
  Answers tuning_answers, judging_answers;
  std::optional<DropModel> drops;  ///< by all pictures; where a max_drop was asked for

  /// Of an optimised network, widened.
  Trials(const Model& model, const CompressOptions& options);

  size_t pictures() const { return calibration.size() + tuning.size() + judging.size(); }
  /// To say what is lost of others? Below that the estimate was not tried (docs/compression.md).
  bool suffice() const { return pictures() >= kFewestToPromise; }
  static constexpr size_t kFewestToPromise = 24;

  /// What a network answers to the tuning pictures, and how that compares.
  Answers tuning_answers_of(const Model& model, const CompressOptions& options) const;
  Evaluation try_out(const Model& model, const CompressOptions& options) const;
  /// How many pictures were measured on and chosen by.
  void count_into(CompressReport& report) const;
  /// Fills in what the judging pictures say of the network; nothing where told to stop meanwhile.
  void judge_into(CompressPoint& point, const Model& model, const CompressOptions& options,
                  const Progress& progress) const;
};

}  // namespace tercel::inline tune
