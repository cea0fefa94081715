// Constant weights of matrix products, looked at as k inputs by n outputs whichever way they lie, and edited in double.
// Edits make new tensors: exporters let several nodes share one initializer.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "base/bits.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "passes/weight_rows.h"

namespace tercel::inline passes {

/// Elements of a constant f32 tensor of any alignment.
class Floats {
 public:
  explicit Floats(const Tensor& tensor) : data_(tensor.data()) {}
  double operator[](int64_t i) const {
    return static_cast<double>(load_unaligned<float>(data_ + i * static_cast<int64_t>(sizeof(float))));
  }

 private:
  const std::byte* data_;
};

/// An f32 tensor with the elements of `before` after edit(elements), which happens in place, lazily, when they
/// are read; the memory of `before` is then released (Tensor::release). So a network whose weights several passes
/// rewrite never holds them twice: a kernel asks for one tensor, packs it and lets it go. `edit` may be called again
/// and from another thread. No element is larger in magnitude than `bound` then, which may be infinite:
/// Tensor::bound().
Tensor edited_later(const Tensor& before, double bound, std::function<void(float* elements)> edit);

/// Are elements up to this magnitude finite in f32? Edits of weights must keep them so: infinity times 0 is NaN, where
/// the network as it was may have an answer.
inline bool fits_f32(double bound) { return bound <= static_cast<double>(std::numeric_limits<float>::max()); }

/// Some outputs, one after another, of a matrix of k inputs by n outputs that is being edited.
class OutputsPart {
 public:
  /// `stride`: elements from one row in memory to the next; rows are of one input, or of one output if `transposed`.
  OutputsPart(float* elements, int64_t k, int64_t first, int64_t count, int64_t stride, bool transposed)
      : elements_(elements), k_(k), first_(first), count_(count), stride_(stride), transposed_(transposed) {}

  int64_t first() const { return first_; }
  int64_t count() const { return count_; }

  /// result[j] = sum over inputs i of factor[i] W[i, first + j], in the order of memory.
  std::vector<double> weighted_sum(const std::vector<double>& factor) const;

  // In place, each element rounded once.
  void scale_inputs(const std::vector<double>& factor) const;       ///< W[i, first + j] *= factor[i]
  void subtract_from_inputs(const std::vector<double>& by) const;   ///< W[i, first + j] -= by[i]
  void subtract_from_outputs(const std::vector<double>& by) const;  ///< W[i, first + j] -= by[j]

 private:
  EditedRows rows() const;

  float* elements_;
  int64_t k_, first_, count_, stride_;
  bool transposed_;
};

/// The matrix of MatMul, Gemm or FusedMatMul, k x n: y = x W.
class LinearWeights {
 public:
  /// Is operand 1 a constant f32 matrix, and operand 0 not transposed?
  static bool readable(const Node& linear);
  /// Of a readable node.
  explicit LinearWeights(const Node& linear);
  /// A matrix that lies as n x k if `transposed`.
  LinearWeights(Tensor tensor, bool transposed);

  int64_t inputs() const { return k_; }
  int64_t outputs() const { return n_; }
  /// Of the elements: Tensor::bound().
  double bound() const { return static_cast<double>(tensor_.bound()); }

  /// result[j] = sum over inputs i of factor[i] W[i, j], in the order of memory.
  std::vector<double> weighted_sum(const std::vector<double>& factor) const;
  /// result[i] = mean over outputs of W[i, j].
  std::vector<double> output_mean() const;

  /// What a pass does to weights, some outputs at a time, from several threads.
  struct Edit {
    /// Where an edit depends on other outputs, too: called once, with all weights as they are before it.
    std::function<void(const LinearWeights& before)> look;
    /// In place; called again for the same outputs when the weights are made again.
    std::function<void(const OutputsPart& part)> edit;
  };

  /// As edited_later above; a kernel may also ask for some outputs at a time (tensor/element_source.h: slices), and so
  /// packs weights that several passes have rewritten while they are in the cache.
  Tensor edited_later(double bound, Edit edit) const;

  /// f(index in memory, i, j, W[i, j]) for every element, in the order of memory.
  template <typename F>
  void for_each(F&& f) const {
    const Floats from(tensor_);
    for (int64_t row = 0, index = 0; row < rows(); ++row)
      for (int64_t column = 0; column < columns(); ++column, ++index)
        f(index, transposed_ ? column : row, transposed_ ? row : column, from[index]);
  }

 private:
  int64_t rows() const { return transposed_ ? n_ : k_; }
  int64_t columns() const { return transposed_ ? k_ : n_; }

  Tensor tensor_;
  bool transposed_;
  int64_t k_, n_;
};

/// A vector of doubles, rounded once.
Tensor rounded(const std::vector<double>& values, Dims dims);

}  // namespace tercel::inline passes
