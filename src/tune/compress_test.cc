#include "tercel/compress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/folder_testing.h"
#include "base/rng.h"
#include "codec/trellis.h"
#include "graph/infer.h"
#include "quant/cifar_testing.h"
#include "session/model_impl.h"

namespace tercel {
namespace {

/// The same few photos under twelve names.
class Pictures {
 public:
  Pictures() {
    namespace fs = std::filesystem;
    for (const char* copy : {"a", "b", "c", "d"})
      for (const auto& photo : fs::directory_iterator(TERCEL_SOURCE_DIR "/models/photos"))
        if (photo.path().extension() == ".jpg")
          fs::create_symlink(photo.path(), folder() / (copy + photo.path().filename().string()));
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_{"compress"};
};

Model with_softmax(const Model& model) {
  const Model::Impl& from = model.impl();
  auto impl = std::make_shared<Model::Impl>(Model::Impl{from.name, from.graph.clone(), {}, {}});
  Value* scores = impl->graph.outputs().at(0);
  Value* probabilities = impl->graph.add_value("probabilities", scores->type);
  impl->graph.add_node("Softmax", {scores}, {probabilities});
  impl->graph.set_output(0, probabilities);
  return Model(std::move(impl));
}

CompressOptions options_for(const Pictures& pictures) {
  CompressOptions options;
  options.pictures = pictures.folder();
  options.preprocessing = Preprocessing::preset("cifar");
  options.calibration_pictures = options.tuning_pictures = options.judging_pictures = 4;
  options.target_ratio = 6;
  options.effort = 5;
  options.threads = 1;
  return options;
}

TEST(Compress, NetworksThatEndInASoftmaxKeepTheirAnswers) {
  const Pictures pictures;
  const Model model = with_softmax(cifar_network());
  const Compressed small = compress(model, options_for(pictures));
  EXPECT_NEAR(small.report().result.ratio, 6, 0.1);
  EXPECT_GT(small.report().result.agreement, 0.7);
  EXPECT_LT(small.report().result.kl, 0.2);
  EXPECT_EQ(small.report().weighed_by, "Fisher information");
}

TEST(Compress, ATrellisIsWrittenAndReadOrRefused) {
  const Pictures pictures;
  CompressOptions options = options_for(pictures);
  options.effort = 4;
  options.trellis = true;
  if (codec::kHasTrellis) {
    const Compressed small = compress(cifar_network(), options);
    EXPECT_EQ(small.bytes()[8], 4);
    EXPECT_NEAR(small.report().result.ratio, 6, 0.1);
    EXPECT_GT(small.report().result.agreement, 0.7);
    return;
  }
  try {
    compress(cifar_network(), options);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("built without it (TERCEL_TRELLIS)"), std::string::npos);
  }
}

TEST(Compress, AFrontHasThePointsAskedForAtEachTemperature) {
  const Pictures pictures;
  const std::vector<double> ratios = {5};
  double done = 0;
  CompressOptions options = options_for(pictures);
  options.progress = [&](std::string_view, double part) {
    EXPECT_GT(part, done);
    done = part;
    return true;
  };
  const std::vector<CompressPoint> front = compression_front(with_softmax(cifar_network()), ratios, options);
  ASSERT_EQ(front.size(), ratios.size());
  for (size_t i = 0; i < ratios.size(); ++i) EXPECT_NEAR(front[i].ratio, ratios[i], 0.05 * ratios[i]);
  EXPECT_DOUBLE_EQ(done, 1);
}

/// `values` as the bias of a product.
Model with_bias(const std::vector<float>& values) {
  Graph graph;
  Rng rng(1);
  std::vector<float> weights(values.size() * 64);
  for (float& w : weights) w = static_cast<float>(rng.normal());
  const auto rows = static_cast<int64_t>(values.size());
  Value* x = graph.add_input("x", {DType::f32, true, {1, 64}});
  Value* y = graph.add_value("y");
  graph.add_node("Gemm",
                 {x, graph.add_constant("weights", Tensor::of<float>({rows, 64}, weights)),
                  graph.add_constant("bias", Tensor::of<float>({rows}, values))},
                 {y}, {{"transB", int64_t{1}}});
  graph.add_output(y);
  infer_types(graph);
  auto impl = std::make_shared<Model::Impl>();
  impl->graph = std::move(graph);
  return Model(std::move(impl));
}

TEST(Compress, VectorsThatNoStepSuitsStayAsTheyAre) {
  std::vector<float> masked(32, 0.5f), tiny(32);
  masked[3] = -1e13f;  // a class that must never win
  for (size_t i = 0; i < tiny.size(); ++i) tiny[i] = 1e-6f + 1e-8f * static_cast<float>(i);
  CompressOptions options;
  options.target_ratio = 2;
  for (const auto& values : {masked, tiny}) {
    const Compressed small = compress(with_bias(values), options);
    const Tensor& bias = small.model().impl().graph.find_value("bias")->constant;
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(bias.at<float>(static_cast<int64_t>(i)), values[i]) << i;
  }
}

TEST(Compress, SaysWhereTheRatioWasMissed) {
  CompressOptions options;
  options.effort = 4;
  options.target_ratio = 6;
  EXPECT_TRUE(compress(cifar_network(), options).report().notes.empty());
  options.target_ratio = 1000;
  const CompressReport report = compress(cifar_network(), options).report();
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("not the 1000.00x asked for"), std::string::npos) << report.notes[0];
}

TEST(Compress, StoppedInTheSecondRoundKeepsTheFirst) {
  const Pictures pictures;
  CompressOptions options = options_for(pictures);
  int measured = 0;
  options.progress = [&](std::string_view stage, double done) {
    if (stage == "measure" && done == 1) ++measured;
    return measured < 2 || stage != "choose sizes";
  };
  const Compressed small = compress(with_softmax(cifar_network()), options);
  EXPECT_EQ(measured, 2);
  EXPECT_NEAR(small.report().result.ratio, 6, 0.1);
}

TEST(Compress, StoppedWhileJudgingKeepsTheNetwork) {
  const Pictures pictures;
  CompressOptions options = options_for(pictures);
  bool chosen = false;
  options.progress = [&](std::string_view stage, double) {
    chosen |= stage == "choose sizes";
    return !chosen || stage != "run";
  };
  const Compressed small = compress(cifar_network(), options);
  EXPECT_NEAR(small.report().result.ratio, 6, 0.1);
  EXPECT_EQ(small.report().result.pictures, 0);
  ASSERT_EQ(small.report().notes.size(), 1u);
  EXPECT_EQ(small.report().notes[0], "stopped before it was judged");
}

TEST(Compress, AFrontRefusesRatiosThatAreNone) {
  const Pictures pictures;
  for (double ratio : {0.0, -1.0, 1001.0, std::nan("")})
    EXPECT_THROW(compression_front(cifar_network(), {ratio}, options_for(pictures)), Error) << ratio;
}

}  // namespace
}  // namespace tercel
