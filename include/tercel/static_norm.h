// Static layer normalization: moments are measured once and then fixed, so that the norm merges into the next linear
// layer (the idea of Keddous 2022; here without training, and only where the sensitivity is low).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/compress.h"
#include "tercel/export.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

/// What takes the place of (x - mean) / sigma of a token.
enum class NormEstimator {
  scalar,          ///< one factor for all tokens, the mean exact
  position,        ///< a factor for each token position (the class token has its own), the mean exact
  channel,         ///< moving mean and variance of each channel, as batch normalization has them
  affine,          ///< a factor and a shift per channel, least squares
  ridge,           ///< the next linear layers refitted to what the original network's give
  position_ridge,  ///< the same on tokens scaled by position
};

TERCEL_API std::string_view to_string(NormEstimator estimator);
/// Throws Error that lists the names.
TERCEL_API NormEstimator parse_norm_estimator(std::string_view name);

struct StaticNormOptions {
  NormEstimator estimator = NormEstimator::affine;
  /// Points of top-1 (without labels: of agreement) that may be lost on all pictures like these, not only on these:
  /// DropPromise. Wants 24 pictures at least.
  double max_drop = 0.5;
  /// Fix so many, whatever is lost: each number is tried, the last one kept. Empty: as many as max_drop allows.
  std::vector<int> sites;
  int pictures = 256;  ///< to measure on at most, and as many others: half to choose by, half held out to check it
  int threads = 0;     ///< 0: one per processor this process may use
  uint64_t seed = 1;   ///< draws the pictures
  Progress progress;
  Warn warn;  ///< as in CompressOptions
};

/// One layer normalization that only linear layers read.
struct StaticNormSite {
  std::string node;
  double spread = 0;       ///< standard deviation of sigma over all tokens, by its mean
  double sensitivity = 0;  ///< mean KL divergence of the answers when this norm alone is fixed, nats
  double residual = 0;  ///< part of |normalized tokens|^2 that the map misses, in the network as it was when measured
  bool fixed = false;
};

/// Answers compared with those of the original network, on the pictures that measured nothing.
struct StaticNormTrial {
  int fixed = 0;         ///< norms, those of the lowest sensitivity
  double agreement = 0;  ///< part of the pictures with the same most likely class
  double top1 = -1;      ///< part answered with their label; -1 without labels
  double kl = 0;         ///< mean Kullback-Leibler divergence, nats
};

struct StaticNormReport {
  NormEstimator estimator = NormEstimator::ridge;
  double max_drop = 0;
  size_t measured = 0, held_out = 0;    ///< pictures; held_out: all that measured nothing
  double original_top1 = -1;            ///< on the held-out pictures; -1 without labels
  std::vector<StaticNormSite> sites;    ///< in running order
  std::vector<std::string> exact;       ///< norms that cannot be fixed, and why
  std::vector<StaticNormTrial> trials;  ///< every number of sites tried, ascending
  StaticNormTrial chosen;
  std::optional<DropPromise> promise;  ///< where max_drop decided
};

struct TERCEL_API StaticNormResult {
  Model model;  ///< standard ONNX, as optimize() gives it
  StaticNormReport report;
};

/// Optimizes the model, measures its layer normalizations on pictures of `folder` (a labels.tsv or one folder per class
/// gives the classes), and fixes those of the lowest sensitivity (those with outlier tokens, a spread of 1 or more,
/// last) in running order. Each is fitted on the outputs of the network converted so far, with those of the original
/// norm as targets, so that later ones compensate the errors of earlier ones (sequential reconstruction: He, Zhang and
/// Sun 2017, "Channel pruning"). Throws Error: no such folder, too few pictures, one that cannot be read, no norm that
/// could be fixed.
TERCEL_API StaticNormResult fix_norms(const Model& model, const std::filesystem::path& folder,
                                      const StaticNormOptions& options = {});

}  // namespace tercel
