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
#include "tune/lossless.h"

namespace tercel {
namespace {

constexpr double kMostRatio = 1000;
constexpr double kRatioMissed = 1e-2;  // of the ratio asked for: no file of it unless forced; smaller: told
constexpr int kTwoTemperatures = 5;    // from this effort on
constexpr int kSearches = 7;           // from this effort on

void check(const CompressOptions& options) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) fail_input("{}: {} is not in {}..{}", name, value, low, high);
  };
  within("max_drop", options.max_drop, 0, 100);
  if (options.target_ratio != 0) within("target_ratio", options.target_ratio, 1, kMostRatio);
  within("effort", options.effort, 1, 9);
  within("calibration_pictures", options.calibration_pictures, 1, 100000);
  within("tuning_pictures", options.tuning_pictures, 1, 100000);
  within("judging_pictures", options.judging_pictures, 1, 100000);
  if (options.pictures.empty() && !options.lossless && options.target_ratio == 0)
    fail_input(
        "without pictures nobody can say what is lost: give a folder of pictures (--calibrate), a ratio "
        "(--target-ratio) or --lossless");
  codec::check_trellis(options.trellis);
  if (options.effort < kSearches || options.lossless) return;
  if (options.pictures.empty()) fail_input("effort {}: a search needs pictures to try candidates on", options.effort);
  if (!can_evolve())
    fail_unsupported(
        "effort {}: above 6 an evolutionary search decides, and this Tercel was built without pagmo "
        "(Debian: libpagmo-dev)",
        options.effort);
}

/// Temperatures of the answers that errors are weighed by. A network that ends in a softmax is often sure of itself
/// altogether: its own answers leave a few pictures to learn from, softened ones weigh what its answers never show.
/// Neither is always better (VGG-16, docs/compression.md), so both are tried.
std::vector<double> temperatures(const Model& lean, const CompressOptions& options) {
  const double soft = MomentOptions().temperature;
  if (options.pictures.empty() || !ends_in_softmax(lean)) return {soft};
  if (options.effort < kTwoTemperatures) return {1};
  return {soft, 1};
}

/// The network with every bit as it was: asked for, or better than anything that loses some.
class Exact {
 public:
  Exact(const Model& model, const Given& given, const CompressOptions& options)
      : model_(model), given_(given), options_(options) {
    bytes_ = static_cast<int64_t>(file().size());
  }

  /// Of the file, which need not be smaller than what was given.
  int64_t bytes() const { return bytes_; }
  double ratio() const { return static_cast<double>(given_.bytes) / static_cast<double>(bytes_); }

  CompressPoint point(const Trials& trials) const { return point(trials, read_back(file(), model_)); }

  Compressed finish(const Trials& trials, const std::vector<std::string>& notes) const {
    check_smaller(bytes_, given_);
    if (!options_.force && ratio() < options_.target_ratio * (1 - kRatioMissed))
      fail_input(
          "{:.4g}x is out of reach: {:.4g}x is as far as it goes, and levels take no fewer bytes; ask for less, or use "
          "--force for the smallest there is",
          options_.target_ratio, ratio());
    std::string written = file();
    const Model back = read_back(written, model_);
    CompressReport report;
    report.result = point(trials, back);
    report.result.asked = options_.target_ratio;
    report.parameters = given_.parameters;
    report.given_bytes = given_.bytes;
    report.weighed_by = "nothing";
    report.lossless = true;
    report.notes = notes;
    trials.count_into(report);
    if (trials.drops) report.promise = DropPromise{options_.max_drop, 0, 0, true, ""};
    if (options_.target_ratio > 0 && std::abs(ratio() / options_.target_ratio - 1) > kRatioMissed)
      report.notes.push_back(
          fmt::format("{:.4g}x smaller, not the {:.4g}x asked for: {}", ratio(), options_.target_ratio,
                      ratio() > options_.target_ratio ? "every bit is there already, a larger file would hold no more"
                                                      : "levels take no fewer bytes"));
    count_bytes(report, written);
    return Compressed(std::move(written), back, std::move(report));
  }

 private:
  /// Made anew each time: large networks are not held twice.
  std::string file() const { return lossless_file(model_, options_.profile); }

  CompressPoint point(const Trials& trials, const Model& back) const {
    CompressPoint p;
    p.bytes = bytes_;
    p.ratio = ratio();
    if (!trials.judging.empty())
      trials.judge_into(p, widened(optimize(dequantized(back))), options_, options_.progress);
    return p;
  }

  const Model& model_;
  Given given_;
  const CompressOptions& options_;
  int64_t bytes_ = 0;
};

/// Why no file has that ratio: a network without a weight is none, and steps do not grow without end. Empty: one has.
/// `forced`: a file that is larger will do.
std::string out_of_reach(const CompressJob& job, const Coded& coded, double asked, bool forced) {
  const double got = job.ratio_of(coded);
  if (job.is_void(coded))
    return fmt::format("{:.4g}x is out of reach: at {:.4g}x no weight is left but zeros; ask for less", asked, got);
  if (!forced && got < asked * (1 - kRatioMissed))
    return fmt::format("{:.4g}x is out of reach: {:.4g}x is as far as levels go; ask for less", asked, got);
  return "";
}

/// Without pictures enough nothing is known of others, whatever the formulas say of these.
void check_pictures_suffice(const Trials& trials, const CompressOptions& options) {
  if (trials.drops && !options.force && !trials.suffice())
    fail_input(
        "{} pictures are too few to promise what is lost of others: give at least {} (some hundreds make smaller "
        "files), or --force, and nothing is promised",
        trials.pictures(), Trials::kFewestToPromise);
}

/// So many would, where the promise fails by chance alone: doubt shrinks with their square root.
std::string pictures_that_would_do(const DropPromise& promise, size_t pictures) {
  double factor = 2;
  if (promise.estimate > 0 && promise.estimate < promise.limit && promise.bound > promise.limit)
    factor =
        std::clamp(std::pow(std::log(promise.bound / promise.estimate) / std::log(promise.limit / promise.estimate), 2),
                   1.1, 100.0);
  return fmt::format("{}", static_cast<size_t>(std::ceil(factor * static_cast<double>(pictures))));
}

void check_promise(const DropPromise& promise, const Trials& trials) {
  if (!promise.promised)
    fail_input(
        "a loss of at most {:g} points cannot be promised: {}; about {} pictures would do instead of {}, or a larger "
        "--max-drop, or --force, and nothing is promised",
        promise.limit, promise.why_not, pictures_that_would_do(promise, trials.pictures()), trials.pictures());
}

/// The smallest of what each temperature makes; of a ratio the nearest to the network as it was. Nothing where none
/// keeps the drop.
std::optional<Compressed> compress_lossy(const Model& lean, const Given& given, const Trials& trials,
                                         const CompressOptions& options) {
  const std::vector<double> all = temperatures(lean, options);
  std::optional<Compressed> best;
  double best_price = 0;
  bool stopped = false;
  for (double temperature : all) {
    try {
      CompressJob job(lean, given, trials, options, temperature);
      const Coded coded = job.choose();
      if (options.target_ratio > 0 && !job.stopped()) {
        const std::string why = out_of_reach(job, coded, options.target_ratio, options.force);
        if (!why.empty()) fail_input("{}, or use --force for the smallest there is", why);
      }
      if (!job.stopped() && !job.keeps_promise(coded)) continue;
      double price =
          all.size() > 1 && options.target_ratio > 0 ? job.try_out(coded).kl : static_cast<double>(coded.bytes());
      if (job.promise() && !job.promise()->promised) price = std::numeric_limits<double>::infinity();
      // A search that was stopped has not come to the size asked for: its price says nothing.
      if (!best || (!job.stopped() && price < best_price)) {
        best = job.finish(coded);
        best_price = price;
      }
      stopped = job.stopped();
      if (stopped) break;
    } catch (const Error& error) {
      if (!best || error.code() != ErrorCode::stopped) throw;
      stopped = true;
      break;  // told to stop while measuring again: the first is the best so far
    }
  }
  if (best && best->report().promise && !options.force && !stopped) check_promise(*best->report().promise, trials);
  return best;
}

Compressed compress_given(const Model& model, const Given& given, const CompressOptions& options) {
  const Exact exact(model, given, options);
  if (options.lossless) check_smaller(exact.bytes(), given);
  const bool wants_lean = !options.lossless || !options.pictures.empty();
  const Model lean = wants_lean ? optimize(dequantized(model)) : model;
  const Trials trials(wants_lean ? widened(lean) : model, options);
  if (options.lossless) return exact.finish(trials, {});
  if (options.target_ratio > 0 && exact.ratio() >= options.target_ratio)
    return exact.finish(trials, {"lossless: that is as small as was asked for"});
  if (trials.drops && options.max_drop == 0)
    return exact.finish(trials, {"lossless: no number of pictures shows that levels lose nothing at all"});
  check_pictures_suffice(trials, options);
  std::optional<Compressed> lossy = compress_lossy(lean, given, trials, options);
  if (!lossy) return exact.finish(trials, {"lossless: with any levels more was lost than may be"});
  if (lossy->report().result.bytes >= exact.bytes())
    return exact.finish(trials, {"lossless: levels take no fewer bytes"});
  check_smaller(lossy->report().result.bytes, given);
  return *std::move(lossy);
}

}  // namespace

CodingProfile parse_profile(std::string_view word) {
  for (CodingProfile p : {CodingProfile::max, CodingProfile::balanced, CodingProfile::fast})
    if (to_string(p) == word) return p;
  fail_input("profile '{}': there are max, balanced and fast", word);
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

/// The point of one ratio; it says why where there is none. Throws Error(stopped) where the options' progress did.
CompressPoint front_point(CompressJob& job, double ratio, double& divergence, bool measure) {
  CompressPoint point;
  try {
    const Coded coded = job.code(job.strength_for_ratio(ratio));
    if (job.stopped()) fail(ErrorCode::stopped, "stopped at {}x", ratio);
    const std::string why_not = out_of_reach(job, coded, ratio, false);
    if (!why_not.empty()) {
      point.why_not = why_not;
    } else {
      divergence = measure ? job.try_out(coded).kl : 0;
      point = job.point_of(coded);
      if (point.pictures == 0) fail(ErrorCode::stopped, "stopped while {}x was judged", ratio);
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
  const Model lean = optimize(dequantized(model));
  const std::vector<double> all = temperatures(lean, options);
  const size_t points = all.size() * ratios.size();
  size_t at_point = 0;
  CompressOptions told = options;  // of the work on each point, which one it is
  if (options.progress)
    told.progress = [&](std::string_view stage, double done) {
      return at_point == 0 ? options.progress(stage, done)
                           : options.progress(fmt::format("size {} of {}: {}", at_point, points, stage), done);
    };
  const Given given = given_of(model);
  const Exact exact(model, given, told);
  const Trials trials(widened(lean), told);
  std::vector<CompressPoint> front;
  std::vector<double> divergence;  // on the tuning pictures, which choose
  try {
    for (double temperature : all) {
      CompressJob job(lean, given, trials, told, temperature);
      if (!ratios.empty()) job.polish(job.strength_for_ratio(ratios[ratios.size() / 2]));
      for (size_t i = 0; i < ratios.size(); ++i) {
        ++at_point;
        double kl = std::numeric_limits<double>::infinity();
        CompressPoint point;
        if (exact.ratio() >= ratios[i]) {
          kl = 0;
          point = exact.point(trials);
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
  if (options.pictures.empty()) fail_input("a front needs a folder of pictures to judge on (--calibrate)");
  check(options);
  for (double ratio : ratios)
    if (!(ratio >= 1 && ratio <= kMostRatio)) fail_input("ratios: {} is not in 1..{}", ratio, kMostRatio);
  return at_place([&] { return model.name(); }, [&] { return front_of(model, ratios, options); });
}

}  // namespace tercel
