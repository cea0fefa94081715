#include "fpga/known_networks.h"

#include <fmt/format.h>

#include "base/error.h"

namespace tercel::inline fpga {
namespace {

/// A square convolution on a square map.
LayerShape conv(std::string name, int64_t ic, int64_t oc, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                int64_t groups = 1) {
  return {.name = std::move(name),
          .groups = groups,
          .ic = ic,
          .oc = oc,
          .ih = in,
          .iw = in,
          .oh = out,
          .ow = out,
          .kh = kernel,
          .kw = kernel,
          .sh = stride,
          .sw = stride};
}

LayerShape pooled(LayerShape layer, int64_t out, int64_t window) {
  layer.pooled = true;
  layer.pool_oh = layer.pool_ow = out;
  layer.pool_kh = layer.pool_kw = window;
  return layer;
}

std::vector<LayerShape> alexnet() {
  return {pooled(conv("conv1", 3, 96, 227, 55, 11, 4), 27, 3),
          pooled(conv("conv2", 96, 256, 27, 27, 5, 1, 2), 13, 3),
          conv("conv3", 256, 384, 13, 13, 3, 1),
          conv("conv4", 384, 384, 13, 13, 3, 1, 2),
          pooled(conv("conv5", 384, 256, 13, 13, 3, 1, 2), 6, 3),
          conv("fc6", 256, 4096, 6, 1, 6, 1),
          conv("fc7", 4096, 4096, 1, 1, 1, 1),
          conv("fc8", 4096, 1000, 1, 1, 1, 1)};
}

std::vector<LayerShape> vgg16() {
  std::vector<LayerShape> layers;
  int64_t ic = 3, size = 224;
  const int64_t widths[] = {64, 128, 256, 512, 512}, depths[] = {2, 2, 3, 3, 3};
  for (int block = 0; block < 5; ++block) {
    for (int64_t i = 0; i < depths[block]; ++i) {
      LayerShape layer = conv(fmt::format("conv{}_{}", block + 1, i + 1), ic, widths[block], size, size, 3, 1);
      layers.push_back(i + 1 == depths[block] ? pooled(std::move(layer), size / 2, 2) : layer);
      ic = widths[block];
    }
    size /= 2;
  }
  layers.push_back(conv("fc6", 512, 4096, 7, 1, 7, 1));
  layers.push_back(conv("fc7", 4096, 4096, 1, 1, 1, 1));
  layers.push_back(conv("fc8", 4096, 1000, 1, 1, 1, 1));
  return layers;
}

std::vector<LayerShape> resnet50() {
  std::vector<LayerShape> layers{pooled(conv("conv1", 3, 64, 224, 112, 7, 2), 56, 3)};
  int64_t ic = 64, size = 56;
  const int64_t widths[] = {64, 128, 256, 512}, depths[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = widths[stage];
    for (int64_t i = 0; i < depths[stage]; ++i) {
      const int64_t stride = i == 0 && stage > 0 ? 2 : 1, out = size / stride;
      const std::string block = fmt::format("res{}.{}", stage + 2, i);
      layers.push_back(conv(block + ".a", ic, width, size, size, 1, 1));
      layers.push_back(conv(block + ".b", width, width, size, out, 3, stride));
      if (i == 0) layers.push_back(conv(block + ".projection", ic, 4 * width, size, out, 1, stride));
      layers.push_back(conv(block + ".c", width, 4 * width, out, out, 1, 1));
      layers.back().add = true;
      ic = 4 * width;
      size = out;
    }
  }
  layers.push_back({.name = "pool",
                    .kind = LayerKind::average,
                    .groups = 2048,
                    .ic = 2048,
                    .oc = 2048,
                    .ih = 7,
                    .iw = 7,
                    .kh = 7,
                    .kw = 7});
  layers.push_back(conv("fc", 2048, 1000, 1, 1, 1, 1));
  return layers;
}

}  // namespace

std::vector<LayerShape> known_network(std::string_view name, int64_t batch) {
  std::vector<LayerShape> layers;
  if (name == "alexnet") layers = alexnet();
  else if (name == "vgg16") layers = vgg16();
  else if (name == "resnet50") layers = resnet50();
  else fail_input("no built-in network '{}'; there are alexnet, vgg16, resnet50", name);
  for (LayerShape& layer : layers) layer.batch = batch;
  return layers;
}

}  // namespace tercel::inline fpga
