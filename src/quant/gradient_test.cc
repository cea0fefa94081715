#include "quant/gradient.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "graph/infer.h"
#include "session/model_impl.h"
#include "tercel/error.h"

namespace tercel::inline quant {
namespace {

using Ints = std::vector<int64_t>;

std::vector<float> random_floats(int64_t count, uint64_t seed, double low, double high) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(rng.uniform(low, high));
  return values;
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

Array random_array(const Ints& dims, uint64_t seed, double low = -1, double high = 1) {
  return Array(dims, random_floats(count_elements(dims), seed, low, high));
}

Model as_model(Graph graph) {
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  return Model(std::move(impl));
}

/// A small network around one operator, with x as its input.
class Net {
 public:
  explicit Net(Ints dims, double low = -1, double high = 1) : dims_(std::move(dims)), low_(low), high_(high) {
    x_ = graph_.add_input("x", {DType::f32, true, dims_});
  }

  Value* x() const { return x_; }
  Value* floats(const Ints& dims, double low = -1, double high = 1) {
    return graph_.add_constant("c", Tensor::of<float>(dims, random_floats(count_elements(dims), ++seed_, low, high)));
  }
  Value* ints(const Ints& values) {
    return graph_.add_constant("i", Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  Value* node(std::string_view op, std::vector<Value*> inputs, Attrs attrs = {}) {
    Value* y = graph_.add_value("y");
    graph_.add_node(op, std::move(inputs), {y}, std::move(attrs));
    return y;
  }
  std::vector<Value*> nodes(std::string_view op, std::vector<Value*> inputs, size_t results, Attrs attrs = {}) {
    std::vector<Value*> ys;
    for (size_t i = 0; i < results; ++i) ys.push_back(graph_.add_value("y"));
    graph_.add_node(op, std::move(inputs), ys, std::move(attrs));
    return ys;
  }

  /// The gradient at x against central differences of every element of x.
  void check(Value* y, double tolerance = 2e-3) {
    graph_.add_output(y);
    SessionOptions options;
    options.threads = 2;
    const Model model = as_model(std::move(graph_));
    Gradient gradient(model, {"x"}, options);
    Session session(model, options);
    const Array input = random_array(dims_, 77, low_, high_);
    Array weights;
    std::vector<float> got;
    gradient.run(
        input, 1, [&](int, const Array& output) { return weights = random_array(output.dims(), 78); },
        [&](int, const std::vector<Array>& values, const std::vector<Array>& gradients) {
          EXPECT_THAT(values.at(0).to_floats(), testing::ElementsAreArray(input.floats()));
          got = gradients.at(0).to_floats();
        });
    ASSERT_EQ(got.size(), input.floats().size());
    constexpr float kStep = 1.0f / 256;
    for (size_t i = 0; i < got.size(); ++i) {
      const auto moved = [&](float by) {
        Array there = input;
        there.floats()[i] += by;
        return dot(session.run({there}).at(0).floats(), weights.floats());
      };
      const double slope = (moved(kStep) - moved(-kStep)) / static_cast<double>(2 * kStep);
      EXPECT_NEAR(static_cast<double>(got[i]), slope, tolerance * (1 + std::fabs(slope))) << "element " << i;
    }
  }

 private:
  Ints dims_;
  double low_, high_;
  Graph graph_;
  Value* x_ = nullptr;
  uint64_t seed_ = 0;
};

Attrs conv_attrs(Ints kernel, Ints pads, Ints strides, Ints dilations, int64_t group) {
  return {{"kernel_shape", kernel}, {"pads", pads}, {"strides", strides}, {"dilations", dilations}, {"group", group}};
}

TEST(GradientOfConv, AnyStridePadDilationAndGroup) {
  struct Case {
    Ints x, w;
    Attrs attrs;
  };
  const Case cases[] = {
      {{1, 3, 7, 9}, {10, 3, 3, 2}, conv_attrs({3, 2}, {1, 0, 2, 1}, {2, 1}, {1, 2}, 1)},
      {{2, 4, 6, 5}, {18, 2, 3, 3}, conv_attrs({3, 3}, {1, 1, 1, 1}, {1, 2}, {1, 1}, 2)},
      {{1, 5, 6, 7}, {5, 1, 3, 3}, conv_attrs({3, 3}, {1, 1, 1, 1}, {2, 2}, {1, 1}, 5)},
      {{1, 4, 5, 5}, {8, 1, 3, 3}, conv_attrs({3, 3}, {2, 0, 1, 1}, {1, 1}, {2, 1}, 4)},
      {{2, 3, 5, 4}, {9, 3, 1, 1}, conv_attrs({1, 1}, {0, 0, 0, 0}, {1, 1}, {1, 1}, 1)},
      {{1, 3, 5, 4}, {9, 3, 1, 1}, conv_attrs({1, 1}, {0, 0, 0, 0}, {2, 2}, {1, 1}, 1)},
      {{1, 2, 11}, {9, 2, 4}, conv_attrs({4}, {1, 2}, {3}, {1}, 1)},
      {{1, 2, 3, 4, 3}, {8, 2, 2, 3, 2}, conv_attrs({2, 3, 2}, {1, 1, 0, 0, 1, 1}, {1, 2, 1}, {1, 1, 1}, 1)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.x) + " by " + to_string(c.w));
    Net net(c.x);
    net.check(net.node("Conv", {net.x(), net.floats(c.w), net.floats({c.w[0]})}, c.attrs));
  }
}

TEST(GradientOfMatMul, OneOperandOrBoth) {
  {
    Net net({2, 3, 5});
    net.check(net.node("MatMul", {net.x(), net.floats({5, 7})}));
  }
  {
    Net net({3, 9, 5});
    net.check(net.node("MatMul", {net.floats({2, 1, 6, 9}), net.x()}));
  }
  {
    Net net({2, 1, 6, 5});
    net.check(net.node("MatMul", {net.x(), net.floats({3, 5, 4})}));
  }
  {
    Net net({2, 6, 5});
    net.check(net.node("MatMul", {net.x(), net.node("Transpose", {net.x()}, {{"perm", Ints{0, 2, 1}}})}));
  }
  {
    Net net({5});
    net.check(net.node("MatMul", {net.floats({2, 3, 5}), net.x()}));
  }
  {
    Net net({5});
    net.check(net.node("MatMul", {net.x(), net.floats({5, 3})}));
  }
}

TEST(GradientOfGemm, AnyTransposition) {
  for (int64_t trans_a : {0, 1})
    for (int64_t trans_b : {0, 1})
      for (int64_t m : {1, 7}) {
        const Attrs attrs{{"transA", trans_a}, {"transB", trans_b}, {"alpha", 0.7f}, {"beta", 1.3f}};
        SCOPED_TRACE(fmt::format("transA {}, transB {}, m {}", trans_a, trans_b, m));
        const auto turned = [](Ints dims, int64_t turn) { return turn ? Ints{dims[1], dims[0]} : dims; };
        Net a(turned({m, 5}, trans_a));
        a.check(a.node("Gemm", {a.x(), a.floats(turned({5, 6}, trans_b)), a.floats({6})}, attrs));
        Net b(turned({5, 6}, trans_b));
        b.check(b.node("Gemm", {b.floats(turned({m, 5}, trans_a)), b.x(), b.floats({6})}, attrs));
        Net c({1, 6});
        c.check(c.node("Gemm", {c.floats(turned({m, 5}, trans_a)), c.floats(turned({5, 6}, trans_b)), c.x()}, attrs));
      }
}

TEST(GradientOfArithmetic, BroadcastEitherWay) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"})
    for (const auto& [mine, other] : std::vector<std::pair<Ints, Ints>>{
             {{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4}, {}}, {{3, 1}, {2, 1, 4}}, {{2, 3, 4}, {3, 1}}, {{1}, {3, 5}}}) {
      SCOPED_TRACE(fmt::format("{} of {} and {}", op, to_string(mine), to_string(other)));
      Net left(mine, 0.5, 2);
      left.check(left.node(op, {left.x(), left.floats(other, 0.5, 2)}));
      Net right(mine, 0.5, 2);
      right.check(right.node(op, {right.floats(other, 0.5, 2), right.x()}));
    }
}

TEST(GradientOfArithmetic, OneValueAsBothOperands) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    SCOPED_TRACE(op);
    Net net({3, 5}, 0.5, 2);
    net.check(net.node(op, {net.x(), net.x()}));
  }
}

TEST(GradientOfFunctions, FollowTheirSlopes) {
  struct Case {
    const char* op;
    double low, high;
    Attrs attrs;
  };
  const Case cases[] = {
      {"Relu", -1, 1, {}},
      {"LeakyRelu", -1, 1, {{"alpha", 0.1f}}},
      {"Elu", -1, 1, {{"alpha", 0.7f}}},
      {"Sigmoid", -3, 3, {}},
      {"HardSigmoid", -4, 4, {{"alpha", 0.3f}, {"beta", 0.4f}}},
      {"HardSwish", -5, 5, {}},
      {"Tanh", -2, 2, {}},
      {"Erf", -2, 2, {}},
      {"Sqrt", 0.5, 2, {}},
      {"Exp", -1, 1, {}},
      {"Log", 0.5, 2, {}},
      {"Abs", -1, 1, {}},
      {"Neg", -1, 1, {}},
      {"Reciprocal", 0.5, 2, {}},
      {"Softplus", -2, 2, {}},
      {"Gelu", -3, 3, {}},
      {"Gelu", -3, 3, {{"approximate", std::string("tanh")}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.op);
    Net net({3, 7}, c.low, c.high);
    net.check(net.node(c.op, {net.x()}, c.attrs));
  }
  for (float exponent : {2.0f, 3.0f, 0.5f}) {
    SCOPED_TRACE(exponent);
    Net net({3, 7}, 0.5, 2);
    net.check(net.node("Pow", {net.x(), net.floats({}, exponent, exponent)}));
  }
  Net net({3, 7}, -2, 2);
  net.check(net.node("Clip", {net.x(), net.floats({}, -1, -1), net.floats({}, 0.5, 0.5)}));
}

TEST(GradientOfNormalizations, FollowTheirStatistics) {
  for (int64_t axis : {-1, 1}) {
    Net net({2, 3, 5});
    const Ints normalized = axis == 1 ? Ints{3, 5} : Ints{5};
    net.check(net.node("LayerNormalization", {net.x(), net.floats(normalized), net.floats(normalized)},
                       {{"axis", axis}, {"epsilon", 1e-3f}}));
  }
  for (int64_t axis : {-1, 1, 0})
    for (const char* op : {"Softmax", "LogSoftmax"}) {
      Net net({2, 3, 5}, -2, 2);
      net.check(net.node(op, {net.x()}, {{"axis", axis}}));
    }
  {
    Net net({2, 3, 4, 2});
    net.check(net.node("BatchNormalization",
                       {net.x(), net.floats({3}), net.floats({3}), net.floats({3}), net.floats({3}, 0.5, 2)}));
  }
  {
    Net net({2, 3, 4, 2});
    net.check(net.node("InstanceNormalization", {net.x(), net.floats({3}), net.floats({3})}));
  }
  {
    Net net({2, 4, 3, 2});
    net.check(
        net.node("GroupNormalization", {net.x(), net.floats({4}), net.floats({4})}, {{"num_groups", int64_t{2}}}));
  }
}

TEST(GradientOfPools, GoesBackToWhatWasRead) {
  const Attrs windows{{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 1}}};
  Attrs ceil = windows, padded = windows;
  ceil.set("ceil_mode", int64_t{1});
  padded.set("ceil_mode", int64_t{1});
  padded.set("count_include_pad", int64_t{1});
  for (const auto& [op, attrs] : std::vector<std::pair<const char*, Attrs>>{{"MaxPool", windows},
                                                                            {"MaxPool", ceil},
                                                                            {"AveragePool", windows},
                                                                            {"AveragePool", ceil},
                                                                            {"AveragePool", padded},
                                                                            {"GlobalAveragePool", {}},
                                                                            {"GlobalMaxPool", {}}}) {
    SCOPED_TRACE(op);
    Net net({2, 3, 6, 5}, -30, 30);  // far apart, so that a step does not change which is largest
    net.check(net.node(op, {net.x()}, attrs));
  }
  for (const char* op : {"ReduceMean", "ReduceSum"})
    for (int64_t keep : {0, 1}) {
      Net some({2, 3, 4});
      some.check(some.node(op, {some.x(), some.ints({-1, 0})}, {{"keepdims", keep}}));
      Net all({2, 3, 4});
      all.check(all.node(op, {all.x()}, {{"keepdims", keep}}));
    }
}

TEST(GradientOfMoves, GoesBackWhereElementsCameFrom) {
  const auto check = [](Ints dims, const std::function<Value*(Net&)>& build) {
    Net net(std::move(dims));
    net.check(build(net));
  };
  check({2, 3, 4}, [](Net& n) { return n.node("Reshape", {n.x(), n.ints({4, -1})}); });
  check({2, 3, 4}, [](Net& n) { return n.node("Flatten", {n.x()}, {{"axis", int64_t{2}}}); });
  check({2, 1, 4}, [](Net& n) { return n.node("Squeeze", {n.x(), n.ints({1})}); });
  check({2, 4}, [](Net& n) { return n.node("Unsqueeze", {n.x(), n.ints({1})}); });
  check({2, 4}, [](Net& n) { return n.node("Mul", {n.node("Identity", {n.x()}), n.x()}); });
  check({2, 3, 4}, [](Net& n) { return n.node("Transpose", {n.x()}); });
  check({2, 3, 4}, [](Net& n) { return n.node("Transpose", {n.x()}, {{"perm", Ints{1, 2, 0}}}); });
  check({3, 1}, [](Net& n) { return n.node("Expand", {n.x(), n.ints({2, 1, 4})}); });
  check({5, 7}, [](Net& n) {
    return n.node("Slice", {n.x(), n.ints({5, 1}), n.ints({0, 4}), n.ints({1, 0}), n.ints({-2, 1})});
  });
  check({5, 7}, [](Net& n) { return n.node("Slice", {n.x(), n.ints({1}), n.ints({100})}); });
  check({2, 3}, [](Net& n) {
    return n.node("Concat", {n.x(), n.floats({2, 2}), n.node("Neg", {n.x()})}, {{"axis", int64_t{-1}}});
  });
  check({2, 7, 3}, [](Net& n) {
    const std::vector<Value*> parts = n.nodes("Split", {n.x(), n.ints({2, 2, 3})}, 3, {{"axis", int64_t{1}}});
    return n.node("Mul", {parts[0], parts[1]});  // nobody reads the third
  });
  check({4, 3, 2}, [](Net& n) { return n.node("Gather", {n.x(), n.ints({2, -1, 2, 0})}, {{"axis", int64_t{1}}}); });
  check({3, 4}, [](Net& n) { return n.node("Pad", {n.x(), n.ints({1, -1, 0, 2})}); });
  check({3, 4}, [](Net& n) { return n.node("Pad", {n.x(), n.ints({2, -3}), nullptr, n.ints({1})}); });
}

TEST(Gradient, AtInnerValuesAndForSeveralSeeds) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {kUnknown, 3}});
  Value* two = graph.add_constant("two", Tensor::scalar(2.0f));
  Value* a = graph.add_value("a");
  Value* b = graph.add_value("b");
  Value* aside = graph.add_value("aside");
  graph.add_node("Mul", {x, two}, {a});
  graph.add_node("Mul", {a, a}, {b});
  graph.add_node("Neg", {a}, {aside});
  graph.add_output(b);
  graph.add_output(aside);
  Gradient gradient(as_model(std::move(graph)), {"b", "x", "a", "aside"});
  const Array input({1, 3}, std::vector<float>{1, -2, 3});
  int seen = 0;
  gradient.run(
      input, 2,
      [](int sample, const Array& output) {
        EXPECT_THAT(output.floats(), testing::ElementsAre(4, 16, 36));
        return Array({1, 3}, std::vector<float>{1, 1, static_cast<float>(sample)});
      },
      [&](int sample, const std::vector<Array>& values, const std::vector<Array>& gradients) {
        const auto last = static_cast<float>(sample);
        EXPECT_EQ(sample, seen++);
        EXPECT_THAT(values.at(2).floats(), testing::ElementsAre(2, -4, 6));
        EXPECT_THAT(gradients.at(0).floats(), testing::ElementsAre(1, 1, last));
        EXPECT_THAT(gradients.at(1).floats(), testing::ElementsAre(8, -16, 24 * last));
        EXPECT_THAT(gradients.at(2).floats(), testing::ElementsAre(4, -8, 12 * last));
        EXPECT_THAT(gradients.at(3).floats(), testing::ElementsAre(0, 0, 0));
      });
  EXPECT_EQ(seen, 2);
}

TEST(Gradient, NamesTheNodeWithoutARule) {
  const auto build = [](std::string_view op, std::vector<Value*> more, Graph graph) {
    std::vector<Value*> operands{graph.find_value("x")};
    operands.insert(operands.end(), more.begin(), more.end());
    Value* y = graph.add_value("y");
    graph.add_node(op, operands, {y}, {}, "n");
    graph.add_output(y);
    return as_model(std::move(graph));
  };
  const auto start = [] {
    Graph graph;
    graph.add_input("x", {DType::f32, true, {2, 3}});
    return graph;
  };
  const auto message = [](const Model& model, const std::string& value) {
    try {
      Gradient gradient(model, {value});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(build("Sinh", {}, start()), "x"), testing::HasSubstr("node 'n' (Sinh): no rule"));
  EXPECT_EQ(message(build("Sinh", {}, start()), "y"), "");  // the node is not on the way
  EXPECT_THAT(message(build("Relu", {}, start()), "z"), testing::HasSubstr("no value 'z'"));
  Graph graph = start();
  Value* exponent = graph.find_value("x");
  EXPECT_THAT(message(build("Pow", {exponent}, std::move(graph)), "x"), testing::HasSubstr("operand 1"));
}

/// x -> quantized and back -> y: the gradient is that of a clip, though rounding has none.
TEST(Gradient, PassesStraightThroughQuantizedActivations) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 4}});
  Value* scale = graph.add_constant("scale", Tensor::scalar(0.5f));
  Value* zero = graph.add_constant("zero", Tensor::scalar<uint8_t>(10));
  Value *q = graph.add_value("q"), *d = graph.add_value("d");
  graph.add_node("QuantizeLinear", {x, scale, zero}, {q});
  graph.add_node("DequantizeLinear", {q, scale, zero}, {d});
  graph.add_output(d);
  const Model model = as_model(std::move(graph));
  Gradient gradient(model, {"x"});
  const Array input({1, 4}, std::vector<float>{-6, -4.9f, 0.3f, 200});  // -5 to 122.5 fit
  gradient.run(
      input, 1,
      [](int, const Array& output) {
        return Array(output.dims(), std::vector<float>{1, 2, 3, 4});
      },
      [](int, const std::vector<Array>&, const std::vector<Array>& gradients) {
        EXPECT_THAT(gradients.at(0).to_floats(), testing::ElementsAre(0, 2, 3, 0));
      });
}

TEST(Gradient, IntegersThatStandForActivationsAreNoZeroGradient) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, true, {1, 4}});
  Value *q = graph.add_value("q"), *s = graph.add_value("s"), *z = graph.add_value("z"), *d = graph.add_value("d");
  graph.add_node("DynamicQuantizeLinear", {x}, {q, s, z});
  graph.add_node("DequantizeLinear", {q, s, z}, {d});
  graph.add_output(d);
  const Model model = as_model(std::move(graph));
  try {
    Gradient gradient(model, {"x"});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
  }
}

}  // namespace
}  // namespace tercel::inline quant
