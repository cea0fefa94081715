#include "kernels/packed_weights.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "tensor/element_source.h"

namespace tercel::inline kernels {
namespace {

Tensor ramp(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return Tensor::of<float>({count}, values);
}

struct Counter {
  int packed = 0;
  std::shared_ptr<const Buffer> get(PackedWeights& store, const Tensor& tensor, const std::string& form) {
    return store.get(tensor, form, tensor.bytes(), [&](std::byte* to) {
      ++packed;
      std::memcpy(to, tensor.data(), tensor.bytes());
    });
  }
};

TEST(PackedWeights, OneFormOfOneConstantIsPackedOnceWhileSomebodyHoldsIt) {
  PackedWeights store;
  Counter counter;
  const Tensor weights = ramp(8), copy = weights;
  auto first = counter.get(store, weights, "a");
  EXPECT_EQ(counter.get(store, copy, "a"), first);
  EXPECT_EQ(counter.packed, 1);
  const auto other_form = counter.get(store, weights, "b");
  EXPECT_NE(other_form, first);
  EXPECT_NE(counter.get(store, weights.reshaped({2, 4}), "a"), first);
  EXPECT_NE(counter.get(store, ramp(8), "a"), first);  // the same numbers, but nobody compares them
  EXPECT_EQ(store.bytes(), 2 * weights.bytes());
  first.reset();
  EXPECT_EQ(store.bytes(), weights.bytes());
  counter.packed = 0;
  first = counter.get(store, weights, "a");
  EXPECT_EQ(counter.packed, 1);
}

TEST(PackedWeights, ALaterTensorAtTheSameAddressIsAnother) {
  PackedWeights store;
  Counter counter;
  std::vector<std::shared_ptr<const Buffer>> held;
  for (int i = 0; i < 20; ++i) held.push_back(counter.get(store, ramp(64), "a"));  // each dies at once
  EXPECT_EQ(counter.packed, 20);
}

TEST(PackedWeights, ASourceIsKnownWhetherItsElementsAreThereOrNot) {
  PackedWeights store;
  Counter counter;
  int made = 0;
  const Tensor weights(DType::f32, {4}, std::make_shared<ElementSource>(16, [&](std::byte* to) {
                         ++made;
                         std::memset(to, 0, 16);
                       }));
  const auto first = counter.get(store, weights, "a");
  weights.release();
  const Tensor copy = weights;
  EXPECT_EQ(counter.get(store, copy, "a"), first);
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(copy.lazy());
}

TEST(PackedWeights, BorrowedElementsAreNeverShared) {
  PackedWeights store;
  Counter counter;
  float numbers[2] = {1, 2};
  const Tensor weights(DType::f32, {2}, reinterpret_cast<const std::byte*>(numbers), nullptr);
  const auto first = counter.get(store, weights, "a");
  EXPECT_NE(counter.get(store, weights, "a"), first);
}

TEST(PackedWeights, AFailureIsTheCallersAndTheNextOneTriesAgain) {
  PackedWeights store;
  Counter counter;
  const Tensor weights = ramp(3);
  EXPECT_THROW(store.get(weights, "a", 12, [](std::byte*) { fail_input("damaged"); }), Error);
  EXPECT_NE(counter.get(store, weights, "a"), nullptr);
  EXPECT_EQ(counter.packed, 1);
}

TEST(PackedWeights, ManyThreadsPackOnce) {
  PackedWeights store;
  const Tensor weights = ramp(1000);
  std::atomic<int> packed = 0;
  std::vector<std::shared_ptr<const Buffer>> got(8);
  std::vector<std::thread> threads;
  for (auto& mine : got)
    threads.emplace_back([&] {
      mine = store.get(weights, "a", weights.bytes(), [&](std::byte* to) {
        ++packed;
        std::memcpy(to, weights.data(), weights.bytes());
      });
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(packed, 1);
  for (const auto& mine : got) EXPECT_EQ(mine, got[0]);
}

}  // namespace
}  // namespace tercel::inline kernels
