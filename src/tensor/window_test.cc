#include "tensor/window.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

Window conv_1d(int64_t input, int64_t kernel, const Attrs& attrs) {
  return conv_windows(attrs, std::span(&input, 1), std::span(&kernel, 1))[0];
}
Window transpose_1d(int64_t input, int64_t kernel, const Attrs& attrs) {
  return conv_transpose_windows(attrs, std::span(&input, 1), std::span(&kernel, 1))[0];
}
Attr ints(std::vector<int64_t> values) { return values; }

TEST(Window, StepsWithinAgreesWithCounting) {
  for (int64_t first = -7; first <= 7; ++first)
    for (int64_t step = 1; step <= 3; ++step)
      for (int64_t low = -2; low <= 2; ++low)
        for (int64_t high = low; high <= 6; ++high) {
          const Range range = steps_within(first, step, low, high, 5);
          for (int64_t i = 0; i < 5; ++i) {
            const int64_t at = first + i * step;
            EXPECT_EQ(i >= range.begin && i < range.end, at >= low && at < high) << first << " " << step << " " << i;
          }
        }
}

TEST(Window, OutputsOfConvolution) {
  EXPECT_EQ(conv_1d(7, 3, {}).output, 5);
  EXPECT_EQ(conv_1d(224, 7, {{"strides", ints({2})}, {"pads", ints({3, 3})}}).output, 112);
  EXPECT_EQ(conv_1d(7, 3, {{"dilations", ints({3})}}).output, 1);
  EXPECT_EQ(conv_1d(3, 3, {}).output, 1);
  EXPECT_EQ(conv_1d(0, 1, {{"pads", ints({1, 1})}}).output, 2);
}

TEST(Window, CeilModeDropsWindowsThatStartInTheEndPadding) {
  const auto pool = [](int64_t input, int64_t kernel, int64_t stride, int64_t pad) {
    return conv_1d(input, kernel, {{"strides", ints({stride})}, {"pads", ints({pad, pad})}, {"ceil_mode", int64_t{1}}})
        .output;
  };
  EXPECT_EQ(pool(4, 3, 2, 0), 2);  // floor would give 1
  EXPECT_EQ(pool(5, 3, 2, 0), 2);
  EXPECT_EQ(pool(1, 2, 2, 1), 1);  // the second would start at 1, where the padding begins
  EXPECT_EQ(pool(2, 1, 3, 1), 1);  // the second would start at 2
}

TEST(Window, AutoPad) {
  const Attr stride = ints({2});
  EXPECT_EQ(conv_1d(5, 4, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", stride}}),
            (Window{4, 2, 1, 1, 2, 5, 3}));
  EXPECT_EQ(conv_1d(5, 4, {{"auto_pad", std::string("SAME_LOWER")}, {"strides", stride}}),
            (Window{4, 2, 1, 2, 1, 5, 3}));
  EXPECT_EQ(conv_1d(5, 4, {{"auto_pad", std::string("VALID")}, {"pads", ints({9, 9})}}).output, 2);
  EXPECT_EQ(conv_1d(5, kUnknown, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", stride}}).output, 3);
  // A stride longer than the window: nothing to pad.
  EXPECT_EQ(conv_1d(5, 1, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", ints({3})}}),
            (Window{1, 3, 1, 0, 0, 5, 2}));
}

TEST(Window, UnknownStaysUnknown) {
  EXPECT_EQ(conv_1d(kUnknown, 3, {}).output, kUnknown);
  EXPECT_EQ(conv_1d(9, kUnknown, {}).output, kUnknown);
  EXPECT_EQ(transpose_1d(kUnknown, 3, {}).output, kUnknown);
  EXPECT_EQ(transpose_1d(kUnknown, 3, {{"output_shape", ints({12})}}).output, 12);
}

TEST(Window, Transposed) {
  EXPECT_EQ(transpose_1d(3, 3, {}).output, 5);
  EXPECT_EQ(transpose_1d(3, 3, {{"strides", ints({3})}, {"output_padding", ints({1})}}).output, 10);
  EXPECT_EQ(transpose_1d(3, 3, {{"strides", ints({2})}, {"pads", ints({1, 1})}}).output, 5);
  EXPECT_EQ(transpose_1d(3, 2, {{"strides", ints({3})}, {"auto_pad", std::string("SAME_UPPER")}}).output, 9);
  const Window shaped = transpose_1d(3, 3, {{"strides", ints({2})}, {"output_shape", ints({6})}});
  EXPECT_EQ(shaped.output, 6);
  EXPECT_EQ(shaped.pad_begin, 1);  // 7 - 6: the odd one at the beginning unless SAME_UPPER
}

TEST(Window, RefusesWhatIsWrong) {
  EXPECT_THROW(conv_1d(2, 3, {}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"strides", ints({0})}}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"strides", ints({1, 1})}}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"dilations", ints({-1})}}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"dilations", ints({INT64_MAX})}}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"pads", ints({1})}}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"pads", ints({-1, 0})}}), Error);
  EXPECT_THROW(conv_1d(9, 0, {}), Error);
  EXPECT_THROW(conv_1d(9, 3, {{"auto_pad", std::string("SAME")}}), Error);
  EXPECT_THROW(transpose_1d(3, 3, {{"pads", ints({4, 4})}}), Error);
  EXPECT_THROW(transpose_1d(int64_t{1} << 40, 3, {{"strides", ints({1 << 30})}}), Error);
}

}  // namespace
}  // namespace tercel::inline tensor
