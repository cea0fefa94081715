#include "fpga/board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_testing.h"
#include "base/file.h"

namespace tercel::inline fpga {
namespace {

using testing::HasSubstr;

std::string good_text() { return read_text_file(TERCEL_SOURCE_DIR "/src/fpga/boards/385a.toml"); }

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = good_text();
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void read(const std::string& text) { parse_board(text, "mine.toml"); }

TEST(Boards, EveryFigureHasASource) {
  ASSERT_EQ(known_boards().size(), 6u);
  for (const Board& board : known_boards()) {
    for (const FpgaFigure& figure : describe(board).figures) {
      EXPECT_GT(figure.value, 0) << board.name << " " << figure.name;
      EXPECT_GE(figure.source.size(), 10u) << board.name << " " << figure.name;
    }
  }
  EXPECT_NEAR(find_board("de5net").ddr_bytes_per_second(), 14.6e9, 1e6);
  EXPECT_EQ(find_board("de1soc").ram_block_kbit(), 10);
  EXPECT_TRUE(find_board("alaric").ddr_peak_gb_s.assumed);
  EXPECT_FALSE(find_board("385a").dsp_blocks.assumed);
}

TEST(Boards, AnUnknownOneIsToldThoseThereAre) {
  EXPECT_THAT(error_of([&] { find_board("385b"); }),
              HasSubstr("no board '385b'; there are 385a, 520n, a10gx, alaric, de1soc, de5net"));
}

TEST(Boards, FilesAreRefusedByFileLineAndField) {
  EXPECT_NO_THROW(read(good_text()));
  EXPECT_THAT(error_of([&] { read(replaced("value = 1518", "value = 0")); }),
              HasSubstr("mine.toml: line 6: dsp_blocks: 0 is absurd"));
  EXPECT_THAT(error_of([&] { read(replaced("value = 1518", "value = 15.5")); }),
              HasSubstr("line 6: dsp_blocks: 15.5 is absurd; wanted a whole"));
  EXPECT_THAT(error_of([&] { read(replaced("value = 34.1", "value = nan")); }),
              HasSubstr("line 9: ddr_peak_gb_s: nan is absurd"));
  EXPECT_THAT(error_of([&] { read(replaced("value = 0.57", "value = 57")); }),
              HasSubstr("line 10: ddr_efficiency: 57 is absurd"));
  EXPECT_THAT(error_of([&] { read(replaced("dsp_blocks =", "dsp_block =")); }),
              HasSubstr("line 6: dsp_block: no such field"));
  EXPECT_THAT(error_of([&] { read(replaced("name = \"385a\"", "")); }), HasSubstr("mine.toml: name is missing"));
  EXPECT_THAT(error_of([&] { read(replaced("\"arria_10\"", "\"arria\"")); }),
              HasSubstr("line 5: family: 'arria' is none of stratix_v, arria_10"));
  EXPECT_THAT(error_of([&] { read(replaced("value = 218, source", "source")); }),
              HasSubstr("line 11: clock_mhz: wanted {value = NUMBER"));
  EXPECT_THAT(error_of([&] { read(replaced("assumed = true", "assumed = 1")); }),
              HasSubstr("'assumed' is unknown or of a wrong type"));
  EXPECT_THAT(error_of([&] { read(replaced("ram_blocks = {", "ram_blocks = 2713 #")); }),
              HasSubstr("line 8: ram_blocks: wanted {value"));
  EXPECT_THAT(error_of([&] { read("name = \"x"); }), HasSubstr("mine.toml: line 1: no TOML"));
  EXPECT_THAT(error_of([&] { read(""); }), HasSubstr("mine.toml: name is missing"));
  EXPECT_THAT(error_of([&] { find_board("not there.toml"); }), HasSubstr("not there.toml"));
}

}  // namespace
}  // namespace tercel::inline fpga
