// Compression without loss, with its report.
#pragma once

#include <string>
#include <vector>

#include "tune/lossless.h"
#include "tune/picture_splits.h"

namespace tercel::inline tune {

/// The lossless file: asked for, or no larger than any with quantized weights. `model` and `options` must outlive it.
class LosslessResult {
 public:
  LosslessResult(const Model& model, const Given& given, const CompressOptions& options);

  /// Of the file; it may be larger than the model given.
  int64_t bytes() const { return bytes_; }
  double ratio() const { return static_cast<double>(given_.bytes) / static_cast<double>(bytes_); }

  CompressPoint point(const PictureSplits& splits) const;
  Compressed finish(const PictureSplits& splits, const std::vector<std::string>& notes) const;

 private:
  /// Written anew each time, so that a large network is not in memory twice.
  std::string file() const { return lossless_file(model_, options_.profile); }
  CompressPoint point(const PictureSplits& splits, const Model& back) const;

  const Model& model_;
  Given given_;
  const CompressOptions& options_;
  int64_t bytes_ = 0;
};

}  // namespace tercel::inline tune
