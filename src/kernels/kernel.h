// What plan asks of kernels: a Problem, answered by a prepared Kernel or by a reason to refuse.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/isa.h"
#include "kernels/packed_weights.h"
#include "tensor/attrs.h"
#include "tensor/quantization.h"
#include "tensor/tensor.h"
#include "tensor/window.h"

namespace tercel::inline kernels {

using tercel::to_string;  // of shapes: the one declared here would hide it

/// How the elements of a rank-4 activation lie in memory. Shapes and attributes always speak n, c, h, w.
enum class Layout : uint8_t {
  plain,          ///< row-major in the order of the shape: n c h w
  channels_last,  ///< n h w c
};

std::string_view to_string(Layout layout);

/// An operand or result as known while planning.
struct Operand {
  DType dtype = DType::none;  ///< none: left out
  Dims dims;
  Layout layout = Layout::plain;
  Tensor constant;                         ///< the elements (plain layout, any alignment), where they are known already
  QuantizationPtr quantization = nullptr;  ///< what levels stand for

  explicit operator bool() const { return dtype != DType::none; }
  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t elements() const { return count_elements(dims); }
};

/// One operation with everything that is known before it runs.
struct Problem {
  std::string_view op;
  const Attrs* attrs;
  std::vector<Operand> src;
  std::vector<Operand> dst;
  Isa isa = Isa::baseline;
  int threads = 1;
  PackedWeights* shared = nullptr;  ///< where kernels look for weights that another one has packed already
  bool bf16 = false;  ///< constant weights may be rounded to bf16, and what they are multiplied with; sums stay f32

  /// Operand i, a constant, in the form that a kernel reads: PackedWeights::get, or made for this kernel alone.
  std::shared_ptr<const Buffer> packed(size_t i, const std::string& form, size_t bytes,
                                       const std::function<void(std::byte* packed)>& pack) const;

  const Operand& input(size_t i) const;  ///< an absent Operand past the end
};

/// Addresses for one run. Operands left out are null. Constants that the kernel took over (Kernel::consumed) are null
/// too.
struct Args {
  std::span<const std::byte* const> src;
  std::span<std::byte* const> dst;
  std::byte* scratch = nullptr;
};

/// For some rows of result 0. A row is one y of one picture, counted over the batch: number n * height + y.
struct RowArgs {
  Range rows;               ///< of the result
  const std::byte* source;  ///< row `source_first` of operand 0
  int64_t source_first;
  std::byte* result;  ///< row `result_first`
  int64_t result_first;
  std::span<const std::byte* const> src;  ///< all operands; the first is not looked at
};

/// What a kernel can do that makes any rows of its result from some rows of operand 0, both channels_last.
class ByRows {
 public:
  virtual ~ByRows() = default;
  /// Rows of operand 0 that these rows of the result read; may be empty.
  virtual Range source_rows(Range rows) const = 0;
  /// As Kernel::run, without scratch.
  virtual void run_rows(const RowArgs& args) const = 0;
};

/// Prepared for one problem: weights packed, loops chosen. run() keeps no state: several threads may run one kernel at
/// once, each with its own operands and scratch. Only references fail (an index out of range) and allocate.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const Args& args) const = 0;
  /// Scratch that run() needs, aligned to kAlignment.
  virtual size_t scratch_bytes() const { return 0; }
  /// Does the kernel hold operand i (a constant) in a form of its own, so that the original may be let go?
  virtual bool consumed(size_t) const { return false; }
  /// Bytes of constants held.
  virtual size_t packed_bytes() const { return 0; }
  /// Null where the kernel only makes whole results.
  virtual const ByRows* by_rows() const { return nullptr; }
};

/// What most variants make.
template <class K>
std::unique_ptr<Kernel> make_kernel(const Problem& p) {
  return std::make_unique<K>(p);
}

/// Which layouts a variant takes for rank-4 sources and gives for rank-4 results.
enum class LayoutRule : uint8_t {
  plain,          ///< all plain
  channels_last,  ///< all rank-4 activations channels_last
  same,           ///< any one layout, the same for all of full rank; results get it too
};

/// Which elements of operand 0 a variant takes: with the operator, the key of the menu.
enum class Elements : uint8_t {
  any,
  f32,
  levels,  ///< u8 or i8, of which is known what they stand for
};

/// One way to perform an operator.
struct Variant {
  std::string_view name;  ///< "ref", "simd_depthwise", "copy_concat"
  LayoutRule layout = LayoutRule::plain;
  Elements elements = Elements::any;
  /// Empty where the variant can perform the problem, whose elements are those it takes; else the reason why not.
  std::string (*refuse)(const Problem&);
  std::unique_ptr<Kernel> (*make)(const Problem&);
  /// Where given: the reason why a later variant is quicker here although this one could; empty where it is not.
  std::string (*slower)(const Problem&) = nullptr;
  /// Largest difference from the reference, of its largest magnitude (at least of 1), where elements are f32. Others
  /// are exact. Tests hold every variant to this.
  double f32_error = 1e-5;
  /// What run() may do. Only references: they meet values that only show while running, and are slow anyway.
  bool may_throw = false, may_allocate = false;

  /// Why it cannot perform the problem, in words for `inspect --why`; empty where it can.
  std::string cannot(const Problem& problem) const;
  /// Empty where the plan should take it, else why it cannot or why it would be slower.
  std::string why_not(const Problem& problem) const;
  double tolerance() const { return elements == Elements::f32 ? f32_error : 0; }
};

}  // namespace tercel::inline kernels
