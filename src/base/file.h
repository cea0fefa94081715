// Files: mapped for reading, written whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace tercel::inline base {

/// A file's bytes, mapped read-only for as long as this object lives.
class MappedFile {
 public:
  /// Throws Error (not_found, io) naming the path. Directories and other non-regular files are refused.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  size_t size_;
};

/// Tells the system that a mapped range will not be read again soon, so its memory can go; contents stay valid.
void release_pages(const std::byte* begin, size_t size);

std::string read_text_file(const std::filesystem::path& path);

/// Writes beside `path` and renames at the end, so a reader sees the old file or the new one, never half of one.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  ///< without commit(): the partial file is removed, the old one stays
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  std::filesystem::path path_;
  std::string partial_;
  int fd_ = -1;
  bool named_ = true;  ///< `partial_` is there; else the file has no name yet
};

}  // namespace tercel::inline base
