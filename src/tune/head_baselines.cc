#include "tune/head_baselines.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Cholesky>
#include <Eigen/SVD>

#include "base/error.h"
#include "session/model_impl.h"
#include "tercel/session.h"

namespace tercel::inline tune {
namespace {

using Matrix = Eigen::MatrixXf;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

int32_t largest(const float* values, int64_t count) {
  return static_cast<int32_t>(std::max_element(values, values + count) - values);
}

float square_distance(const float* a, const float* b, int64_t width) {
  float parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= width; i += 8)
    for (int64_t k = 0; k < 8; ++k) parts[k] += (a[i + k] - b[i + k]) * (a[i + k] - b[i + k]);
  for (; i < width; ++i) parts[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

/// The constant matrices of products, and whether their rows are the outputs.
struct ProductWeights {
  Value* weights;
  bool rows_are_outputs;
};

std::vector<ProductWeights> product_weights(const Graph& graph) {
  std::vector<ProductWeights> all;
  for (const auto& node : graph.nodes()) {
    if (!node->is("Gemm") && !node->is("MatMul")) continue;
    Value* w = node->input(1);
    if (w == nullptr || !w->is_constant() || w->type.dtype != DType::f32 || w->type.dims.size() != 2) continue;
    all.push_back({w, node->is("Gemm") && node->attrs.get_bool("transB")});
  }
  return all;
}

RowMajor matrix_of(const Value& value) {
  const std::vector<double> values = value.constant.to_doubles();
  RowMajor matrix(value.type.dims[0], value.type.dims[1]);
  for (int64_t i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<float>(values[static_cast<size_t>(i)]);
  return matrix;
}

void set_matrix(Value& value, const RowMajor& matrix) {
  value.constant = Tensor::of<float>(value.type.dims, std::vector<float>(matrix.data(), matrix.data() + matrix.size()));
}

/// Each row to 8 bits with a step of its own.
void round_rows(RowMajor& matrix) {
  for (int64_t r = 0; r < matrix.rows(); ++r) {
    const float step = matrix.row(r).cwiseAbs().maxCoeff() / 127;
    if (step > 0) matrix.row(r) = (matrix.row(r) / step).array().round() * step;
  }
}

/// Each output's weights to 8 bits with a step of their own; gives the bytes saved.
int64_t round_to_int8(const ProductWeights& product) {
  RowMajor matrix = matrix_of(*product.weights);
  if (!product.rows_are_outputs) matrix.transposeInPlace();
  round_rows(matrix);
  const int64_t saved = 3 * matrix.size() - 4 * matrix.rows();
  if (!product.rows_are_outputs) matrix.transposeInPlace();
  set_matrix(*product.weights, matrix);
  return saved;
}

}  // namespace

Head FullyConnected::head(int64_t width) const {
  SessionOptions options;
  options.threads = 1;
  auto session = std::make_shared<Session>(model, options);
  const std::vector<int64_t> dims = model.inputs().at(0).dims;
  Head head;
  head.bytes = head.memory = bytes;
  head.name = [session, dims, width](const float* features) {
    Array input(dims, {features, static_cast<size_t>(width)});
    const std::vector<Array> outputs = session->run({input});
    const auto scores = outputs.at(0).floats();
    return largest(scores.data(), static_cast<int64_t>(scores.size()));
  };
  return head;
}

std::vector<FullyConnected> fully_connected_heads(const Model& model, const std::string& cut) {
  const Model whole = head_model(model, cut);
  const int64_t bytes = whole.parameter_bytes();
  std::vector<FullyConnected> all{{"fully connected, f32", whole, bytes}};
  Graph rounded = whole.impl().graph.clone();
  int64_t saved = 0;
  for (const ProductWeights& product : product_weights(rounded)) saved += round_to_int8(product);
  if (saved == 0) return all;
  all.push_back({"fully connected, int8", Model(impl_with(whole, std::move(rounded))), bytes - saved});
  Graph cut_down = whole.impl().graph.clone();
  const std::vector<ProductWeights> products = product_weights(cut_down);
  const auto& most = *std::max_element(products.begin(), products.end(), [](const auto& a, const auto& b) {
    return a.weights->constant.bytes() < b.weights->constant.bytes();
  });
  RowMajor matrix = matrix_of(*most.weights);
  const int64_t rank = std::max<int64_t>(1, matrix.size() / (4 * (matrix.rows() + matrix.cols())));
  const Eigen::BDCSVD<Matrix> split(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
  set_matrix(*most.weights, split.matrixU().leftCols(rank) * split.singularValues().head(rank).asDiagonal() *
                                split.matrixV().leftCols(rank).transpose());
  const int64_t less = 4 * (matrix.size() - rank * (matrix.rows() + matrix.cols()));
  all.push_back(
      {fmt::format("fully connected, f32, rank {}", rank), Model(impl_with(whole, std::move(cut_down))), bytes - less});
  return all;
}

Head ridge_head(const LabelledFeatures& data, int64_t class_count, const hopfield::Binarizer& binarizer,
                RidgeWeights weights) {
  const bool on_bits = binarizer.bits > 0;
  const int64_t width = on_bits ? binarizer.bits : data.width, count = data.count();
  const auto signs_of = [](std::vector<float> values) {
    for (float& v : values) v = v > 0 ? 1.0f : -1.0f;
    return values;
  };
  const std::vector<float> values = on_bits ? signs_of(binarizer.project(data.rows())) : data.values;
  const Eigen::Map<const RowMajor> x(values.data(), count, width);
  Matrix targets = Matrix::Constant(count, class_count, -1);
  for (int64_t i = 0; i < count; ++i) targets(i, data.classes[static_cast<size_t>(i)]) = 1;
  const Eigen::RowVectorXf mean = x.colwise().mean(), target_mean = targets.colwise().mean();
  Matrix gram = x.transpose() * x - static_cast<float>(count) * mean.transpose() * mean;
  const Matrix right = x.transpose() * targets - static_cast<float>(count) * mean.transpose() * target_mean;
  gram.diagonal().array() += 1e-3f * gram.trace() / static_cast<float>(width) + 1e-6f;
  RowMajor w = gram.ldlt().solve(right).transpose();  // a row a class
  int64_t bytes = 4 * class_count;                    // biases
  if (weights == RidgeWeights::f32) bytes += 4 * w.size();
  if (weights == RidgeWeights::int8) {
    round_rows(w);
    bytes += w.size() + 4 * class_count;
  }
  if (weights == RidgeWeights::signs) {
    for (int64_t c = 0; c < class_count; ++c) {
      const float factor = w.row(c).cwiseAbs().mean();
      for (int64_t i = 0; i < width; ++i) w(c, i) = w(c, i) > 0 ? factor : -factor;
    }
    bytes += class_count * ((width + 7) / 8 + 4);
  }
  const Eigen::VectorXf bias = target_mean.transpose() - w * mean.transpose();
  Head head;
  head.bytes = bytes + (on_bits ? static_cast<int64_t>(binarizer.bytes()) : 0);
  head.memory = 4 * w.size() + 4 * class_count;
  head.name = [w = std::make_shared<RowMajor>(w), bias, binarizer, on_bits, signs_of, inputs = data.width,
               width](const float* features) {
    std::vector<float> row(features, features + inputs);
    if (on_bits) row = signs_of(binarizer.project({row, inputs}));
    const Eigen::VectorXf y = *w * Eigen::Map<const Eigen::VectorXf>(row.data(), width) + bias;
    return largest(y.data(), y.size());
  };
  return head;
}

Head softmax_regression(const LabelledFeatures& data, int64_t class_count) {
  constexpr int kSteps = 500;
  constexpr float kMomentum = 0.9f, kDecay = 1e-4f;
  const int64_t count = data.count();
  RowMajor x = Eigen::Map<const RowMajor>(data.values.data(), count, data.width);
  const Eigen::RowVectorXf mean = x.colwise().mean();
  x.rowwise() -= mean;
  // Rows of mean square length 1: the loss then bends by half at most, and a step of 1 is safe with room to spare.
  const float length = std::max(std::sqrt(x.squaredNorm() / static_cast<float>(count)), 1e-12f);
  x /= length;
  RowMajor targets = RowMajor::Zero(count, class_count);
  for (int64_t i = 0; i < count; ++i) targets(i, data.classes[static_cast<size_t>(i)]) = 1;
  RowMajor w = RowMajor::Zero(class_count, data.width), speed = w;
  Eigen::RowVectorXf bias = Eigen::RowVectorXf::Zero(class_count), bias_speed = bias;
  for (int step = 0; step < kSteps; ++step) {
    RowMajor scores = x * w.transpose();
    scores.rowwise() += bias;
    scores.colwise() -= scores.rowwise().maxCoeff().eval();
    scores = scores.array().exp();
    for (int64_t i = 0; i < count; ++i) scores.row(i) /= scores.row(i).sum();
    scores -= targets;
    speed = kMomentum * speed - (scores.transpose() * x / static_cast<float>(count) + kDecay * w);
    bias_speed = kMomentum * bias_speed - scores.colwise().mean();
    w += speed;
    bias += bias_speed;
  }
  w /= length;
  bias -= mean * w.transpose();
  Head head;
  head.bytes = head.memory = 4 * (w.size() + bias.size());
  head.name = [w = std::make_shared<RowMajor>(w), bias, width = data.width](const float* features) {
    const Eigen::VectorXf y = *w * Eigen::Map<const Eigen::VectorXf>(features, width) + bias.transpose();
    return largest(y.data(), y.size());
  };
  return head;
}

Head prototype_head(const LabelledFeatures& data, int per_class, uint64_t seed) {
  hopfield::PrototypeOptions options;
  options.per_class = per_class;
  options.seed = seed;
  auto prototypes =
      std::make_shared<hopfield::Prototypes>(hopfield::find_prototypes(data.rows(), data.classes, options));
  Head head;
  head.bytes = head.memory = static_cast<int64_t>(4 * prototypes->values.size() + 2 * prototypes->classes.size());
  head.name = [prototypes, width = data.width](const float* features) {
    float least = std::numeric_limits<float>::infinity();
    int32_t named = 0;
    for (size_t k = 0; k < prototypes->classes.size(); ++k) {
      const float d = square_distance(features, prototypes->values.data() + static_cast<int64_t>(k) * width, width);
      if (d < least) {
        least = d;
        named = prototypes->classes[k];
      }
    }
    return named;
  };
  return head;
}

Head neighbour_head(const LabelledFeatures& data, int64_t class_count, int k) {
  auto all = std::make_shared<LabelledFeatures>(data);
  Head head;
  head.bytes = head.memory = static_cast<int64_t>(4 * data.values.size() + 2 * data.classes.size());
  head.name = [all, class_count, k](const float* features) {
    std::vector<std::pair<float, int32_t>> near;
    for (int64_t i = 0; i < all->count(); ++i) {
      const std::pair one(square_distance(features, all->rows().row(i), all->width),
                          all->classes[static_cast<size_t>(i)]);
      if (std::ssize(near) == k && one.first >= near.back().first) continue;
      near.insert(std::upper_bound(near.begin(), near.end(), one), one);
      if (std::ssize(near) > k) near.pop_back();
    }
    std::vector<int> votes(static_cast<size_t>(class_count));
    int32_t named = near.front().second;
    for (const auto& [distance, c] : near) ++votes[static_cast<size_t>(c)];
    for (const auto& [distance, c] : near)
      if (votes[static_cast<size_t>(c)] > votes[static_cast<size_t>(named)]) named = c;
    return named;
  };
  return head;
}

}  // namespace tercel::inline tune
