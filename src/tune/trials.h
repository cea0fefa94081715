// What a compressed network is tried on.
#pragma once

#include <vector>

#include "quant/observe.h"
#include "tercel/compress.h"

namespace tercel {

Session session_of(const Model& model, const CompressOptions& options);

/// Pictures in three parts that share none, and what the network as it was answers to the last two; nothing where the
/// options name no pictures.
struct Trials {
  std::vector<Array> calibration, tuning, judging;
  std::vector<int> tuning_classes, judging_classes;
  Answers tuning_answers, judging_answers;

  /// Of an optimised network, widened.
  Trials(const Model& model, const CompressOptions& options);

  /// On the tuning pictures.
  Judgement try_out(const Model& model, const CompressOptions& options) const;
  /// Fills in what the judging pictures say of the network; nothing where told to stop meanwhile.
  void judge_into(CompressPoint& point, const Model& model, const CompressOptions& options,
                  const Progress& progress) const;
};

}  // namespace tercel
