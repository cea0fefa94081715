// Would kernels be cheaper as fractional filters, or as products of a column and a row, than as quantized weights?
//
//   fractional_bench MODEL... [--sigmas 1|2] [--steps M,...] [--evolve N] [--most N] [--json]
//
// Every kernel of at least 3x3 is coded in the way of least cost = squared error / (0.15 step^2) + bits:
//   plain       its weights through quantize(), bits of codec::RateModel
//   fractional  parameters of a filter: gain in steps, a centre and an order per axis, one sigma (or two). Numbers of
//               levels follow the gain, times 1, 2 or 4, the best for the layer. Bits are of an adaptive code of each
//               parameter by size of gain (Krichevsky and Trofimov 1981): entropy, and the learning of it
//   rank 1      column and row of the best approximation of rank 1, through quantize() and codec::RateModel
//   zero        nothing: what part of a saving takes no filter
// and an adaptively coded flag a kernel. Plain kernels keep their contexts, which see the others rounded. A layer that
// would not gain as a whole stays plain. Beside these, whole layers: `another step` than the price asks for;
// `components`: coefficients of the kernels' principal components, and with filters; `predicted`: what filters leave of
// all kernels.
//
// Steps are M deviations of the layer's weights. Savings are of cost, in percent of the bits: bits at equal error.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Eigenvalues>
#include <nlohmann/json.hpp>

#include "fractional_filter.h"
#include "quant/linear_site.h"
#include "quant/quantize.h"
#include "search/evolve.h"
#include "session/model_impl.h"
#include "tercel/tercel.h"

namespace {

using namespace tercel;

constexpr double kLambda = 0.15;
constexpr double kNever = std::numeric_limits<double>::infinity();

struct Layer {
  std::string name, kind;  ///< "5x5 depthwise"
  int64_t rows = 0, columns = 0, height = 1, width = 1;
  std::vector<float> weights;
  double deviation = 0;
  double part = 1;  ///< of the layer that `weights` are
  // Of kernels of at least 3x3:
  std::vector<FractionalFilter> filters;
  std::vector<RankOne> products;
  double energy = 0, left_by_filters = 0, left_by_products = 0;

  int64_t kernel() const { return height * width; }
  size_t kernels() const { return weights.size() / static_cast<size_t>(kernel()); }
  std::span<const float> at(size_t k) const {
    return std::span(weights).subspan(k * static_cast<size_t>(kernel()), static_cast<size_t>(kernel()));
  }
};

double squared_error(std::span<const float> kernel, const std::vector<double>& other) {
  double sum = 0;
  for (size_t i = 0; i < kernel.size(); ++i) {
    const double e = static_cast<double>(kernel[i]) - other[i];
    sum += e * e;
  }
  return sum;
}

std::vector<double> outer(std::span<const double> column, std::span<const double> row, double scale) {
  std::vector<double> product;
  for (double c : column)
    for (double r : row) product.push_back(scale * c * r);
  return product;
}

/// Layers of more kernels than `most` (0: no bound) are cut to their first rows.
std::vector<Layer> layers_of(const std::string& path, Sigmas sigmas, int64_t most) {
  const Model model = optimize(load(path));
  std::vector<Layer> layers;
  std::set<std::string> seen;
  for (const LinearSite& site : find_linear_sites(model.impl().graph)) {
    if (!seen.insert(site.weights).second) continue;
    Layer layer{site.weights, "", site.rows, site.columns, site.kernel_height, site.kernel_width, {}};
    if (most > 0 && layer.kernel() > 1 && !site.transposed) {
      const int64_t rows = std::min(layer.rows, std::max<int64_t>(most * layer.kernel() / layer.columns, 1));
      layer.part = static_cast<double>(rows) / static_cast<double>(layer.rows);
      layer.rows = rows;
    }
    std::vector<double> weights = model.impl().graph.find_value(site.weights)->constant.to_doubles();
    weights.resize(static_cast<size_t>(layer.rows * layer.columns));
    for (double w : weights) {
      layer.weights.push_back(static_cast<float>(w));
      layer.energy += w * w;
    }
    layer.deviation = std::sqrt(layer.energy / static_cast<double>(layer.weights.size()));
    if (std::min(layer.height, layer.width) >= 3 && layer.energy > 0) {
      layer.kind =
          fmt::format("{}x{}{}", layer.height, layer.width, layer.columns == layer.kernel() ? " depthwise" : "");
      for (size_t k = 0; k < layer.kernels(); ++k) {
        layer.filters.push_back(fit_fractional(layer.at(k), layer.height, layer.width, sigmas));
        layer.products.push_back(best_rank_one(layer.at(k), layer.height, layer.width));
        layer.left_by_filters += squared_error(layer.at(k), evaluate(layer.filters.back(), layer.height, layer.width));
        layer.left_by_products +=
            squared_error(layer.at(k), outer(layer.products.back().column, layer.products.back().row, 1));
      }
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

/// Bits of each piece of `per` levels.
std::vector<double> bits_of_pieces(const codec::QuantizedMatrix& matrix, int64_t per) {
  std::vector<uint8_t> classes;
  const codec::MatrixShape shape = codec::coding_shape(matrix, classes);
  codec::RateModel rate(shape, codec::fit_context_init(matrix.levels, shape));
  std::vector<double> bits(matrix.levels.size() / static_cast<size_t>(per));
  for (size_t i = 0; i < matrix.levels.size(); ++i) {
    bits[i / static_cast<size_t>(per)] += static_cast<double>(rate.bits(matrix.levels[i]));
    rate.push(matrix.levels[i]);
  }
  return bits;
}

/// A kernel in one of the ways: what it becomes, and its squared error in prices of a bit, so that it adds to bits.
struct Coded {
  double error = kNever;  ///< kNever: not to be had
  std::vector<double> kernel;
};

double price_of(float step) { return kLambda * static_cast<double>(step) * static_cast<double>(step); }

/// Kernels as quantized numbers, `per` each.
struct Quantized {
  int64_t per = 1;
  std::vector<float> values;
  codec::QuantizedMatrix matrix;
  std::vector<Coded> coded;  ///< errors only
  std::vector<double> bits;
  double cost = 0, all_bits = 0;

  std::span<const float> at(size_t k) const {
    return std::span(values).subspan(k * static_cast<size_t>(per), static_cast<size_t>(per));
  }
  std::span<const int32_t> levels(size_t k) const {
    return std::span(matrix.levels).subspan(k * static_cast<size_t>(per), static_cast<size_t>(per));
  }
};

/// With steps `finer` times `step`, at the price that goes with `step`.
Quantized quantize_kernels(std::vector<float> values, int64_t columns, int64_t height, int64_t width, int64_t per,
                           float step, double finer = 1) {
  Quantized q{per, std::move(values)};
  const auto rows = static_cast<int64_t>(q.values.size()) / columns;
  const QuantizeOptions options{step * static_cast<float>(finer), static_cast<float>(kLambda / (finer * finer)), false};
  q.matrix = quantize(q.values, rows, columns, height, width, flat_curvature(1, columns), options).matrix;
  q.bits = bits_of_pieces(q.matrix, per);
  const std::vector<float> back = codec::dequantize(q.matrix);
  for (size_t k = 0; k < q.bits.size(); ++k) {
    const auto first = back.begin() + static_cast<std::ptrdiff_t>(k) * per;
    q.coded.push_back({squared_error(q.at(k), {first, first + per}) / price_of(step), {}});
    q.all_bits += q.bits[k];
    q.cost += q.bits[k] + q.coded[k].error;
  }
  return q;
}

Quantized quantize_weights(const Layer& layer, std::vector<float> weights, float step, double finer = 1) {
  return quantize_kernels(std::move(weights), layer.columns, layer.height, layer.width, layer.kernel(), step, finer);
}

/// How often each of `size` symbols comes; the price of the next, and of all in an adaptive code.
class Counts {
 public:
  explicit Counts(int size = 0) : counts_(static_cast<size_t>(size)) {}
  void add(int symbol) { counts_[static_cast<size_t>(symbol)] += 1, sum_ += 1; }
  double bits(int symbol) const {
    return -std::log2((counts_[static_cast<size_t>(symbol)] + 0.5) /
                      (sum_ + 0.5 * static_cast<double>(counts_.size())));
  }
  double all_bits() const {
    const double half = 0.5 * static_cast<double>(counts_.size());
    double nats = std::lgamma(sum_ + half) - std::lgamma(half);
    for (double n : counts_) nats -= std::lgamma(n + 0.5) - std::lgamma(0.5);
    return nats / std::log(2.0);
  }

 private:
  std::vector<double> counts_;
  double sum_ = 0;
};

struct Fractional {
  int finer = 1;
  FractionalGrid grid;
  std::vector<FractionalLevels> levels;
  std::vector<Coded> coded;

  static int size_of(const FractionalLevels& l) { return std::bit_width(static_cast<unsigned>(std::abs(l.gain))); }
  FractionalGrid grid_for(int size) const {
    FractionalGrid g = grid;
    g.levels = std::clamp(finer << (size - 1), 2, 64);
    return g;
  }
};

/// Frequencies of the parameters of filters.
class FractionalCounts {
 public:
  void add(const Fractional& f, size_t k) {
    each(f, k, [](Counts& c, int symbol) { c.add(symbol); });
  }
  double bits(const Fractional& f, size_t k) {
    const int size = Fractional::size_of(f.levels[k]);
    double sum = size;  // sign and what the size leaves open
    each(f, k, [&](Counts& c, int symbol) { sum += c.bits(symbol); });
    return sum;
  }
  double all_bits() const {  // without signs and rests
    double sum = sizes_.all_bits();
    for (const auto& [key, counts] : shapes_) sum += counts.all_bits();
    return sum;
  }

 private:
  template <typename Do>
  void each(const Fractional& f, size_t k, Do&& what) {
    const int size = Fractional::size_of(f.levels[k]);
    const FractionalGrid grid = f.grid_for(size);
    what(sizes_, size);
    for (int i = 0; i < grid.shape_numbers(); ++i)
      what(shapes_.try_emplace({size, i}, grid.places(i)).first->second, f.levels[k].shape[static_cast<size_t>(i)]);
  }
  Counts sizes_{16};
  std::map<std::pair<int, int>, Counts> shapes_;
};

Fractional code_fractional(const Layer& layer, float step, Sigmas sigmas, int finer) {
  Fractional f{finer, {layer.height, layer.width, 2, sigmas}, {}, {}};
  f.levels.resize(layer.kernels());
  f.coded.resize(layer.kernels());
  const double s = static_cast<double>(step);
  for (size_t k = 0; k < layer.kernels(); ++k) {
    const std::vector<double> fit = evaluate(layer.filters[k], layer.height, layer.width);
    double energy = 0;
    for (double x : fit) energy += x * x;
    const double gain = std::min(std::round(std::sqrt(energy) / s), 32767.0);
    if (gain == 0) continue;
    const int size = std::bit_width(static_cast<unsigned>(gain));
    const FractionalGrid grid = f.grid_for(size);
    f.levels[k] = quantize_fractional(layer.filters[k], layer.at(k), grid, s, 1 << (size - 1), (1 << size) - 1);
    f.coded[k].kernel = evaluate(f.levels[k], grid, s);
    f.coded[k].error = squared_error(layer.at(k), f.coded[k].kernel) / price_of(step);
  }
  return f;
}

/// Columns and rows of kernels; kernel = step * column row' / sqrt(|column| |row|), in levels.
struct Products {
  Quantized factors;
  std::vector<Coded> coded;
};

Products code_products(const Layer& layer, float step) {
  const int64_t per = layer.height + layer.width;
  std::vector<float> factors;
  for (const RankOne& p : layer.products) {
    // Factors as long as the kernel, so that their errors weigh like those of weights.
    double longer = 0;
    for (double c : p.column) longer += c * c;
    for (const auto* part : {&p.column, &p.row})
      for (double x : *part) factors.push_back(static_cast<float>(x * std::sqrt(longer)));
  }
  Products products{quantize_kernels(std::move(factors), per, 1, 1, per, step), {}};
  products.coded.resize(layer.kernels());
  for (size_t k = 0; k < layer.kernels(); ++k) {
    const auto levels = products.factors.levels(k);
    const std::vector<double> column(levels.begin(), levels.begin() + layer.height),
        row(levels.begin() + layer.height, levels.end());
    double c2 = 0, r2 = 0;
    for (double c : column) c2 += c * c;
    for (double r : row) r2 += r * r;
    if (c2 == 0 || r2 == 0) continue;
    products.coded[k].kernel = outer(column, row, static_cast<double>(step) / std::pow(c2 * r2, 0.25));
    products.coded[k].error = squared_error(layer.at(k), products.coded[k].kernel) / price_of(step);
  }
  return products;
}

/// Coefficients of a layer's kernels in the basis of their principal components, the largest first.
struct Components {
  Eigen::MatrixXd basis;

  explicit Components(const Layer& layer) {
    using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::MatrixXd kernels =
        Eigen::Map<const Rows>(layer.weights.data(), static_cast<Eigen::Index>(layer.kernels()), layer.kernel())
            .cast<double>();
    basis = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(kernels.transpose() * kernels)
                .eigenvectors()
                .rowwise()
                .reverse();
  }
  template <typename Kernel>
  std::vector<double> coefficients(const Kernel& kernel) const {
    Eigen::VectorXd v(basis.rows());
    for (size_t i = 0; i < kernel.size(); ++i) v[static_cast<Eigen::Index>(i)] = static_cast<double>(kernel[i]);
    const Eigen::VectorXd c = basis.transpose() * v;
    return {c.begin(), c.end()};
  }
  double bits() const { return 16 * static_cast<double>(basis.size()); }  ///< of the basis
};

enum Way { plain, fractional, product, zero, kWays };

/// The ways beside plain.
struct Offer {
  const Fractional* f = nullptr;
  const Products* p = nullptr;
  bool zeros = false;
};

struct Mixture {
  double cost = 0;
  std::array<double, kWays> kernels{};
};

/// The cheapest way for every kernel, frequencies and choices in turns.
Mixture mix(const Quantized& plainly, float step, const Offer& offer) {
  const auto [f, p, zeros] = offer;
  const size_t n = plainly.coded.size();
  std::vector<Coded> nothing(zeros ? n : 0, {0, std::vector<double>(static_cast<size_t>(plainly.per))});
  for (size_t k = 0; k < nothing.size(); ++k)
    nothing[k].error = squared_error(plainly.at(k), nothing[k].kernel) / price_of(step);
  std::array<int, kWays> flag{};
  int offered = 1;
  if (f != nullptr) flag[fractional] = offered++;
  if (p != nullptr) flag[product] = offered++;
  if (zeros) flag[zero] = offered++;

  std::vector<Way> way(n, plain);
  FractionalCounts shapes;
  Counts flags(offered);
  for (size_t k = 0; k < n && f != nullptr; ++k)
    if (f->coded[k].error < kNever) shapes.add(*f, k);
  for (int round = 0; round < 5; ++round) {
    for (size_t k = 0; k < n; ++k) {
      double least = kNever;
      const auto consider = [&](Way w, double cost) {
        cost += flags.bits(flag[w]);
        if (cost < least) least = cost, way[k] = w;
      };
      consider(plain, plainly.coded[k].error + plainly.bits[k]);
      if (f != nullptr && f->coded[k].error < kNever) consider(fractional, f->coded[k].error + shapes.bits(*f, k));
      if (p != nullptr) consider(product, p->coded[k].error + p->factors.bits[k]);
      if (zeros) consider(zero, nothing[k].error);
    }
    shapes = {};
    flags = Counts(offered);
    for (size_t k = 0; k < n; ++k) {
      flags.add(flag[way[k]]);
      if (way[k] == fractional) shapes.add(*f, k);
    }
  }

  Mixture mixture{flags.all_bits() + shapes.all_bits(), {}};
  codec::QuantizedMatrix seen = plainly.matrix, factors;
  for (size_t k = 0; k < n; ++k) {
    mixture.kernels[way[k]] += 1;
    const Coded& coded = way[k] == plain        ? plainly.coded[k]
                         : way[k] == fractional ? f->coded[k]
                         : way[k] == product    ? p->coded[k]
                                                : nothing[k];
    mixture.cost += coded.error;
    for (size_t i = 0; i < coded.kernel.size(); ++i)  // plain ones keep their levels
      seen.levels[k * coded.kernel.size() + i] =
          static_cast<int32_t>(std::lround(coded.kernel[i] / static_cast<double>(step)));
    if (way[k] == fractional) mixture.cost += Fractional::size_of(f->levels[k]);
    if (way[k] == product) {
      factors.columns = p->factors.per, factors.rows += 1;
      factors.levels.insert(factors.levels.end(), p->factors.levels(k).begin(), p->factors.levels(k).end());
    }
  }
  const std::vector<double> bits = bits_of_pieces(seen, plainly.per);
  for (size_t k = 0; k < n; ++k)
    if (way[k] == plain) mixture.cost += bits[k];
  if (factors.rows > 0)
    for (double b : bits_of_pieces(factors, factors.columns)) mixture.cost += b;
  return mixture;
}

/// What takes the place of plain quantization, for kernels or, at the end, for whole layers.
enum Road {
  filters,
  products,
  zeros,
  all_three,
  another_step,
  components,
  filters_after_components,
  predicted,
  kRoads
};
constexpr std::array<const char*, kRoads> kRoadNames = {
    "fractional", "rank 1", "zero", "all three", "another step", "components", "components and fractional",
    "predicted"};

/// What one layer, or many, cost at one step.
struct Tally {
  double weights = 0, kernels = 0, bits = 0, energy = 0, left_by_filters = 0, left_by_products = 0;
  double wins = 0;                     ///< of filters, where they alone stand beside plain
  std::array<double, kRoads> saved{};  ///< bits; predicted: may be negative

  void add(const Tally& t, double times = 1) {
    weights += times * t.weights, kernels += times * t.kernels, bits += times * t.bits, energy += times * t.energy;
    left_by_filters += times * t.left_by_filters, left_by_products += times * t.left_by_products;
    wins += times * t.wins;
    for (size_t i = 0; i < kRoads; ++i) saved[i] += times * t.saved[i];
  }
  nlohmann::json json() const {
    nlohmann::json j = {{"weights", weights},
                        {"kernels", kernels},
                        {"bits", bits},
                        {"unexplained fractional", left_by_filters / energy},
                        {"unexplained rank 1", left_by_products / energy},
                        {"fractional wins", wins}};
    for (size_t i = 0; i < kRoads; ++i) j[std::string("bits saved by ") + kRoadNames[i]] = saved[i];
    return j;
  }
};

Tally measure(const Layer& layer, double multiple, Sigmas sigmas) {
  Tally tally{static_cast<double>(layer.weights.size()), static_cast<double>(layer.kernels())};
  const float step = static_cast<float>(multiple * layer.deviation);
  if (step == 0) return tally;
  const Quantized q = quantize_weights(layer, layer.weights, step);
  tally.bits = q.all_bits;
  if (layer.kind.empty()) return tally;
  tally.energy = layer.energy, tally.left_by_filters = layer.left_by_filters;
  tally.left_by_products = layer.left_by_products;
  const auto keep = [&](Road road, double cost) {
    const bool better = q.cost - cost > tally.saved[road];
    if (better) tally.saved[road] = q.cost - cost;
    return better;
  };
  const Products rank_one = code_products(layer, step);
  keep(products, mix(q, step, {nullptr, &rank_one, false}).cost);
  keep(zeros, mix(q, step, {nullptr, nullptr, true}).cost);
  for (double finer : {0.59, 0.71, 0.84, 1.19})
    keep(another_step, quantize_weights(layer, layer.weights, step, finer).cost);

  const Components turned(layer);
  std::vector<float> coefficients;
  for (size_t k = 0; k < layer.kernels(); ++k)
    for (double c : turned.coefficients(layer.at(k))) coefficients.push_back(static_cast<float>(c));
  const Quantized by_component = quantize_kernels(std::move(coefficients), layer.kernel(), 1, 1, layer.kernel(), step);
  keep(components, by_component.cost + layer.part * turned.bits());

  tally.saved[predicted] = -kNever;
  for (int finer : {1, 2, 4}) {
    Fractional f = code_fractional(layer, step, sigmas, finer);
    const Mixture mixture = mix(q, step, {&f, nullptr, false});
    if (keep(filters, mixture.cost)) tally.wins = mixture.kernels[fractional];
    keep(all_three, mix(q, step, {&f, &rank_one, true}).cost);
    // All kernels, less their filters.
    std::vector<float> rest = layer.weights;
    FractionalCounts counts;
    double parameters = 0;
    for (size_t k = 0; k < layer.kernels(); ++k) {
      std::vector<double>& kernel = f.coded[k].kernel;
      if (kernel.empty()) continue;
      counts.add(f, k);
      parameters += Fractional::size_of(f.levels[k]);
      for (size_t i = 0; i < kernel.size(); ++i) rest[k * kernel.size() + i] -= static_cast<float>(kernel[i]);
      kernel = turned.coefficients(kernel);
    }
    keep(predicted, quantize_weights(layer, std::move(rest), step).cost + parameters + counts.all_bits());
    keep(filters_after_components, mix(by_component, step, {&f, nullptr, false}).cost + layer.part * turned.bits());
  }
  for (Road r : {filters, products, zeros}) tally.saved[all_three] = std::max(tally.saved[all_three], tally.saved[r]);
  tally.saved[filters_after_components] = std::max(tally.saved[filters_after_components], tally.saved[components]);
  return tally;
}

/// Is there a better fit than fit_fractional's? CMA-ES over the shape, on kernels spread over the network.
nlohmann::json compare_with_evolution(const std::vector<Layer>& layers, size_t wanted, Sigmas sigmas) {
  std::vector<std::pair<const Layer*, size_t>> kernels;
  for (const Layer& layer : layers)
    for (size_t k = 0; k < layer.filters.size(); ++k) kernels.emplace_back(&layer, k);
  double fitted = 0, evolved = 0, products = 0, count = 0, better = 0;
  for (size_t i = 0; i < std::min(wanted, kernels.size()); ++i) {
    const auto [layer, k] = kernels[i * kernels.size() / std::min(wanted, kernels.size())];
    const std::span<const float> kernel = layer->at(k);
    const double energy = squared_error(kernel, std::vector<double>(kernel.size()));
    if (energy == 0) continue;
    const FractionalGrid grid{layer->height, layer->width, 2, sigmas};
    const auto low = grid.low(), high = grid.high();
    const auto numbers = grid.shape_numbers();
    const auto left = [&](const Genome& g) {
      const std::vector<double> shape = evaluate(
          FractionalFilter{
              1, {g[0], std::exp(g[4]), g[1]}, {g[2], std::exp(g[static_cast<size_t>(numbers - 1)]), g[3]}},
          layer->height, layer->width);
      double power = 0, along = 0;
      for (size_t j = 0; j < shape.size(); ++j)
        power += shape[j] * shape[j], along += shape[j] * static_cast<double>(kernel[j]);
      return Objectives{1 - (power > 1e-100 ? along * along / (power * energy) : 0)};
    };
    EvolveOptions options;
    options.evaluations = 3000;
    options.spread = 0.3;
    const double its =
        evolve_one(left, {{low.begin(), low.begin() + numbers}, {high.begin(), high.begin() + numbers}}, options)
            .best[0]
            .objectives[0];
    const double ours = squared_error(kernel, evaluate(layer->filters[k], layer->height, layer->width)) / energy;
    fitted += ours, evolved += its, count += 1, better += its < ours - 1e-3;
    products += squared_error(kernel, outer(layer->products[k].column, layer->products[k].row, 1)) / energy;
  }
  return {{"kernels", count},
          {"unexplained_fitted", fitted / count},
          {"unexplained_evolved", evolved / count},
          {"unexplained_rank1", products / count},
          {"evolution_better", better}};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> models;
  std::vector<double> steps = {1.4, 1.0, 0.5, 0.25, 0.07};
  int sigmas = 1;
  size_t evolve = 0;
  int64_t most = 0;
  bool as_json = false;
  CLI::App app("Fractional filters and rank 1 beside plain quantization");
  app.add_option("models", models)->required();
  app.add_option("--steps", steps, "In deviations of each layer's weights")->delimiter(',');
  app.add_option("--sigmas", sigmas, "Widths of a filter: 1 or 2")->check(CLI::Range(1, 2));
  app.add_option("--evolve", evolve, "Kernels whose fit is compared with CMA-ES");
  app.add_option("--most", most, "Kernels of a layer that are looked at, its first rows; counts are scaled up");
  app.add_flag("--json", as_json);
  CLI11_PARSE(app, argc, argv);
  try {
    nlohmann::json report = nlohmann::json::array();
    std::string dashes;
    for (size_t i = 0; i < kRoads; ++i) dashes += "|---";
    if (!as_json)
      fmt::print(
          "| network | kernels | number | bits a weight | unexplained: fractional, rank 1 | fractional wins | "
          "saved of the network by fractional | saved by {} |\n|---|---|---|---|---|---|---{}|\n",
          fmt::join(kRoadNames, " | by "), dashes);
    for (const std::string& path : models) {
      const Sigmas how = sigmas == 1 ? Sigmas::one : Sigmas::two;
      const std::vector<Layer> layers = layers_of(path, how, most);
      nlohmann::json of_model = {{"model", path}, {"steps", nlohmann::json::array()}};
      if (evolve > 0 && can_evolve()) {
        of_model["evolution"] = compare_with_evolution(layers, evolve, how);
        if (!as_json) fmt::print("{}\n", of_model["evolution"].dump());
      }
      for (double step : steps) {
        nlohmann::json per_layer = nlohmann::json::array();
        std::map<std::string, Tally> by_kind;
        double net_bits = 0;
        for (const Layer& layer : layers) {
          Tally tally;
          tally.add(measure(layer, step, how), 1 / layer.part);
          net_bits += tally.bits;
          if (layer.kind.empty()) continue;
          by_kind[layer.kind].add(tally);
          per_layer.push_back(tally.json());
          per_layer.back().update({{"name", layer.name}, {"kind", layer.kind}});
        }
        of_model["steps"].push_back({{"step", step}, {"bits", net_bits}, {"layers", per_layer}});
        if (as_json) continue;
        for (const auto& [kind, t] : by_kind) {
          fmt::print("| {} | {} | {:.0f} | {:.2f} | {:.1f}, {:.1f} % | {:.1f} % | {:.3f} %", path, kind, t.kernels,
                     t.bits / t.weights, 100 * t.left_by_filters / t.energy, 100 * t.left_by_products / t.energy,
                     100 * t.wins / t.kernels, 100 * t.saved[filters] / net_bits);
          for (double saved : t.saved) fmt::print(" | {:.2f} %", 100 * saved / t.bits);
          fmt::print(" |\n");
          std::fflush(stdout);
        }
      }
      report.push_back(std::move(of_model));
    }
    if (as_json) fmt::print("{}\n", report.dump(2));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
