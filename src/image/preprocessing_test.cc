#include "image/preprocessing.h"

#include <limits>

#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;
using Metadata = std::map<std::string, std::string>;

TEST(Preprocessing, Presets) {
  for (const std::string_view name : Preprocessing::preset_names())
    EXPECT_NO_THROW(validate(Preprocessing::preset(name))) << name;
  EXPECT_EQ(Preprocessing::preset("vit").resize, 248);
  EXPECT_EQ(Preprocessing::preset("cifar").width, 32);
  EXPECT_EQ(error_of([] { Preprocessing::preset("nets"); }),
            "unknown preprocessing preset 'nets'; there are imagenet, inception, vit, cifar, caffe, unit, mnist");
}

TEST(Preprocessing, MetadataComesBackTheSame) {
  for (const std::string_view name : Preprocessing::preset_names())
    for (const std::string_view other : Preprocessing::preset_names()) {
      const Preprocessing how = Preprocessing::preset(name);
      EXPECT_EQ(Preprocessing::from_metadata(how.to_metadata(), Preprocessing::preset(other)), how) << name;
    }
  Preprocessing odd;
  odd.fit = Preprocessing::Fit::stretch;
  odd.interpolation = Interpolation::nearest;
  odd.scale = 1.0f / 3;
  odd.mean = {-1e-7f, 0.1f, std::numeric_limits<float>::max()};
  odd.stddev = {std::numeric_limits<float>::denorm_min(), 1.0f / 7, -2};
  odd.bgr = odd.channels_last = true;
  EXPECT_EQ(Preprocessing::from_metadata(odd.to_metadata(), {}), odd);
}

TEST(Preprocessing, DefaultsPresetSettings) {
  Preprocessing defaults;
  defaults.width = 100;
  EXPECT_EQ(Preprocessing::from_metadata({{"other.key", "x"}, {"tercel.preprocessor", "y"}}, defaults), defaults);
  Preprocessing expected = Preprocessing::preset("vit");
  expected.mean = {0.25f, 0.25f, 0.25f};
  expected.scale = 1.0f / 255;
  expected.bgr = true;
  const Metadata metadata{{"tercel.preprocess", "vit"},
                          {"tercel.preprocess.channels", "bgr"},
                          {"tercel.preprocess.mean", " 0.25 "},
                          {"tercel.preprocess.scale", "1/255"}};
  EXPECT_EQ(Preprocessing::from_metadata(metadata, defaults), expected);
}

TEST(Preprocessing, IsDescribedByItsPreset) {
  for (const std::string_view name : Preprocessing::preset_names())
    EXPECT_EQ(Preprocessing::preset(name).describe(), name);
  Preprocessing how = Preprocessing::preset("imagenet");
  how.width = how.height = 32;
  how.resize = 36;
  EXPECT_EQ(how.describe(), "imagenet at 32x32, shorter side to 36 first");
  how.mean = {0.25f, 0.25f, 0.25f};
  EXPECT_NE(how.describe().find("mean 0.25 0.25 0.25, stddev 0.229 0.224 0.225"), std::string::npos);
}

TEST(Preprocessing, AModelSaysItOrDoesNot) {
  EXPECT_FALSE(Preprocessing::in_metadata({{"tercel.labels", "cat"}, {"tercel.preprocessing", "vit"}}));
  EXPECT_TRUE(Preprocessing::in_metadata({{"tercel.preprocess", "vit"}}));
  EXPECT_TRUE(Preprocessing::in_metadata({{"a", "b"}, {"tercel.preprocess.width", "224"}}));
}

TEST(Preprocessing, ErrorsNameTheKey) {
  const auto error = [](const std::string& key, const std::string& value) {
    return error_of([&] { Preprocessing::from_metadata({{key, value}}, {}); });
  };
  EXPECT_EQ(error("tercel.preprocess.interpolation", "lanczos"),
            "metadata 'tercel.preprocess.interpolation': wanted one of nearest, bilinear, bicubic, got 'lanczos'");
  EXPECT_EQ(error("tercel.preprocess.mean", "1 2"),
            "metadata 'tercel.preprocess.mean': wanted one or three numbers, got '1 2'");
  EXPECT_EQ(error("tercel.preprocess.stdev", "1"),
            "metadata 'tercel.preprocess.stdev': unknown key; after tercel.preprocess there may be .width .height .fit "
            ".resize .interpolation .scale .mean .stddev .channels .layout");
  EXPECT_TRUE(error("tercel.preprocess", "none").starts_with("metadata 'tercel.preprocess': unknown preprocessing"));
  for (const char* number :
       {"", " ", "1/", "/1", "1/0", "1/2/3", "nan", "inf", "1e99", "0x10", "1,5", "0", "1 2 3 4"}) {
    EXPECT_THROW(Preprocessing::from_metadata({{"tercel.preprocess.scale", number}}, {}), Error) << number;
    EXPECT_THROW(Preprocessing::from_metadata({{"tercel.preprocess.stddev", number}}, {}), Error) << number;
  }
  for (const char* size : {"", "0", "-1", "8193", "99999999999", "1.5", "224x224", " 224"})
    for (const char* key : {"width", "height", "resize"})
      EXPECT_THROW(Preprocessing::from_metadata({{std::string("tercel.preprocess.") + key, size}}, {}), Error) << size;
}

TEST(Preprocessing, GreyGoesThroughMetadata) {
  const Preprocessing mnist = Preprocessing::preset("mnist");
  EXPECT_TRUE(mnist.grey);
  EXPECT_EQ(mnist.channels(), 1);
  EXPECT_EQ(Preprocessing::from_metadata(mnist.to_metadata(), {}), mnist);
  EXPECT_EQ(mnist.to_metadata().at("tercel.preprocess.channels"), "grey");
  EXPECT_EQ(Preprocessing::from_metadata({{"tercel.preprocess.channels", "rgb"}}, mnist).channels(), 3);
}

}  // namespace
}  // namespace tercel::inline image
