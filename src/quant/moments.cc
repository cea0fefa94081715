#include "quant/moments.h"

#include <algorithm>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/threads.h"
#include "kernels/simd/gemm.h"
#include "quant/observe.h"

namespace tercel {
namespace {

/// Rows gathered until there are enough of them for a product worth its packing.
class Accumulator {
 public:
  Accumulator(const LinearSite& site, const MomentOptions& options) {
    const int64_t kernel = site.kernel_height * site.kernel_width;
    const int64_t step = std::max<int64_t>(options.block_columns / kernel, 1) * kernel;
    moments_.groups.resize(static_cast<size_t>(site.groups));
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
  }

  void add(const LinearSite& site, const Array& input, const MomentOptions& options, Isa isa) {
    const InputRows rows(site, input.dims(), options.places);
    const float* data = input.floats().data();
    for (size_t g = 0; g < moments_.groups.size(); ++g)
      for (MomentBlock& block : moments_.groups[g]) add(rows, data, static_cast<int64_t>(g), block, isa);
    moments_.count += rows.count();
  }

  Moments finish() {
    TERCEL_CHECK(moments_.count > 0);
    const float scale = 1.0f / static_cast<float>(moments_.count);
    for (auto& blocks : moments_.groups)
      for (MomentBlock& block : blocks) {
        for (float& x : block.mean) x *= scale;
        for (float& x : block.second) x *= scale;
      }
    return std::move(moments_);
  }

 private:
  void add(const InputRows& rows, const float* data, int64_t group, MomentBlock& block, Isa isa) {
    const int64_t n = block.columns, m = rows.count();
    x_.resize(static_cast<size_t>(m * n));
    rows.gather(data, group, block.first, n, x_.data());
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) block.mean[static_cast<size_t>(j)] += x_[static_cast<size_t>(i * n + j)];
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
    void* place = packed_.data();
    size_t space = packed_.size() * sizeof(float);
    auto* packed = static_cast<float*>(std::align(kAlignment, space - kAlignment, place, space));
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

  Moments moments_;
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
  observe(
      model, values, inputs,
      [&](size_t, const std::vector<Array>& seen) {
        for (size_t i = 0; i < sites.size(); ++i)
          accumulators.at(sites[i].weights).add(sites[i], seen[i], options, isa);
      },
      session, progress);
  std::map<std::string, Moments> moments;
  for (auto& [name, accumulator] : accumulators) moments.emplace(name, accumulator.finish());
  return moments;
}

}  // namespace tercel
