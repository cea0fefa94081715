// One network being made small: its constants as parts that can be quantized with settings of their own, and what the
// network answers with them.
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
  std::string bias;  ///< of linear parts: the constant that takes up the error of the mean
  int64_t elements() const { return rows * columns; }
};

/// How one part is quantized.
struct PartSettings {
  float step = 0;
  float lambda = 0.15f;
  bool own_steps = true;
  auto operator<=>(const PartSettings&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 sees one in it
};

/// How errors are shared out between parts.
enum class Allocation {
  equal,   ///< every part's step is the same part of its deviation
  fisher,  ///< an added bit is worth the same everywhere, inside a part too
};

/// A candidate: the settings of every part, and the step of every vector.
struct Settings {
  std::vector<PartSettings> parts;
  std::vector<float> vector_steps;
};

/// A part made of levels.
struct CodedPart {
  codec::QuantizedMatrix matrix;
  std::vector<float> mean_error;  ///< for the bias, one a row; empty: none
  double distortion = 0;
  int64_t bytes = 0;   ///< exact, in the profile asked for
  bool as_is = false;  ///< every bit as it was takes no more bytes: there are no levels
};

/// All vectors (biases and the like), one after the other in one stream.
struct CodedVectors {
  std::vector<uint8_t> steps;   ///< one a vector: codec::step_of
  std::vector<int32_t> levels;  ///< of all
  int64_t bytes = 0;
};

struct Coded {
  std::vector<std::shared_ptr<const CodedPart>> parts;  ///< nullptr: not decided on yet, and as it was
  CodedVectors vectors;                                 ///< no steps: as they were
  int64_t bytes() const;
};

class Compressor {
 public:
  /// `inputs` (of f32) are for calibration; without any, errors of weights all count the same. `trellis`: as in
  /// QuantizeOptions. `temperature`, `seed`: as in MomentOptions. Measured is the network as widened() gives it;
  /// weights are rounded to the type they were given in.
  Compressor(Model model, std::vector<Array> inputs, codec::Profile profile, int threads, const Progress& progress,
             double temperature = MomentOptions().temperature, bool trellis = false,
             uint64_t seed = MomentOptions().seed);

  /// Widened.
  const Model& model() const { return model_; }
  const std::vector<Part>& parts() const { return parts_; }
  /// Those whose values steps can tell (codec::step_of); others stay as they are.
  const std::vector<std::string>& vectors() const { return vectors_; }
  const std::vector<Array>& inputs() const { return inputs_; }
  const std::vector<LinearSite>& sites() const { return sites_; }
  int threads() const { return threads_; }
  const Curvature& curvature(size_t part) const { return curvature_[part]; }
  /// What is known of a part besides its curvature; nullptr without inputs.
  const Moments* moments(size_t part) const {
    const auto at = moments_.find(parts_[part].name);
    return at == moments_.end() ? nullptr : &at->second;
  }
  std::vector<float> weights_of(size_t part) const;  ///< rows x columns; coefficients where the part has a basis

  /// Steps for all parts and vectors that `strength` scales together. With Fisher information, strength 1 is where the
  /// divergence of the answers should be about 0.01, and an added bit is worth the same in every part.
  Settings settings(double strength, Allocation allocation = Allocation::fisher) const;
  /// "Fisher information", "input moments", "nothing".
  const std::string& weighed_by() const { return weighed_by_; }
  const std::vector<std::string>& notes() const { return notes_; }

  /// Remembered: the same settings are not quantized twice.
  std::shared_ptr<const CodedPart> code_part(size_t part, const PartSettings& settings);
  /// Biases first take up the errors of the mean of the parts they belong to.
  CodedVectors code_vectors(const std::vector<float>& steps,
                            const std::vector<std::shared_ptr<const CodedPart>>& parts) const;
  Coded code(const Settings& settings);
  /// The part with other weights (rows x columns) than its own; not remembered.
  std::shared_ptr<CodedPart> make_part(size_t part, const PartSettings& settings,
                                       const std::vector<float>& weights) const;
  /// The network as it will be read back, widened.
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
  std::vector<int64_t> as_is_bytes_;  // one a part: every bit as it was
  std::vector<std::string> vectors_;
  std::vector<Curvature> curvature_;        // one a part
  std::map<std::string, Moments> moments_;  // of weights; only what curvature_ does not hold
  std::vector<float> equal_steps_;          // one a part: an eighth of its deviation
  std::vector<float> unit_steps_;           // one a part: at strength 1
  std::vector<float> vector_units_;         // one a vector
  std::string weighed_by_ = "nothing";
  std::vector<std::string> notes_;
  std::vector<std::map<PartSettings, std::shared_ptr<const CodedPart>>> cache_;
};

}  // namespace tercel::inline tune
