#include "base/file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/folder_testing.h"

namespace tercel::inline base {
namespace {

namespace fs = std::filesystem;

class AtomicFiles : public testing::Test {
 protected:
  std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator());
  }
  TemporaryFolder folder_{"atomic_files"};
  const fs::path path_ = folder_.path() / "a.txt";
};

TEST_F(AtomicFiles, AreWholeOrNotThere) {
  {
    AtomicFile file(path_);
    file.write("half");
  }
  EXPECT_EQ(entries(), 0);
  AtomicFile file(path_);
  file.write("one ");
  file.write("two");
  EXPECT_FALSE(fs::exists(path_));
  file.commit();
  EXPECT_EQ(read_text_file(path_), "one two");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicFiles, ReplaceWhatIsThereOnlyOnceTheyAreWhole) {
  std::ofstream(path_) << "before";
  fs::create_symlink(path_, folder_.path() / "link");
  AtomicFile file(folder_.path() / "link");
  file.write("after");
  EXPECT_EQ(read_text_file(path_), "before");
  file.commit();
  EXPECT_EQ(read_text_file(path_), "after");
  EXPECT_TRUE(fs::is_symlink(folder_.path() / "link"));
  EXPECT_EQ(entries(), 2);
}

TEST_F(AtomicFiles, AFolderThatIsNotThereIsSaid) {
  try {
    AtomicFile file(folder_.path() / "nowhere" / "a.txt");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
  }
}

}  // namespace
}  // namespace tercel::inline base
