// Steps that follow each other, done a few rows at a time, so that what lies between them stays in the cache.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernel.h"

namespace tercel::inline plan {

/// One kernel of a chain.
struct ChainStage {
  std::unique_ptr<Kernel> kernel;  ///< that can work by rows
  size_t operands = 0;             ///< of which the first is the result of the stage before
  int64_t rows = 0;                ///< of its result, over the batch
  size_t row_bytes = 0;
};

/// Runs its stages band by band: as many rows of the last result as let all rows in between lie in the second-level
/// cache. Each thread keeps the rows that the next band reads again; only where a thread begins are some made twice.
/// Operands of run() are those of all stages, one after the other; the first of later stages is not looked at.
class RowChain final : public Kernel {
 public:
  static constexpr size_t kMaxStages = 4;

  // Rows in between, of all stages: half of a second-level cache of 512 KiB, whose other half holds weights.
  static constexpr size_t kBandBytes = size_t{1} << 18;

  /// 2 to kMaxStages stages. Bands take at most `band_bytes`, or as much as one row of the last result needs.
  RowChain(std::vector<ChainStage> stages, int threads, size_t band_bytes = kBandBytes);

  /// Bytes of rows in between that a band of one row of the last result takes: what a chain needs at least.
  static size_t least_bytes(std::span<const ByRows* const> kernels, std::span<const int64_t> rows,
                            std::span<const size_t> row_bytes);

  void run(const Args& args) const override;
  size_t scratch_bytes() const override { return lane_bytes_ * static_cast<size_t>(threads_); }
  size_t packed_bytes() const override;

 private:
  void run_bands(const Args& args, Range rows, std::byte* between) const;

  std::vector<ChainStage> stages_;
  int threads_;
  int64_t band_ = 1;               // rows of the last result
  std::vector<size_t> buffer_at_;  // by stage but the last: where its rows lie in a lane's memory
  size_t lane_bytes_ = 0;
};

}  // namespace tercel::inline plan
