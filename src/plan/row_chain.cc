#include "plan/row_chain.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "tensor/buffer.h"

namespace tercel::inline plan {
namespace {

/// Rows of every stage's result but the last that `band` rows of the last read, at most.
std::vector<int64_t> rows_between(std::span<const ByRows* const> kernels, std::span<const int64_t> rows, int64_t band) {
  std::vector<int64_t> most(kernels.size() - 1, 0);
  const int64_t total = rows.back();
  for (int64_t begin = 0; begin < total; ++begin) {
    Range range{begin, std::min(begin + band, total)};
    for (size_t i = kernels.size() - 1; i > 0; --i) {
      range = kernels[i]->source_rows(range);
      most[i - 1] = std::max(most[i - 1], range.size());
    }
  }
  return most;
}

size_t bytes_between(std::span<const int64_t> between, std::span<const size_t> row_bytes) {
  size_t bytes = 0;
  for (size_t i = 0; i < between.size(); ++i)
    bytes += round_up(static_cast<size_t>(between[i]) * row_bytes[i], kAlignment);
  return bytes;
}

}  // namespace

size_t RowChain::least_bytes(std::span<const ByRows* const> kernels, std::span<const int64_t> rows,
                             std::span<const size_t> row_bytes) {
  return bytes_between(rows_between(kernels, rows, 1), row_bytes);
}

RowChain::RowChain(std::vector<ChainStage> stages, int threads, size_t band_bytes)
    : stages_(std::move(stages)), threads_(threads) {
  TERCEL_CHECK(stages_.size() >= 2 && stages_.size() <= kMaxStages, "{} stages", stages_.size());
  std::vector<const ByRows*> kernels;
  std::vector<int64_t> rows;
  std::vector<size_t> row_bytes;
  for (const ChainStage& stage : stages_) {
    TERCEL_CHECK(stage.kernel->by_rows() != nullptr && stage.kernel->scratch_bytes() == 0);
    kernels.push_back(stage.kernel->by_rows());
    rows.push_back(stage.rows);
    row_bytes.push_back(stage.row_bytes);
  }
  // The most rows that fit: more rows never need less.
  const auto fits = [&](int64_t band) {
    return bytes_between(rows_between(kernels, rows, band), row_bytes) <= band_bytes;
  };
  for (int64_t too_many = rows.back() + 1; too_many - band_ > 1;) {
    const int64_t middle = band_ + (too_many - band_) / 2;
    (fits(middle) ? band_ : too_many) = middle;
  }
  const std::vector<int64_t> between = rows_between(kernels, rows, band_);
  for (size_t i = 0; i < between.size(); ++i) {
    buffer_at_.push_back(lane_bytes_);
    lane_bytes_ += round_up(static_cast<size_t>(between[i]) * row_bytes[i], kAlignment);
  }
}

size_t RowChain::packed_bytes() const {
  size_t bytes = 0;
  for (const ChainStage& stage : stages_) bytes += stage.kernel->packed_bytes();
  return bytes;
}

void RowChain::run(const Args& args) const {
  const int64_t rows = stages_.back().rows;
  // Few chunks: at the beginning of each, rows in between are made that the chunk before has made too.
  const int64_t grain = std::max(band_, div_up<int64_t>(rows, 2 * current_threads()));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int lane) {
    run_bands(args, {begin, end}, args.scratch + lane_bytes_ * static_cast<size_t>(lane));
  });
}

void RowChain::run_bands(const Args& args, Range rows, std::byte* between) const {
  const size_t last = stages_.size() - 1;
  std::array<Range, kMaxStages> have{};  // rows of each result in between that lie in its buffer
  for (int64_t begin = rows.begin; begin < rows.end; begin += band_) {
    // From the last stage to the first: which rows each has to make for this band.
    std::array<Range, kMaxStages> made{};
    made[last] = {begin, std::min(begin + band_, rows.end)};
    for (size_t i = last; i > 0; --i) {
      const Range read = stages_[i].kernel->by_rows()->source_rows(made[i]);
      Range& kept = have[i - 1];
      std::byte* buffer = between + buffer_at_[i - 1];
      const size_t row_bytes = stages_[i - 1].row_bytes;
      if (read.begin >= kept.begin && read.begin < kept.end)
        std::memmove(buffer, buffer + static_cast<size_t>(read.begin - kept.begin) * row_bytes,
                     static_cast<size_t>(kept.end - read.begin) * row_bytes);
      else kept.end = read.begin;
      made[i - 1] = {kept.end, std::max(kept.end, read.end)};
      kept = {read.begin, made[i - 1].end};
    }
    size_t operand = 0;
    for (size_t i = 0; i <= last; ++i) {
      const ChainStage& stage = stages_[i];
      RowArgs part{made[i], args.src[0], 0, args.dst[0], 0, args.src.subspan(operand, stage.operands)};
      if (i > 0) part.source = between + buffer_at_[i - 1], part.source_first = have[i - 1].begin;
      if (i < last) part.result = between + buffer_at_[i], part.result_first = have[i].begin;
      if (part.rows.size() > 0) stage.kernel->by_rows()->run_rows(part);
      operand += stage.operands;
    }
  }
}

}  // namespace tercel::inline plan
