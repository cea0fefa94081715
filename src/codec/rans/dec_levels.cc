#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "codec/cabac/dec_range.h"
#include "codec/level_decoder.h"
#include "codec/rans/dec_groups.h"
#include "codec/rans/dec_rans.h"
#include "codec/rans/levels.h"

namespace tercel::codec {
namespace {

class FastDecoder final : public LevelDecoder {
 public:
  FastDecoder(FieldReader& read, const MatrixShape& shape) : shape_(shape), isa_(chosen_isa()) {
    FastTables tables;
    visit_tables(read, tables, has_classes());
    if (tables.count < 1) fail_input("no tables");
    for (uint8_t table : tables.of_class)
      if (table >= tables.count) fail_input("table {} of {}", table, tables.count);
    int64_t length = 0;
    read.number("table length", length, static_cast<int64_t>(read.rest().size()));
    RangeDecoder bins(read.take(length, "tables"));
    slots_.resize(static_cast<size_t>(tables.count) * kTableSize);
    for (int64_t t = 0; t < tables.count; ++t) {
      Frequencies frequencies{};
      visit_frequencies(bins, frequencies);
      has_escape_ |= frequencies[kEscape] > 0;
      fill_slots(frequencies, std::span(slots_).subspan(static_cast<size_t>(t) * kTableSize).first<kTableSize>());
    }
    of_class_ = tables.of_class;
    one_table_ = tables.count == 1;
  }

  void decode(const CodedChunk<int32_t>& coded) const override { decode_flat(coded, int_groups(isa_)); }
  void decode(const CodedChunk<float>& coded) const override { decode_flat(coded, float_groups(isa_)); }

 private:
  bool has_classes() const { return !shape_.column_class.empty(); }

  /// Where the table of each of the chunk's columns begins, from the first column on again for kWideLanes more.
  std::vector<uint32_t> offsets_of(const Chunk& chunk) const {
    if (one_table_) return {};
    std::vector<uint32_t> offsets(static_cast<size_t>(chunk.columns) + kWideLanes);
    for (size_t i = 0; i < offsets.size(); ++i) {
      const int64_t column = chunk.column + static_cast<int64_t>(i) % chunk.columns;
      offsets[i] = of_class_[shape_.column_class[static_cast<size_t>(column)]] * kTableSize;
    }
    return offsets;
  }

  /// A chunk is whole rows or a piece of one: its levels lie in a line, unless the caller wants other strides.
  template <typename T>
  void decode_flat(const CodedChunk<T>& coded, DecodeGroups<T> decode_groups) const {
    const auto& [bytes, chunk, dst, stride] = coded;
    const int64_t count = chunk.rows * chunk.columns;
    TERCEL_CHECK(chunk.rows == 1 || stride == chunk.columns);
    FieldReader read(bytes);
    int64_t escapes_length = 0;
    read.number("escapes length", escapes_length, static_cast<int64_t>(bytes.size()));
    const auto words = read.take(static_cast<int64_t>(read.rest().size()) - escapes_length, "words");
    const std::vector<uint32_t> offsets = offsets_of(chunk);
    RansDecoder decoder(words, rans_lanes(count));
    int64_t done = 0;
    if (decoder.lanes() == kWideLanes) {
      RansGroups groups{slots_.data(), offsets.empty() ? nullptr : offsets.data(), chunk.columns};
      decoder.lend(groups);
      done = decode_groups(groups, count / static_cast<int64_t>(kWideLanes), -kSymbolBias, dst) *
             static_cast<int64_t>(kWideLanes);
      decoder.take_back(groups);
    }
    int64_t column = done % chunk.columns;
    for (int64_t i = done; i < count; ++i) {
      const size_t offset = offsets.empty() ? 0 : offsets[static_cast<size_t>(column)];
      dst[i] = static_cast<T>(int32_t{decoder.get(static_cast<size_t>(i), slots_.data() + offset)} - kSymbolBias);
      if (++column == chunk.columns) column = 0;
    }
    if (!decoder.finished()) fail_input("{} levels do not use up the words", count);
    if (has_escape_) fill_escapes(read, std::span(dst, static_cast<size_t>(count)));
    if (!read.rest().empty()) fail_input("{} bytes of levels that no symbol asks for", read.rest().size());
  }

  template <typename T>
  static void fill_escapes(FieldReader& read, std::span<T> levels) {
    for (T& level : levels) {
      if (level != static_cast<T>(kEscape - kSymbolBias)) continue;
      int64_t number = 0;
      read.number("level", number, 2 * int64_t{kMaxLevel});
      level = static_cast<T>(number % 2 == 0 ? number / 2 : -(number / 2) - 1);
    }
  }

  const MatrixShape& shape_;
  Isa isa_;
  bool one_table_ = false, has_escape_ = false;
  std::array<uint8_t, kColumnClasses> of_class_{};
  std::vector<uint32_t> slots_;
};

}  // namespace

std::unique_ptr<LevelDecoder> fast_decoder(FieldReader& read, const MatrixShape& shape) {
  return std::make_unique<FastDecoder>(read, shape);
}

}  // namespace tercel::codec
