#include "data/gzip.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

#ifdef TERCEL_HAVE_ZLIB
#include <zlib.h>
#endif

namespace tercel::inline data {

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

#ifdef TERCEL_HAVE_ZLIB

struct GzipReader::State {
  z_stream stream{};
  std::span<const std::byte> rest;
  size_t size = 0;
  bool ended = false;
};

namespace {
constexpr size_t kMostAtOnce = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kGzipWindow = 15 + 16;             // the largest window, with gzip's header
}  // namespace

GzipReader::GzipReader(std::span<const std::byte> bytes) : state_(std::make_unique<State>()) {
  state_->rest = bytes;
  state_->size = bytes.size();
  if (inflateInit2(&state_->stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
}

GzipReader::~GzipReader() { inflateEnd(&state_->stream); }

size_t GzipReader::most() const {
  constexpr size_t kRatio = 1032;
  return state_->size > std::numeric_limits<size_t>::max() / kRatio ? std::numeric_limits<size_t>::max()
                                                                    : state_->size * kRatio;
}

size_t GzipReader::read(std::span<std::byte> to) {
  size_t done = 0;
  z_stream& stream = state_->stream;
  while (done < to.size() && !state_->ended) {
    const size_t in = std::min(state_->rest.size(), kMostAtOnce), out = std::min(to.size() - done, kMostAtOnce);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(state_->rest.data()));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(to.data() + done);
    stream.avail_out = static_cast<uInt>(out);
    const int result = inflate(&stream, Z_NO_FLUSH);
    const size_t taken = in - stream.avail_in, made = out - stream.avail_out;
    state_->rest = state_->rest.subspan(taken);
    done += made;
    if (result == Z_STREAM_END) {
      state_->ended = true;
      if (!state_->rest.empty()) fail_input("gzip: {} bytes behind the end of the stream", state_->rest.size());
    } else if (result == Z_BUF_ERROR || (result == Z_OK && taken == 0 && made == 0)) {
      fail_input("gzip: cut short");
    } else if (result != Z_OK) {
      fail_input("gzip: {}", stream.msg != nullptr ? stream.msg : "damaged data");
    }
  }
  return done;
}

#else

struct GzipReader::State {};

GzipReader::GzipReader(std::span<const std::byte>) {
  fail_unsupported("gzip: this Tercel was built without zlib (Debian: zlib1g-dev); decompress the file first");
}
GzipReader::~GzipReader() = default;
size_t GzipReader::most() const { return 0; }
size_t GzipReader::read(std::span<std::byte>) { return 0; }

#endif

}  // namespace tercel::inline data
