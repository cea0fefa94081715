// Gradients of real networks against finite differences.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/rng.h"
#include "quant/gradient.h"
#include "quant/linear_site.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

Array random_array(const Array& like, uint64_t seed) {
  Rng rng(seed);
  Array array(DType::f32, like.dims());
  for (float& x : array.floats()) x = static_cast<float>(rng.normal());
  return array;
}

Array moved(const Array& from, const Array& direction, double by) {
  Array to = from;
  for (size_t i = 0; i < to.floats().size(); ++i)
    to.floats()[i] += static_cast<float>(by * static_cast<double>(direction.floats()[i]));
  return to;
}

/// The model with a value given from outside, as a second input.
Model fed_at(const Model& model, const std::string& name, const Dims& dims) {
  const Model::Impl& from = model.impl();
  auto impl = std::make_shared<Model::Impl>(Model::Impl{from.name, from.graph.clone(), {}, {}});
  Value* fed = impl->graph.add_input("fed", {DType::f32, true, dims});
  impl->graph.replace_uses(impl->graph.find_value(name), fed);
  return Model(std::move(impl));
}

class GradientOfNet : public testing::TestWithParam<const char*> {};

/// Along a direction that is half random and half the gradient's own, so that the slope stands out from rounding.
TEST_P(GradientOfNet, IsTheSlopeAlongADirection) {
  const char* data = std::getenv("TERCEL_DATA");
  if (data == nullptr) GTEST_SKIP() << GetParam() << ": TERCEL_DATA is not set";
  const auto folder = std::filesystem::path(data) / "models" / GetParam();
  const Model model = load(folder / "model.onnx");
  const Array input = Array::open(folder / "test_data_set_0" / "input_0.pb");
  const std::vector<LinearSite> sites = find_linear_sites(model.impl().graph);
  const std::vector<std::string> names{model.inputs().at(0).name, sites.at(1).input, sites.at(sites.size() / 2).input,
                                       sites.back().input};
  SessionOptions options;
  options.threads = 1;
  Gradient gradient(model, names, options);
  Array seed;
  std::vector<Array> values, gradients;
  gradient.run(
      input, 1, [&](int, const Array& output) { return seed = random_array(output, 1); },
      [&](int, const std::vector<Array>& seen, const std::vector<Array>& seen_gradients) {
        values = seen;
        gradients = seen_gradients;
      });
  for (size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    Session session(fed_at(model, names[i], values[i].dims()), options);
    const auto answer = [&](const Array& value) {
      return dot(session.run({input, value}).at(0).floats(), seed.floats());
    };
    Array direction = random_array(values[i], 2 + i);
    const double size = std::sqrt(dot(values[i].floats(), values[i].floats()));
    const double length = std::sqrt(dot(gradients[i].floats(), gradients[i].floats()));
    ASSERT_GT(length, 0);
    const double across = std::sqrt(dot(direction.floats(), direction.floats()));
    for (size_t j = 0; j < direction.floats().size(); ++j)
      direction.floats()[j] = static_cast<float>(size * (static_cast<double>(direction.floats()[j]) / across +
                                                         static_cast<double>(gradients[i].floats()[j]) / length));
    const double wanted = dot(gradients[i].floats(), direction.floats());
    // Small enough for the curvature of MobileNetV2, large enough for f32.
    constexpr double kStep = 1e-5;
    const double slope =
        (answer(moved(values[i], direction, kStep)) - answer(moved(values[i], direction, -kStep))) / (2 * kStep);
    EXPECT_NEAR(slope, wanted, 0.03 * std::fabs(wanted));
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, GradientOfNet,
                         testing::Values("vit_tiny_patch16_224", "vit_tiny_patch16_224_opset13", "mobilenet_v2",
                                         "squeezenet1_1", "resnet20_cifar10"),
                         [](const auto& net) { return std::string(net.param); });

}  // namespace
}  // namespace tercel::inline quant
