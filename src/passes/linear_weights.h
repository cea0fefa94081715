// Constant weights of matrix products, looked at as k inputs by n outputs whichever way they lie, and edited in double.
// Edits make new tensors: exporters let several nodes share one initializer.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "base/bits.h"
#include "base/threads.h"
#include "graph/graph.h"

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

/// The matrix of MatMul, Gemm or FusedMatMul, k x n: y = x W.
class LinearWeights {
 public:
  /// Is operand 1 a constant f32 matrix, and operand 0 not transposed?
  static bool readable(const Node& linear);
  /// Of a readable node.
  explicit LinearWeights(const Node& linear);

  int64_t inputs() const { return k_; }
  int64_t outputs() const { return n_; }
  /// Of the elements: Tensor::bound().
  double bound() const { return static_cast<double>(tensor_.bound()); }

  /// result[j] = sum over inputs i of factor[i] W[i, j], in the order of memory.
  std::vector<double> weighted_sum(const std::vector<double>& factor) const;
  /// result[i] = mean over outputs of W[i, j].
  std::vector<double> output_mean() const;

  /// edited_later with f(i, j, W[i, j]) in place of every element; prepare(weights) gives f, which is called from
  /// several threads.
  template <typename Prepare>
  Tensor edited_later(double bound, Prepare prepare) const {
    return tercel::edited_later(
        tensor_, bound, [dims = tensor_.dims(), transposed = transposed_, prepare](float* elements) {
          const LinearWeights weights(Tensor(DType::f32, dims, reinterpret_cast<const std::byte*>(elements), nullptr),
                                      transposed);
          weights.edit(elements, prepare(weights));
        });
  }

  /// f(index in memory, i, j, W[i, j]) for every element, in the order of memory.
  template <typename F>
  void for_each(F&& f) const {
    const Floats from(tensor_);
    for (int64_t row = 0, index = 0; row < rows(); ++row)
      for (int64_t column = 0; column < columns(); ++column, ++index)
        f(index, transposed_ ? column : row, transposed_ ? row : column, from[index]);
  }

 private:
  LinearWeights(Tensor tensor, bool transposed);

  int64_t rows() const { return transposed_ ? n_ : k_; }
  int64_t columns() const { return transposed_ ? k_ : n_; }

  // Two loops: the compiler makes vectors of each.
  template <typename F>
  void edit(float* elements, F&& f) const {
    parallel_for(rows(), 1 + (1 << 16) / (columns() + 1), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        float* w = elements + row * columns();
        if (transposed_)
          for (int64_t i = 0; i < k_; ++i) w[i] = static_cast<float>(f(i, row, static_cast<double>(w[i])));
        else
          for (int64_t j = 0; j < n_; ++j) w[j] = static_cast<float>(f(row, j, static_cast<double>(w[j])));
      }
    });
  }

  Tensor tensor_;
  bool transposed_;
  int64_t k_, n_;
};

/// A vector of doubles, rounded once.
Tensor rounded(const std::vector<double>& values, Dims dims);

}  // namespace tercel::inline passes
