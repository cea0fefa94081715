// Compression of networks: post-training quantization and entropy coding, and the effect on the answers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tercel/export.h"
#include "tercel/image.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

/// How weights are coded: `max` gives the smallest file, `fast` the one that decodes fastest.
enum class CodingProfile { max, balanced, fast };

/// "max", "balanced", "fast". Throws Error that lists them.
TERCEL_API CodingProfile parse_profile(std::string_view word);
TERCEL_API std::string_view to_string(CodingProfile profile);

struct CompressOptions {
  CodingProfile profile = CodingProfile::max;
  /// Pictures for calibration, tuning and evaluation (three disjoint sets). Empty: all errors of weights count the
  /// same, and only `target_ratio` or `lossless` can be asked for.
  std::filesystem::path pictures;
  std::optional<Preprocessing> preprocessing;  ///< of the pictures; else the model's own
  int calibration_pictures = 128;              ///< to measure moments and gradients on
  int tuning_pictures = 128;                   ///< to choose settings by
  int held_out_pictures = 256;                 ///< held out for the evaluation; of a max_drop also to check the choice
  /// Points of top-1 (without labels: of agreement) that may be lost on all pictures like these, not only on these
  /// (DropPromise). 0: nothing may change, so the file is lossless.
  double max_drop = 0.3;
  /// Give the network even where max_drop cannot be promised or target_ratio is not reached. Without it that is an
  /// Error which says why not.
  bool force = false;
  /// Not 0: this ratio instead, whatever it costs; 1 to 1000. A file that would be more than a hundredth larger is an
  /// Error unless `force`, and so is a ratio that leaves no weight, always. A note says where a file is more than a
  /// hundredth smaller, because there is none between.
  double target_ratio = 0;
  /// 1: each layer's step is proportional to the standard deviation of its weights. 2 to 4: per-layer scales by Fisher
  /// information. 5, 6: also error compensation (needs pictures); for a ratio the best of two, four candidates. 7 to 9:
  /// also an evolutionary search refines the per-layer scales with 100, 300, 1000 candidates (needs pagmo in the
  /// build).
  int effort = 5;
  /// Trellis-coded (dependent) quantization, where the build has it (CMake: TERCEL_TRELLIS): some percent smaller,
  /// slower to make, and read only by builds that have it too. It is patented ground: docs/compression.md.
  bool trellis = false;
  bool lossless = false;  ///< every bit of every weight as it was
  uint64_t seed = 1;
  int threads = 0;
  Progress progress;
  /// Is called for pictures that cannot be read and were skipped: at most one in twenty, and one of few. Without it the
  /// first such picture is an Error.
  Warn warn;
};

/// One layer as it is stored.
struct LayerReport {
  std::string constant, layer;
  int64_t rows = 0, columns = 0;
  double step = 0;
  double bits_per_weight = 0;
};

/// Size of a file, and evaluation of its answers.
struct CompressPoint {
  /// Bytes given / bytes of the file. Given is the ONNX file that was loaded, with its external data; of a network that
  /// comes from elsewhere (a `.tercel` file, or made by a program) the ONNX file that it would be.
  double ratio = 0;
  int64_t bytes = 0;
  int pictures = 0;  ///< held out for the evaluation; 0: none, and the next four fields have no meaning
  double agreement = 0, kl = 0;
  double top1 = -1, reference_top1 = -1;  ///< -1 without labels
  double asked = 0;                       ///< the ratio asked for; 0: none was
  std::string why_not;                    ///< why there is no file of the ratio asked for; empty: there is
};

/// What is promised for a max_drop, in points.
struct DropPromise {
  double limit = 0;     ///< asked for
  double estimate = 0;  ///< expected to be lost
  double bound = 0;     ///< not more, at 95 % confidence; at most `limit` where promised
  bool promised = false;
  std::string why_not;  ///< empty where promised
};

struct CompressReport {
  CompressPoint result;
  int calibration_pictures = 0, tuning_pictures = 0;  ///< result.pictures: held out
  std::optional<DropPromise> promise;                 ///< where a max_drop was asked for
  int64_t parameters = 0;
  int64_t given_bytes = 0;  ///< that ratios are of
  bool lossless = false;    ///< every bit as it was: asked for, or because quantization makes no smaller file
  int64_t graph_bytes = 0, vector_bytes = 0, matrix_bytes = 0;
  int evaluations = 0;     ///< candidates that were run on the tuning pictures
  std::string weighed_by;  ///< "Fisher information", "input moments", "nothing"
  std::vector<LayerReport> layers;
  std::vector<std::string> notes;
};

/// A compressed network: its file, and the network that the file gives back.
class TERCEL_API Compressed {
 public:
  Compressed(std::string file, Model model, CompressReport report)
      : file_(std::make_shared<const std::string>(std::move(file))),
        model_(std::move(model)),
        report_(std::move(report)) {}

  const std::string& bytes() const { return *file_; }
  const Model& model() const { return model_; }
  const CompressReport& report() const { return report_; }
  /// Writes the file whole or not at all.
  void save(const std::filesystem::path& path) const;

 private:
  std::shared_ptr<const std::string> file_;
  Model model_;
  CompressReport report_;
};

/// Optimizes the network, then quantizes its weights; decoded weights are rounded to the types they were given in.
/// Constants with infinities or NaN, integers, and constants that levels do not make smaller are kept as they are.
/// Lossless, the network is kept as it was read, each constant with its type and bits. No file is larger than what was
/// given. Throws Error for options out of range, pictures that cannot be read, ratios that leave no weight, files too
/// small to be made smaller, and a max_drop that cannot be promised.
TERCEL_API Compressed compress(const Model& model, const CompressOptions& options = {});

/// Accuracy against size: one point for each of `ratios` (files about as small as asked for), in their order. A point
/// that cannot be reached says so in why_not. When `progress` asks to stop, the finished points; without any,
/// Error(stopped).
TERCEL_API std::vector<CompressPoint> compression_front(const Model& model, const std::vector<double>& ratios,
                                                        const CompressOptions& options);

}  // namespace tercel
