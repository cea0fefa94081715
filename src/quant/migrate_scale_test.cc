#include "quant/migrate_scale.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quant/observe.h"
#include "session/model_impl.h"
#include "session/passes_testing.h"
#include "tercel/tercel.h"

namespace tercel::inline quant {
namespace {

// Two products read the norm; the second norm's result is read by a sum too.
constexpr const char* kNorms = R"(input %x : f32[1x6x8]
input %w_g : f32[8]
input %w_b : f32[8]
input %w_1 : f32[8x5]
input %w_2 : f32[8x8]
%n : f32[1x6x8] = LayerNormalization(%x, %w_g, %w_b)
%a : f32[1x6x5] = MatMul(%n, %w_1)
%b : f32[1x6x8] = MatMul(%n, %w_2)
%m : f32[1x6x8] = LayerNormalization(%b, %w_g)
%c : f32[1x6x5] = MatMul(%m, %w_1)
%s : f32[1x6x8] = Add(%m, %x)
output %a
output %c
output %s
)";

Model network() {
  Graph graph = graph_of(kNorms);
  // Channel 3 is far larger than the others, channel 5 is dead in the weights.
  graph.find_value("w_g")->constant = Tensor::of<float>({8}, std::vector<float>{1, 1, 1, 300, 1, 1, 0.01f, 1});
  const auto dead = [](Value* weights) {
    Tensor w = weights->constant.aligned();
    std::vector<float> values(reinterpret_cast<const float*>(w.data()),
                              reinterpret_cast<const float*>(w.data()) + w.elements());
    const auto columns = static_cast<size_t>(w.dims()[1]);
    for (size_t j = 0; j < columns; ++j) values[5 * columns + j] = 0;
    weights->constant = Tensor::of<float>(w.dims(), values);
  };
  dead(graph.find_value("w_1"));
  dead(graph.find_value("w_2"));
  return Model(std::make_shared<Model::Impl>(Model::Impl{"test", std::move(graph), {}, {}}));
}

Array picture(float seed) {
  std::vector<float> values;
  for (int i = 0; i < 48; ++i) values.push_back(std::sin(seed + 1.7f * static_cast<float>(i * i)));
  return Array({1, 6, 8}, values);
}

/// Largest by least channel, of those that a weight reads: the dead one may become as small as it likes.
double spread(const Array& value) {
  std::vector<double> most(8, 0.0);
  const std::vector<float> x = value.to_floats();
  for (size_t i = 0; i < x.size(); ++i) most[i % 8] = std::max(most[i % 8], std::abs(static_cast<double>(x[i])));
  most.erase(most.begin() + 5);
  const auto [least, largest] = std::minmax_element(most.begin(), most.end());
  return *largest / *least;
}

TEST(EvenChannels, TheNetworkIsTheSameAndItsChannelsAreCloser) {
  const Model model = network();
  const std::vector<Array> inputs{picture(1), picture(2), picture(3)};
  const Model even = with_even_channels(model, inputs);
  Session before(model), after(even);
  for (const Array& input : {picture(1), picture(9)}) {
    const std::vector<Array> wanted = before.run({input}), got = after.run({input});
    for (size_t i = 0; i < wanted.size(); ++i) {
      const std::vector<float> x = wanted[i].to_floats(), y = got[i].to_floats();
      for (size_t k = 0; k < x.size(); ++k) EXPECT_NEAR(x[k], y[k], 1e-5 * (1 + std::abs(x[k])));
    }
  }
  const auto norm_of = [&](const Model& m) {
    Array n;
    observe(m, {"n"}, {inputs[0]}, [&](size_t, const std::vector<Array>& values) { n = values[0]; });
    return n;
  };
  // The square root, but for powers of two and what the weights differ by.
  EXPECT_LT(spread(norm_of(even)), 0.2 * spread(norm_of(model)));
  // What a sum reads too stays as it was.
  const Node& other = *even.impl().graph.find_value("m")->producer;
  EXPECT_EQ(other.input(1)->name, "w_g");
}

TEST(EvenChannels, FactorsArePowersOfTwo) {
  const Model model = network();
  const Model even = with_even_channels(model, {picture(1)});
  const std::vector<double> before = model.impl().graph.find_value("n")->producer->input(1)->constant.to_doubles(),
                            after = even.impl().graph.find_value("n")->producer->input(1)->constant.to_doubles();
  int changed = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double power = std::log2(before[i] / after[i]);
    EXPECT_EQ(power, std::nearbyint(power));
    changed += power != 0;
  }
  EXPECT_GT(changed, 0);
}

}  // namespace
}  // namespace tercel::inline quant
