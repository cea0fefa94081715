// The ViT of TERCEL_DATA without its layer normalisations: none left in the plan, and the same answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tercel/tercel.h"

namespace tercel {
namespace {

namespace fs = std::filesystem;

constexpr float kTolerance = 1e-5f;  // of the largest score

std::vector<std::string> operators(Session& session) {
  std::vector<std::string> ops;
  for (const StepReport& step : session.prepare().steps) ops.push_back(step.op);
  return ops;
}

class FoldLayernorm : public testing::TestWithParam<const char*> {};

TEST_P(FoldLayernorm, LeavesTheAnswers) {
  const char* data = std::getenv("TERCEL_DATA");
  if (data == nullptr) GTEST_SKIP() << "TERCEL_DATA does not say where the models are";
  const fs::path folder = fs::path(data) / "models" / GetParam();
  const Model model = load(folder / "model.onnx");
  const fs::path lean_path = fs::temp_directory_path() / ("tercel_fold_" + std::to_string(::getpid()) + ".onnx");
  optimize(model).save_onnx(lean_path);
  const Model lean = load(lean_path);
  fs::remove(lean_path);

  SessionOptions plain;
  plain.without = {"hoist_gather", "fold_layernorm", "defer_layernorm"};
  Session before(model, plain), after(model), after_writing(lean);
  EXPECT_THAT(operators(before), testing::Contains("LayerNormalization").Times(25));
  EXPECT_THAT(operators(after), testing::Not(testing::Contains("LayerNormalization")));
  EXPECT_EQ(operators(after), operators(after_writing));
  for (int set = 0; set < 2; ++set) {
    const Array input = Array::open(folder / ("test_data_set_" + std::to_string(set)) / "input_0.pb");
    const std::vector<float> wanted = before.run({input}).at(0).to_floats();
    float largest = 0;
    for (float w : wanted) largest = std::max(largest, std::abs(w));
    for (Session* session : {&after, &after_writing}) {
      const std::vector<float> got = session->run({input}).at(0).to_floats();
      ASSERT_EQ(got.size(), wanted.size());
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], kTolerance * largest) << "class " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Exports, FoldLayernorm,
                         testing::Values("vit_tiny_patch16_224", "vit_tiny_patch16_224_opset13"));

}  // namespace
}  // namespace tercel
