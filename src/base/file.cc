#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tercel::inline base {
namespace {

[[noreturn]] void fail_errno(const std::filesystem::path& path, const char* what) {
  const int code = errno;
  fail(code == ENOENT || code == ENOTDIR ? ErrorCode::not_found : ErrorCode::io, "{}: cannot {}: {}", path.string(),
       what, std::strerror(code));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail_errno(path, "open");
  struct stat info;
  if (::fstat(file.fd, &info) != 0) fail_errno(path, "stat");
  if (!S_ISREG(info.st_mode)) fail_input("{}: not a regular file", path.string());
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(nullptr, 0));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) fail_errno(path, "map");
  return std::shared_ptr<const MappedFile>(new MappedFile(static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void release_pages(const std::byte* begin, size_t size) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t from = (first + page - 1) / page * page;  // only whole pages inside the range
  const uintptr_t to = (first + size) / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

std::string read_text_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  // Renaming replaces whatever has the name: a link is followed first, and a device or pipe is not for us to replace.
  std::error_code error;
  const auto there = std::filesystem::status(path_, error);
  if (std::filesystem::exists(there)) {
    if (!std::filesystem::is_regular_file(there)) fail_input("{}: not a regular file", path_.string());
    path_ = std::filesystem::canonical(path_);
  }
  static std::atomic<unsigned> counter{0};
  partial_ = fmt::format("{}.{}.{}.partial", path_.string(), ::getpid(), counter++);
#ifdef O_TMPFILE
  // A file without a name leaves nothing behind, however the program ends. Not every file system has them.
  const auto folder = path_.parent_path();
  if (::access("/proc/self/fd", X_OK) == 0)  // through which it gets its name
    fd_ = ::open(folder.empty() ? "." : folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
  named_ = fd_ < 0;
  if (!named_) return;
#endif
  fd_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno(path_, "create a file beside it");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (named_) ::unlink(partial_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_errno(path_, "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_errno(path_, "flush");
  if (!named_) {
    const std::string unnamed = fmt::format("/proc/self/fd/{}", fd_);
    if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, partial_.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail_errno(path_, "name a file beside it");
    named_ = true;
  }
  if (::rename(partial_.c_str(), path_.c_str()) != 0) fail_errno(path_, "rename into place");
  ::close(fd_);
  fd_ = -1;
}

}  // namespace tercel::inline base
