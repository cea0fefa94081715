#include "tercel/compress.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "codec/trellis.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tune/compress_job.h"
#include "tune/compress_report.h"
#include "tune/lossless.h"

namespace tercel {
namespace {

constexpr double kMostRatio = 1000;
constexpr int kTwoTemperatures = 5;  // from this effort on
constexpr int kSearches = 7;         // from this effort on

void check(const CompressOptions& options) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) fail_input("{}: {} is not in {}..{}", name, value, low, high);
  };
  within("max_drop", options.max_drop, 0, 100);
  if (options.target_ratio != 0) within("target_ratio", options.target_ratio, 1, kMostRatio);
  within("effort", options.effort, 1, 9);
  within("calibration_pictures", options.calibration_pictures, 1, 100000);
  within("tuning_pictures", options.tuning_pictures, 1, 100000);
  within("held_out_pictures", options.held_out_pictures, 1, 100000);
  if (options.pictures.empty() && !options.lossless && options.target_ratio == 0)
    fail_input(
        "a bound on the drop needs pictures: give a folder of them (--calibrate), or a ratio (--target-ratio), "
        "or --lossless");
  codec::check_trellis(options.trellis);
  if (options.effort < kSearches || options.lossless) return;
  if (options.pictures.empty()) fail_input("effort {}: a search needs pictures to try candidates on", options.effort);
  if (!can_evolve())
    fail_unsupported(
        "effort {}: above 6 an evolutionary search decides, and this Tercel was built without pagmo "
        "(Debian: libpagmo-dev)",
        options.effort);
}

/// Temperatures of the softmax for the Fisher information. A network that ends in a softmax often gives probabilities
/// near 1: then only a few pictures have gradients. A temperature above 1 gives all of them gradients, of answers that
/// the network does not give. Neither is always better (VGG-16, docs/compression.md), so both are tried.
std::vector<double> temperatures(const Model& optimized, const CompressOptions& options) {
  const double soft = MomentOptions().temperature;
  if (options.pictures.empty() || !ends_in_softmax(optimized)) return {soft};
  if (options.effort < kTwoTemperatures) return {1};
  return {soft, 1};
}

/// The lossless file: asked for, or no larger than any with quantized weights.
class LosslessFile {
 public:
  LosslessFile(const Model& model, const Given& given, const CompressOptions& options)
      : model_(model), given_(given), options_(options) {
    bytes_ = static_cast<int64_t>(file().size());
  }

  /// Of the file; it may be larger than the model given.
  int64_t bytes() const { return bytes_; }
  double ratio() const { return static_cast<double>(given_.bytes) / static_cast<double>(bytes_); }

  CompressPoint point(const PictureSplits& splits) const { return point(splits, read_back(file(), model_)); }

  Compressed finish(const PictureSplits& splits, const std::vector<std::string>& notes) const {
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
      report.notes.push_back(
          fmt::format("{:.4g}x smaller, not the {:.4g}x asked for: {}", ratio(), options_.target_ratio,
                      ratio() > options_.target_ratio ? "it is lossless, a larger file would hold no more"
                                                      : "quantized weights take no fewer bytes"));
    count_bytes(report, written);
    return Compressed(std::move(written), back, std::move(report));
  }

 private:
  /// Written anew each time, so that a large network is not in memory twice.
  std::string file() const { return lossless_file(model_, options_.profile); }

  CompressPoint point(const PictureSplits& splits, const Model& back) const {
    CompressPoint p;
    p.bytes = bytes_;
    p.ratio = ratio();
    if (!splits.held_out.empty())
      splits.evaluate_into(p, widened(optimize(dequantized(back))), options_, options_.progress);
    return p;
  }

  const Model& model_;
  Given given_;
  const CompressOptions& options_;
  int64_t bytes_ = 0;
};

/// Why no file has the ratio `asked`: all weights are zero, or the coarsest steps give a larger file. Empty: one has.
/// `forced`: a larger file is accepted.
std::string out_of_reach(const CompressJob& job, const Coded& coded, double asked, bool forced) {
  const double got = job.ratio_of(coded);
  if (job.all_levels_are_zero(coded))
    return fmt::format("{:.4g}x is out of reach: at {:.4g}x all weights are zero; ask for less", asked, got);
  if (!forced && got < asked * (1 - kRatioTolerance))
    return fmt::format("{:.4g}x is out of reach: the coarsest steps give {:.4g}x; ask for less", asked, got);
  return "";
}

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
        const std::string why = out_of_reach(job, coded, options.target_ratio, options.force);
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
  const LosslessFile lossless(model, given, options);
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
  check(options);
  return at_place([&] { return model.name(); }, [&] { return compress_given(model, given_of(model), options); });
}

namespace {

/// The point of one ratio, or the reason why there is none. Throws Error(stopped) when the options' progress asks to.
CompressPoint front_point(CompressJob& job, double ratio, double& divergence, bool measure) {
  CompressPoint point;
  try {
    const Coded coded = job.code(job.step_scale_for_ratio(ratio));
    if (job.stopped()) fail(ErrorCode::stopped, "stopped at {}x", ratio);
    const std::string why_not = out_of_reach(job, coded, ratio, false);
    if (!why_not.empty()) {
      point.why_not = why_not;
    } else {
      divergence = measure ? job.try_out(coded).kl : 0;
      point = job.point_of(coded);
      if (point.pictures == 0) fail(ErrorCode::stopped, "stopped while {}x was evaluated", ratio);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::stopped) throw;
    point.why_not = error.what();  // the other points are worth having
  }
  point.asked = ratio;
  return point;
}

std::vector<CompressPoint> front_of(const Model& model, const std::vector<double>& ratios,
                                    const CompressOptions& options) {
  const Model optimized = optimize(dequantized(model));
  const std::vector<double> all = temperatures(optimized, options);
  const size_t points = all.size() * ratios.size();
  size_t at_point = 0;
  CompressOptions per_point = options;  // progress names the point
  if (options.progress)
    per_point.progress = [&](std::string_view stage, double done) {
      return at_point == 0 ? options.progress(stage, done)
                           : options.progress(fmt::format("size {} of {}: {}", at_point, points, stage), done);
    };
  const Given given = given_of(model);
  const LosslessFile lossless(model, given, per_point);
  const PictureSplits splits(widened(optimized), per_point);
  std::vector<CompressPoint> front;
  std::vector<double> divergence;  // on the tuning pictures: chooses the temperature
  try {
    for (double temperature : all) {
      CompressJob job(optimized, given, splits, per_point, temperature);
      if (!ratios.empty()) job.refine(job.step_scale_for_ratio(ratios[ratios.size() / 2]));
      for (size_t i = 0; i < ratios.size(); ++i) {
        ++at_point;
        double kl = std::numeric_limits<double>::infinity();
        CompressPoint point;
        if (lossless.ratio() >= ratios[i]) {
          kl = 0;
          point = lossless.point(splits);
          point.asked = ratios[i];
        } else {
          point = front_point(job, ratios[i], kl, all.size() > 1);
        }
        if (i == front.size()) {
          front.push_back(std::move(point));
          divergence.push_back(kl);
        } else if (kl < divergence[i]) {
          front[i] = std::move(point);
          divergence[i] = kl;
        }
      }
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::stopped || front.empty()) throw;
  }
  return front;
}

}  // namespace

std::vector<CompressPoint> compression_front(const Model& model, const std::vector<double>& ratios,
                                             const CompressOptions& options) {
  if (options.pictures.empty()) fail_input("a front needs a folder of pictures (--calibrate)");
  check(options);
  for (double ratio : ratios)
    if (!(ratio >= 1 && ratio <= kMostRatio)) fail_input("ratios: {} is not in 1..{}", ratio, kMostRatio);
  return at_place([&] { return model.name(); }, [&] { return front_of(model, ratios, options); });
}

}  // namespace tercel
