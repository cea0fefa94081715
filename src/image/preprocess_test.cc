#include <gmock/gmock.h>

#include "image/picture_testing.h"
#include "image/preprocessing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

/// Levels as they are.
Preprocessing plain(int resize, int width, int height, Interpolation interpolation) {
  Preprocessing how;
  how.resize = resize;
  how.width = width;
  how.height = height;
  how.interpolation = interpolation;
  how.scale = 1;
  how.channels_last = true;
  return how;
}

std::vector<uint8_t> as_levels(const std::vector<float>& input) { return {input.begin(), input.end()}; }

struct Case {
  int from_width, from_height, resize, width, height;
  Interpolation interpolation;
  std::string_view pixels;
};

// Resize(resize) and CenterCrop((height, width)) of torchvision 0.14 over Pillow 9.4, on ramps().
const Case kCases[] = {
    {23, 17, 8, 6, 5, Interpolation::bicubic,
     "64819e7491ae84a1be94b1cea4c0e6b4d2f07f9cb98facc99fbce0afcdf1bfe5bbd1eb4a9bb8d9abc8eebbdcc7cbec58e2ad13e73c1c"
     "b6d6d4c6ee68dbe115f14b16d10e2f561c41d3e530ea910fd62b2b72163d1c2f4d19405d"},
    {17, 23, 8, 6, 5, Interpolation::bilinear,
     "5875926683a07592af85a2bf94b1cea2bfdc7592af83a0bd92afcca2bfdcb1cedcbfdca993b0cda1bed9b0cdd5c0dd9dcfd24bdc9123"
     "b1cedfbfdca2cedb3dddad1ed74a27a31c35cfd659dd9e26d14e26922336452845213653"},
    {23, 17, 8, 9, 12, Interpolation::bilinear,
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "102d4a1f3c592f4c693f5c794f6c895f7c996f8ca97f9cb98facc92946633855724865825875926885a27895b288a5c298b5d2a8c5df"
     "44617e53708d63809d7390ad83a0bd93b0cda3c0ddb3d0e1c3e076607d9a6f8ca97f9cb98facc99fbcd9afcce1bfdbb3cfdc54de9c1f"
     "7c99b68ba8c59bb8d5abc8e0bbd8bccbdb5bdba522d747258d1d3598b5d2a7c4e0b7d4c5c7e16bd7ce24e15221c11d315d2441193451"
     "b3d0ddc2dea6d2d33ede901cc83b2c75213c2a2f4c223f5c324f6ccce95adbad23e04725921e353628451c38552b48653b58754b6885"
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"},
    {9, 40, 6, 5, 7, Interpolation::bicubic,
     "cdf046d7e804e66f17f32325c00732e47d14f71826ed0931481a3b102946ec0a2f8f19393b27440a314e1d3c5917274410314e163c59"
     "29466334516e1b3a57274461324f6c3c5976476481324f6c3c5976476481516e8b5c799645627f4f6c895a779464819e6f8ca9"},
    {40, 7, 5, 4, 9, Interpolation::nearest,
     "0000000000000000000000000000000000000000000000007794b185a2bf8ca9c69ab7d491aecb9fbcd9a6c3e0b4d1ee9ebbd8acc9e6"
     "b3d0edc1defbabc8e5b9d6f3c0ddfaceeb08c5e2ffd3f00ddaf714e80522000000000000000000000000000000000000000000000000"},
    {16, 16, 5, 2, 2, Interpolation::bilinear, "97b4cfadcacdc0d78ed4ae44"},
    {5, 4, 9, 8, 8, Interpolation::bicubic,
     "03203d0724410a27440d2a47102d4a13304d1734511a375405223f0926430c29460f2c49122f4c15324f1936531c39560b28450f2c49"
     "122f4c15324f1835521b38551f3c59223f5c122f4c1633501936531c39561f3c59223f5c2643602946631835521c39561f3c59223f5c"
     "25425f2845622c49662f4c691d3a57213e5b24415e2744612a47642d4a67314e6b34516e24415e2845622b48652e4b68314e6b34516e"
     "3855723b58752a47642e4b68314e6b34516e3754713a57743e5b78415e7b"},
};

TEST(Preprocess, AsTorchvision) {
  for (const Case& c : kCases) {
    const auto input =
        preprocess(ramps(c.from_width, c.from_height), plain(c.resize, c.width, c.height, c.interpolation));
    EXPECT_LE(largest_difference(as_levels(input), from_hex(c.pixels)), 1) << c.from_width << " x " << c.from_height;
  }
}

TEST(Preprocess, CropOffsetsRoundHalvesToEven) {
  // No resize: 8 rows, and columns to spare of 1, 3, 5, 7 start at 0, 2, 2, 4.
  for (const auto& [width, start] : {std::pair{9, 0}, std::pair{11, 2}, std::pair{13, 2}, std::pair{15, 4}}) {
    const auto input = preprocess(ramps(width, 8), plain(8, 8, 8, Interpolation::bilinear));
    EXPECT_EQ(as_levels(input), levels(crop(ramps(width, 8), start, 0, 8, 8))) << width;
  }
}

TEST(Preprocess, Stretch) {
  Preprocessing how = plain(1, 12, 5, Interpolation::bicubic);
  how.fit = Preprocessing::Fit::stretch;
  EXPECT_EQ(as_levels(preprocess(ramps(23, 17), how)), levels(resize(ramps(23, 17), 12, 5, how.interpolation)));
}

TEST(Preprocess, GreyIsTheLumaOfPillow) {
  Preprocessing how = plain(2, 2, 2, Interpolation::nearest);
  how.grey = true;
  how.scale = 1;
  Image image(2, 2);
  const uint8_t pixels[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 77, 77, 77};
  std::copy(std::begin(pixels), std::end(pixels), image.data());
  // Image.convert("L") of Pillow 9.4.
  EXPECT_THAT(preprocess(image, how), ::testing::ElementsAre(76, 150, 29, 77));
}

TEST(Preprocess, NumbersAndOrder) {
  Preprocessing how = plain(2, 2, 2, Interpolation::nearest);
  how.scale = 0.5f;
  how.mean = {1, 2, 3};
  how.stddev = {2, 4, 8};
  const Image image = picture(2, 2, [](int x, int y, int c) { return 100 * c + 10 * y + x; });
  const auto expected = [&](int x, int y, size_t c) {
    return (static_cast<float>(100 * static_cast<int>(c) + 10 * y + x) * 0.5f - how.mean[c]) / how.stddev[c];
  };
  for (const bool bgr : {false, true})
    for (const bool channels_last : {false, true}) {
      how.bgr = bgr;
      how.channels_last = channels_last;
      const std::vector<float> input = preprocess(image, how);
      ASSERT_EQ(input.size(), 12u);
      for (int y = 0; y < 2; ++y)
        for (int x = 0; x < 2; ++x)
          for (size_t c = 0; c < 3; ++c) {
            const size_t plane = bgr ? 2 - c : c, pixel = static_cast<size_t>(y * 2 + x);
            EXPECT_FLOAT_EQ(input[channels_last ? pixel * 3 + plane : plane * 4 + pixel], expected(x, y, c));
          }
    }
}

TEST(Preprocess, CaffeWantsBlueFirst) {
  const std::vector<float> input =
      preprocess(picture(256, 256, [](int, int, int c) { return 200 - c; }), Preprocessing::preset("caffe"));
  EXPECT_FLOAT_EQ(input.front(), 198 - 104);
  EXPECT_FLOAT_EQ(input.back(), 200 - 123);
}

TEST(Preprocess, LongPicturesCostOnlyTheirCrop) {
  // As a whole the resized picture would have 65536 x 8192 x 3 bytes and more.
  const auto input = preprocess(ramps(4000, 1), plain(8192, 32, 32, Interpolation::bilinear));
  EXPECT_EQ(input.size(), 32u * 32 * 3);
  EXPECT_THROW(preprocess(ramps(20000, 1), plain(8192, 32, 32, Interpolation::bilinear)), Error);
}

TEST(Preprocess, Errors) {
  const Image image = ramps(8, 8);
  Preprocessing how = plain(8, 8, 8, Interpolation::bilinear);
  std::vector<float> room(8 * 8 * 3 - 1);
  EXPECT_EQ(error_of([&] { preprocess(image, how, room); }),
            "a picture of 8 x 8 makes 192 numbers, there is room for 191");
  EXPECT_THROW(preprocess(Image(), how), Error);
  how.width = kMaxInputSide + 1;
  EXPECT_THROW(preprocess(image, how), Error);
}

}  // namespace
}  // namespace tercel::inline image
