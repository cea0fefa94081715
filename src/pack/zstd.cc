#include "pack/zstd.h"

#include <zstd.h>

#include "base/check.h"
#include "base/error.h"

namespace tercel::pack {
namespace {

constexpr int kLevel = 19;  // small files, written once

}  // namespace

std::string zstd_compress(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kLevel);
  TERCEL_CHECK(ZSTD_isError(size) == 0, "zstd: {}", ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

int64_t zstd_compressed_bytes(std::span<const std::byte> bytes, int level) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  TERCEL_CHECK(ZSTD_isError(size) == 0, "zstd: {}", ZSTD_getErrorName(size));
  return static_cast<int64_t>(size);
}

std::string zstd_decompress(std::span<const std::byte> bytes, int64_t size) {
  const unsigned long long claimed = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (claimed != static_cast<unsigned long long>(size)) fail_input("not a Zstandard frame of {} bytes", size);
  std::string out(static_cast<size_t>(size), '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0) fail_input("Zstandard: {}", ZSTD_getErrorName(got));
  if (got != out.size()) fail_input("Zstandard frame of {} bytes, wanted {}", got, size);
  return out;
}

}  // namespace tercel::pack
