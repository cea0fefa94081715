#include "quant/choose_basis.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <Eigen/Dense>

#include "base/check.h"
#include "quant/curvature.h"
#include "quant/quantize.h"

namespace tercel::inline quant {
namespace {

using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kMostSize = 25;                    // 5 x 5: larger kernels are too few to pay for their basis
constexpr double kTrialStep = 0.5;                   // of the weights' deviation: about 2.6 bits a weight
constexpr int64_t kTrialWeights = int64_t{1} << 18;  // of one layer
constexpr double kBitsOfAnEntry = 8;
constexpr double kLeastVolume = 0.01;  // of a basis: rounding made a flatter one singular, or nearly
constexpr double kDamping =
    0.01;  // of the sensitivity, relative to its mean: inputs that are always 0 need an inverse too

/// Kernels of one layer.
struct Candidate {
  const LinearSite* site;
  const Moments* moments;  // nullptr: none
  std::vector<float> weights;
  int64_t rows;                 // of them
  Square kernels, sensitivity;  // second moments; traces are `size`
  double plain = 0;             // what the layer costs without a basis, in bits
  int64_t size() const { return site->kernel_height * site->kernel_width; }
};

Square entries_of(const codec::KernelBasis& basis) {
  const auto size = static_cast<Eigen::Index>(basis.size);
  Square entries(size, size);
  for (Eigen::Index i = 0; i < size * size; ++i)
    entries(i / size, i % size) =
        static_cast<double>(basis.entries[static_cast<size_t>(i)]) / double{codec::KernelBasis::kOne};
  return entries;
}

/// A sample of large layers: rows at even distances, with all their columns.
std::vector<float> trial_rows(const Graph& graph, const LinearSite& site, int64_t& rows) {
  const Tensor& tensor = graph.find_value(site.weights)->constant;
  rows = std::clamp<int64_t>(kTrialWeights / site.columns, 1, site.rows);
  if (site.groups > 1) rows = site.rows;  // each group has columns of its own
  std::vector<float> weights(static_cast<size_t>(rows * site.columns));
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(&weights[static_cast<size_t>(i * site.columns)],
                tensor.data() + static_cast<size_t>(i * site.rows / rows * site.columns) * sizeof(float),
                static_cast<size_t>(site.columns) * sizeof(float));
  return weights;
}

void set_trace_to_size(Square& square) {
  const double trace = square.trace();
  if (trace > 0 && std::isfinite(trace)) square *= static_cast<double>(square.rows()) / trace;
  else square.setIdentity();
}

Square second_moments(const std::vector<float>& weights, int64_t size) {
  const Eigen::Map<const Floats> kernels(weights.data(), static_cast<Eigen::Index>(weights.size()) / size, size);
  Square second = (kernels.transpose() * kernels).cast<double>();
  set_trace_to_size(second);
  return second;
}

/// Sensitivity to errors of a kernel, mean over kernels.
Square sensitivity_of(const Moments* moments, bool centred, int64_t size) {
  Square sensitivity = Square::Zero(size, size);
  if (moments == nullptr) return Square::Identity(size, size);
  for (size_t g = 0; g < moments->groups.size(); ++g)
    for (const MomentBlock& block : moments->groups[g])
      for (int64_t at = 0; at < block.columns; at += size)
        for (int64_t i = 0; i < size; ++i)
          for (int64_t j = 0; j < size; ++j) {
            const double mean = static_cast<double>(block.mean[static_cast<size_t>(at + i)]) *
                                static_cast<double>(block.mean[static_cast<size_t>(at + j)]);
            sensitivity(i, j) +=
                static_cast<double>(block.second[static_cast<size_t>((at + i) * block.columns + at + j)]) -
                (centred ? moments->weight[g] * mean : 0);
          }
  set_trace_to_size(sensitivity);
  return sensitivity;
}

/// Geometric mean of the factors by which a basis stretches.
double volume_of(const codec::KernelBasis& basis) {
  return std::pow(std::abs(entries_of(basis).determinant()), 1.0 / static_cast<double>(basis.size));
}

/// Bits, and the error at the price that the quantizer pays for it.
double cost(const Candidate& layer, const BasisPtr& basis, double damping) {
  std::vector<float> values = layer.weights;
  const LinearSite& site = *layer.site;
  Curvature curvature = flat_curvature(1, site.columns);
  if (layer.moments != nullptr) {
    if (basis == nullptr) curvature = factorize(*layer.moments, !site.bias.empty(), damping);
    else {
      Moments transformed = *layer.moments;
      transform_moments(transformed, *basis);
      curvature = factorize(transformed, !site.bias.empty(), damping);
    }
  }
  double square = 0;
  for (float w : values) square += static_cast<double>(w) * static_cast<double>(w);
  if (basis != nullptr) forward_transform(*basis, values);
  WeightQuantization options;
  options.basis = basis;
  // A basis keeps the product of all weights but for its own determinant.
  const double volume = basis == nullptr ? 1 : volume_of(*basis);
  if (volume < kLeastVolume) return std::numeric_limits<double>::infinity();
  options.step = static_cast<float>(kTrialStep * std::sqrt(square / static_cast<double>(values.size())) / volume);
  const QuantizedWeights result =
      quantize(values, layer.rows, site.columns, site.kernel_height, site.kernel_width, curvature, options);
  const double unit =
      static_cast<double>(options.step) * static_cast<double>(options.step) * std::exp2(mean_log2_weight(curvature));
  return result.bits + result.distortion / (static_cast<double>(options.lambda) * unit);
}

double bits_of(const codec::KernelBasis& basis) { return kBitsOfAnEntry * static_cast<double>(basis.entries.size()); }

BasisPtr components(const Square& kernels, const Square& sensitivity) {
  return std::make_shared<const codec::KernelBasis>(
      principal_components({kernels.data(), kernels.data() + kernels.size()},
                           {sensitivity.data(), sensitivity.data() + sensitivity.size()}, kernels.rows()));
}

/// Layers with kernels of the same extents.
void choose(std::vector<Candidate>& layers, double damping, std::map<std::string, BasisPtr>& chosen) {
  const auto size = static_cast<Eigen::Index>(layers.at(0).size());
  Square kernels = Square::Zero(size, size), sensitivity = kernels;
  for (const Candidate& layer : layers) {
    kernels += layer.kernels;
    sensitivity += layer.sensitivity;
  }
  set_trace_to_size(sensitivity);
  const BasisPtr common = components(kernels, sensitivity);
  std::vector<double> with_common;
  double saved = 0;
  for (Candidate& layer : layers) {
    layer.plain = cost(layer, nullptr, damping);
    with_common.push_back(cost(layer, common, damping));
    saved += std::max(layer.plain - with_common.back(), 0.0) * static_cast<double>(layer.site->rows) /
             static_cast<double>(layer.rows);
  }
  const bool common_pays = saved > bits_of(*common);
  for (size_t i = 0; i < layers.size(); ++i) {
    const Candidate& layer = layers[i];
    double least = layer.plain;
    BasisPtr best;
    if (common_pays && with_common[i] < least) {
      least = with_common[i];
      best = common;
    }
    const double on_trial = static_cast<double>(layer.rows) / static_cast<double>(layer.site->rows);
    const BasisPtr own = components(layer.kernels, layer.sensitivity);
    if (cost(layer, own, damping) + on_trial * bits_of(*own) < least) best = own;
    if (best != nullptr) chosen[layer.site->weights] = best;
  }
}

}  // namespace

codec::KernelBasis principal_components(const std::vector<double>& kernels, const std::vector<double>& sensitivity,
                                        int64_t size) {
  TERCEL_CHECK(size > 0 && kernels.size() == static_cast<size_t>(size * size) && sensitivity.size() == kernels.size());
  Square h = Eigen::Map<const Square>(sensitivity.data(), size, size);
  h.diagonal().array() += kDamping * h.diagonal().mean();
  const Eigen::SelfAdjointEigenSolver<Square> of_sensitivity(h);
  const Square root = of_sensitivity.operatorSqrt();
  const Eigen::SelfAdjointEigenSolver<Square> solver(root * Eigen::Map<const Square>(kernels.data(), size, size) *
                                                     root);
  const Square rows = solver.eigenvectors().transpose() * of_sensitivity.operatorInverseSqrt();
  codec::KernelBasis basis{size, {}};
  for (Eigen::Index i = size - 1; i >= 0; --i) {
    Eigen::VectorXd component = rows.row(i).normalized();
    Eigen::Index largest = 0;
    component.cwiseAbs().maxCoeff(&largest);
    if (component[largest] < 0) component = -component;
    for (const double x : component)
      basis.entries.push_back(
          static_cast<int8_t>(std::clamp(std::lround(x * double{codec::KernelBasis::kOne}), -127l, 127l)));
  }
  return basis;
}

void forward_transform(const codec::KernelBasis& basis, std::vector<float>& kernels) {
  TERCEL_CHECK(basis.size > 0 && static_cast<int64_t>(kernels.size()) % basis.size == 0);
  const Square inverse = entries_of(basis).inverse();
  Eigen::Map<Floats> rows(kernels.data(), static_cast<Eigen::Index>(kernels.size()) / basis.size, basis.size);
  for (Eigen::Index k = 0; k < rows.rows(); ++k) rows.row(k) = (rows.row(k).cast<double>() * inverse).cast<float>();
}

void transform_moments(Moments& moments, const codec::KernelBasis& basis) {
  const Floats entries = entries_of(basis).cast<float>();
  const auto size = static_cast<Eigen::Index>(basis.size);
  for (auto& blocks : moments.groups)
    for (MomentBlock& block : blocks) {
      const auto n = static_cast<Eigen::Index>(block.columns);
      TERCEL_CHECK(n % size == 0);
      Eigen::Map<Floats> second(block.second.data(), n, n);
      Eigen::Map<Eigen::VectorXf> mean(block.mean.data(), n);
      for (Eigen::Index at = 0; at < n; at += size) {
        second.middleRows(at, size) = (entries * second.middleRows(at, size)).eval();
        mean.segment(at, size) = (entries * mean.segment(at, size)).eval();
      }
      for (Eigen::Index at = 0; at < n; at += size)
        second.middleCols(at, size) = (second.middleCols(at, size) * entries.transpose()).eval();
    }
}

std::map<std::string, BasisPtr> choose_bases(const Graph& graph, const std::vector<LinearSite>& sites,
                                             const std::map<std::string, Moments>& moments, double damping) {
  std::map<std::pair<int64_t, int64_t>, std::vector<Candidate>> by_extents;
  std::map<std::string, const LinearSite*> seen;
  for (const LinearSite& site : sites) {
    const int64_t size = site.kernel_height * site.kernel_width;
    if (size == 1 || size > kMostSize || !seen.emplace(site.weights, &site).second) continue;
    const auto known = moments.find(site.weights);
    Candidate layer{&site, known == moments.end() ? nullptr : &known->second, {}, 0, {}, {}, 0};
    layer.weights = trial_rows(graph, site, layer.rows);
    if (std::all_of(layer.weights.begin(), layer.weights.end(), [](float w) { return w == 0; })) continue;
    layer.kernels = second_moments(layer.weights, size);
    layer.sensitivity = sensitivity_of(layer.moments, !site.bias.empty(), size);
    by_extents[{site.kernel_height, site.kernel_width}].push_back(std::move(layer));
  }
  std::map<std::string, BasisPtr> chosen;
  for (auto& [extents, layers] : by_extents) choose(layers, damping, chosen);
  return chosen;
}

}  // namespace tercel::inline quant
