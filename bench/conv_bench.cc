// conv_bench [THREADS [CxOCxHxW[xN] ...]]: every kernel that can perform a 3 x 3 convolution of stride 1, in turn:
// median time, its part of direct convolution's, and what the cost model (kernels/simd/winograd_sizes.h) expects of it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/menu.h"
#include "kernels/simd/winograd_sizes.h"

namespace {

using namespace tercel;

/// Of this program alone: what others do on the machine shows less.
double processor_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

struct Layer {
  int64_t c, oc, h, w, n = 1;
};

Tensor random_floats(Dims dims) {
  Rng rng(1);
  Tensor tensor(DType::f32, std::move(dims));
  auto* values = reinterpret_cast<float*>(tensor.mutable_data());
  for (int64_t i = 0, count = tensor.elements(); i < count; ++i) values[i] = static_cast<float>(rng.uniform(-1, 1));
  return tensor;
}

void measure(const Layer& layer, int threads) {
  const ThreadScope scope(threads);
  const Attrs attrs{{"group", int64_t{1}},
                    {"strides", std::vector<int64_t>{1, 1}},
                    {"dilations", std::vector<int64_t>{1, 1}},
                    {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                    {"activation", std::string("Relu")},
                    {"alpha", 0.0f},
                    {"beta", 0.0f}};
  const Tensor src = random_floats({layer.n, layer.c, layer.h, layer.w});
  const Tensor weights = random_floats({layer.oc, layer.c, 3, 3}), bias = random_floats({layer.oc});
  Tensor dst(DType::f32, {layer.n, layer.oc, layer.h, layer.w});
  const Isa isa = chosen_isa();
  const Problem problem{"FusedConv",
                        &attrs,
                        {{DType::f32, src.dims(), Layout::channels_last, {}},
                         {DType::f32, weights.dims(), Layout::plain, weights},
                         {DType::f32, bias.dims(), Layout::plain, bias}},
                        {{DType::f32, dst.dims(), Layout::channels_last, {}}},
                        isa,
                        threads};
  struct Way {
    std::string_view name;
    std::unique_ptr<Kernel> kernel;
    Buffer scratch;
    double cost;
    std::vector<double> ms;
  };
  std::vector<Way> ways;
  const ConvSizes sizes(problem);
  for (const Variant& variant : menu("FusedConv")) {
    if (variant.name == "ref" || !variant.cannot(problem).empty()) continue;
    auto kernel = variant.make(problem);
    const int out = variant.name.back() >= '2' && variant.name.back() <= '6' ? variant.name.back() - '0' : 1;
    Buffer scratch(kernel->scratch_bytes());
    ways.push_back({variant.name,
                    std::move(kernel),
                    std::move(scratch),
                    out == 1 ? direct_cost(sizes, isa) : winograd_cost(sizes, out, isa),
                    {}});
  }
  const double macs = 9.0 * static_cast<double>(layer.n * layer.c * layer.oc * layer.h * layer.w);
  const int turns = static_cast<int>(std::clamp(8e9 / macs, 7.0, 400.0));
  const std::byte* src_at[] = {src.data(), nullptr, nullptr};
  std::byte* dst_at[] = {dst.mutable_data()};
  for (int turn = -1; turn < turns; ++turn)
    for (Way& way : ways) {
      const double before = processor_ms();
      way.kernel->run({src_at, dst_at, way.scratch.data()});
      if (turn >= 0) way.ms.push_back(processor_ms() - before);
    }
  for (Way& way : ways) std::sort(way.ms.begin(), way.ms.end());
  const Way& direct = ways.back();
  const auto quiet = [&](const Way& way) { return way.ms[static_cast<size_t>(turns) / 2]; };
  fmt::print("{}x{}x{}x{}x{}: {} {:.2f} ms ({:.1f} GFLOP/s)", layer.c, layer.oc, layer.h, layer.w, layer.n, direct.name,
             quiet(direct), 2e-6 * macs / quiet(direct));
  for (const Way& way : ways)
    if (&way != &direct)
      fmt::print("  {} {:.3f} ({:.3f})", way.name.substr(5), quiet(way) / quiet(direct), way.cost / direct.cost);
  fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::vector<Layer> layers;
  for (int i = 2; i < argc; ++i) {
    Layer l{};
    if (std::sscanf(argv[i], "%ldx%ldx%ldx%ldx%ld", &l.c, &l.oc, &l.h, &l.w, &l.n) < 4) return 2;
    l.n = std::max<int64_t>(l.n, 1);
    layers.push_back(l);
  }
  if (layers.empty())
    layers = {{64, 64, 224, 224}, {64, 128, 112, 112}, {128, 128, 112, 112}, {256, 256, 56, 56}, {512, 512, 28, 28},
              {512, 512, 14, 14}, {64, 64, 56, 56},    {128, 128, 28, 28},   {256, 256, 14, 14}, {512, 512, 7, 7},
              {16, 16, 32, 32},   {32, 32, 16, 16},    {64, 64, 8, 8},       {16, 64, 55, 55},   {32, 128, 27, 27},
              {48, 192, 13, 13},  {64, 256, 13, 13},   {3, 64, 224, 224},    {256, 256, 13, 13}, {384, 256, 13, 13}};
  for (const Layer& layer : layers) measure(layer, threads);
}
