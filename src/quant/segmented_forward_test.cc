#include "quant/segmented_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/infer.h"
#include "quant/cifar_testing.h"
#include "quant/observe.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

void expect_same(const Array& got, const Array& wanted) {
  ASSERT_EQ(got.dims(), wanted.dims());
  EXPECT_THAT(got.to_floats(), testing::Pointwise(testing::FloatNear(1e-4f), wanted.to_floats()));
}

Model cifar_network_of_one_picture() { return cifar_network().with_shapes({{"input", {1, 3, 32, 32}}}); }

/// From convolution to convolution, as the compressor goes: every value on the way is the whole network's.
TEST(SegmentedForward, PiecesMakeWhatTheWholeNetworkMakes) {
  const Model model = cifar_network_of_one_picture();
  const Graph& graph = model.impl().graph;
  const std::vector<Array> inputs = cifar_noise(2, 1);
  SegmentedForward pass(inputs);
  int stops = 0;
  for (const auto& node : graph.nodes()) {
    if (!node->is("Conv")) continue;
    ++stops;
    const std::vector<std::string> values{node->output()->name, node->input(0)->name};
    const auto next = live_set_before(graph, node.get(), 1 << 20);
    ASSERT_TRUE(next.has_value());
    SegmentedForward::Runner runner(pass, model, values, &*next);
    SessionOptions alone;
    alone.threads = 1;
    Session whole(with_outputs(model, values), alone);
    for (size_t k = 0; k < inputs.size(); ++k) {
      const std::vector<Array> got = runner.run(k), wanted = whole.run({inputs[k]});
      ASSERT_EQ(got.size(), 2u);
      expect_same(got[0], wanted[1]);
      expect_same(got[1], wanted[2]);
    }
    pass.move(*next);
  }
  EXPECT_GT(stops, 15);
}

TEST(SegmentedForward, KeepsNoMoreThanItMay) {
  const Model model = cifar_network_of_one_picture();
  const Graph& graph = model.impl().graph;
  const Node* last = graph.nodes().back().get();
  EXPECT_TRUE(live_set_before(graph, last, 1 << 20).has_value());
  EXPECT_FALSE(live_set_before(graph, last, 8).has_value());
  const auto nothing = live_set_before(graph, graph.nodes().front().get(), 0);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_TRUE(nothing->empty());
}

// How much must be kept is not known then; an extent that is taken for 1 may be 224.
TEST(SegmentedForward, KeepsNothingOfOpenExtentsUntilTheyAreGiven) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 2, kUnknown, kUnknown}});
  Value* r = graph.add_value("r");
  graph.add_node("Relu", {x}, {r});
  Value* y = graph.add_value("y");
  graph.add_node("Sigmoid", {r}, {y});
  graph.add_output(y);
  infer_types(graph);
  const auto last = [](const Model& model) { return model.impl().graph.nodes().back().get(); };
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  const Model open(std::move(impl));
  EXPECT_FALSE(live_set_before(open.impl().graph, last(open), 1 << 20).has_value());
  const Model given = open.with_shapes({{"x", {1, 2, 16, 16}}});
  EXPECT_TRUE(live_set_before(given.impl().graph, last(given), 2 * 16 * 16 * 4).has_value());
  EXPECT_FALSE(live_set_before(given.impl().graph, last(given), 2 * 16 * 16 * 4 - 1).has_value());
}

TEST(SegmentedForward, NamesAValueThatIsNotThere) {
  const Model model = cifar_network();
  EXPECT_THROW(segment_of(model, {}, {"no such value"}), Error);
  EXPECT_THROW(segment_of(model, {"no such value"}, {model.impl().graph.outputs()[0]->name}), Error);
}

}  // namespace
}  // namespace tercel::inline quant
