// ITQ (Gong and Lazebnik 2011): principal components of the features, rotated so that they lie near their signs. The
// rotation is fitted in turns: bits by the rotated components, then the rotation nearest to the bits (Procrustes). The
// dense matrix costs 4 bytes a feature and bit.
#include <algorithm>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>

#include "base/error.h"
#include "base/rng.h"
#include "hopfield/binarization.h"

namespace tercel::inline hopfield {
namespace {

using Matrix = Eigen::MatrixXf;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kMostFeatures = 4096;  // eigenvectors take hours beyond
constexpr int64_t kMostRows = 8192;      // more move the rotation no further

/// Evenly over all rows, whose order may be that of the classes.
Matrix centred_sample(const FeatureRows& rows, const std::vector<float>& means) {
  const int64_t count = std::min(rows.count(), kMostRows);
  Matrix sample(count, rows.width);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t i = 0; i < rows.width; ++i)
      sample(r, i) = rows.row(r * rows.count() / count)[i] - means[static_cast<size_t>(i)];
  return sample;
}

Binarizer fit(const FeatureRows& rows, const BinarizationOptions& options) {
  check_finite(rows);
  if (rows.width > kMostFeatures)
    fail_input("ITQ of {} features: it takes at most {}; hadamard takes any number", rows.width, kMostFeatures);
  const int64_t bits = options.bits == 0 ? rows.width : options.bits;
  if (bits < 1 || bits > rows.width)
    fail_input("{} bits of {} features: ITQ gives at most one a feature; hadamard gives any number", bits, rows.width);
  Binarizer binarizer{.inputs = rows.width, .bits = bits};
  binarizer.shift = means_of(rows);
  const Matrix sample = centred_sample(rows, binarizer.shift);
  const Eigen::SelfAdjointEigenSolver<Matrix> components(sample.transpose() * sample);
  const Matrix basis = components.eigenvectors().rightCols(bits);
  const Matrix v = sample * basis;
  Rng rng(options.seed);
  Matrix rotation(bits, bits);
  for (int64_t i = 0; i < bits * bits; ++i) rotation(i) = static_cast<float>(rng.normal());
  rotation = Eigen::HouseholderQR<Matrix>(rotation).householderQ() * Matrix::Identity(bits, bits);
  for (int k = 0; k < options.iterations; ++k) {
    const Matrix signs = (v * rotation).unaryExpr([](float x) { return x > 0 ? 1.0f : -1.0f; });
    const Eigen::BDCSVD<Matrix> split(signs.transpose() * v, Eigen::ComputeThinU | Eigen::ComputeThinV);
    rotation = split.matrixV() * split.matrixU().transpose();
  }
  binarizer.matrix.resize(static_cast<size_t>(rows.width * bits));
  Eigen::Map<RowMajor>(binarizer.matrix.data(), rows.width, bits) = basis * rotation;
  return binarizer;
}

}  // namespace

Binarization iterative_quantization() {
  return {"itq", "principal components, rotated towards their signs (ITQ); a dense matrix", fit};
}

}  // namespace tercel::inline hopfield
