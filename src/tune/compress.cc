#include "tercel/compress.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "quant/widen.h"
#include "tune/compress_job.h"
#include "tune/compress_options.h"
#include "tune/lossless_result.h"

namespace tercel {
namespace {

/// The bound was not validated on fewer pictures.
void check_pictures_suffice(const PictureSplits& splits, const CompressOptions& options) {
  if (splits.drops && !options.force && !splits.suffice())
    fail_input(
        "{} pictures are too few to promise a drop: give at least {} (some hundreds make smaller files), or use "
        "--force for a file without a promise",
        splits.pictures(), PictureSplits::kFewestToPromise);
}

/// An estimate of how many pictures would suffice: the bound tightens with their square root.
std::string pictures_that_suffice(const DropPromise& promise, size_t pictures) {
  double factor = 2;
  if (promise.estimate > 0 && promise.estimate < promise.limit && promise.bound > promise.limit)
    factor =
        std::clamp(std::pow(std::log(promise.bound / promise.estimate) / std::log(promise.limit / promise.estimate), 2),
                   1.1, 100.0);
  return fmt::format("{}", static_cast<size_t>(std::ceil(factor * static_cast<double>(pictures))));
}

void check_promise(const DropPromise& promise, const PictureSplits& splits) {
  if (!promise.promised)
    fail_input(
        "a loss of at most {:g} points cannot be promised: {}; give about {} pictures instead of {}, or a larger "
        "--max-drop, or use --force for a file without a promise",
        promise.limit, promise.why_not, pictures_that_suffice(promise, splits.pictures()), splits.pictures());
}

/// The best over all temperatures: the smallest file, or for a ratio the one of least divergence. Nothing where none
/// keeps the drop.
std::optional<Compressed> compress_lossy(const Model& optimized, const Given& given, const PictureSplits& splits,
                                         const CompressOptions& options) {
  const std::vector<double> all = temperatures(optimized, options);
  std::optional<Compressed> best;
  double best_price = 0;
  bool stopped = false;
  for (double temperature : all) {
    try {
      CompressJob job(optimized, given, splits, options, temperature);
      const Coded coded = job.choose();
      if (options.target_ratio > 0 && !job.stopped()) {
        const std::string why = job.out_of_reach(coded, options.target_ratio, options.force);
        if (!why.empty()) fail_input("{}, or use --force for the smallest file", why);
      }
      if (!job.stopped() && !job.keeps_promise(coded)) continue;
      double price =
          all.size() > 1 && options.target_ratio > 0 ? job.try_out(coded).kl : static_cast<double>(coded.bytes());
      if (job.promise() && !job.promise()->promised) price = std::numeric_limits<double>::infinity();
      // A search that was stopped has not reached the size asked for: its price cannot be compared.
      if (!best || (!job.stopped() && price < best_price)) {
        best = job.finish(coded);
        best_price = price;
      }
      stopped = job.stopped();
      if (stopped) break;
    } catch (const Error& error) {
      if (!best || error.code() != ErrorCode::stopped) throw;
      stopped = true;
      break;  // stopped while measuring for the second temperature: the first result stands
    }
  }
  if (best && best->report().promise && !options.force && !stopped) check_promise(*best->report().promise, splits);
  return best;
}

Compressed compress_given(const Model& model, const Given& given, const CompressOptions& options) {
  const LosslessResult lossless(model, given, options);
  if (options.lossless) check_smaller(lossless.bytes(), given);
  const bool needs_optimized = !options.lossless || !options.pictures.empty();
  const Model optimized = needs_optimized ? optimize(dequantized(model)) : model;
  const PictureSplits splits(needs_optimized ? widened(optimized) : model, options);
  if (options.lossless) return lossless.finish(splits, {});
  if (options.target_ratio > 0 && lossless.ratio() >= options.target_ratio)
    return lossless.finish(splits, {"lossless: that reaches the ratio asked for"});
  if (splits.drops && options.max_drop == 0)
    return lossless.finish(splits, {"lossless: no number of pictures shows that quantization changes nothing"});
  check_pictures_suffice(splits, options);
  std::optional<Compressed> lossy = compress_lossy(optimized, given, splits, options);
  if (!lossy) return lossless.finish(splits, {"lossless: with the finest steps the drop is above the limit"});
  if (lossy->report().result.bytes >= lossless.bytes())
    return lossless.finish(splits, {"lossless: quantized weights take no fewer bytes"});
  check_smaller(lossy->report().result.bytes, given);
  return *std::move(lossy);
}

}  // namespace

CodingProfile parse_profile(std::string_view word) {
  for (CodingProfile p : {CodingProfile::max, CodingProfile::balanced, CodingProfile::fast})
    if (to_string(p) == word) return p;
  fail_input("profile '{}': wanted max, balanced or fast", word);
}

std::string_view to_string(CodingProfile profile) { return codec::to_string(coding(profile)); }

void Compressed::save(const std::filesystem::path& path) const {
  AtomicFile file(path);
  file.write(*file_);
  file.commit();
}

Compressed compress(const Model& model, const CompressOptions& options) {
  check_options(options);
  return at_place([&] { return model.name(); }, [&] { return compress_given(model, given_of(model), options); });
}

}  // namespace tercel
