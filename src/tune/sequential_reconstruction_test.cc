#include "tune/sequential_reconstruction.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "quant/cifar_testing.h"
#include "tercel/image.h"

namespace tercel::inline tune {
namespace {

bool same(const Coded& a, const Coded& b) {
  for (size_t i = 0; i < a.parts.size(); ++i)
    if (a.parts[i]->matrix.levels != b.parts[i]->matrix.levels) return false;
  return a.vectors.levels == b.vectors.levels;
}

/// Pieces of all photos in turn at a quarter of their size, as the network saw while it was trained.
std::vector<Array> pieces(int count, uint64_t seed) {
  constexpr int kSide = 32, kShrink = 4;
  std::vector<Image> photos;
  for (const char* name : {"bird.jpg", "cat.jpg", "grace_hopper.jpg"})
    photos.push_back(Image::open(std::string(TERCEL_SOURCE_DIR "/models/photos/") + name));
  Rng rng(seed);
  std::vector<Array> inputs;
  for (int i = 0; i < count; ++i) {
    const Image& picture = photos[static_cast<size_t>(i) % photos.size()];
    const auto left = static_cast<int>(rng.uniform() * (picture.width() - kSide * kShrink));
    const auto top = static_cast<int>(rng.uniform() * (picture.height() - kSide * kShrink));
    inputs.emplace_back(DType::f32, Dims{1, 3, kSide, kSide});
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x) {
          float sum = 0;
          for (int dy = 0; dy < kShrink; ++dy)
            for (int dx = 0; dx < kShrink; ++dx) {
              const int row = top + y * kShrink + dy, column = left + x * kShrink + dx;
              sum += picture.row(row)[column * 3 + c];
            }
          inputs.back().floats()[static_cast<size_t>((c * kSide + y) * kSide + x)] =
              (sum / (255.0f * kShrink * kShrink) - 0.47f) / 0.25f;
        }
  }
  return inputs;
}

TEST(CodeInOrder, ComesNearerToTheNetworkAsItWas) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "many inputs, and nothing that the other tests do not run";
#endif
  const Model model = cifar_network();
  // From some hundred inputs of one photo what is learnt is as often wrong as right on others of it.
  Compressor compressor(model, pieces(576, 1), codec::Profile::fast, 0, {});
  const Settings settings = compressor.settings(1);
  const Coded plain = compressor.code(settings), compensated = reconstruct_sequentially(compressor, settings);
  // What it costs in bytes is next to nothing; what it gains shows on inputs that it has not seen.
  EXPECT_LT(static_cast<double>(compensated.bytes()), 1.02 * static_cast<double>(plain.bytes()));
  const std::vector<Array> others = pieces(384, 2);
  SessionOptions options;
  options.threads = 1;
  Session before(model, options), plainly(compressor.with(plain), options),
      nearer(compressor.with(compensated), options);
  const Answers wanted = answers_of(before, others);
  const double kl_plain = evaluate(wanted, answers_of(plainly, others)).kl;
  const double kl_compensated = evaluate(wanted, answers_of(nearer, others)).kl;
  EXPECT_GT(kl_plain, 1e-4);
  EXPECT_LT(kl_compensated, 0.9 * kl_plain);
}

TEST(CodeInOrder, IsTheSameWithAnyNumberOfThreads) {
  const Model model = cifar_network();
  Compressor one(model, cifar_noise(8, 1), codec::Profile::fast, 1, {}),
      two(model, cifar_noise(8, 1), codec::Profile::fast, 2, {});
  EXPECT_TRUE(same(reconstruct_sequentially(one, one.settings(3)), reconstruct_sequentially(two, two.settings(3))));
}

TEST(CodeInOrder, ToldToStopCodesTheRestAsItIs) {
  Compressor compressor(cifar_network(), cifar_noise(8, 1), codec::Profile::fast, 1, {});
  const Settings settings = compressor.settings(3);
  const Coded stopped = reconstruct_sequentially(compressor, settings, [](std::string_view, double) { return false; });
  const Coded plain = compressor.code(settings);
  ASSERT_EQ(stopped.parts.size(), plain.parts.size());
  size_t alike = 0;
  for (size_t i = 0; i < plain.parts.size(); ++i) {
    ASSERT_NE(stopped.parts[i], nullptr);
    alike += stopped.parts[i]->matrix.levels == plain.parts[i]->matrix.levels;
  }
  EXPECT_GE(alike + 1, plain.parts.size());
}

TEST(CodeInOrder, WithoutInputsIsPlain) {
  Compressor compressor(cifar_network(), {}, codec::Profile::fast, 1, {});
  const Settings settings = compressor.settings(1);
  EXPECT_TRUE(same(reconstruct_sequentially(compressor, settings), compressor.code(settings)));
}

}  // namespace
}  // namespace tercel::inline tune
