#include "tune/compress_report.h"

#include <cmath>

#include "base/error.h"

namespace tercel::inline tune {

void add_notes(CompressReport& report, const CompressOptions& options, bool stopped) {
  const CompressPoint& r = report.result;
  if (const double asked = options.target_ratio; asked > 0 && std::fabs(r.ratio / asked - 1) > kRatioTolerance)
    report.notes.push_back(fmt::format("{:.4g}x smaller, not the {:.4g}x asked for: {}", r.ratio, asked,
                                       stopped ? "stopped before it was reached"
                                       : r.ratio > asked
                                           ? "the finest steps take no more bytes, or sizes jump over the one asked for"
                                           : "that is the coarsest step scale of the search"));
  if (report.promise && report.promise->promised && r.pictures > 0) {
    const double lost = r.top1 >= 0 ? r.reference_top1 - r.top1 : 1 - r.agreement;
    if (100 * lost > options.max_drop)
      report.notes.push_back(fmt::format("{:.0f} of the {} held-out pictures are lost, which may be chance with so few",
                                         lost * r.pictures, r.pictures));
  }
  if (!options.pictures.empty() && r.pictures == 0) report.notes.push_back("stopped before the evaluation");
}

std::vector<LayerReport> layer_reports(const Compressor& compressor, const Coded& coded) {
  std::vector<LayerReport> layers;
  for (size_t i = 0; i < coded.parts.size(); ++i) {
    const Part& part = compressor.parts()[i];
    layers.push_back({part.name, part.layer, part.rows, part.columns, static_cast<double>(coded.parts[i]->matrix.step),
                      8.0 * static_cast<double>(coded.parts[i]->bytes) / static_cast<double>(part.elements())});
  }
  return layers;
}

}  // namespace tercel::inline tune
