#include "codec/level_stream.h"

#include "codec/cabac/dec_range.h"
#include "codec/frame.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

LevelStream::LevelStream(std::span<const std::byte> bytes, const MatrixShape& shape) : shape_(shape) {
  check_shape(shape);
  if (shape.rows * shape.columns == 0) {
    if (!bytes.empty()) fail_input("{} bytes for no levels", bytes.size());
    return;
  }
  FieldReader read(bytes);
  StreamHead head;
  visit_head(read, head);
  if (head.pruned) {
    if (shape.trellis) fail_input("a pruned stream has no trellis");
    RangeDecoder bins(read.take(head.map_bytes, "significance map"));
    significance_ = visit_significance(bins, shape);
    if (significance_.rows.empty() || significance_.columns.empty())
      fail_input("its significance map has no row or no kernel");
    shape_ = significance_.shape(shape, classes_);
  }
  switch (head.format) {
    case Format::max: decoder_ = max_decoder(read, shape_); break;
    case Format::balanced: decoder_ = balanced_decoder(read, shape_); break;
    case Format::fast: decoder_ = fast_decoder(read, shape_); break;
    case Format::raw: decoder_ = raw_decoder(read, shape_); break;
  }
  seed_ = head_crc(bytes.first(bytes.size() - read.rest().size()), shape);
  grid_ = ChunkGrid(shape_, head.chunk_weights);
  // Each chunk has at least a length and a checksum.
  if (grid_.count() > static_cast<int64_t>(read.rest().size() / 5))
    fail_input("{} chunks cannot stand in {} bytes", grid_.count(), read.rest().size());
  entries_.resize(static_cast<size_t>(grid_.count()));
  for (size_t i = 0; i < entries_.size(); ++i) {
    at_place([&] { return location(static_cast<int64_t>(i)); },
             [&] { visit_entry(read, entries_[i], static_cast<int64_t>(bytes.size())); });
  }
  chunks_.reserve(entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i)
    chunks_.push_back(at_place([&] { return location(static_cast<int64_t>(i)); },
                               [&] { return read.take(entries_[i].bytes, "its body"); }));
  if (!read.rest().empty()) fail_input("{} bytes behind the last of {} chunks", read.rest().size(), grid_.count());
}

void LevelStream::check() const {
  for (int64_t i = 0; i < grid_.count(); ++i) at_place([&] { return location(i); }, [&] { checked_bytes(i); });
}

std::string LevelStream::location(int64_t index) const {
  return fmt::format("chunk {} of {}", index + 1, grid_.count());
}

std::span<const std::byte> LevelStream::checked_bytes(int64_t index) const {
  const auto i = static_cast<size_t>(index);
  if (chunk_crc(seed_, index, chunks_[i]) != entries_[i].crc)
    fail_input("its checksum does not match: damaged, or coded for another shape");
  return chunks_[i];
}

void check_size(size_t got, int64_t rows, int64_t columns) {
  if (static_cast<int64_t>(got) != rows * columns)
    fail_input("a buffer of {} levels for a {}x{} matrix", got, rows, columns);
}

}  // namespace tercel::codec
