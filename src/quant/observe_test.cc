#include "quant/observe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "graph/infer.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

std::vector<float> random_floats(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(rng.normal());
  return values;
}

/// Convolutions leave their results channels-last; each that is handed out is reordered after the last step.
TEST(WithOutputs, EveryOneHoldsWhatTheReferenceSays) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 16, 9, 7}});
  std::vector<std::string> names;
  for (uint64_t layer = 0; layer < 5; ++layer) {
    Value* weights = graph.add_constant("w", Tensor::of<float>({16, 16, 3, 3}, random_floats(16 * 16 * 9, layer)));
    Value* y = graph.add_value("y");
    Value* z = graph.add_value("z");
    graph.add_node("Conv", {x, weights}, {y},
                   {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    graph.add_node("Sigmoid", {y}, {z});
    names.push_back(z->name);
    x = z;
  }
  graph.add_output(x);
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  const Model model = with_outputs(Model(std::move(impl)), names);
  const Array input({1, 16, 9, 7}, random_floats(16 * 9 * 7, 9));
  SessionOptions reference;
  reference.reference = true;
  const std::vector<Array> wanted = Session(model, reference).run({input});
  for (bool optimize : {false, true}) {
    SCOPED_TRACE(optimize);
    SessionOptions options;
    options.optimize = optimize;
    const std::vector<Array> got = Session(model, options).run({input});
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_THAT(got[i].floats(), testing::Pointwise(testing::FloatNear(1e-4f), wanted[i].floats())) << i;
  }
}

}  // namespace
}  // namespace tercel::inline quant
