#include <gtest/gtest.h>

#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;
const Attrs kBoth = {{"direction", std::string("bidirectional")}};

TEST(SequenceRules, Shapes) {
  const auto lstm = run_rule("LSTM", {f32({7, 2, 3}), f32({1, 20, 3}), f32({1, 20, 5})}, {}, 3);
  EXPECT_EQ(lstm[0], f32({7, 1, 2, 5}));
  EXPECT_EQ(lstm[1], f32({1, 2, 5}));
  EXPECT_EQ(lstm[2], f32({1, 2, 5}));
  EXPECT_EQ(rule("GRU", {f32({kU, 2, 3}), f32({2, 15, 3}), f32({2, 15, 5}), f32({2, 30})}, kBoth), "f32[?x2x2x5]");
  EXPECT_EQ(rule("RNN", {f32({2, 7, 3}), f32({1, 5, 3}), f32({1, 5, 5})}, {{"layout", int64_t{1}}}), "f32[2x7x1x5]");
  EXPECT_EQ(rule("RNN", {unranked(), unranked(), unranked()}, {{"hidden_size", int64_t{5}}}), "f32[?x1x?x5]");
  EXPECT_EQ(rule("GRU", {unranked(), f32({1, 15, 3}), unranked()}), "f32[?x1x?x5]");
}

TEST(SequenceRules, Refusals) {
  const ValueType x = f32({7, 2, 3});
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 4}), f32({1, 5, 5})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 6})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({2, 5, 3}), f32({2, 5, 5})}), Error);
  EXPECT_THROW(rule("GRU", {x, f32({1, 14, 3}), f32({1, 14, 5})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5}), f32({1, 9})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5}), {}, typed(DType::i32, {3})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5}), {}, {}, f32({1, 2, 6})}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5})}, {{"hidden_size", int64_t{6}}}), Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5})}, {{"direction", std::string("backward")}}), Error);
  EXPECT_THROW(
      rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5})}, {{"activations", std::vector<std::string>{"Tanh", "Tanh"}}}),
      Error);
  EXPECT_THROW(rule("RNN", {x, f32({1, 5, 3}), f32({1, 5, 5})}, {{"activations", std::vector<std::string>{"Step"}}}),
               Error);
}

}  // namespace
}  // namespace tercel::inline graph
