// The op table: for every operator its operands, attributes and shape rule.
//
// Operators of the standard mean what ONNX says of them at opset 22; the reader translates older forms (src/onnx).
// Tercel's own (docs/operators.md) may stand in files too; those of the engine are made by passes and never do.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "graph/graph.h"

namespace tercel::inline graph {

enum class AttrKind { integer, real, text, integers, reals, texts, tensor };

struct AttrSpec {
  std::string_view name;
  AttrKind kind;
  enum class Need { required, defaulted, optional } need = Need::required;
  Attr default_value = int64_t{0};

  static AttrSpec required(std::string_view name, AttrKind kind) { return {name, kind, Need::required, int64_t{0}}; }
  /// Absent is meaningful: kernels and rules must ask has().
  static AttrSpec optional(std::string_view name, AttrKind kind) { return {name, kind, Need::optional, int64_t{0}}; }
  static AttrSpec integer(std::string_view name, int64_t value) {
    return {name, AttrKind::integer, Need::defaulted, value};
  }
  static AttrSpec real(std::string_view name, float value) { return {name, AttrKind::real, Need::defaulted, value}; }
  static AttrSpec text(std::string_view name, std::string value) {
    return {name, AttrKind::text, Need::defaulted, std::move(value)};
  }
  static AttrSpec integers(std::string_view name, std::vector<int64_t> value) {
    return {name, AttrKind::integers, Need::defaulted, std::move(value)};
  }
};

/// What a shape rule sees and says. A rule reads operand types (and constants), checks what can be checked, and sets
/// the types of the results as far as they follow; what does not follow stays unknown.
class InferContext {
 public:
  explicit InferContext(const Node& node);

  const Node& node() const { return node_; }
  const Attrs& attrs() const { return node_.attrs; }

  size_t inputs() const { return node_.inputs.size(); }
  bool has(size_t operand) const { return node_.input(operand) != nullptr; }
  /// Type of an operand; the unknown type where it is left out.
  const ValueType& type(size_t operand) const;
  DType dtype(size_t operand) const { return type(operand).dtype; }
  bool ranked(size_t operand) const { return type(operand).ranked; }
  const Dims& dims(size_t operand) const { return type(operand).dims; }  ///< ask ranked() first
  int64_t rank(size_t operand) const { return static_cast<int64_t>(dims(operand).size()); }
  /// The elements, where the operand is a constant; nullptr otherwise.
  const Tensor* constant(size_t operand) const;

  size_t outputs() const { return node_.outputs.size(); }
  bool wants(size_t result) const { return node_.output(result) != nullptr; }
  void set(size_t result, DType dtype, Dims dims);
  void set_unranked(size_t result, DType dtype);
  /// Rank known, no extent known.
  void set_rank(size_t result, DType dtype, int64_t rank);
  void set(size_t result, const ValueType& type);
  const std::vector<ValueType>& results() const { return results_; }

  // Checks; each throws Error that names operand and what came. Unknown types pass: they are checked once they are
  // known.
  void need_dtype(size_t operand, std::initializer_list<DType> allowed) const;
  void need_same_dtype(size_t a, size_t b) const;
  void need_rank(size_t operand, int64_t at_least, int64_t at_most) const;
  void need_float(size_t operand) const { need_dtype(operand, {DType::f32, DType::f64, DType::f16, DType::bf16}); }
  /// Levels of which is known what they stand for: what the engine's operators take beside floats.
  bool is_quantized(size_t operand) const {
    return is_level_type(dtype(operand)) && type(operand).quantization != nullptr;
  }

 private:
  const Node& node_;
  std::vector<ValueType> results_;
};

/// Who defines an operator, and whose versions count for it.
enum class Domain {
  onnx,    ///< the standard; its versions are the opsets
  tercel,  ///< ours, with versions of our own: "ai.tercel" in files, and what names begin with in graphs and texts
  engine   ///< forms that only the engine's passes make
};

inline constexpr std::string_view kTercelDomain = "ai.tercel";
inline constexpr int kTercelVersion = 2;  ///< the newest; grows when an operator comes or changes

inline constexpr int kAnyNumber = -1;

/// How many operands an operator takes, or results it makes.
struct Arity {
  int least = 1, most = 1;  ///< most kAnyNumber: any number

  bool fits(int count) const { return count >= least && (most == kAnyNumber || count <= most); }
};

struct OpSpec {
  std::string_view name;
  Domain domain = Domain::onnx;
  int since = 1;  ///< first version of its domain in which the operator has the form used here
  Arity inputs = {}, outputs = {};
  std::vector<AttrSpec> attrs = {};
  void (*infer)(InferContext&);
  std::string_view standard_form = {};  ///< of one of ours, in standard operators (graph/standard_form.h); may be empty
};

/// nullptr where Tercel has no such operator.
const OpSpec* find_op(std::string_view name);

/// One of ours by the name it has in files ("RowScale"); nullptr where there is none.
const OpSpec* find_own_op(std::string_view type);
/// And back.
std::string_view type_in_files(const OpSpec& own);

/// Every operator, by name.
std::span<const OpSpec* const> all_ops();

/// Fills in defaults, and checks names and kinds. Throws Error.
void complete_attrs(const OpSpec& spec, Attrs& attrs);

/// Is this the value that complete_attrs would fill in?
bool is_default(const OpSpec& spec, std::string_view name, const Attr& value);

// Rules shared by many operators.
void infer_same_as_input(InferContext& c);      ///< result 0 has the type of operand 0
void infer_broadcast(InferContext& c);          ///< all operands broadcast together, one dtype
void infer_broadcast_to_bool(InferContext& c);  ///< the same, result is bool

}  // namespace tercel::inline graph
