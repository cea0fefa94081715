#include "image/decode.h"

#include <unistd.h>

#include <fstream>
#include <map>
#include <string>

#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

File file_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

TEST(Decode, NotAPicture) {
  EXPECT_EQ(error_of([] { Image::decode({}); }), "not a picture: no bytes");
  EXPECT_EQ(error_of([] { Image::decode(file_of("GIF")); }),
            "not a picture: wanted JPEG, PNG or WebP, the first bytes are 47 49 46");
  EXPECT_THROW(probe(file_of("hello, I am a text")), Error);
  EXPECT_THROW(Image::decode(file_of("RIFF....WAVE....")), Error);
}

TEST(Decode, OtherFormatsAreNamedWithWhatToDo) {
  const std::string zeros("\0\0\0\0", 4);
  for (const auto& [start, name] :
       std::map<std::string, std::string>{{"GIF89a", "GIF"},
                                          {"BM" + zeros + zeros + zeros, "BMP"},
                                          {std::string("II*\0", 4), "TIFF or camera raw"},
                                          {std::string("MM\0*", 4), "TIFF or camera raw"},
                                          {std::string("\0\0\0\x18", 4) + "ftypheic", "HEIC"},
                                          {std::string("\0\0\0\x18", 4) + "ftypavif", "AVIF"},
                                          {"\xFF\x0A", "JPEG XL"},
                                          {std::string("\0\0\0\x0c", 4) + "jP  \r\n\x87\n", "JPEG 2000"}}) {
    const std::string error = error_of([&, &bytes = start] { Image::decode(file_of(bytes)); });
    EXPECT_TRUE(error.starts_with(name + ": Tercel reads JPEG, PNG and WebP; save")) << error;
    EXPECT_THROW(probe(file_of(start)), Error);
  }
}

TEST(Decode, OpenNamesTheFile) {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / ("tercel_not_a_picture_" + std::to_string(::getpid()) + ".jpg");
  EXPECT_NE(error_of([&] { Image::open(path.string() + ".missing"); }).find(path.string()), std::string::npos);
  std::ofstream(path) << "\xFF\xD8\xFF only a start";
  EXPECT_TRUE(error_of([&] { Image::open(path); }).starts_with(path.string() + ": JPEG: "));
  std::ofstream(path, std::ios::trunc);
  EXPECT_EQ(error_of([&] { Image::open(path); }), path.string() + ": not a picture: no bytes");
  std::filesystem::remove(path);
}

TEST(Image, SizesAreChecked) {
  EXPECT_THROW(Image(0, 5), Error);
  EXPECT_THROW(Image(5, -1), Error);
  EXPECT_THROW(Image(20001, 20000), Error);
  EXPECT_THROW(Image(0x7FFFFFFF, 0x7FFFFFFF), Error);
  const Image image(3, 2);
  EXPECT_EQ(levels(image), std::vector<uint8_t>(18, 0));
}

}  // namespace
}  // namespace tercel::inline image
