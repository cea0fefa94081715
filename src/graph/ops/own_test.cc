#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"
#include "graph/standard_form.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace tercel::inline graph {
namespace {

TEST(OwnRules, RowScale) {
  EXPECT_EQ(rule("ai.tercel.RowScale", {f32({2, 5, 3})}), "f32[2x5x1]");
  EXPECT_EQ(rule("ai.tercel.RowScale", {typed(DType::bf16, {kUnknown, 3})}, {{"centred", int64_t{1}}}), "bf16[?x1]");
  EXPECT_EQ(rule("ai.tercel.RowScale", {unranked()}), "f32[...]");
  EXPECT_THROW(rule("ai.tercel.RowScale", {f32({})}), Error);
  EXPECT_THROW(rule("ai.tercel.RowScale", {typed(DType::f64, {2, 3})}), Error);
  EXPECT_THROW(rule("ai.tercel.RowScale", {f32({2, 3})}, {{"centred", int64_t{2}}}), Error);
  EXPECT_THROW(rule("ai.tercel.RowScale", {f32({2, 3})}, {{"epsilon", int64_t{1}}}), Error);
  EXPECT_THROW(rule("ai.tercel.RowScale", {f32({2, 3})}, {{"axis", int64_t{1}}}), Error);
}

TEST(OwnRules, Memories) {
  const auto u8 = [](Dims dims) { return typed(DType::u8, std::move(dims)); };
  const Attrs softmax{{"beta", 0.5f}, {"class_count", int64_t{10}}};
  const Attrs hopfield{{"rule", std::string("hebb")}, {"class_count", int64_t{10}}};
  EXPECT_EQ(rule("ai.tercel.SoftmaxMemory", {f32({2, 19}), u8({7, 3}), i64({7})}, softmax), "f32[2x10]");
  EXPECT_EQ(rule("ai.tercel.SoftmaxMemory", {f32({kUnknown, 19}), u8({7, 3}), i64({7})}, softmax), "f32[?x10]");
  EXPECT_EQ(rule("ai.tercel.HopfieldMemory", {unranked(), u8({7, 3}), i64({7}), i64({7})}, hopfield), "f32[?x10]");
  const auto fails = [&](const std::vector<RuleOperand>& types, Attrs attrs) {
    EXPECT_THROW(rule("ai.tercel.SoftmaxMemory", types, attrs), Error);
  };
  fails({f32({2, 19}), u8({7, 2}), i64({7})}, softmax);
  fails({f32({2, 19}), u8({7, 3}), i64({6})}, softmax);
  fails({f32({2, 19}), u8({0, 3}), i64({0})}, softmax);
  fails({f32({2, 19, 1}), u8({7, 3}), i64({7})}, softmax);
  fails({f32({2, 19}), u8({7, 3}), i64({7})}, {{"beta", 0.0f}, {"class_count", int64_t{10}}});
  fails({f32({2, 19}), u8({7, 3}), i64({7})}, {{"beta", 0.5f}, {"class_count", int64_t{0}}});
  EXPECT_THROW(rule("ai.tercel.HopfieldMemory", {f32({2, 19}), u8({7, 3}), i64({7}), i64({6})}, hopfield), Error);
}

TEST(OwnOperators, AreFoundByTheNameThatFilesUse) {
  const OpSpec* spec = find_own_op("RowScale");
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec, find_op("ai.tercel.RowScale"));
  EXPECT_EQ(type_in_files(*spec), "RowScale");
  EXPECT_EQ(find_op("RowScale"), nullptr);
  EXPECT_EQ(find_own_op("Relu"), nullptr);
  EXPECT_EQ(find_own_op("FusedAdd"), nullptr);
}

TEST(OwnOperators, HaveATextForm) {
  const std::string text =
      "graph \"\"\ninput %x : f32[2x3]\n%y : f32[2x1] = ai.tercel.RowScale(%x) {centred = 1}\noutput %y\n";
  const Graph graph = parse_graph(text);
  verify(graph, "parsing");
  EXPECT_EQ(print(graph), text);
}

/// Every form gives the results that the rule of its operator says.
TEST(StandardForm, OfRowScaleHasItsTypes) {
  for (DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    Graph graph;
    Value* x = graph.add_input("x", typed(dtype, {2, kUnknown, 3}));
    Value* y = graph.add_value("y");
    const Node* node = graph.add_node("ai.tercel.RowScale", {x}, {y});
    const Graph form = standard_form_of(*node);
    verify(form, "the standard form");
    EXPECT_EQ(form.outputs().at(0)->type, typed(dtype, {2, kUnknown, 1}));
  }
  // The form itself, which every node shares, stays open.
  EXPECT_EQ(standard_form(*find_own_op("RowScale"))->operands.at(0)->type, ValueType());
  EXPECT_EQ(standard_form(*find_op("Relu")), nullptr);
}

}  // namespace
}  // namespace tercel::inline graph
