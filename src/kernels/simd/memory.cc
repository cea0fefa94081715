#include "kernels/simd/memory.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "hopfield/overlaps.h"
#include "hopfield/readout.h"
#include "kernels/ref/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/memory.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A bit for each value, set where it is above 0 (of a NaN it is not); bits past the last are 0.
void PackSigns(const float* values, int64_t count, uint64_t* words) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  for (int64_t begin = 0; begin < count; begin += 64) {
    const int64_t size = std::min<int64_t>(64, count - begin);
    uint64_t word = 0;
    int64_t i = 0;
    for (; i + lanes <= size; i += lanes) {
      uint8_t bits[8] = {};
      hn::StoreMaskBits(d, hn::Gt(hn::LoadU(d, values + begin + i), zero), bits);
      uint64_t part;
      std::memcpy(&part, bits, sizeof(part));
      word |= part << i;
    }
    for (; i < size; ++i) word |= uint64_t{values[begin + i] > 0} << i;
    words[begin / 64] = word;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

using hopfield::BitPatterns;
using hopfield::PatternMemory;

/// The memory of the problem, whose operands from 1 on are constants.
PatternMemory memory_of(const Problem& p) {
  const auto view = [&](size_t i) { return p.input(i) ? p.input(i).constant.aligned() : Tensor(); };
  const Tensor patterns = view(1), classes = view(2), networks = view(3);
  return pattern_memory(*p.attrs, p.src[0].dims[1], patterns.view(), classes.view(),
                        networks ? networks.view() : View{});
}

/// Also refuses what the reference would, when it runs: it says so in words.
std::string needs_constants(const Problem& p) {
  for (size_t i = 1; i < p.src.size(); ++i)
    if (!p.src[i].constant) return "patterns, their classes or their networks are no constants";
  if (p.src[0].elements() == 0) return "nothing to compute";
  return {};
}

class PopcountMemory final : public Kernel {
 public:
  explicit PopcountMemory(const Problem& p)
      : bits_(p.src[0].dims[1]),
        rows_(p.src[0].dims[0]),
        class_count_(p.attrs->get_int("class_count")),
        beta_(p.attrs->get_float("beta")),
        threads_(p.threads),
        pack_(TERCEL_PICK(p.isa, PackSigns)),
        overlaps_(hopfield::overlaps_for(p.isa)) {
    const PatternMemory memory = memory_of(p);
    classes_ = memory.classes;
    count_ = memory.patterns.count();
    words_ = memory.patterns.words();
    const auto bytes = static_cast<size_t>(count_ * words_) * sizeof(uint64_t);
    patterns_ = p.packed(1, fmt::format("memory of {} bits", bits_), bytes,
                         [&](std::byte* packed) { std::memcpy(packed, memory.patterns.row(0), bytes); });
  }

  void run(const Args& args) const override {
    const auto* x = reinterpret_cast<const float*>(args.src[0]);
    auto* y = reinterpret_cast<float*>(args.dst[0]);
    const auto classes = static_cast<size_t>(class_count_);
    parallel_for(rows_, std::max<int64_t>(1, 4096 / count_), [&](int64_t begin, int64_t end, int lane) {
      auto* words = reinterpret_cast<uint64_t*>(args.scratch + static_cast<size_t>(lane) * lane_bytes());
      auto* overlaps = reinterpret_cast<int32_t*>(words + words_);
      auto* sums = reinterpret_cast<float*>(overlaps + count_);
      for (int64_t r = begin; r < end; ++r) {
        pack_(x + r * bits_, bits_, words);
        overlaps_(words, reinterpret_cast<const uint64_t*>(patterns_->data()), words_, count_, bits_, overlaps);
        hopfield::class_scores({overlaps, static_cast<size_t>(count_)}, classes_, beta_, {sums, classes},
                               {y + r * class_count_, classes});
      }
    });
  }

  size_t scratch_bytes() const override { return lane_bytes() * static_cast<size_t>(threads_); }
  bool consumed(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return patterns_->size() + classes_.size() * sizeof(int32_t); }

 private:
  size_t lane_bytes() const {
    const auto words = static_cast<size_t>(words_) * 8, numbers = static_cast<size_t>(count_ + class_count_) * 4;
    return round_up(words + numbers, size_t{64});
  }

  int64_t bits_, rows_, class_count_;
  float beta_;
  int threads_;
  void (*pack_)(const float*, int64_t, uint64_t*);
  hopfield::OverlapsFunction overlaps_;
  int64_t count_ = 0, words_ = 0;
  std::vector<int32_t> classes_;
  std::shared_ptr<const Buffer> patterns_;
};

class LearnedMemory final : public Kernel {
 public:
  explicit LearnedMemory(const Problem& p)
      : bits_(p.src[0].dims[1]),
        rows_(p.src[0].dims[0]),
        class_count_(p.attrs->get_int("class_count")),
        scale_(p.attrs->get_float("scale")),
        options_(recall_options(*p.attrs)),
        networks_(parallel_networks(*p.attrs, memory_of(p))),
        pack_(TERCEL_PICK(p.isa, PackSigns)) {}

  void run(const Args& args) const override {
    const auto* x = reinterpret_cast<const float*>(args.src[0]);
    auto* y = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(rows_, 1, [&](int64_t begin, int64_t end) {
      BitPatterns probe(bits_, 1);
      for (int64_t r = begin; r < end; ++r) {
        pack_(x + r * bits_, bits_, probe.row(0));
        const std::vector<float> scores = networks_.scores(probe.row_span(0), class_count_, options_);
        for (int64_t c = 0; c < class_count_; ++c) y[r * class_count_ + c] = scale_ * scores[static_cast<size_t>(c)];
      }
    });
  }

  bool consumed(size_t i) const override { return i > 0; }
  size_t packed_bytes() const override { return networks_.bytes(); }

 private:
  int64_t bits_, rows_, class_count_;
  float scale_;
  hopfield::RecallOptions options_;
  hopfield::ParallelNetworks networks_;
  void (*pack_)(const float*, int64_t, uint64_t*);
};

}  // namespace

Variant popcount_memory() {
  return {"popcount_memory", LayoutRule::plain, Elements::f32, needs_constants, make_kernel<PopcountMemory>};
}

Variant learned_memory() {
  Variant variant{"learned_memory", LayoutRule::plain, Elements::f32, needs_constants, make_kernel<LearnedMemory>};
  variant.may_allocate = true;  // the states of its networks
  return variant;
}

}  // namespace tercel::inline kernels
#endif
