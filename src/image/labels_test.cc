#include <unistd.h>

#include <fstream>

#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;
using Labels = std::vector<std::string>;

struct LabelFile {
  explicit LabelFile(std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  ~LabelFile() { std::filesystem::remove(path); }
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / ("tercel_labels_" + std::to_string(::getpid()) + ".txt");
};

Labels labels_of(std::string_view text) { return read_labels(LabelFile(text).path); }

TEST(Labels, OnePerLine) {
  EXPECT_EQ(labels_of("cat\ndog, hound\n"), (Labels{"cat", "dog, hound"}));
  EXPECT_EQ(labels_of("cat\ndog"), (Labels{"cat", "dog"}));
  EXPECT_EQ(labels_of("cat\r\ndog\r\n"), (Labels{"cat", "dog"}));
  EXPECT_EQ(labels_of("\xEF\xBB\xBF"
                      "k\xC3\xA4se\n\n\xF0\x9F\x90\x88\n"),
            (Labels{"k\xC3\xA4se", "", "\xF0\x9F\x90\x88"}));
  EXPECT_EQ(labels_of(""), Labels{});
}

TEST(Labels, NotText) {
  for (const std::string_view text :
       {std::string_view("a\0b", 3), std::string_view("\x89PNG\r\n\x1A\n"), std::string_view("caf\xE9\n"),
        std::string_view("\xC3"), std::string_view("\xC0\x80"), std::string_view("\xED\xA0\x80"),
        std::string_view("\xF4\x90\x80\x80"), std::string_view("\xE0\x80\x80"), std::string_view("\xF0\x80\x80\x80")})
    EXPECT_THROW(labels_of(text), Error);
  EXPECT_EQ(error_of([] { labels_of("caf\xE9\n"); }).substr(LabelFile("").path.string().size()),
            ": not a text file of class names: byte 3 is 0xe9, wanted UTF-8");
  EXPECT_THROW(read_labels("/no/such/file"), Error);
}

}  // namespace
}  // namespace tercel::inline image
