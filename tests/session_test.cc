// What a Session promises: sessions in several threads do not disturb each other, an instruction set can be forced,
// nothing is allocated per step, wrong inputs are refused by name, shapes may change, memory has a limit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "../src/base/fork_testing.h"
#include "tercel/tercel.h"

// Sanitizers bring an operator new of their own, and their bookkeeping allocates.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TERCEL_COUNT_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TERCEL_COUNT_ALLOCATIONS 0
#endif
#endif
#ifndef TERCEL_COUNT_ALLOCATIONS
#define TERCEL_COUNT_ALLOCATIONS 1
#endif

namespace {

std::atomic<int64_t> allocations = 0;

}  // namespace

#if TERCEL_COUNT_ALLOCATIONS
namespace {

void* counted(size_t bytes, size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (bytes == 0) bytes = 1;
  void* memory = alignment == 0 ? std::malloc(bytes)
                                : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The nothrow and array forms of the standard library call these.
void* operator new(size_t bytes) { return counted(bytes, 0); }
void* operator new(size_t bytes, std::align_val_t alignment) { return counted(bytes, static_cast<size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
#endif

namespace tercel {
namespace {

using testing::HasSubstr;

std::string shipped(const std::string& name) { return std::string(TERCEL_SOURCE_DIR "/models/") + name + ".tercel"; }

/// The same numbers for the same seed, between -1 and 1.
Array noise(std::vector<int64_t> dims, uint32_t seed) {
  Array array(DType::f32, std::move(dims));
  uint32_t state = seed * 2654435761u + 1;
  for (float& x : array.floats()) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return array;
}

struct Net {
  const char* name;
  std::vector<int64_t> dims;
};
const Net kSqueezeNet{"squeezenet1_1", {1, 3, 224, 224}};
const Net kResNet{"resnet20_cifar10", {1, 3, 32, 32}};

bool same_bits(const Array& a, const Array& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

SessionOptions with_threads(int threads) {
  SessionOptions options;
  options.threads = threads;
  return options;
}

/// What the call's Error says; empty, and a failure, where it throws none.
template <typename Call>
std::string refusal(ErrorCode code, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return "";
}

/// Sets an environment variable for the life of this object.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value, 1);
  }
  ~Environment() {
    if (before_) ::setenv(name_, before_->c_str(), 1);
    else ::unsetenv(name_);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Session, TwoThreadsGetTheAnswersOfOne) {
  for (int threads : {1, 2}) {
    SCOPED_TRACE(threads);
    const std::vector<std::pair<Net, int>> jobs{{kSqueezeNet, 8}, {kResNet, 60}};
    std::vector<std::vector<Array>> alone(jobs.size());
    for (size_t j = 0; j < jobs.size(); ++j) {
      Session session(load(shipped(jobs[j].first.name)), with_threads(threads));
      for (uint32_t seed = 0; seed < 4; ++seed)
        alone[j].push_back(session.run({noise(jobs[j].first.dims, seed)}).at(0));
    }
    std::vector<int> differing(2 * jobs.size(), 0);
    std::vector<std::thread> workers;
    for (size_t w = 0; w < differing.size(); ++w)  // each net twice: what kernels share, they share within one net too
      workers.emplace_back([&, w] {
        const auto& [net, runs] = jobs[w % jobs.size()];
        Session session(load(shipped(net.name)), with_threads(threads));
        for (int run = 0; run < runs; ++run) {
          const auto seed = static_cast<uint32_t>(run) % 4;
          if (!same_bits(session.run({noise(net.dims, seed)}).at(0), alone[w % jobs.size()][seed])) ++differing[w];
        }
      });
    for (std::thread& worker : workers) worker.join();
    EXPECT_THAT(differing, testing::Each(0));
  }
}

TEST(Session, SessionsOfOneModelAreMadeInSeveralThreads) {
  const Model model = load(shipped(kResNet.name));  // whose weights all of them decode
  const Array alone = Session(model, with_threads(1)).run({noise(kResNet.dims, 1)}).at(0);
  std::vector<int> differing(4, 0);
  std::vector<std::thread> workers;
  for (int& differs : differing)
    workers.emplace_back([&] {
      for (int i = 0; i < 3; ++i)
        differs += !same_bits(Session(model, with_threads(1)).run({noise(kResNet.dims, 1)}).at(0), alone);
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_THAT(differing, testing::Each(0));
}

// What servers and data loaders do: run, fork, run in the child. (ThreadSanitizer's own runtime starts no threads
// there.)
#ifndef __SANITIZE_THREAD__
TEST(Session, RunsInAForkedChild) {
  const Array input = noise(kResNet.dims, 3);
  for (int before : {1, 2})
    for (int inside : {1, 2}) {
      SCOPED_TRACE(testing::Message() << before << " threads, then " << inside);
      Session session(load(shipped(kResNet.name)), with_threads(before));
      const Array wanted = session.run({input}).at(0);
      EXPECT_TRUE(in_a_child([&] {
        Session fresh(load(shipped(kResNet.name)), with_threads(inside));
        bool same = true;
        for (int i = 0; i < 20; ++i)
          same = same && same_bits(fresh.run({input}).at(0), wanted) && same_bits(session.run({input}).at(0), wanted);
        return same;
      }));
      EXPECT_TRUE(same_bits(session.run({input}).at(0), wanted));
    }
}
#endif

TEST(Session, EightSessionsInEightThreads) {
  const Array input = noise(kResNet.dims, 4);
  Session one(load(shipped(kResNet.name)), with_threads(1));
  const Array wanted = one.run({input}).at(0);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      Session session(load(shipped(kResNet.name)), with_threads(2));
      for (int i = 0; i < 20; ++i) wrong += !same_bits(session.run({input}).at(0), wanted);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Session, AForcedInstructionSetIsUsedAndReported) {
  const Model model = load(shipped(kResNet.name));
  for (const char* isa : {"baseline", "avx2", "avx512"}) {
    SessionOptions options;
    options.isa = isa;
    const Environment other("TERCEL_ISA", "baseline");  // options win
    try {
      EXPECT_EQ(Session(model, options).prepare().isa, isa);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);  // this machine lacks it
      EXPECT_THAT(error.what(), HasSubstr(isa));
      continue;
    }
    const Environment forced("TERCEL_ISA", isa);
    EXPECT_EQ(Session(model).prepare().isa, isa);
  }
}

TEST(Session, AnUnknownInstructionSetIsRefused) {
  const Model model = load(shipped(kResNet.name));
  SessionOptions options;
  options.isa = "sse9";
  EXPECT_THAT(refusal(ErrorCode::bad_input, [&] { Session session(model, options); }), HasSubstr("'sse9'"));
  const Environment forced("TERCEL_ISA", "sse9");
  const std::string message = refusal(ErrorCode::bad_input, [&] { Session session(model); });
  EXPECT_THAT(message, HasSubstr("TERCEL_ISA"));
  EXPECT_THAT(message, HasSubstr("'sse9'"));
}

TEST(Session, Bf16HoldsHalfTheWeightsAndAnswersNearly) {
  const Model model = load(shipped(kSqueezeNet.name));
  const Array input = noise(kSqueezeNet.dims, 3);
  SessionOptions options;
  options.precision = "bf16";
  Session exact(model), rounded(model, options);
  const std::vector<float> wanted = exact.run({input})[0].to_floats(), got = rounded.run({input})[0].to_floats();
  float largest = 0, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::fabs(wanted[i]));
    worst = std::max(worst, std::fabs(wanted[i] - got.at(i)));
  }
  EXPECT_GT(worst, 1e-5f * largest);  // it is not the same
  EXPECT_LT(worst, 2e-2f * largest);
  EXPECT_LT(rounded.prepare().weight_bytes, exact.prepare().weight_bytes);
  options.precision = "fp32";
  EXPECT_TRUE(same_bits(Session(model, options).run({input})[0], exact.run({input})[0]));
}

TEST(Session, AnUnknownPrecisionIsRefused) {
  const Model model = load(shipped(kResNet.name));
  SessionOptions options;
  options.precision = "fp8";
  EXPECT_THAT(refusal(ErrorCode::bad_input, [&] { Session session(model, options); }), HasSubstr("'fp8'"));
}

// A run allocates its outputs, the table of their addresses and the key to its plan: the same few blocks whatever the
// net. Reference kernels alone may keep small tables for themselves (a reduction one per row).
TEST(Session, ARunAllocatesNothingPerStep) {
  if (!TERCEL_COUNT_ALLOCATIONS) GTEST_SKIP() << "sanitizers allocate on their own";
  constexpr int64_t kMost = 20, kMostPerReferenceStep = 160;
  for (const Net& net : {kSqueezeNet, kResNet})
    for (int threads : {1, 2}) {
      SCOPED_TRACE(std::string(net.name) + ", " + std::to_string(threads) + " threads");
      Session session(load(shipped(net.name)), with_threads(threads));
      int64_t limit = kMost;
      for (const StepReport& step : session.prepare().steps)
        if (step.variant == "ref") limit += kMostPerReferenceStep;
      const std::vector<Array> inputs{noise(net.dims, 1)};
      session.run(inputs);
      const int64_t before = allocations;
      session.run(inputs);
      const int64_t once = allocations - before;
      for (int i = 0; i < 3; ++i) session.run(inputs);
      EXPECT_EQ(allocations - before, 4 * once);
      EXPECT_GT(once, 0) << "nothing was counted";
      EXPECT_LE(once, limit);
    }
}

// What a server does: requests of several shapes at once, answers into memory of its own.
TEST(Session, EightThreadsOfOneSessionWriteIntoTheirOwnMemory) {
  constexpr int kBatches = 6, kThreads = 8;  // more shapes than the session keeps plans for
  const Model model = load(shipped(kResNet.name));
  Session session(model, with_threads(2));
  std::vector<Array> inputs, wanted;
  for (int batch = 1; batch <= kBatches; ++batch) {
    inputs.push_back(noise({batch, 3, 32, 32}, static_cast<uint32_t>(batch)));
    wanted.push_back(Session(model, with_threads(1)).run({inputs.back()}).at(0));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 12; ++i) {
        const auto which = static_cast<size_t>((i * 5 + t) % kBatches);
        Array answer(DType::f32, wanted[which].dims());
        const ArrayView in[] = {inputs[which]};
        const MutableArrayView out[] = {answer};
        session.run(in, out);
        const std::span<const float> got = answer.floats(), right = wanted[which].floats();
        for (size_t k = 0; k < got.size(); ++k)
          wrong += !(std::abs(got[k] - right[k]) <= 1e-5f * (1 + std::abs(right[k])));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Session, WrongInputsAreRefusedByName) {
  const Model model = load(shipped(kResNet.name));
  Session session(model);
  const std::string name = "'" + model.inputs().at(0).name + "'";
  const Array good = noise(kResNet.dims, 1);
  const auto refused = [&](const std::vector<Array>& inputs) {
    return refusal(ErrorCode::bad_input, [&] { session.run(inputs); });
  };

  EXPECT_THAT(refused({}), HasSubstr("1 inputs, 0 arrays"));
  EXPECT_THAT(refused({good, good}), HasSubstr("1 inputs, 2 arrays"));
  EXPECT_THAT(refused({Array()}), HasSubstr(name));
  EXPECT_THAT(refused({Array(DType::f64, kResNet.dims)}),
              testing::AllOf(HasSubstr(name), HasSubstr("f32"), HasSubstr("f64")));
  EXPECT_THAT(refused({noise({3, 32, 32}, 1)}), testing::AllOf(HasSubstr(name), HasSubstr("3x32x32")));
  EXPECT_THAT(refused({noise({1, 1, 32, 32}, 1)}), testing::AllOf(HasSubstr(name), HasSubstr("1x1x32x32")));
  EXPECT_THAT(refused({noise({1, 3, 31, 32}, 1)}), testing::AllOf(HasSubstr(name), HasSubstr("1x3x31x32")));
  EXPECT_THAT(refusal(ErrorCode::bad_input,
                      [&] {
                        session.prepare({{"nobody", {1, 3, 32, 32}}});
                      }),
              HasSubstr("'nobody'"));
  EXPECT_EQ(session.run({good}).at(0).dims(), (std::vector<int64_t>{1, 10}));  // and the session lives on
}

// Every batch of six rows in pieces, whatever their sizes, gives the rows of the whole: nothing of one picture reaches
// another, and a plan brought back after others is still good.
TEST(Session, BatchesMayChangeFromCallToCall) {
  const Model model = load(shipped(kResNet.name));
  ASSERT_EQ(model.inputs().at(0).dims.at(0), -1);
  Session session(model);
  constexpr int64_t kRows = 6;
  const Array all = noise({kRows, 3, 32, 32}, 7);
  const size_t in_row = all.bytes() / kRows;
  const std::vector<float> whole = session.run({all}).at(0).to_floats();
  const size_t out_row = whole.size() / kRows;
  float largest = 0;
  for (float x : whole) largest = std::max(largest, std::abs(x));
  for (int64_t batch : {1, 2, 3, 4, 5, 6, 1, 6, 2}) {
    for (int64_t first = 0; first + batch <= kRows; first += batch) {
      Array part(DType::f32, {batch, 3, 32, 32});
      std::memcpy(part.data(), all.data() + static_cast<size_t>(first) * in_row, part.bytes());
      const std::vector<float> rows = session.run({part}).at(0).to_floats();
      ASSERT_EQ(rows.size(), static_cast<size_t>(batch) * out_row);
      for (size_t i = 0; i < rows.size(); ++i)
        ASSERT_NEAR(rows[i], whole[static_cast<size_t>(first) * out_row + i], 1e-5f * largest)
            << "batch " << batch << " from row " << first;
    }
  }
}

/// What `full_shapes` asks for; empty where it asks nothing.
std::string question(const Model& model, const InputShapes& given = {}) {
  return refusal(ErrorCode::bad_input, [&] { model.full_shapes(given); });
}

TEST(Session, ExtentsThatAreNotFixedAreThoseOfThePictures) {
  const Model model = load(TERCEL_SOURCE_DIR "/tests/dynamic/picture.onnx");  // x: N 3 H W
  EXPECT_EQ(model.full_shapes().at("x"), (std::vector<int64_t>{1, 3, 224, 224}));
  const Model small = model.with_metadata({{"tercel.preprocess.width", "40"}, {"tercel.preprocess.height", "24"}});
  EXPECT_EQ(small.full_shapes().at("x"), (std::vector<int64_t>{1, 3, 24, 40}));
  EXPECT_EQ(small.full_shapes({{"x", {2, 3, 8, 9}}}).at("x"), (std::vector<int64_t>{2, 3, 8, 9}));
  Session session(small);
  EXPECT_GT(session.prepare().steps.size(), 0u);
  EXPECT_THAT(refusal(ErrorCode::bad_input, [&] { model.likely_shapes({{"no", {1}}}); }), HasSubstr("'no'"));
}

TEST(Session, ExtentsThatNothingTellsAreAskedFor) {
  const Model model = load(TERCEL_SOURCE_DIR "/tests/dynamic/sequence.onnx");  // a: N T 4; b: N T 4; y: a + b
  EXPECT_EQ(model.likely_shapes().at("b"), (std::vector<int64_t>{1, -1, 4}));
  EXPECT_THAT(question(model),
              HasSubstr("input 'a': the extent of axis 1 (T) is not fixed: give a shape (--shape a=...)"));
  // The same symbol is the same extent.
  EXPECT_EQ(model.full_shapes({{"a", {2, 5, 4}}}).at("b"), (std::vector<int64_t>{2, 5, 4}));
}

TEST(Session, ComputedShapesAreKnownOnceTheInputsAre) {
  const Model model = load(TERCEL_SOURCE_DIR "/tests/dynamic/picture.onnx").with_shapes({{"x", {1, 3, 8, 10}}});
  int64_t macs = 0;
  for (const NodeInfo& node : model.nodes()) macs += node.macs;
  EXPECT_EQ(macs, 1 * 4 * 6 * 8 * 27 + 48 * 4 * 5);  // the convolution, and the product behind the reshape
  EXPECT_EQ(model.outputs()[0].dims, (std::vector<int64_t>{1, 48, 5}));
}

std::shared_ptr<const std::string> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::make_shared<std::string>(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

TEST(Model, LabelsAreNamesOfClasses) {
  const Model model = load(shipped(kResNet.name));
  const std::vector<std::string> labels{"a b", "", "c"};
  EXPECT_EQ(model.with_labels(labels).labels(), labels);
  EXPECT_EQ(model.with_labels({}).labels(), std::vector<std::string>());
}

TEST(Load, FromMemory) {
  for (const std::string& path :
       {shipped(kResNet.name), std::string(TERCEL_SOURCE_DIR "/tests/dynamic/picture.onnx")}) {
    SCOPED_TRACE(path);
    auto file = bytes_of(path);
    Model model = load(std::as_bytes(std::span(*file)), file, "from memory");
    file.reset();  // the model keeps the bytes
    EXPECT_EQ(model.name(), "from memory");
    const Model wanted = load(path);
    const Array x = noise(wanted.full_shapes().begin()->second, 5);
    EXPECT_TRUE(same_bits(Session(model).run({x})[0], Session(wanted).run({x})[0]));
    EXPECT_EQ(model.parameter_bytes(), wanted.parameter_bytes());
  }
  auto damaged = std::make_shared<std::string>(*bytes_of(shipped(kResNet.name)), 0, 1000);
  EXPECT_THAT(refusal(ErrorCode::bad_input, [&] { load(std::as_bytes(std::span(*damaged)), damaged, "half a file"); }),
              HasSubstr("half a file"));
  refusal(ErrorCode::bad_input, [] { load({}, nullptr); });
}

TEST(Model, ToBytesIsWhatLoadReads) {
  const auto file = bytes_of(shipped(kResNet.name));
  const Model read = load(shipped(kResNet.name));
  EXPECT_EQ(read.to_bytes(), *file);
  const Array x = noise(kResNet.dims, 6);
  for (const Model& model : {read, optimize(read), load(TERCEL_SOURCE_DIR "/tests/quantized/u8.onnx")}) {
    auto bytes = std::make_shared<const std::string>(model.to_bytes());
    const Model again = load(std::as_bytes(std::span(*bytes)), bytes, model.name());
    EXPECT_EQ(again.text(), model.text());
    EXPECT_EQ(again.metadata(), model.metadata());
    EXPECT_EQ(again.to_bytes(), *bytes);
  }
}

TEST(Session, MemoryHasALimit) {
  SessionOptions options;
  options.max_memory = 1000;
  Session session(load(shipped(kResNet.name)), options);
  const std::string message = refusal(ErrorCode::limit, [&] { session.run({noise(kResNet.dims, 1)}); });
  EXPECT_THAT(message, HasSubstr("1000"));
  EXPECT_THAT(message, HasSubstr(kResNet.name));
  refusal(ErrorCode::limit, [&] { session.prepare(); });
}

}  // namespace
}  // namespace tercel
