// One network being compressed: its constants as parts, each quantized with its own settings, and the network with the
// quantized constants.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codec/quantized_matrix.h"
#include "quant/curvature.h"
#include "quant/linear_site.h"
#include "quant/observe.h"
#include "quant/quantize.h"

namespace tercel::inline tune {

/// A constant that is coded as a matrix of levels.
struct Part {
  enum class Kind {
    linear,  ///< read by linear layers only: errors are weighed by what these read
    matrix,  ///< of rank 2 and more, read by something else (position embeddings)
  };
  Kind kind = Kind::matrix;
  std::string name;   ///< of the constant
  std::string layer;  ///< for people: the node that reads it
  int64_t rows = 0, columns = 0, kernel_height = 1, kernel_width = 1;
  std::shared_ptr<const codec::KernelBasis> basis;  ///< of linear parts: nullptr for weights as they are
  bool transposed = false;                          ///< the constant holds columns x rows
  std::string bias;  ///< of linear parts: the constant that corrects the error of the mean
  int64_t elements() const { return rows * columns; }
};

/// How one part is quantized.
struct PartSettings {
  float step = 0;
  float lambda = 0.15f;
  bool per_channel_steps = true;
  auto operator<=>(const PartSettings&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 sees one in it
};

/// How errors are distributed over the parts.
enum class Allocation {
  equal,   ///< steps are proportional to the RMS of the weights
  fisher,  ///< a further bit reduces the loss equally everywhere, also inside a part
};

/// A candidate: the settings of every part, and the step of every vector.
struct Settings {
  std::vector<PartSettings> parts;
  std::vector<float> vector_steps;
};

/// A part as quantized.
struct CodedPart {
  codec::QuantizedMatrix matrix;
  std::vector<float> mean_error;  ///< for bias correction, one per row; empty: none
  double distortion = 0;
  int64_t bytes = 0;   ///< exact, in the profile asked for
  bool as_is = false;  ///< stored losslessly, which takes no more bytes: there are no levels
};

/// All vectors (biases and the like), one after the other in one stream.
struct CodedVectors {
  std::vector<uint8_t> steps;   ///< one per vector: codec::step_of
  std::vector<int32_t> levels;  ///< of all
  int64_t bytes = 0;
};

struct Coded {
  std::vector<std::shared_ptr<const CodedPart>> parts;  ///< nullptr: not quantized yet
  CodedVectors vectors;                                 ///< no steps: not quantized yet
  int64_t bytes() const;
};

class Compressor {
 public:
  /// `inputs` (of f32) are for calibration; without any, errors of weights all count the same. `trellis`: as in
  /// QuantizeOptions. `temperature`, `seed`: as in MomentOptions. Measurements use the network that widened()
  /// gives; dequantized weights are rounded to the type they were given in.
  Compressor(Model model, std::vector<Array> inputs, codec::Profile profile, int threads, const Progress& progress,
             double temperature = MomentOptions().temperature, bool trellis = false,
             uint64_t seed = MomentOptions().seed);

  /// Widened.
  const Model& model() const { return model_; }
  const std::vector<Part>& parts() const { return parts_; }
  /// Those whose values have a step code (codec::step_of); the others are stored losslessly.
  const std::vector<std::string>& vectors() const { return vectors_; }
  const std::vector<Array>& inputs() const { return inputs_; }
  const std::vector<LinearSite>& sites() const { return sites_; }
  int threads() const { return threads_; }
  const Curvature& curvature(size_t part) const { return curvature_[part]; }
  /// Moments of a part without those that its curvature holds; nullptr without inputs.
  const Moments* moments(size_t part) const {
    const auto at = moments_.find(parts_[part].name);
    return at == moments_.end() ? nullptr : &at->second;
  }
  std::vector<float> weights_of(size_t part) const;  ///< rows x columns; coefficients where the part has a basis

  /// Steps for all parts and vectors, multiplied by the global `step_scale`. With Fisher information a scale of 1 gives
  /// a divergence of the answers of about 0.01, and a further bit reduces the loss equally in every part.
  Settings settings(double step_scale, Allocation allocation = Allocation::fisher) const;
  /// "Fisher information", "input moments", "nothing".
  const std::string& weighed_by() const { return weighed_by_; }
  const std::vector<std::string>& notes() const { return notes_; }

  /// Cached: the same settings are not quantized twice.
  std::shared_ptr<const CodedPart> code_part(size_t part, const PartSettings& settings);
  /// Biases are corrected first, by the mean errors of the parts they belong to.
  CodedVectors code_vectors(const std::vector<float>& steps,
                            const std::vector<std::shared_ptr<const CodedPart>>& parts) const;
  Coded code(const Settings& settings);
  /// The part with other weights (rows x columns) than its own; not cached.
  std::shared_ptr<CodedPart> make_part(size_t part, const PartSettings& settings,
                                       const std::vector<float>& weights) const;
  /// The network that the file will give back, widened.
  Model with(const Coded& coded) const;

 private:
  void measure(double temperature, const Progress& progress);
  void choose_kernel_bases();
  void choose_units();
  std::vector<float> elements_of(const std::string& constant) const;

  Model model_;
  std::map<std::string, DType> types_;  // of constants that were not given as f32
  std::vector<Array> inputs_;
  codec::Profile profile_;
  bool trellis_;
  uint64_t seed_;
  int threads_;
  std::vector<LinearSite> sites_;
  std::vector<Part> parts_;
  std::vector<int64_t> as_is_bytes_;  // one per part: its lossless size
  std::vector<std::string> vectors_;
  std::vector<Curvature> curvature_;        // one per part
  std::map<std::string, Moments> moments_;  // by weights, without what curvature_ holds
  std::vector<float> equal_steps_;          // one per part: RMS / 8
  std::vector<float> unit_steps_;           // one per part: at step scale 1
  std::vector<float> vector_units_;         // one per vector
  std::string weighed_by_ = "nothing";
  std::vector<std::string> notes_;
  std::vector<std::map<PartSettings, std::shared_ptr<const CodedPart>>> cache_;
};

}  // namespace tercel::inline tune
