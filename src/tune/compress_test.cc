#include "tercel/compress.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/folder_testing.h"
#include "codec/trellis.h"
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
    EXPECT_EQ(small.bytes()[8], 3);
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

}  // namespace
}  // namespace tercel
