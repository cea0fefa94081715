#include <cmath>
#include <vector>

#include "codec/cabac/enc_range.h"
#include "codec/level_encoder.h"
#include "codec/rans/enc_rans.h"
#include "codec/rans/levels.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

using Counts = std::array<uint64_t, kSymbols>;

double bits_of(const Counts& counts) {
  double bits = 0, total = 0;
  for (uint64_t count : counts) {
    if (count == 0) continue;
    const auto n = static_cast<double>(count);
    bits -= n * std::log2(n);
    total += n;
  }
  return total == 0 ? 0 : bits + total * std::log2(total);
}

/// About what a table costs in a stream.
double table_bits(const Counts& counts) {
  double bits = 40;
  for (uint64_t count : counts) bits += count > 0 ? 8 : 0;
  return bits;
}

Counts sum_of(Counts a, const Counts& b) {
  for (size_t s = 0; s < kSymbols; ++s) a[s] += b[s];
  return a;
}

struct Cluster {
  size_t first_class;
  Counts counts;
};

/// Neighbouring classes share a table where that costs less than a second table.
std::vector<Cluster> merge_classes(const std::array<Counts, kColumnClasses>& counts) {
  std::vector<Cluster> clusters;
  for (size_t c = 0; c < kColumnClasses; ++c) clusters.push_back({c, counts[c]});
  while (clusters.size() > 1) {
    size_t best = 0;
    double best_gain = -1;
    for (size_t i = 0; i + 1 < clusters.size(); ++i) {
      const Counts &a = clusters[i].counts, &b = clusters[i + 1].counts, both = sum_of(a, b);
      const double gain = bits_of(a) + table_bits(a) + bits_of(b) + table_bits(b) - bits_of(both) - table_bits(both);
      if (gain > best_gain) {
        best = i;
        best_gain = gain;
      }
    }
    if (best_gain < 0) break;
    clusters[best].counts = sum_of(clusters[best].counts, clusters[best + 1].counts);
    clusters.erase(clusters.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  return clusters;
}

class FastEncoder final : public LevelEncoder {
 public:
  FastEncoder(std::span<const int32_t> levels, const MatrixShape& shape) : levels_(levels), shape_(shape) {
    std::array<Counts, kColumnClasses> counts{};
    for (size_t i = 0; i < levels.size(); ++i)
      ++counts[class_of(static_cast<int64_t>(i) % shape.columns)][symbol_of(levels[i])];
    const auto clusters = merge_classes(counts);
    tables_.count = static_cast<int64_t>(clusters.size());
    for (size_t t = 0; t < clusters.size(); ++t) {
      for (size_t c = clusters[t].first_class; c < kColumnClasses; ++c) tables_.of_class[c] = static_cast<uint8_t>(t);
      tables_.frequencies.push_back(normalize_counts(clusters[t].counts));
      starts_.push_back(starts_of(tables_.frequencies.back()));
    }
  }

  void fields(std::string& out) const override {
    FieldWriter write(out);
    FastTables tables = tables_;
    visit_tables(write, tables, !shape_.column_class.empty());
    std::string code;
    RangeEncoder bins(code);
    for (Frequencies& frequencies : tables.frequencies) visit_frequencies(bins, frequencies);
    bins.finish();
    auto length = static_cast<int64_t>(code.size());
    write.number("table length", length, length);
    out += code;
  }

  void chunk(const Chunk& chunk, std::string& out) const override {
    const int64_t count = chunk.rows * chunk.columns;
    const int32_t* levels = levels_.data() + chunk.row * shape_.columns + chunk.column;
    RansEncoder encoder(rans_lanes(count));
    std::string escapes;
    FieldWriter write(escapes);
    for (int64_t i = 0; i < count; ++i)
      if (symbol_of(levels[i]) == kEscape) {
        int64_t number = levels[i] < 0 ? -1 - 2 * int64_t{levels[i]} : 2 * int64_t{levels[i]};
        write.number("level", number, number);
      }
    for (int64_t i = count; i-- > 0;) {
      const size_t table = tables_.of_class[class_of(chunk.column + i % chunk.columns)];
      const uint8_t symbol = symbol_of(levels[i]);
      encoder.put(static_cast<size_t>(i), starts_[table][symbol], tables_.frequencies[table][symbol]);
    }
    auto length = static_cast<int64_t>(escapes.size());
    FieldWriter(out).number("escapes length", length, length);
    encoder.finish(out);
    out += escapes;
  }

 private:
  size_t class_of(int64_t column) const {
    return shape_.column_class.empty() ? 0 : shape_.column_class[static_cast<size_t>(column)];
  }

  std::span<const int32_t> levels_;
  const MatrixShape& shape_;
  FastTables tables_;
  std::vector<std::array<uint32_t, kSymbols>> starts_;
};

}  // namespace

std::unique_ptr<LevelEncoder> fast_encoder(std::span<const int32_t> levels, const MatrixShape& shape) {
  return std::make_unique<FastEncoder>(levels, shape);
}

}  // namespace tercel::codec
