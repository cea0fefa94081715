// A network: read, looked at, rewritten, written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tercel/array.h"
#include "tercel/export.h"
#include "tercel/image.h"

namespace tercel {

/// An input or output of a model. Extents that are not fixed are -1; `dim_names` then holds the symbol, if it has one.
struct Port {
  std::string name;
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  std::vector<std::string> dim_names;
  bool ranked = true;  ///< false: not even the number of axes is known
};

/// One node, for people and programs that want to look inside.
struct NodeInfo {
  std::string name, op;
  std::vector<std::string> inputs, outputs;  ///< value names, "" where left out
  std::vector<std::string> output_types;     ///< "f32[1x64x112x112]"
  int64_t macs = 0;        ///< multiply-accumulates of convolutions and matrix products; -1 where their shapes are open
  int64_t parameters = 0;  ///< elements of its constant floating operands
};

/// What one pass did.
struct PassReport {
  std::string pass;
  int changes = 0;
  std::vector<std::string> notes;
};

using InputShapes = std::map<std::string, std::vector<int64_t>>;

/// Cheap to copy: copies share one network, which never changes.
class TERCEL_API Model {
 public:
  struct TERCEL_LOCAL Impl;

  Model() = default;
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::string name() const;  ///< the file it came from
  std::vector<Port> inputs() const;
  std::vector<Port> outputs() const;
  const std::map<std::string, std::string>& metadata() const;
  std::vector<NodeInfo> nodes() const;
  int64_t parameters() const;  ///< elements of all floating constants
  int64_t parameter_bytes() const;

  /// What was odd in the file but can be lived with (NaN weights).
  const std::vector<std::string>& warnings() const;
  /// What optimize() did, pass by pass; empty for a model as read.
  const std::vector<PassReport>& pass_log() const;
  [[deprecated("pass_log()")]] const std::vector<PassReport>& diary() const { return pass_log(); }

  /// From metadata; see docs/preprocessing.md. The default fits the input's size.
  Preprocessing preprocessing() const;
  /// From metadata; empty where the model names none.
  std::vector<std::string> labels() const;
  /// This model with these names of classes.
  Model with_labels(const std::vector<std::string>& labels) const;

  /// This model with further metadata; keys it has already get the new values.
  Model with_metadata(const std::map<std::string, std::string>& metadata) const;

  /// The graph as text; constants of more elements than that are shown as digests.
  std::string text(int64_t max_elements = 16) const;

  /// Writes ONNX that any runtime loads. Operators of Tercel's own (domain ai.tercel) come with a function that says
  /// the same in standard operators; throws Error for one that has none, and for operators of the engine.
  void save_onnx(const std::filesystem::path& path) const;

  /// What load() from memory reads this network from, operators of Tercel's own included: the `.tercel` file where the
  /// network is what such a file says, else ONNX. Throws Error for operators of the engine and Error(limit) above 2
  /// GiB.
  std::string to_bytes() const;

  /// This model with fixed input shapes: types of all values follow as far as they can. An extent of -1 stays as the
  /// model declares it. Throws Error naming an input that is not there or has other extents.
  Model with_shapes(const InputShapes& shapes) const;

  /// A shape for every input: as given, else as declared. An extent that is not fixed is what an extent of the same
  /// symbol is elsewhere, 1 along the first axis (the batch), and along height and width of a picture what
  /// preprocessing() says. What nothing tells stays -1; an input without a declared rank has no entry.
  InputShapes likely_shapes(const InputShapes& given = {}) const;
  /// The same; throws Error that names the input and the axis which nothing tells.
  InputShapes full_shapes(const InputShapes& given = {}) const;

  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Reads an ONNX file, or a `.tercel` file (told apart by their first bytes). Throws Error with a trail file: node:
/// attribute.
TERCEL_API Model load(const std::filesystem::path& path);

/// The same from memory, which is not copied: `owner` keeps it alive as long as the model lives. `name` stands for the
/// file in errors and in Model::name(). Elements that an ONNX model keeps in other files are refused: there is no
/// folder to look in.
TERCEL_API Model load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name = "model");

struct OptimizeOptions {
  std::filesystem::path dump_dir;    ///< gets the graph as text after every pass that changed something
  std::vector<std::string> without;  ///< passes to leave out, by name; Error for a name that is none
};

/// Folds and fuses; the answers stay the same, and the result is still standard ONNX.
TERCEL_API Model optimize(const Model& model, const OptimizeOptions& options = {});

}  // namespace tercel
