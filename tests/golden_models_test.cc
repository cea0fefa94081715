// Six real networks against recorded answers: every instruction set, 1 and 2 threads, batch 1 and 3, optimised and not.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "tercel/tercel.h"

namespace tercel {
namespace {

namespace fs = std::filesystem;

constexpr float kTolerance = 1e-4f;  // of the largest score

struct Setting {
  std::string isa;
  int threads;
  int batch;
  bool optimize;
};

std::string describe(const Setting& s) {
  return s.isa + ", " + std::to_string(s.threads) + " threads, batch " + std::to_string(s.batch) +
         (s.optimize ? ", optimised" : "");
}

Array repeated(const Array& one, int batch) {
  auto dims = one.dims();
  dims[0] = batch;
  Array many(one.dtype(), dims);
  for (int i = 0; i < batch; ++i)
    std::memcpy(many.data() + static_cast<size_t>(i) * one.bytes(), one.data(), one.bytes());
  return many;
}

void check(const Model& model, const fs::path& folder, const Setting& s) {
  SCOPED_TRACE(describe(s));
  SessionOptions options;
  options.isa = s.isa;
  options.threads = s.threads;
  options.optimize = s.optimize;
  Session session(model, options);
  const auto port = model.inputs().at(0);
  if (s.batch > 1 && port.dims.at(0) != -1 && port.dims.at(0) != s.batch) return;  // the export fixed its batch
  for (int set = 0; set < 2; ++set) {
    const fs::path data = folder / ("test_data_set_" + std::to_string(set));
    const auto outputs = session.run({repeated(Array::open(data / "input_0.pb"), s.batch)});
    const Array golden = Array::open(data / "output_0.pb");
    const auto wanted = golden.to_floats(), got = outputs.at(0).to_floats();
    ASSERT_EQ(got.size(), wanted.size() * static_cast<size_t>(s.batch));
    float largest = 0, worst = 0;
    for (float w : wanted) largest = std::max(largest, std::abs(w));
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_FALSE(std::isnan(got[i]));
      worst = std::max(worst, std::abs(got[i] - wanted[i % wanted.size()]));
    }
    EXPECT_LE(worst, kTolerance * largest);
  }
}

class GoldenModels : public testing::TestWithParam<const char*> {};

TEST_P(GoldenModels, AnswersAreTheRecordedOnes) {
  const char* data = std::getenv("TERCEL_DATA");
  if (data == nullptr) GTEST_SKIP() << "TERCEL_DATA is not set: the real networks are not here";
  const fs::path folder = fs::path(data) / "models" / GetParam();
  const Model model = load(folder / "model.onnx");
  for (const char* isa : {"baseline", "avx2", "avx512"}) {
    try {
      SessionOptions options;
      options.isa = isa;
      Session(model, options);
    } catch (const Error&) {
      continue;  // not on this machine
    }
    for (int threads : {1, 2})
      for (int batch : {1, 3})
        for (bool optimize : {false, true}) check(model, folder, {isa, threads, batch, optimize});
  }
}

INSTANTIATE_TEST_SUITE_P(Six, GoldenModels,
                         testing::Values("vit_tiny_patch16_224", "vit_tiny_patch16_224_opset13", "mobilenet_v2",
                                         "squeezenet1_1", "resnet20_cifar10", "resnet56_cifar10"),
                         [](const auto& param_info) { return std::string(param_info.param); });

}  // namespace
}  // namespace tercel
