// A quantized network computes on integers from its first QuantizeLinear to its last DequantizeLinear, on every
// instruction set, and answers as ONNX Runtime does (tests/quantized/make.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tercel/tercel.h"

namespace tercel {
namespace {

struct Form {
  const char* name;
  double steps;  ///< most that an answer differs by; 1 rounding is not the same wherever floats are added in between
};

class QuantizedResNet20 : public testing::TestWithParam<Form> {
 protected:
  std::string file(const std::string& name) const { return TERCEL_SOURCE_DIR "/tests/quantized/" + name; }
};

/// The step of the answers: the least distance of two of them.
float step_of(std::span<const float> answers) {
  std::vector<float> sorted(answers.begin(), answers.end());
  std::sort(sorted.begin(), sorted.end());
  float step = INFINITY;
  for (size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i] - sorted[i - 1] > 1e-4f) step = std::min(step, sorted[i] - sorted[i - 1]);
  return step;
}

TEST_P(QuantizedResNet20, AnswersAsOnnxRuntimeDoes) {
  const auto& [name, steps] = GetParam();
  const Model model = load(file(std::string(name) + ".onnx"));
  const Array inputs = Array::open(file("inputs.npy")), wanted = Array::open(file(std::string(name) + ".npy"));
  const auto pictures = static_cast<size_t>(inputs.dims()[0]), picture = inputs.floats().size() / pictures;
  const float step = step_of(wanted.floats());
  std::vector<std::string> isas{"baseline"};
  if (build_info().machine_isa != "baseline") isas.push_back("avx2");
  if (build_info().machine_isa.starts_with("avx512")) isas.push_back("avx512");
  std::vector<float> first;
  for (const std::string& isa : isas)
    for (int threads : {1, 2}) {
      SCOPED_TRACE(isa);
      SessionOptions options;
      options.isa = isa;
      options.threads = threads;
      Session session(model, options);
      std::vector<float> all;
      for (size_t i = 0; i < pictures; ++i) {
        const Array input({1, 3, 32, 32}, inputs.floats().subspan(i * picture, picture));
        const Array answers = session.run({input})[0];
        all.insert(all.end(), answers.floats().begin(), answers.floats().end());
      }
      ASSERT_EQ(all.size(), wanted.floats().size());
      for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], wanted.floats()[i], (steps + 0.01) * step) << i;
      if (first.empty()) first = all;
      EXPECT_EQ(all, first);  // integers are the same everywhere
    }
}

TEST_P(QuantizedResNet20, EveryConvolutionAndTheProductRunOnIntegers) {
  const Model model = load(file(std::string(GetParam().name) + ".onnx"));
  int convolutions = 0, products = 0, quantizers = 0;
  for (const StepReport& step : Session(model).prepare({{"input", {1, 3, 32, 32}}}).steps) {
    convolutions += step.op == "FusedConv" && step.variant == "simd_conv_levels";
    products += step.op == "FusedMatMul" && step.variant == "simd_matmul_levels";
    quantizers += step.op == "QuantizeLinear" || step.op == "DequantizeLinear";
  }
  EXPECT_EQ(convolutions, 19);
  EXPECT_EQ(products, 1);
  EXPECT_EQ(quantizers, 2);  // of the input and of the answers
}

INSTANTIATE_TEST_SUITE_P(Forms, QuantizedResNet20, testing::Values(Form{"u8", 1}, Form{"i8", 1}, Form{"channels", 2}),
                         [](const auto& form) { return form.param.name; });

}  // namespace
}  // namespace tercel
