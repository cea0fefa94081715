#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "base/error.h"
#include "tensor/element_source.h"
#include "tensor/narrow.h"

namespace tercel::inline tensor {
namespace {

TEST(Half, EveryBitPatternSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<uint16_t>(bits);
    const float value = half;
    if (std::isnan(value)) EXPECT_TRUE(std::isnan(static_cast<float>(Half(value))));
    else ASSERT_EQ(Half(value).bits, bits) << value;
  }
}

TEST(Half, RoundsToNearestEvenAndOverflowsToInfinity) {
  EXPECT_EQ(static_cast<float>(Half(2049.0f)), 2048.0f);  // a tie, even below
  EXPECT_EQ(static_cast<float>(Half(2051.0f)), 2052.0f);  // a tie, even above
  EXPECT_EQ(static_cast<float>(Half(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(static_cast<float>(Half(65520.0f))));
  EXPECT_EQ(static_cast<float>(Half(0x1p-25f)), 0.0f);  // a tie between 0 and 2^-24
  EXPECT_EQ(static_cast<float>(Half(0x1.8p-24f)), 0x1p-23f);
}

TEST(Tensor, BoundIsTheLargestMagnitudeAndInfinityWhereOneIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Tensor::of<float>({3}, {1, -5, 2}).bound(), 5);
  EXPECT_EQ(Tensor::of<float>({0}, {}).bound(), 0);
  EXPECT_EQ(Tensor::of<float>({2}, {1, -infinity}).bound(), infinity);
  EXPECT_EQ(Tensor::of<float>({2}, {-std::numeric_limits<float>::quiet_NaN(), 1}).bound(), infinity);
  std::vector<float> many(3 << 20, -1);  // of several threads
  many.back() = 7;
  EXPECT_EQ(Tensor::of<float>({3 << 20}, many).bound(), 7);
}

TEST(Tensor, BoundIsOfTheElementsAsTheyAre) {
  Tensor tensor = Tensor::of<float>({2}, {1, 2});
  EXPECT_EQ(tensor.bound(), 2);
  const Tensor copy = tensor;
  EXPECT_EQ(copy.bound(), 2);
  Tensor other = Tensor::of<float>({2}, {1, 2});
  EXPECT_EQ(other.bound(), 2);
  reinterpret_cast<float*>(other.mutable_data())[0] = 9;
  EXPECT_EQ(other.bound(), 9);
}

TEST(Tensor, BoundOfASourceIsWhatItSays) {
  int calls = 0;
  const auto make = [&](std::byte*) { ++calls; };
  EXPECT_EQ(Tensor(DType::f32, {2}, std::make_shared<ElementSource>(8, make, 3.0f)).bound(), 3);
  EXPECT_EQ(Tensor(DType::f32, {2}, std::make_shared<ElementSource>(8, make)).bound(),
            std::numeric_limits<float>::infinity());
  EXPECT_EQ(calls, 0);
}

TEST(Narrow, FiniteNumbersStayFinite) {
  const std::vector<float> values{65519,          65520,    -1e6f,
                                  1.00048828125f, 0x1p-25f, std::numeric_limits<float>::infinity()};
  Tensor half(DType::f16, {6});
  narrow(values, DType::f16, half.mutable_data());
  EXPECT_EQ(to_floats(half), (std::vector<float>{65504, 65504, -65504, 1, 0, values[5]}));
  Tensor brain(DType::bf16, {1});
  narrow(std::vector<float>{std::numeric_limits<float>::max()}, DType::bf16, brain.mutable_data());
  EXPECT_EQ(to_floats(brain)[0], 0x1.FEp127f);
  Tensor wide(DType::f64, {6});
  narrow(values, DType::f64, wide.mutable_data());
  EXPECT_EQ(to_floats(wide), values);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(static_cast<float>(BFloat16(1.00390625f)), 1.0f);       // 1 + 2^-8, a tie
  EXPECT_EQ(static_cast<float>(BFloat16(1.01171875f)), 1.015625f);  // 1 + 3 * 2^-8, a tie
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Shape, CountsAndRefusesWhatCannotBeCounted) {
  EXPECT_EQ(count_elements(Dims{}), 1);
  EXPECT_EQ(count_elements(Dims{2, 0, 3}), 0);
  EXPECT_THROW(count_elements(Dims{-1, 3}), Error);
  EXPECT_THROW(count_elements(Dims{int64_t{1} << 32, int64_t{1} << 32}), Error);
  EXPECT_THROW(count_elements(Dims{0, int64_t{1} << 32, int64_t{1} << 32}), Error);
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(broadcast(Dims{3, 1, 5}, Dims{4, 1}), (Dims{3, 4, 5}));
  EXPECT_EQ(broadcast(Dims{kUnknown, 1}, Dims{7, kUnknown}), (Dims{7, kUnknown}));
  EXPECT_EQ(broadcast(Dims{2}, Dims{3}), std::nullopt);
}

TEST(Tensor, ReadsMisalignedElementsAndAlignsThem) {
  auto bytes = std::make_shared<std::vector<std::byte>>(17);
  const float values[] = {1.5f, -2.0f, 3.25f, 0.0f};
  std::memcpy(bytes->data() + 1, values, sizeof(values));
  const Tensor tensor(DType::f32, {4}, bytes->data() + 1, bytes);
  EXPECT_EQ(tensor.at<float>(2), 3.25f);
  const Tensor aligned = tensor.aligned();
  EXPECT_EQ(aligned.view().as<float>()[1], -2.0f);
  EXPECT_EQ(aligned, tensor);
}

/// Four floats 0 1 2 3, and how often they were made.
struct CountedSource {
  std::atomic<int> made = 0;
  std::shared_ptr<ElementSource> source = std::make_shared<ElementSource>(16, [this](std::byte* elements) {
    ++made;
    for (int i = 0; i < 4; ++i) reinterpret_cast<float*>(elements)[i] = static_cast<float>(i);
  });
};

TEST(Tensor, ElementsOfASourceAreMadeWhenLookedAt) {
  CountedSource counted;
  const Tensor tensor(DType::f32, {4}, counted.source);
  const Tensor copy = tensor.reshaped({2, 2});
  EXPECT_TRUE(tensor.lazy());
  EXPECT_EQ(counted.made, 0);
  EXPECT_EQ(tensor.at<float>(3), 3.0f);
  EXPECT_FALSE(tensor.lazy());
  EXPECT_TRUE(copy.lazy());
  EXPECT_EQ(copy.data(), tensor.data());
  EXPECT_EQ(tensor, Tensor::of<float>({4}, {0, 1, 2, 3}));
  EXPECT_EQ(counted.made, 1);
}

TEST(Tensor, ElementsOfASourceAreLetGoAndMadeAgain) {
  CountedSource counted;
  Tensor tensor(DType::f32, {4}, counted.source);
  Tensor copy = tensor;
  EXPECT_EQ(copy.at<float>(1), 1.0f);
  const Tensor third = copy;  // holds what its model holds
  copy.release();
  EXPECT_TRUE(copy.lazy());
  EXPECT_EQ(third.at<float>(2), 2.0f);
  EXPECT_TRUE(counted.source->held());
  third.release();
  EXPECT_FALSE(counted.source->held());
  EXPECT_EQ(counted.made, 1);
  EXPECT_EQ(tensor.aligned(), Tensor::of<float>({4}, {0, 1, 2, 3}));
  EXPECT_EQ(counted.made, 2);
  tensor = Tensor();
  EXPECT_FALSE(counted.source->held());
}

TEST(Tensor, ASourceThatFailsMayBeAskedAgain) {
  bool fails = true;
  const Tensor tensor(DType::u8, {1}, std::make_shared<ElementSource>(1, [&](std::byte* elements) {
                        if (fails) fail_input("damaged");
                        *elements = std::byte{7};
                      }));
  EXPECT_THROW(tensor.data(), Error);
  EXPECT_TRUE(tensor.lazy());
  fails = false;
  EXPECT_EQ(tensor.at<uint8_t>(0), 7);
}

TEST(Tensor, SeveralThreadsLookAtOneSource) {
  for (int round = 0; round < 50; ++round) {
    CountedSource counted;
    const Tensor tensor(DType::f32, {4}, counted.source);
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        const Tensor copy = tensor;
        right += (t % 2 == 0 ? copy : tensor).at<float>(3) == 3.0f;
        copy.release();
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, 4);
    EXPECT_GE(counted.made, 1);
  }
}

}  // namespace
}  // namespace tercel::inline tensor
