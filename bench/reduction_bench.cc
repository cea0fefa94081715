// Would layers be cheaper with something taken out of them before they become levels?
//
//   reduction_bench MODEL PICTURES [--preprocess PRESET] [--pictures N] [--strengths S,...] [--json]
//
// Every linear layer is quantized as `tercel compress --effort 4` does it, and then in other ways. What a way costs is
// error + price * bits: the error in the answers by Fisher information, bits by codec::RateModel, one price for all
// ways. A saving is the difference in bits at that price, and counts where it is positive.
//   low rank   the layer as a product of two, by singular values of weights times the root of their moments; the second
//              factor fitted to the levels of the first, both quantized at the same price. The best of some ranks
//   codebook   magnitudes 1 to 8 stand for values of the layer's own (16 bits each), fitted to the levels
//   rows       outputs that become a constant: structured pruning of outputs
//   channels   inputs that are read no more (whole kernels): structured pruning of inputs
//   weights    single weights that become zero (sparsification; rounding has had its chance)
// Rows, channels and weights are tried one by one, against the layer as quantized; what a next layer saves because a
// row before it is gone is not counted, but a channel nobody reads is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <Eigen/Dense>
#include <nlohmann/json.hpp>

#include "quant/pictures.h"
#include "tercel/tercel.h"
#include "tune/compressor.h"

namespace {

using namespace tercel;

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kLambda = 0.15;
constexpr int kBook = 8;                                                // values of a codebook
constexpr double kValueBits = 16;                                       // of each
constexpr std::array kRanks = {0.0625, 0.125, 0.25, 0.375, 0.5, 0.75};  // of the full rank

enum Way { low_rank, codebook, rows, channels, weights, kWays };
constexpr std::array<const char*, kWays> kWayNames = {"low rank", "codebook", "rows", "channels", "weights"};

/// What layers cost as they are, and what each way would save.
struct Tally {
  double elements = 0, bits = 0;
  std::array<double, kWays> saved{};       ///< bits
  std::array<double, kWays> wins{}, of{};  ///< layers, layers, rows, channels, weights

  void add(const Tally& t) {
    elements += t.elements, bits += t.bits;
    for (size_t i = 0; i < kWays; ++i) saved[i] += t.saved[i], wins[i] += t.wins[i], of[i] += t.of[i];
  }
  void offer(Way way, double bits_saved) {
    of[way] += 1;
    if (bits_saved > 0) saved[way] += bits_saved, wins[way] += 1;
  }
};

/// U of Curvature: an error e of a row costs |e U|^2. Blocks stand on the diagonal.
class Root {
 public:
  explicit Root(const Curvature& curvature) {
    for (const CurvatureBlock& block : curvature.groups[0]) {
      const auto n = static_cast<Eigen::Index>(block.columns);
      Eigen::MatrixXf u = Eigen::MatrixXf::Zero(n, n);
      for (Eigen::Index j = 0; j < n; ++j) {
        const float pivot = std::sqrt(block.weight[static_cast<size_t>(j)]);
        u(j, j) = pivot;
        for (Eigen::Index i = 0; i < j && !block.feedback.empty(); ++i)
          u(i, j) = pivot * block.feedback[static_cast<size_t>(j * n + i)];
      }
      blocks_.push_back({static_cast<Eigen::Index>(block.first), std::move(u)});
    }
  }
  /// e U
  Rows times(const Rows& e) const {
    Rows product(e.rows(), e.cols());
    for (const auto& [first, u] : blocks_)
      product.middleCols(first, u.cols()) = e.middleCols(first, u.rows()) * u.triangularView<Eigen::Upper>();
    return product;
  }
  /// x with x U = y
  Rows solve(const Rows& y) const {
    Rows x(y.rows(), y.cols());
    for (const auto& [first, u] : blocks_)
      x.middleCols(first, u.cols()) =
          u.triangularView<Eigen::Upper>().transpose().solve(y.middleCols(first, u.cols()).transpose()).transpose();
    return x;
  }
  /// y U'
  Rows times_transposed(const Rows& y) const {
    Rows product(y.rows(), y.cols());
    for (const auto& [first, u] : blocks_)
      product.middleCols(first, u.cols()) =
          y.middleCols(first, u.cols()) * u.triangularView<Eigen::Upper>().transpose();
    return product;
  }
  /// Row c of H = U U'.
  Eigen::VectorXf diagonal() const {
    Eigen::Index n = 0;
    for (const auto& [first, u] : blocks_) n += u.cols();
    Eigen::VectorXf d(n);
    for (const auto& [first, u] : blocks_) d.segment(first, u.rows()) = u.rowwise().squaredNorm();
    return d;
  }
  /// Columns first .. first + count - 1 of H, which lie in one block.
  Eigen::MatrixXf square(Eigen::Index first, Eigen::Index count) const {
    for (const auto& [begin, u] : blocks_)
      if (first >= begin && first + count <= begin + u.rows())
        return u.middleRows(first - begin, count) * u.middleRows(first - begin, count).transpose();
    return Eigen::MatrixXf::Zero(count, count);
  }

 private:
  std::vector<std::pair<Eigen::Index, Eigen::MatrixXf>> blocks_;
};

Rows as_rows(const std::vector<float>& values, int64_t columns) {
  return Eigen::Map<const Rows>(values.data(), static_cast<Eigen::Index>(values.size()) / columns, columns);
}

std::vector<float> as_values(const Rows& matrix) { return {matrix.data(), matrix.data() + matrix.size()}; }

double square_of(const Rows& matrix) { return matrix.cast<double>().squaredNorm(); }

/// Bits of every level.
Rows bits_of(const codec::QuantizedMatrix& matrix) {
  std::vector<uint8_t> classes;
  const codec::MatrixShape shape = codec::coding_shape(matrix, classes);
  codec::RateModel rate(shape, codec::fit_context_init(matrix.levels, shape));
  std::vector<float> bits;
  for (int32_t level : matrix.levels) {
    bits.push_back(rate.bits(level));
    rate.push(level);
  }
  return as_rows(bits, matrix.columns);
}

struct Factor {
  Rows back;
  double bits = 0;
};

Factor quantize_factor(const Rows& factor, const Curvature& curvature, const QuantizeOptions& options,
                       int64_t kernel_height, int64_t kernel_width) {
  const QuantizeResult result =
      quantize(as_values(factor), factor.rows(), factor.cols(), kernel_height, kernel_width, curvature, options);
  return {as_rows(codec::scaled_levels(result.matrix), factor.cols()),
          bits_of(result.matrix).cast<double>().sum() +
              8.0 * static_cast<double>(result.matrix.row_class.size() + result.matrix.column_class.size()) / 2};
}

/// One layer, as it is and what could be made of it.
class Layer {
 public:
  Layer(const Compressor& compressor, size_t index, const PartSettings& settings)
      : part_(compressor.parts()[index]), curvature_(compressor.curvature(index)), root_(curvature_) {
    weights_ = as_rows(compressor.weights_of(index), part_.columns);
    options_ = {settings.step, static_cast<float>(kLambda), settings.per_channel_steps, part_.basis};
    price_ = kLambda * static_cast<double>(settings.step) * static_cast<double>(settings.step) *
             std::exp2(mean_log2_weight(curvature_));
    plain_ = quantize(as_values(weights_), part_.rows, part_.columns, part_.kernel_height, part_.kernel_width,
                      curvature_, options_);
    back_ = as_rows(codec::scaled_levels(plain_.matrix), part_.columns);
    bits_ = bits_of(plain_.matrix);
    all_bits_ = bits_.cast<double>().sum();
    error_ = square_of(root_.times(weights_ - back_));
  }

  Tally measure() const {
    Tally tally;
    tally.elements = static_cast<double>(weights_.size());
    tally.bits = all_bits_;
    tally.offer(low_rank, by_rank());
    tally.offer(codebook, by_codebook());
    by_rows(tally);
    by_channels(tally);
    by_weights(tally);
    return tally;
  }

 private:
  double saving(double error, double bits) const { return all_bits_ - bits + (error_ - error) / price_; }

  double by_rank() const {
    const Rows heavy = root_.times(weights_);
    // Of the smaller Gram matrix: singular values lose half their digits, which is enough for a choice.
    const Eigen::MatrixXd gram = (heavy * heavy.transpose()).cast<double>();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(gram);
    const auto full = static_cast<double>(std::min(weights_.rows(), weights_.cols()));
    double best = -1;
    for (double part : kRanks) {
      const auto rank = std::max<Eigen::Index>(1, std::lround(part * full));
      const Eigen::MatrixXf left = eigen.eigenvectors().rightCols(rank).cast<float>();  // rows x rank, orthonormal
      const Rows first = root_.solve(left.transpose() * heavy);
      const Factor a = quantize_factor(first, curvature_, options_, part_.kernel_height, part_.kernel_width);
      // The second factor reads z = a x, of moments a H a'.
      const Rows heavy_a = root_.times(a.back);
      Moments moments;
      moments.weight = {0};
      MomentBlock block{0, rank, std::vector<float>(static_cast<size_t>(rank)),
                        as_values(heavy_a * heavy_a.transpose())};
      moments.groups = {{block}};
      const Curvature inner = factorize(moments, false, 1e-4);
      Eigen::MatrixXd g = as_rows(block.second, rank).cast<double>();
      g.diagonal().array() += 1e-6 * std::max(g.diagonal().mean(), 1e-30);
      const Rows second = g.ldlt().solve((heavy_a * heavy.transpose()).cast<double>()).transpose().cast<float>();
      QuantizeOptions options{static_cast<float>(std::sqrt(price_ / kLambda * std::exp2(-mean_log2_weight(inner)))),
                              static_cast<float>(kLambda), true, nullptr};
      if (!(options.step > 0) || !std::isfinite(options.step) || !second.allFinite()) continue;
      const Factor b = quantize_factor(second, inner, options, 1, 1);
      best = std::max(best, saving(square_of(heavy - b.back * heavy_a), a.bits + b.bits));
    }
    return best;
  }

  double by_codebook() const {
    // Levels of magnitude k + 1, each at its own step; the last takes all above.
    std::array<Rows, kBook> heavy;
    for (int k = 0; k < kBook; ++k) {
      Rows pattern = Rows::Zero(weights_.rows(), weights_.cols());
      for (Eigen::Index i = 0; i < weights_.size(); ++i) {
        const int32_t magnitude = std::abs(plain_.matrix.levels[static_cast<size_t>(i)]);
        if (magnitude != 0 && std::min(magnitude, kBook) == k + 1) pattern.data()[i] = back_.data()[i];
      }
      heavy[static_cast<size_t>(k)] = root_.times(pattern);
    }
    const Rows wanted = root_.times(weights_);
    Eigen::MatrixXd gram(kBook, kBook);
    Eigen::VectorXd right(kBook);
    for (int i = 0; i < kBook; ++i) {
      const auto& a = heavy[static_cast<size_t>(i)];
      for (int j = 0; j < kBook; ++j) gram(i, j) = a.cwiseProduct(heavy[static_cast<size_t>(j)]).cast<double>().sum();
      right[i] = a.cwiseProduct(wanted).cast<double>().sum();
    }
    gram.diagonal().array() += 1e-9 * gram.diagonal().maxCoeff() + 1e-30;
    const Eigen::VectorXd factors = gram.ldlt().solve(right);
    Rows made = Rows::Zero(wanted.rows(), wanted.cols());
    for (int k = 0; k < kBook; ++k) made += static_cast<float>(factors[k]) * heavy[static_cast<size_t>(k)];
    return saving(square_of(wanted - made), all_bits_ + kBook * kValueBits);
  }

  void by_rows(Tally& tally) const {
    const Rows now = root_.times(weights_ - back_), gone = root_.times(weights_);
    for (Eigen::Index r = 0; r < weights_.rows(); ++r)
      tally.offer(rows, static_cast<double>(bits_.row(r).sum()) -
                            static_cast<double>(gone.row(r).squaredNorm() - now.row(r).squaredNorm()) / price_);
  }

  /// (w - q) H, whose inner product with a change of q tells what it costs to first order.
  Rows slope() const { return root_.times_transposed(root_.times(weights_ - back_)); }

  void by_channels(Tally& tally) const {
    const Rows s = slope();
    const Eigen::Index kernel = part_.kernel_height * part_.kernel_width;
    for (Eigen::Index c = 0; c < weights_.cols(); c += kernel) {
      const auto q = back_.middleCols(c, kernel);
      const double more = 2 * static_cast<double>(q.cwiseProduct(s.middleCols(c, kernel)).sum()) +
                          static_cast<double>((q * root_.square(c, kernel)).cwiseProduct(q).sum());
      tally.offer(channels, static_cast<double>(bits_.middleCols(c, kernel).sum()) - more / price_);
    }
  }

  void by_weights(Tally& tally) const {
    const Rows s = slope();
    const Eigen::VectorXf h = root_.diagonal();
    // What a zero costs here: about the mean of those that are.
    double zeros = 0, zero_bits = 0;
    for (Eigen::Index i = 0; i < back_.size(); ++i)
      if (back_.data()[i] == 0.0f) zeros += 1, zero_bits += static_cast<double>(bits_.data()[i]);
    const double of_zero = zeros > 0 ? zero_bits / zeros : 0;
    for (Eigen::Index r = 0; r < back_.rows(); ++r)
      for (Eigen::Index c = 0; c < back_.cols(); ++c) {
        const float q = back_(r, c);
        if (q == 0.0f) continue;
        const double more = static_cast<double>(2 * q * s(r, c) + q * q * h[c]);
        tally.offer(weights, static_cast<double>(bits_(r, c)) - of_zero - more / price_);
      }
  }

  const Part& part_;
  const Curvature& curvature_;
  Root root_;
  Rows weights_, back_, bits_;
  QuantizeOptions options_;
  QuantizeResult plain_;
  double price_ = 0, all_bits_ = 0, error_ = 0;
};

struct Bench {
  std::string model, pictures, preset;
  int count = 64;
  std::vector<double> step_scales = {0.5, 1, 2, 4};
  bool as_json = false;
};

void run(const Bench& bench) {
  const Model model = optimize(load(bench.model));
  const Preprocessing how = bench.preset.empty() ? model.preprocessing() : Preprocessing::preset(bench.preset);
  auto [measured, rest] = split_pictures(find_pictures(bench.pictures), static_cast<size_t>(bench.count), 1, 1);
  const Compressor compressor(model, load_inputs(model, measured, how), codec::Profile::max, 1, {});
  nlohmann::json report = {{"model", bench.model}, {"points", nlohmann::json::array()}};
  for (double step_scale : bench.step_scales) {
    const Settings settings = compressor.settings(step_scale);
    Tally sum;
    nlohmann::json layers = nlohmann::json::array();
    for (size_t i = 0; i < compressor.parts().size(); ++i) {
      const Part& part = compressor.parts()[i];
      if (part.kind != Part::Kind::linear || compressor.curvature(i).groups.size() != 1) continue;
      const Tally tally = Layer(compressor, i, settings.parts[i]).measure();
      sum.add(tally);
      layers.push_back({{"name", part.name}, {"bits", tally.bits}, {"elements", tally.elements}});
      for (size_t w = 0; w < kWays; ++w) layers.back()[kWayNames[w]] = tally.saved[w];
    }
    report["points"].push_back({{"strength", step_scale}, {"layers", layers}});
    if (bench.as_json) continue;
    fmt::print("| {} | {:.2f}", step_scale, sum.bits / sum.elements);
    for (size_t w = 0; w < kWays; ++w)
      fmt::print(" | {:.2f} % ({:.2f} %)", 100 * sum.saved[w] / sum.bits, 100 * sum.wins[w] / std::max(sum.of[w], 1.0));
    fmt::print(" |\n");
    std::fflush(stdout);
  }
  if (bench.as_json) fmt::print("{}\n", report.dump(2));
}

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  CLI::App app("Low rank, codebooks and pruning beside plain quantization: bits saved at equal cost");
  app.add_option("model", bench.model)->required();
  app.add_option("pictures", bench.pictures)->required();
  app.add_option("--preprocess", bench.preset);
  app.add_option("--pictures", bench.count, "To measure on")->capture_default_str();
  app.add_option("--strengths", bench.step_scales)->delimiter(',');
  app.add_flag("--json", bench.as_json);
  CLI11_PARSE(app, argc, argv);
  try {
    if (!bench.as_json) {
      fmt::print("{}: bits saved (layers, rows, channels, weights that would change)\n\n| strength | bits a weight",
                 bench.model);
      for (const char* way : kWayNames) fmt::print(" | {}", way);
      fmt::print(" |\n|---|---|---|---|---|---|---|\n");
    }
    run(bench);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
