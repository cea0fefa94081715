#include "graph/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "graph/infer.h"
#include "graph/verify.h"

namespace tercel::inline graph {
namespace {

using testing::HasSubstr;

Graph small_graph() {
  Graph graph;
  graph.name = "a \"quoted\" name\n";
  graph.metadata["tercel.labels"] = "cat\ndog";
  Value* x = graph.add_input("x 1", {DType::f32, true, {kUnknown, 3, 4, 4}});
  x->dim_names = {"N", "", "", ""};
  const float odd[] = {0.1f, -0.0f, std::numeric_limits<float>::infinity(), 1e-42f};
  Value* w = graph.add_constant("w", Tensor::of<float>({1, 1, 2, 2}, {odd, odd + 4}));
  Value* h = graph.add_constant("h", Tensor::of<Half>({2}, {Half(0.5f), Half(-2.0f)}));
  Value* y = graph.add_value("y");
  Value* z = graph.add_value("z");
  Value* c = graph.add_value("_");
  graph.add_node("Conv", {x, w}, {y}, {{"group", int64_t{3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}}, "conv/1");
  graph.add_node("Clip", {y, nullptr, graph.add_constant("six", Tensor::scalar(6.0f))}, {z});
  graph.add_node("Cast", {h}, {c}, {{"to", std::string("f32")}});
  graph.add_output(z);
  graph.add_output(c);
  return graph;
}

TEST(Text, PrintsAndParsesBack) {
  // Three groups of one channel each need three kernels; the rule is not asked here, only the text.
  const Graph graph = small_graph();
  const std::string text = print(graph);
  const Graph back = parse_graph(text);
  EXPECT_EQ(print(back), text);
  EXPECT_EQ(back.name, graph.name);
  EXPECT_EQ(back.metadata, graph.metadata);
  EXPECT_EQ(back.find_value("w")->constant, graph.find_value("w")->constant);
  EXPECT_EQ(back.find_value("x 1")->dim_names[0], "N");
}

TEST(Text, LargeConstantsCanBeDigests) {
  const std::string text = print(small_graph(), {1});
  EXPECT_THAT(text, HasSubstr("const %w : f32[1x1x2x2] = #"));
  EXPECT_THROW(parse_graph(text), Error);
}

TEST(Text, TruncatedAtEveryByteNeverCrashes) {
  const std::string text = print(small_graph());
  for (size_t length = 0; length < text.size(); ++length) {
    try {
      parse_graph(text.substr(0, length));
    } catch (const Error&) {
    }
  }
}

TEST(Text, SaysTheLine) {
  const auto refusal = [](const std::string& text) -> std::string {
    try {
      parse_graph(text);
      return "was read";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(refusal("input %x : f32[2]\n%y : f32[2] = Frob(%x)\n"),
              HasSubstr("line 2: Tercel has no operator 'Frob'"));
  EXPECT_THAT(refusal("input %x : q7[2]\n"), HasSubstr("line 1: unknown element type 'q7'"));
  EXPECT_THAT(refusal("const %w : f32[1000000x1000000] = [1]\n"), HasSubstr("too short"));
  EXPECT_THAT(refusal("input %x : f32[2]\ninput %x : f32[2]\n"), HasSubstr("line 2: duplicate %x"));
  EXPECT_THAT(refusal("input %x : f32[2]\n%y : f32[2] = Relu(%x)\n%y : f32[2] = Neg(%x)\n"),
              HasSubstr("line 3: duplicate %y"));
  EXPECT_THAT(refusal("%y : f32[2] = Relu(%x)\noutput %y\n"), HasSubstr("%x is used but has no producer"));
  EXPECT_THAT(refusal("%y : f32[2] = Relu(%y)\noutput %y\n"), HasSubstr("cycle"));
  EXPECT_THAT(refusal("graph \"open\n"), HasSubstr("line 1"));
}

TEST(Graph, CloneSharesNothingButElements) {
  Graph graph = parse_graph("input %x : f32[2]\n%y : f32[2] = Relu(%x)\n%z : f32[2] = Neg(%y)\noutput %z\n");
  Graph copy = graph.clone();
  copy.erase_node(copy.find_value("z")->producer == nullptr ? nullptr : [&] {
    copy.set_output(0, copy.find_value("y"));
    return copy.find_value("z")->producer;
  }());
  copy.drop_unused();
  verify(copy, "test");
  verify(graph, "test");
  EXPECT_EQ(copy.nodes().size(), 1u);
  EXPECT_EQ(graph.nodes().size(), 2u);
}

TEST(Verify, NoticesWhatAPassBroke) {
  Graph graph = parse_graph("input %x : f32[2]\n%y : f32[2] = Relu(%x)\noutput %y\n");
  infer_types(graph);
  graph.find_value("y")->type.dims = {3};
  EXPECT_THROW(verify(graph, "test"), Bug);
}

}  // namespace
}  // namespace tercel::inline graph
