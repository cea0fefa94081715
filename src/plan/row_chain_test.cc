#include "plan/row_chain.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/menu.h"

namespace tercel::inline plan {
namespace {

Tensor random_tensor(Dims dims, uint64_t seed) {
  Rng rng(seed);
  Tensor tensor(DType::f32, std::move(dims));
  for (int64_t i = 0; i < tensor.elements(); ++i)
    reinterpret_cast<float*>(tensor.mutable_data())[i] = static_cast<float>(rng.uniform(-1, 1));
  return tensor;
}

/// One convolution of a chain: `channels` out of it, or depthwise where that is 0.
struct Layer {
  int64_t channels = 0, kernel = 1, stride = 1, pad = 0;
  bool residual = false;
};

/// Layers one after the other, each whole, and as a chain; every result channels_last.
class Layers {
 public:
  Layers(Dims input, const std::vector<Layer>& layers) : dims_{std::move(input)} {
    for (const Layer& layer : layers) add(layer);
  }

  Tensor input() const { return random_tensor(dims_[0], 7); }

  Tensor run_whole(const Tensor& input) const {
    Tensor x = input;
    for (size_t i = 0; i < kernels_.size(); ++i) {
      Tensor y(DType::f32, dims_[i + 1]);
      const std::byte* src[] = {x.data(), nullptr, nullptr, residuals_[i] ? residuals_[i].data() : nullptr};
      std::byte* dst[] = {y.mutable_data()};
      Buffer scratch(kernels_[i]->scratch_bytes());
      kernels_[i]->run({src, dst, scratch.data()});
      x = y;
    }
    return x;
  }

  /// Takes the kernels.
  Tensor run_chain(const Tensor& input, int threads, size_t band_bytes) {
    std::vector<ChainStage> stages;
    std::vector<const std::byte*> src;
    for (size_t i = 0; i < kernels_.size(); ++i) {
      const Dims& dims = dims_[i + 1];
      const int64_t rows = dims[0] * dims[2];
      stages.push_back({std::move(kernels_[i]), 4, rows, static_cast<size_t>(dims[1] * dims[3]) * sizeof(float)});
      for (const std::byte* at : {i == 0 ? input.data() : nullptr, static_cast<const std::byte*>(nullptr),
                                  static_cast<const std::byte*>(nullptr),
                                  residuals_[i] ? static_cast<const std::byte*>(residuals_[i].data()) : nullptr})
        src.push_back(at);
    }
    const ThreadScope scope(threads);
    const RowChain chain(std::move(stages), threads, band_bytes);
    Tensor y(DType::f32, dims_.back());
    std::byte* dst[] = {y.mutable_data()};
    Buffer scratch(chain.scratch_bytes());
    std::memset(scratch.data(), 0xFF, scratch.size());
    chain.run({src, dst, scratch.data()});
    return y;
  }

 private:
  void add(const Layer& layer) {
    const Dims& x = dims_.back();
    const bool depthwise = layer.channels == 0;
    const int64_t out = depthwise ? x[1] : layer.channels;
    const Dims weights{out, depthwise ? 1 : x[1], layer.kernel, layer.kernel};
    attrs_.push_back(std::make_unique<Attrs>(Attrs{{"group", depthwise ? x[1] : int64_t{1}},
                                                   {"strides", Dims{layer.stride, layer.stride}},
                                                   {"dilations", Dims{1, 1}},
                                                   {"pads", Dims(4, layer.pad)},
                                                   {"activation", std::string("Relu")},
                                                   {"alpha", 0.0f},
                                                   {"beta", 0.0f}}));
    const auto windows = conv_windows(*attrs_.back(), std::span(x).subspan(2), std::span(weights).subspan(2));
    const Dims y{x[0], out, windows[0].output, windows[1].output};
    residuals_.push_back(layer.residual ? random_tensor(y, 5) : Tensor());
    Problem problem{"FusedConv", attrs_.back().get(), {}, {}, machine_isa(), 1};
    problem.src = {{DType::f32, x, Layout::channels_last, {}},
                   {DType::f32, weights, Layout::plain, random_tensor(weights, 1)},
                   {DType::f32, {out}, Layout::plain, random_tensor({out}, 2)}};
    if (layer.residual) problem.src.push_back({DType::f32, y, Layout::channels_last, {}});
    problem.dst = {{DType::f32, y, Layout::channels_last, {}}};
    for (const Variant& variant : menu("FusedConv"))
      if (variant.name == (depthwise ? "simd_depthwise" : "simd_conv")) {
        ASSERT_EQ(variant.cannot(problem), "");
        kernels_.push_back(variant.make(problem));
      }
    dims_.push_back(y);
  }

  std::vector<Dims> dims_;  // the input's, then every result's
  std::vector<std::unique_ptr<Attrs>> attrs_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<Tensor> residuals_;
};

void check(const Dims& input, const std::vector<Layer>& layers) {
  for (int threads : {1, 2, 3})
    for (size_t band_bytes : {size_t{1}, size_t{4096}, size_t{20000}, RowChain::kBandBytes}) {
      SCOPED_TRACE(fmt::format("{}, {} threads, bands of {} bytes", to_string(input), threads, band_bytes));
      Layers both(input, layers);
      const Tensor x = both.input();
      const Tensor whole = both.run_whole(x);
      ASSERT_TRUE(both.run_chain(x, threads, band_bytes) == whole);
    }
}

TEST(RowChain, ExpandDepthwiseProjectIsTheSameAsWhole) {
  for (int64_t batch : {1, 3})
    for (int64_t height : {1, 2, 7, 20})
      for (int64_t stride : {1, 2, 3})
        check({batch, 8, height, 9}, {{24}, {0, 3, stride, 1}, {8, 1, 1, 0, stride == 1}});
}

TEST(RowChain, WindowsOfAnyReach) {
  check({2, 8, 30, 6}, {{16}, {0, 5, 2, 2}, {0, 3, 1, 1}, {8}});
  check({1, 8, 25, 6}, {{0, 7, 1, 3}, {0, 3, 3, 0}});
  check({1, 8, 30, 6}, {{16}, {0, 1, 4, 0}, {8}});       // rows in between that nobody reads
  check({2, 16, 9, 9}, {{16, 3, 1, 1}, {16, 3, 2, 1}});  // dense
  check({2, 16, 5, 5}, {{0, 3, 1, 4}, {8, 3, 1, 3}});    // windows in padding alone
  check({1, 16, 16, 4}, {{8, 1, 1, 2}, {0, 3, 1, 1}});   // result rows of padding alone
}

}  // namespace
}  // namespace tercel::inline plan
