#include "fpga/design_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_testing.h"

namespace tercel::inline fpga {
namespace {

using testing::HasSubstr;

DesignPoint unusual() {
  DesignPoint point;
  point.vec = 8;
  point.lane = 64;
  point.window_x = 5;
  point.weight_buffer_words = 1568;
  point.window_buffer_words = 777;
  point.depths = {.data = 1, .sums = 2, .levels = 3, .pooled = 65536};
  point.board = "my boards/one.toml";
  point.clock_mhz = 187.25;
  return point;
}

TEST(DesignPoint, TextAndJsonAreReadBack) {
  for (const DesignPoint& point : {DesignPoint{}, unusual()}) {
    EXPECT_EQ(parse_design_point(to_string(point)), point);
    EXPECT_EQ(parse_design_point(to_json(point)), point);
  }
  const DesignPoint some = parse_design_point("vec=16,lane=32,window_x=7");
  EXPECT_EQ(some, DesignPoint{}) << "what is left out keeps its default";
}

std::string refusal(std::string_view text) {
  try {
    parse_design_point(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(DesignPoint, RefusesInSentences) {
  EXPECT_THAT(refusal("vec=12"), HasSubstr("vec is 12, wanted a power of two from 1 to 128"));
  EXPECT_THAT(refusal("lane=0"), HasSubstr("lane is 0, wanted a power of two"));
  EXPECT_THAT(refusal("lane=-16"), HasSubstr("lane is -16"));
  EXPECT_THAT(refusal("lane=16x"), HasSubstr("lane is '16x', wanted a whole number"));
  EXPECT_THAT(refusal("lane=99999999999"), HasSubstr("lane is '99999999999'"));
  EXPECT_THAT(refusal("vec=8,vec=16"), HasSubstr("vec is given twice"));
  EXPECT_THAT(refusal("vecs=8"), HasSubstr("there is no 'vecs'; there are vec, lane"));
  EXPECT_THAT(refusal("vec"), HasSubstr("'vec' is no key=value"));
  EXPECT_THAT(refusal("window_x=65"), HasSubstr("window_x is 65, wanted 1 to 64"));
  EXPECT_THAT(refusal("clock_mhz=5000"), HasSubstr("clock_mhz is 5000"));
  EXPECT_THAT(refusal("clock_mhz=nan"), HasSubstr("clock_mhz is nan"));
  EXPECT_THAT(refusal("board="), HasSubstr("board is empty"));
  EXPECT_THAT(refusal(R"({"board": "a,b.toml"})"), HasSubstr("board is 'a,b.toml', and a comma ends a field"));
  EXPECT_THAT(refusal("data_depth=0"), HasSubstr("data_depth is 0"));
  EXPECT_THAT(refusal(R"({"vec": 8, "vec": 16})"), HasSubstr("vec is given twice"));
  EXPECT_THAT(refusal(R"({"vec": 8.5})"), HasSubstr("vec is 8.5, wanted a whole number"));
  EXPECT_THAT(refusal(R"({"vec": 4294967312})"), HasSubstr("vec is '4294967312'"));
  EXPECT_THAT(refusal(R"({"board": 3})"), HasSubstr("board is 3, wanted a name"));
  EXPECT_THAT(refusal(R"({"vec": 8)"), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(R"({"vecs": 8})"), HasSubstr("there is no 'vecs'"));
}

TEST(DesignPoint, BuffersMustHoldALayer) {
  LayerShape layer{.name = "conv3_2", .ic = 256, .oc = 256, .ih = 56, .iw = 56, .oh = 56, .ow = 56, .kh = 3, .kw = 3};
  DesignPoint point;
  const BufferNeeds needs = buffer_needs(layer, point);
  EXPECT_EQ(needs.weight_words, 9 * 256 / 16);
  EXPECT_EQ(needs.window_words, (3 + 6) * 3 * 256 / 16);
  point.weight_buffer_words = 144;
  point.window_buffer_words = 432;
  EXPECT_NO_THROW(check_fits(layer, point));
  point.weight_buffer_words = 143;
  EXPECT_THAT(error_of([&] { check_fits(layer, point); }), HasSubstr("layer 'conv3_2' keeps 144 words of weights"));
  point.weight_buffer_words = 144;
  point.window_buffer_words = 431;
  EXPECT_THAT(error_of([&] { check_fits(layer, point); }), HasSubstr("layer 'conv3_2' reads windows of 432 words"));
  // Weights that meet a single position stream through.
  const LayerShape fc{.name = "fc", .ic = 4096, .oc = 1000};
  EXPECT_EQ(buffer_needs(fc, point).weight_words, 0);
  LayerShape batched = fc;
  batched.batch = 4;
  EXPECT_EQ(buffer_needs(batched, point).weight_words, 256);
}

TEST(DesignPoint, IsCompletedWithWhatTheNetworkNeeds) {
  const std::vector<LayerShape> layers{
      {.name = "a", .ic = 256, .oc = 64, .ih = 14, .iw = 14, .oh = 14, .ow = 14, .kh = 3, .kw = 3},
      {.name = "b", .ic = 4096, .oc = 10}};
  const Board board = find_board("alaric");
  const DesignPoint done = completed({}, layers, board);
  EXPECT_EQ(done.weight_buffer_words, 256) << "144, to a power of two";
  EXPECT_EQ(done.window_buffer_words, 512) << "432";
  EXPECT_EQ(done.clock_mhz, 218);
  const DesignPoint given{.weight_buffer_words = 150, .window_buffer_words = 433, .clock_mhz = 100};
  EXPECT_EQ(completed(given, layers, board), given);
  EXPECT_THAT(error_of([&] { completed({.weight_buffer_words = 143}, layers, board); }),
              HasSubstr("layer 'a' keeps 144"));
}

TEST(LayerShapes, AbsurdOnesAreRefused) {
  LayerShape layer{.name = "big", .ic = 1 << 20, .oc = 1 << 20, .oh = 1 << 12, .ow = 1 << 12};
  EXPECT_THAT(error_of([&] { check(layer); }), HasSubstr("layer 'big': more than 2^53"));
  layer = {.name = "none", .ic = 0};
  EXPECT_THAT(error_of([&] { check(layer); }), HasSubstr("layer 'none': ic is 0, wanted 1 to 16777216"));
  layer = {.name = "grouped", .groups = 3, .ic = 8, .oc = 9};
  EXPECT_THAT(error_of([&] { check(layer); }), HasSubstr("3 groups do not divide 8 input and 9 output channels"));
}

}  // namespace
}  // namespace tercel::inline fpga
