#include <gmock/gmock.h>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/ref/ref_testing.h"

namespace tercel::inline kernels {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

Tensor random_tensor(Dims dims, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
  return Tensor::of<float>(std::move(dims), values);
}

/// One hidden unit that adds what it sees to what it holds.
Attrs adder(std::string direction) {
  return {{"direction", direction}, {"layout", int64_t{0}}, {"activations", Words{"Affine"}}};
}
const Tensor kOne = Tensor::of<float>({1, 1, 1}, {1});

TEST(RefSequence, LengthsAndDirections) {
  const Tensor x = Tensor::of<float>({3, 2, 1}, {1, 10, 2, 20, 4, 40});
  const std::vector<Tensor> operands = {x, kOne, kOne, Tensor(), Tensor::of<int32_t>({2}, {3, 2})};
  const std::vector<std::pair<DType, Dims>> results = {{DType::f32, {3, 1, 2, 1}}, {DType::f32, {1, 2, 1}}};
  auto forward = run_ref("RNN", operands, results, adder("forward"));
  EXPECT_THAT(elements<float>(forward[0]), ElementsAre(1, 10, 3, 30, 7, 0));
  EXPECT_THAT(elements<float>(forward[1]), ElementsAre(7, 30));
  auto reverse = run_ref("RNN", operands, results, adder("reverse"));
  EXPECT_THAT(elements<float>(reverse[0]), ElementsAre(7, 30, 6, 20, 4, 0));
  EXPECT_THAT(elements<float>(reverse[1]), ElementsAre(7, 30));
  std::vector<Tensor> wrong = operands;
  wrong[4] = Tensor::of<int32_t>({2}, {4, 2});
  EXPECT_THROW(run_ref("RNN", wrong, results, adder("forward")), Error);
}

TEST(RefSequence, ClipAndInitialState) {
  Attrs attrs = adder("forward");
  attrs.set("clip", 2.0f);
  const Tensor x = Tensor::of<float>({2, 1, 1}, {1, 1});
  EXPECT_THAT(elements<float>(run_ref("RNN", {x, kOne, kOne, Tensor(), Tensor(), Tensor::of<float>({1, 1, 1}, {0.5f})},
                                      DType::f32, {2, 1, 1, 1}, attrs)),
              ElementsAre(1.5f, 2));
}

TEST(RefSequence, LayoutsSayTheSame) {
  for (std::string_view op : {"GRU", "LSTM"}) {
    const int64_t gates = op == "GRU" ? 3 : 4;
    const Tensor w = random_tensor({2, gates * 3, 2}, 1);
    const Tensor r = random_tensor({2, gates * 3, 3}, 2);
    const Tensor bias = random_tensor({2, gates * 6}, 3);
    Attrs attrs = {{"direction", std::string("bidirectional")},
                   {"layout", int64_t{0}},
                   {"linear_before_reset", int64_t{0}},
                   {"input_forget", int64_t{0}}};
    // One sequence of one batch lies in memory the same way in both layouts.
    const Tensor x = random_tensor({4, 1, 2}, 4);
    const Tensor time_first = run_ref(op, {x, w, r, bias}, DType::f32, {4, 2, 1, 3}, attrs);
    attrs.set("layout", int64_t{1});
    const Tensor batch_first = run_ref(op, {x.reshaped({1, 4, 2}), w, r, bias}, DType::f32, {1, 4, 2, 3}, attrs);
    EXPECT_EQ(elements<float>(time_first), elements<float>(batch_first)) << op;
  }
}

TEST(RefSequence, LinearBeforeResetOnlyMattersWithARecurrentBias) {
  // With one hidden unit r * (R h) = R * (r h), so the two forms differ by the bias alone.
  const Tensor x = random_tensor({3, 1, 1}, 1);
  const Tensor w = random_tensor({1, 3, 1}, 2);
  const Tensor r = random_tensor({1, 3, 1}, 3);
  const auto run = [&](int64_t before, const Tensor& bias) {
    return elements<float>(
        run_ref("GRU", {x, w, r, bias}, DType::f32, {3, 1, 1, 1},
                {{"direction", std::string("forward")}, {"layout", int64_t{0}}, {"linear_before_reset", before}}));
  };
  const Tensor without = Tensor::of<float>({1, 6}, {1, 2, 3, 1, 2, 0});
  EXPECT_THAT(run(0, without), testing::Pointwise(testing::FloatNear(1e-6f), run(1, without)));
  const Tensor with = Tensor::of<float>({1, 6}, {1, 2, 3, 1, 2, 3});
  EXPECT_NE(run(0, with), run(1, with));
}

}  // namespace
}  // namespace tercel::inline kernels
