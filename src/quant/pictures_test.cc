#include "quant/pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error_testing.h"
#include "base/folder_testing.h"
#include "quant/cifar_testing.h"
#include "quant/observe.h"
#include "tercel/error.h"

namespace tercel::inline quant {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class Pictures : public testing::Test {
 protected:
  void put(const fs::path& name, const std::string& text = "not decoded here") {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  TemporaryFolder temporary_{"pictures"};
  const fs::path& folder_ = temporary_.path();
};

TEST_F(Pictures, ClassesComeFromTheLabelFile) {
  put("b.JPG");
  put("a.png");
  put("notes.txt");
  put("labels.tsv", "file\tclass\tname\na.png\t7\tcat\nb.JPG\t3\tdog\n");
  const PictureSet set = find_pictures(folder_);
  EXPECT_THAT(set.files, ElementsAre(folder_ / "a.png", folder_ / "b.JPG"));
  EXPECT_THAT(set.classes, ElementsAre(7, 3));
}

TEST_F(Pictures, ClassesComeFromSubfolders) {
  put("dog/1.jpg");
  put("cat/2.jpg");
  put("cat/1.jpg");
  EXPECT_THAT(find_pictures(folder_).classes, ElementsAre(0, 0, 1));
}

TEST_F(Pictures, CopiesCountOnce) {
  put("cat/1.jpg", "one");
  put("cat/2.jpg", "two");
  put("dog/1.jpg", "dog");
  put("dog/3.png", "one");
  put("dog/4.png", "one");
  std::string said;
  const PictureSet set = without_copies(find_pictures(folder_), [&](std::string_view words) { said = words; });
  EXPECT_THAT(set.files, ElementsAre(folder_ / "cat/1.jpg", folder_ / "cat/2.jpg", folder_ / "dog/1.jpg"));
  EXPECT_THAT(set.classes, ElementsAre(0, 0, 1));
  EXPECT_THAT(said, HasSubstr("2 of 5 pictures are copies"));
  EXPECT_THAT(said, HasSubstr("3.png"));
}

TEST_F(Pictures, WithoutLabelsThereAreNoClasses) {
  put("1.jpg");
  put("cat/2.jpg");
  EXPECT_FALSE(find_pictures(folder_).labelled());
}

TEST_F(Pictures, WhatDoesNotFitIsSaidInWords) {
  EXPECT_THAT(error_of([&] { find_pictures(folder_ / "nowhere"); }), HasSubstr("no such folder"));
  EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("holds no picture"));
  put("1.jpg");
  EXPECT_THAT(error_of([&] { split_pictures(find_pictures(folder_), 1, 1, 0); }), HasSubstr("the only picture"));
  put("labels.tsv", "file\tclass\n2.jpg\t1\n");
  EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("has no line for 1.jpg"));
  put("labels.tsv", "file\tclass\n1.jpg\tcat\n");
  EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("line 2"));
  for (const char* wrong : {"1.jpg\t-1\n", "1.jpg\tcat\n", "1.jpg\t2.5\n", "1.jpg\t1x\n", "1.jpg\t\n"}) {
    put("labels.tsv", wrong);
    EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("line 1")) << wrong;
  }
  put("labels.tsv", "1.jpg\t1\n1.jpg\t2\n");
  EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("class 1 before"));
  put("labels.tsv", "1.jpg 1\n");
  EXPECT_THAT(error_of([&] { find_pictures(folder_); }), HasSubstr("line 1 has no tab"));
  EXPECT_THAT(error_of([&] { find_pictures(folder_ / "1.jpg"); }), HasSubstr("a file; wanted a folder"));
}

TEST_F(Pictures, PartsOfASplitShareNoPictureAndTheSeedDecides) {
  for (int i = 0; i < 30; ++i) put(std::to_string(i) + ".jpg");
  const PictureSet all = find_pictures(folder_);
  const auto [first, second] = split_pictures(all, 10, 15, 1);
  EXPECT_EQ(first.size(), 10u);
  EXPECT_EQ(second.size(), 15u);
  for (const auto& file : first.files) EXPECT_THAT(second.files, testing::Not(testing::Contains(file)));
  EXPECT_EQ(split_pictures(all, 10, 15, 1).first.files, first.files);
  EXPECT_NE(split_pictures(all, 10, 15, 2).first.files, first.files);
  const auto [a, b] = split_pictures(all, 100, 200, 1);
  EXPECT_EQ(a.size(), 10u);
  EXPECT_EQ(b.size(), 20u);
}

TEST_F(Pictures, OneThatCannotBeReadIsSkippedAndTold) {
  const Model model = cifar_network();
  const Preprocessing how = Preprocessing::preset("cifar");
  for (const char* name : {"1.jpg", "2.jpg", "3.jpg"})
    fs::copy_file(TERCEL_SOURCE_DIR "/models/photos/cat.jpg", folder_ / name);
  put("2.jpg", "\xFF\xD8\xFF only a start");
  put("labels.tsv", "1.jpg\t4\n2.jpg\t5\n3.jpg\t6\n");
  const PictureSet all = find_pictures(folder_);
  PictureSet some = all;
  std::vector<std::string> warnings;
  const Warn warn = [&](std::string_view what) { warnings.emplace_back(what); };
  EXPECT_EQ(load_inputs(model, some, how, {}, warn).size(), 2u);
  EXPECT_THAT(some.files, ElementsAre(folder_ / "1.jpg", folder_ / "3.jpg"));
  EXPECT_THAT(some.classes, ElementsAre(4, 6));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("2.jpg: JPEG")));

  some = all;
  EXPECT_THAT(error_of([&] { load_inputs(model, some, how); }), HasSubstr("2.jpg: JPEG"));  // nobody to be told
  put("3.jpg", "words");
  EXPECT_THAT(error_of([&] { load_inputs(model, some, how, {}, warn); }),
              HasSubstr("with this one, 2 of 3 pictures cannot be read"));
}

TEST(Judge, CountsAgreementAndDivergence) {
  const auto row = [](float p) { return std::vector<float>{std::log(p), std::log(1 - p)}; };
  const Answers reference{row(0.75f), row(0.25f)};
  const Evaluation same = evaluate(reference, reference, {0, 0});
  EXPECT_EQ(same.agreement, 1);
  EXPECT_EQ(same.kl, 0);
  EXPECT_EQ(same.top1, 0.5);
  const Evaluation other = evaluate(reference, {row(0.75f), row(0.75f)}, {0, 0});
  EXPECT_EQ(other.agreement, 0.5);
  EXPECT_NEAR(other.kl, 0.5 * 0.5 * std::log(3.0), 1e-6);
  EXPECT_EQ(other.top1_drop(), -0.5);
}

}  // namespace
}  // namespace tercel::inline quant
