#include "kernels/simd/variant_testing.h"
#include "tensor/activation.h"

namespace tercel::inline kernels {
namespace {

Attrs attrs_of(std::string_view op) {
  if (op == "LeakyRelu" || op == "Elu") return {{"alpha", 0.3f}};
  if (op == "HardSigmoid") return {{"alpha", 0.2f}, {"beta", 0.5f}};
  return {};
}

constexpr std::string_view kUnary[] = {"Abs",         "Ceil",      "Elu",       "Erf",      "Exp", "Floor",
                                       "HardSigmoid", "HardSwish", "LeakyRelu", "Mish",     "Neg", "Relu",
                                       "Round",       "Sigmoid",   "Silu",      "Softplus", "Tanh"};

TEST(SimdUnary, EverySizeAndFunction) {
  for (std::string_view op : kUnary)
    for (int64_t size : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 1023, 1024, 1041})
      check_variants({op, attrs_of(op), {random_floats({size}, 1, -9, 9)}, {}, {{DType::f32, {size}}}, 1e-6},
                     {"simd_unary"});
  for (std::string_view op : {"Sqrt", "Reciprocal"})
    for (int64_t size : {1, 7, 9, 33})
      check_variants({op, {}, {random_floats({size}, 1, 0.01, 9)}, {}, {{DType::f32, {size}}}, 1e-6}, {"simd_unary"});
  for (const char* approximate : {"none", "tanh"})
    check_variants({"Gelu",
                    {{"approximate", std::string(approximate)}},
                    {random_floats({2, 3, 37}, 1, -9, 9)},
                    {},
                    {{DType::f32, {2, 3, 37}}},
                    1e-6},
                   {"simd_unary"});
}

TEST(SimdUnary, BothLayoutsAndThreads) {
  for (std::string_view op : {"Relu", "Silu"})
    for (const Dims& dims : {Dims{2, 5, 3, 7}, Dims{1, 64, 40, 41}, Dims{1, 24, 1, 1}, Dims{}})
      check_variants({op, {}, {random_floats(dims, 1, -9, 9)}, {}, {{DType::f32, dims}}, 1e-6}, {"simd_unary"});
}

TEST(SimdUnary, ClipsToWhatItIsTold) {
  const auto scalar = [](float x) { return Tensor::scalar<float>(x); };
  for (const std::vector<Tensor>& bounds :
       {std::vector<Tensor>{scalar(0), scalar(6)}, {scalar(-1)}, {Tensor(), scalar(2)}, {scalar(3), scalar(1)}, {}}) {
    std::vector<Tensor> src = {random_floats({3, 19}, 1, -9, 9)};
    src.insert(src.end(), bounds.begin(), bounds.end());
    check_variants({"Clip", {}, src, {1, 2}, {{DType::f32, {3, 19}}}, 0}, {"simd_unary"});
  }
}

TEST(SimdUnary, EdgesOfFloat) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  // Zero and small numbers too: functions that take differences must keep their digits there.
  const std::vector<float> values = {kNaN, -kInf, kInf, -1e30f, 1e30f, -200,   200,   -104,   104,   -88,   88,  -20,
                                     20,   -1,    1,    -0.1f,  0.1f,  -1e-4f, 1e-4f, -1e-9f, 1e-9f, -0.0f, 0.0f};
  for (std::string_view op : kUnary) {
    for (float value : values) {
      // Infinity times 0 and the difference of infinities are nobody's business but the reference's.
      if (std::isinf(value) && (op == "Mish" || op == "Silu" || op == "HardSwish")) continue;
      check_variants({op, attrs_of(op), {Tensor::of<float>({1}, {value})}, {}, {{DType::f32, {1}}}, 1e-6},
                     {"simd_unary"});
      if (testing::Test::HasFailure()) FAIL() << op << " of " << value;
    }
    check_variants({op, attrs_of(op), {Tensor::of<float>({23}, values)}, {}, {{DType::f32, {23}}}, 1e-6}, {});
  }
}

const struct {
  Dims a, b;
} kPairs[] = {{{7}, {7}},
              {{2, 5, 3, 7}, {2, 5, 3, 7}},
              {{2, 5, 3, 7}, {}},
              {{2, 5, 3, 7}, {1}},
              {{2, 5, 3, 7}, {5, 1, 1}},
              {{2, 5, 3, 7}, {1, 5, 1, 1}},
              {{2, 5, 3, 7}, {2, 5, 1, 1}},
              {{2, 5, 3, 7}, {2, 1, 3, 7}},
              {{2, 5, 3, 7}, {7}},
              {{2, 5, 3, 7}, {3, 7}},
              {{2, 5, 3, 7}, {5, 3, 7}},
              {{2, 5, 3, 7}, {5, 3, 1}},
              {{2, 5, 3, 7}, {2, 5, 3, 1}},
              {{2, 5, 1, 7}, {2, 1, 3, 1}},
              {{5, 1, 1}, {2, 1, 3, 7}},
              {{1, 1, 1, 1}, {2, 5, 3, 7}},
              {{2, 17, 33}, {33}},
              {{2, 17, 33}, {17, 1}},
              {{2, 17, 33}, {1, 17, 33}},
              {{2, 17, 1}, {2, 1, 33}},
              {{2, 3, 4, 5, 6}, {3, 1, 5, 1}},
              {{2, 1, 4, 5}, {3, 2, 6, 4, 5}},
              {{1, 64, 40, 41}, {1, 64, 40, 41}},
              {{1, 64, 40, 41}, {1, 64, 1, 1}},
              {{3000}, {}},
              {{0, 3}, {3}}};

TEST(SimdBinary, EveryWayToBroadcast) {
  for (std::string_view op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"})
    for (const auto& [a, b] : kPairs) {
      const Dims y = *broadcast(a, b);
      const Tensor left = random_floats(a, 1), right = random_floats(b, 2, 0.5, 2);
      check_variants({op, {}, {left, right}, {}, {{DType::f32, y}}, 1e-6}, {"simd_binary"});
      if (op != "Sub" && op != "Div") continue;
      check_variants({op, {}, {random_floats(b, 2), random_floats(a, 1, 0.5, 2)}, {}, {{DType::f32, y}}, 1e-6},
                     {"simd_binary"});
      check_variants({op, {}, {left, right}, {1}, {{DType::f32, y}}, 1e-6}, {"simd_binary"});
    }
}

TEST(SimdBinary, FusedAddEndsInAnyActivation) {
  for (Activation activation : all_activations())
    for (const auto& [a, b] : {kPairs[1], kPairs[4], kPairs[22]})
      check_variants({"FusedAdd",
                      {{"activation", std::string(to_string(activation))},
                       {"alpha", activation == Activation::clip ? -0.25f : 0.3f},
                       {"beta", 0.4f}},
                      {random_floats(a, 1), random_floats(b, 2)},
                      {},
                      {{DType::f32, *broadcast(a, b)}},
                      1e-6},
                     {"simd_binary"});
}

TEST(SimdBinary, SlopesOfPRelu) {
  for (const Dims& slope : {Dims{5, 1, 1}, Dims{1}, Dims{1, 5, 1, 1}, Dims{3, 7}})
    check_variants({"PRelu",
                    {},
                    {random_floats({2, 5, 3, 7}, 1), random_floats(slope, 2)},
                    {1},
                    {{DType::f32, {2, 5, 3, 7}}},
                    1e-6},
                   {"simd_binary"});
}

TEST(SimdBinary, NaNWins) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (std::string_view op : {"Max", "Min"})
    check_variants({op,
                    {},
                    {Tensor::of<float>({3}, {kNaN, 1, kNaN}), Tensor::of<float>({3}, {1, kNaN, kNaN})},
                    {},
                    {{DType::f32, {3}}},
                    1e-6},
                   {"simd_binary"});
}

TEST(SimdPower, SquaresAndCubes) {
  for (float exponent : {2.0f, 3.0f})
    check_variants({"Pow",
                    {},
                    {random_floats({2, 5, 3, 7}, 1, -3, 3), Tensor::scalar<float>(exponent)},
                    {1},
                    {{DType::f32, {2, 5, 3, 7}}},
                    1e-6},
                   {"simd_power"});
  check_variants(
      {"Pow", {}, {random_floats({9}, 1, -3, 3), Tensor::of<int64_t>({1}, {2})}, {1}, {{DType::f32, {9}}}, 1e-6},
      {"simd_power"});
}

TEST(SimdBatchNorm, EveryRank) {
  for (const Dims& dims : {Dims{2, 5}, Dims{2, 17, 9}, Dims{2, 5, 3, 7}, Dims{1, 64, 40, 41}, Dims{3, 1, 4, 4},
                           Dims{2, 24, 1, 1}, Dims{2, 3, 4, 5, 6}}) {
    const Dims c = {dims[1]};
    check_variants({"BatchNormalization",
                    {{"epsilon", 1e-5f}},
                    {random_floats(dims, 1), random_floats(c, 2), random_floats(c, 3), random_floats(c, 4),
                     random_floats(c, 5, 0.1, 2)},
                    {1, 2, 3, 4},
                    {{DType::f32, dims}},
                    1e-6},
                   {"simd_batchnorm"});
  }
}

}  // namespace
}  // namespace tercel::inline kernels
