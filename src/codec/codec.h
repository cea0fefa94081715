// Quantized weights <-> bits. The main header of this layer.
//
// A quantized tensor is a matrix of integer levels: rows are output channels, columns inputs x kernel positions. What a
// level is worth (steps, scales) is known to encoder and decoder and never coded here. docs/format.md describes the
// streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tercel::codec {

/// How hard the coder works: `max` is the smallest, `fast` the quickest to decode.
enum class Profile : uint8_t { max, balanced, fast };

std::string_view to_string(Profile profile);

/// Levels reach from -kMaxLevel to kMaxLevel.
inline constexpr int32_t kMaxLevel = 1 << 30;

/// A chunk of 65,536 equal levels takes a dozen bytes. No stream holds more levels a byte than this, so that a reader
/// knows before it decodes how much memory some bytes can ask for.
inline constexpr int64_t kMostLevelsPerByte = 16384;

/// Column classes are below this.
inline constexpr int kColumnClasses = 16;

/// What encoder and decoder know before the first bit.
struct MatrixShape {
  int64_t rows = 0, columns = 0;  ///< scanned row by row
  int64_t kernel_height = 1,
          kernel_width = 1;  ///< consecutive columns that form one kernel; the product divides columns
  /// Expected magnitude class of each column, in half octaves, from steps that encoder and decoder know; empty: all
  /// alike.
  std::span<const uint8_t> column_class;
  bool trellis = false;  ///< levels are of dependent quantizers (codec/trellis.h); a row is never cut
};

struct EncodeOptions {
  Profile profile = Profile::max;
  /// Weights of one chunk. Chunks are coded independently: threads share them out, and random access decodes whole
  /// ones. They are whole rows where a row is shorter, else pieces of one row.
  int64_t chunk_weights = 1 << 16;
  int threads = 1;
  /// Of `fast`: a matrix too small for all its lanes is coded with the balanced profile where tables of its own would
  /// cost over 2 % more.
  bool small_with_balanced = false;
};

/// How matrices of a file are coded.
inline EncodeOptions file_options(Profile profile) { return {.profile = profile, .small_with_balanced = true}; }

/// rows x columns levels as one stream: profile, chunk table, CRC-32 per chunk. Throws Error for a shape that
/// contradicts itself or the number of levels, for levels past kMaxLevel, and for a trellis where this build has none.
std::string encode(std::span<const int32_t> levels, const MatrixShape& shape, const EncodeOptions& options = {});

/// The levels of a stream; `levels` holds rows x columns. Throws Error where the bytes are not a whole undamaged stream
/// of that shape, naming the chunk ("chunk 3 of 17: ...").
void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int32_t> levels, int threads = 1);

/// The same as bytes, for kernels on integers. Throws Error for a level that is not between -127 and 127.
void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int8_t> levels, int threads = 1);

/// The same as floats: dst[r * columns + c] = level * row_scale[r] * column_scale[c]; an empty scale is 1 everywhere.
/// With a trellis the level is dequantized first (dequantize_level).
/// As BFloat16: these floats, rounded to nearest even.
void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<float> dst, int threads = 1);
void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<BFloat16> dst, int threads = 1);

/// Compares all checksums without decoding. Throws Error where decode() would throw for damage.
void check(std::span<const std::byte> bytes, const MatrixShape& shape);

/// Rows [first, first + count) only: looks at no chunk but those that hold them. `levels` holds count x columns.
void decode_rows(std::span<const std::byte> bytes, const MatrixShape& shape, int64_t first, int64_t count,
                 std::span<int32_t> levels, int threads = 1);

/// Initialization of the contexts of `max` and `balanced`: the encoder fits it and the stream carries it.
struct ContextInit {
  static constexpr int kUnit = 256, kWeightOne = 32;
  static constexpr uint32_t kMostMean = 1 << 22;

  /// Mean magnitude of a column of class 0, in 1/kUnit; 1 to kMostMean.
  uint32_t mean = kUnit;
  /// A level inside a kernel is expected near this sum, in 1/kWeightOne, of its left, upper and upper left neighbour
  /// and the same position in the kernel before.
  std::array<int8_t, 4> weights = {24, 20, -14, 0};
};

/// The initialization that suits a matrix best.
ContextInit fit_context_init(std::span<const int32_t> levels, const MatrixShape& shape);

/// Prediction of a level from those before it.
struct Expected {
  int magnitude = 0;      ///< class of its expected magnitude
  int confidence = 0;     ///< of the predicted sign; 0: none is predicted
  bool negative = false;  ///< the predicted sign
  int quantizer = 0;      ///< of a trellis, else 0
};

/// What the next level of a scan would cost in the `max` profile, in bits, as its contexts stand after the levels
/// pushed so far (for a whole matrix in one chunk). Rows follow each other; pushing past the last starts again at the
/// first with the contexts as they have adapted. A copy costs about 4 kB (8 where builds know a trellis) and 8 bytes
/// per column.
class RateModel {
 public:
  explicit RateModel(const MatrixShape& shape, const ContextInit& init = {});
  RateModel(const RateModel&);
  RateModel& operator=(const RateModel&);
  RateModel(RateModel&&) noexcept;
  RateModel& operator=(RateModel&&) noexcept;
  ~RateModel();

  float bits(int32_t level) const;
  void push(int32_t level);

  /// One continuation of a row past the levels pushed. Its levels update the expected magnitude of the row; the
  /// contexts do not adapt to them.
  struct Path {
    int64_t column = 0;  ///< of its next level
    uint32_t mean = 0;   ///< of magnitudes, in 1/256
  };
  /// The path of the levels pushed.
  Path path() const;
  /// Of the path's next level, but for its quantizer; `row` holds the row's levels so far, the path's among them.
  Expected expect(const Path& path, const int32_t* row) const;
  float bits(const Expected& expected, int32_t level) const;
  void advance(Path& path, int32_t level) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes of any kind through a static order-0 rANS coder, stored as they are where that is smaller. For byte planes.
std::string encode_bytes(std::span<const std::byte> bytes);

/// Throws Error where `bytes` is not a whole undamaged stream of `expected_size` bytes.
std::vector<std::byte> decode_bytes(std::span<const std::byte> bytes, size_t expected_size);

/// Elements bit for bit, NaN payloads too: their most significant bytes (of floating types the exponents), then the
/// next, and so on, each as encode_bytes does.
std::string encode_elements(std::span<const std::byte> elements, DType dtype);
std::string encode_floats(std::span<const float> values);

/// Throws Error where `bytes` is not a whole undamaged stream of as many elements.
void decode_elements(std::span<const std::byte> bytes, DType dtype, std::span<std::byte> elements);
void decode_floats(std::span<const std::byte> bytes, std::span<float> values);

}  // namespace tercel::codec
