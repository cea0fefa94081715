#include "quant/moments.h"

#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/threads.h"
#include "kernels/simd/gemm.h"
#include "quant/gradient.h"
#include "quant/observe.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

// Few inputs leave most directions unmeasured, the more where few positions have weight (the class token of a last
// block). So the mean weight of all positions is added to each. By trial on ViT-Ti.
constexpr float kPlain = 1;

class Accumulator {
 public:
  Accumulator(const LinearSite& site, const MomentOptions& options) : rows_(site.rows) {
    const int64_t kernel = site.kernel_height * site.kernel_width;
    const int64_t step = std::max<int64_t>(options.block_columns / kernel, 1) * kernel;
    moments_.groups.resize(static_cast<size_t>(site.groups));
    moments_.weight.resize(static_cast<size_t>(site.groups));
    for (auto& blocks : moments_.groups) {
      for (int64_t first = 0; first < site.columns; first += step) {
        MomentBlock block;
        block.first = first;
        block.columns = std::min(step, site.columns - first);
        block.mean.resize(static_cast<size_t>(block.columns));
        block.second.resize(static_cast<size_t>(block.columns * block.columns));
        blocks.push_back(std::move(block));
      }
    }
    if (options.samples > 0) moments_.bias_weight.resize(static_cast<size_t>(rows_));
  }

  /// Of input `k`. `gradient`: nullptr for plain moments.
  void add(const LinearSite& site, size_t k, const Array& input, const Array* gradient, const MomentOptions& options,
           Isa isa) {
    const InputRows rows(site, input.dims(), options.positions);
    const float* data = input.floats().data();
    const auto groups = static_cast<int64_t>(moments_.groups.size());
    std::vector<float> weights(static_cast<size_t>(rows.count()), 1.0f);
    for (int64_t g = 0; g < groups; ++g) {
      if (gradient != nullptr) weigh(rows, OutputRows(site, *gradient), g, groups, weights);
      for (float w : weights) moments_.weight[static_cast<size_t>(g)] += static_cast<double>(w);
      for (MomentBlock& block : moments_.groups[static_cast<size_t>(g)]) add(rows, data, weights, g, block, isa);
    }
    if (groups == 1) {
      auto& all = moments_.position_weight;
      if (all.size() <= k) all.resize(k + 1);
      // Nodes that share weights may have more or fewer positions.
      all[k].resize(std::max(all[k].size(), weights.size()));
      for (size_t i = 0; i < weights.size(); ++i) all[k][i] += weights[i];
    }
    seen_ += gradient != nullptr ? 1 : rows.count();
  }

  Moments finish() {
    TERCEL_CHECK(seen_ > 0);
    const float scale = 1.0f / static_cast<float>(seen_);
    for (size_t g = 0; g < moments_.groups.size(); ++g) {
      const auto of_mean = static_cast<float>(1 / std::max(moments_.weight[g], 1e-30));
      for (MomentBlock& block : moments_.groups[g]) {
        for (float& x : block.mean) x *= of_mean;
        for (float& x : block.second) x *= scale;
      }
      moments_.weight[g] *= static_cast<double>(scale);
    }
    for (auto& weights : moments_.position_weight)
      for (float& w : weights) w *= scale;
    for (float& x : moments_.bias_weight) x *= scale;
    return std::move(moments_);
  }

 private:
  /// The weight of each position, mean over the rows of one group, scaled up for positions not sampled.
  void weigh(const InputRows& rows, const OutputRows& gradient, int64_t group, int64_t groups,
             std::vector<float>& weights) {
    const int64_t first = group * rows_ / groups, last = (group + 1) * rows_ / groups;
    const auto scale = static_cast<float>(static_cast<double>(rows.positions()) / static_cast<double>(rows.count()));
    const float share = scale / static_cast<float>(last - first);
    std::fill(weights.begin(), weights.end(), 0.0f);
    for (int64_t row = first; row < last; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < rows.count(); ++i) {
        const float g = gradient.at(rows.position(i), row);
        weights[static_cast<size_t>(i)] += g * g * share;
        sum += static_cast<double>(g * scale);
      }
      moments_.bias_weight[static_cast<size_t>(row)] += static_cast<float>(sum * sum);
    }
    float mean = 0;
    for (float w : weights) mean += w / static_cast<float>(weights.size());
    for (float& w : weights) w += kPlain * mean;
  }

  void add(const InputRows& rows, const float* data, const std::vector<float>& weights, int64_t group,
           MomentBlock& block, Isa isa) {
    const int64_t n = block.columns, m = rows.count();
    x_.resize(static_cast<size_t>(m * n));
    rows.gather(data, group, block.first, n, x_.data());
    for (int64_t i = 0; i < m; ++i) {
      const float w = weights[static_cast<size_t>(i)], root = std::sqrt(w);
      float* row = &x_[static_cast<size_t>(i * n)];
      for (int64_t j = 0; j < n; ++j) block.mean[static_cast<size_t>(j)] += w * row[j];
      for (int64_t j = 0; j < n; ++j) row[j] *= root;
    }
    if (n < 32) {  // depthwise convolutions: thousands of tiny products
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          for (int64_t k = 0; k < n; ++k)
            block.second[static_cast<size_t>(j * n + k)] +=
                x_[static_cast<size_t>(i * n + j)] * x_[static_cast<size_t>(i * n + k)];
      return;
    }
    transposed_.resize(x_.size());
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) transposed_[static_cast<size_t>(j * m + i)] = x_[static_cast<size_t>(i * n + j)];
    packed_.resize(packed_b_floats(m, n, isa) + kAlignment);
    void* aligned = packed_.data();
    size_t space = packed_.size() * sizeof(float);
    auto* packed = static_cast<float*>(std::align(kAlignment, space - kAlignment, aligned, space));
    pack_b(reinterpret_cast<const std::byte*>(x_.data()), strided_offsets(m, n), n, 1, isa, packed);
    GemmJob job;
    job.m = n;
    job.n = n;
    job.depth = m;
    job.a = transposed_.data();
    job.lda = m;
    job.b = packed;
    job.dst = block.second.data();
    job.ldd = n;
    job.residual = block.second.data();
    gemm(job, isa);
  }

  int64_t rows_;
  Moments moments_;
  int64_t seen_ = 0;  // rows, or answers with their gradients
  std::vector<float> x_, transposed_, packed_;
};

}  // namespace

std::map<std::string, Moments> measure_moments(const Model& model, const std::vector<LinearSite>& sites,
                                               const std::vector<Array>& inputs, const MomentOptions& options,
                                               const Progress& progress) {
  std::map<std::string, Accumulator> accumulators;
  std::vector<std::string> values;
  for (const LinearSite& site : sites) {
    accumulators.try_emplace(site.weights, site, options);
    values.push_back(site.input);
  }
  const Isa isa = chosen_isa();
  const ThreadScope threads(options.threads == 0 ? hardware_threads() : options.threads);
  SessionOptions session;
  session.threads = options.threads;
  const auto accumulator_of = [&](size_t i) -> Accumulator& { return accumulators.at(sites[i].weights); };
  if (options.samples == 0) {
    observe(
        model, values, inputs,
        [&](size_t k, const std::vector<Array>& seen) {
          for (size_t i = 0; i < sites.size(); ++i) accumulator_of(i).add(sites[i], k, seen[i], nullptr, options, isa);
        },
        session, progress);
  } else {
    for (const LinearSite& site : sites) values.push_back(site.output);
    // Extents that the network leaves open are those of the pictures.
    const Model sized =
        inputs.empty() ? model : model.with_shapes({{model.inputs().at(0).name, inputs.front().dims()}});
    Gradient gradient(sized, values, session);
    Rng rng(options.seed);
    const bool probabilities = ends_in_softmax(model);
    for (size_t k = 0; k < inputs.size(); ++k) {
      gradient.run(
          inputs[k], options.samples,
          [&](int, const Array& output) { return fisher_seed(output, probabilities, options.temperature, rng); },
          [&](int, const std::vector<Array>& seen, const std::vector<Array>& gradients) {
            for (size_t i = 0; i < sites.size(); ++i)
              accumulator_of(i).add(sites[i], k, seen[i], &gradients[sites.size() + i], options, isa);
          });
      if (progress && !progress("measure", static_cast<double>(k + 1) / static_cast<double>(inputs.size())))
        fail(ErrorCode::stopped, "stopped while measuring");
    }
  }
  std::map<std::string, Moments> moments;
  for (auto& [name, accumulator] : accumulators) moments.emplace(name, accumulator.finish());
  return moments;
}

}  // namespace tercel::inline quant
