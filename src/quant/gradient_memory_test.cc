#include <gmock/gmock.h>

#include <cmath>

#include "graph/infer.h"
#include "quant/gradient.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

/// Nine units; patterns of classes 0, 1, 1.
constexpr const char* kBits[] = {"+-+-+-+-+", "--++--++-", "+++++++++"};
constexpr int kClasses[] = {0, 1, 1};

Model memory_model(std::string_view op, Attrs attrs) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 9}});
  Tensor patterns(DType::u8, {3, 2});
  std::memset(patterns.mutable_data(), 0, patterns.bytes());
  for (int k = 0; k < 3; ++k)
    for (int i = 0; i < 9; ++i)
      if (kBits[k][i] == '+') patterns.mutable_data()[2 * k + i / 8] |= static_cast<std::byte>(1 << (i % 8));
  std::vector<Value*> inputs{x, graph.add_constant("p", patterns),
                             graph.add_constant("c", Tensor::of<int64_t>({3}, {0, 1, 1}))};
  if (op == "ai.tercel.HopfieldMemory") inputs.push_back(graph.add_constant("n", Tensor::of<int64_t>({3}, {0, 0, 0})));
  attrs.set("class_count", int64_t{3});
  Value* y = graph.add_value("y");
  graph.add_node(op, inputs, {y}, attrs);
  graph.add_output(y);
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  return Model(std::move(impl));
}

/// Through the signs: of each class the nearest pattern, where |x| is within the row's root mean square.
TEST(GradientOfMemories, IsThatOfTheNearestPatternsInsideTheWindow) {
  const std::vector<float> x{0.5f, -1, 2, -0.25f, 0.75f, -3, 1, 1.5f, 0.1f}, dy{0.5f, -2, 7};
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  const double rms = std::sqrt(squares / 9);
  const auto overlap = [&](int k) {
    int sum = 0;
    for (size_t i = 0; i < 9; ++i) sum += (x[i] > 0 ? 1 : -1) * (kBits[k][i] == '+' ? 1 : -1);
    return sum;
  };
  std::vector<double> wanted(9);
  for (int c = 0; c < 2; ++c) {
    int nearest = -1;
    for (int k = 0; k < 3; ++k)
      if (kClasses[k] == c && (nearest < 0 || overlap(k) > overlap(nearest))) nearest = k;
    for (size_t i = 0; i < 9; ++i)
      if (std::fabs(x[i]) <= rms)
        wanted[i] += 0.25 * static_cast<double>(dy[static_cast<size_t>(c)]) * (kBits[nearest][i] == '+' ? 1 : -1) / rms;
  }
  for (const auto& [op, attrs] : {std::pair<std::string_view, Attrs>{"ai.tercel.SoftmaxMemory", {{"beta", 0.25f}}},
                                  {"ai.tercel.HopfieldMemory", {{"rule", std::string("hebb")}, {"scale", 0.25f}}}}) {
    Gradient gradient(memory_model(op, attrs), {"x"});
    std::vector<float> got;
    gradient.run(
        Array({1, 9}, x), 1,
        [&](int, const Array&) {
          return Array({1, 3}, dy);
        },
        [&](int, const std::vector<Array>&, const std::vector<Array>& gradients) {
          got = gradients.at(0).to_floats();
        });
    ASSERT_EQ(got.size(), 9u);
    for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5) << op << " " << i;
  }
}

}  // namespace
}  // namespace tercel::inline quant
