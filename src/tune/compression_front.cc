#include <limits>

#include "base/error.h"
#include "quant/widen.h"
#include "tercel/compress.h"
#include "tune/compress_job.h"
#include "tune/compress_options.h"
#include "tune/lossless_result.h"

namespace tercel {
namespace {

/// The point of one ratio, or the reason why there is none. Throws Error(stopped) when the options' progress asks to.
CompressPoint front_point(CompressJob& job, double ratio, double& divergence, bool measure) {
  CompressPoint point;
  try {
    const Coded coded = job.code(job.step_scale_for_ratio(ratio));
    if (job.stopped()) fail(ErrorCode::stopped, "stopped at {}x", ratio);
    const std::string why_not = job.out_of_reach(coded, ratio, false);
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
  const LosslessResult lossless(model, given, per_point);
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
  check_options(options);
  for (double ratio : ratios)
    if (!(ratio >= 1 && ratio <= kMostRatio)) fail_input("ratios: {} is not in 1..{}", ratio, kMostRatio);
  return at_place([&] { return model.name(); }, [&] { return front_of(model, ratios, options); });
}

}  // namespace tercel
