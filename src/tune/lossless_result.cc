#include "tune/lossless_result.h"

#include <cmath>

#include "base/error.h"
#include "quant/widen.h"
#include "tune/compress_report.h"
#include "tune/file_assembly.h"

namespace tercel::inline tune {

LosslessResult::LosslessResult(const Model& model, const Given& given, const CompressOptions& options)
    : model_(model), given_(given), options_(options) {
  bytes_ = static_cast<int64_t>(file().size());
}

CompressPoint LosslessResult::point(const PictureSplits& splits) const {
  return point(splits, read_back(file(), model_));
}

Compressed LosslessResult::finish(const PictureSplits& splits, const std::vector<std::string>& notes) const {
  check_smaller(bytes_, given_);
  if (!options_.force && ratio() < options_.target_ratio * (1 - kRatioTolerance))
    fail_input(
        "{:.4g}x is out of reach: the smallest file is {:.4g}x smaller and lossless, quantization makes none "
        "smaller; ask for less, or use --force for the smallest file",
        options_.target_ratio, ratio());
  std::string written = file();
  const Model back = read_back(written, model_);
  CompressReport report;
  report.result = point(splits, back);
  report.result.asked = options_.target_ratio;
  report.parameters = given_.parameters;
  report.given_bytes = given_.bytes;
  report.weighed_by = "nothing";
  report.lossless = true;
  report.notes = notes;
  splits.count_into(report);
  if (splits.drops) report.promise = DropPromise{options_.max_drop, 0, 0, true, ""};
  if (options_.target_ratio > 0 && std::abs(ratio() / options_.target_ratio - 1) > kRatioTolerance)
    report.notes.push_back(fmt::format("{:.4g}x smaller, not the {:.4g}x asked for: {}", ratio(), options_.target_ratio,
                                       ratio() > options_.target_ratio
                                           ? "it is lossless, a larger file would hold no more"
                                           : "quantized weights take no fewer bytes"));
  count_bytes(report, written);
  return Compressed(std::move(written), back, std::move(report));
}

CompressPoint LosslessResult::point(const PictureSplits& splits, const Model& back) const {
  CompressPoint p;
  p.bytes = bytes_;
  p.ratio = ratio();
  if (!splits.held_out.empty())
    splits.evaluate_into(p, widened(optimize(dequantized(back))), options_, options_.progress);
  return p;
}

}  // namespace tercel::inline tune
