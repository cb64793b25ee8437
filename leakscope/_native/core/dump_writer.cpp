#include "dump_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>
#include <system_error>
#include <vector>

#include "crc32.h"
#include "dump_file.h"

namespace leakscope {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kFileBytesMost = std::uint64_t{1} << 62;  // below any off_t
constexpr int kTemporaryNamesTried = 16;

WriteResult refused(int error, const std::string& doing) {
  WriteResult result;
  result.status = error == ENOSPC || error == EDQUOT ? WriteStatus::disk_full : WriteStatus::failed;
  result.error = error;
  result.text = doing + ": " + std::generic_category().message(error);
  return result;
}

WriteResult bad_column(const std::string& text) {
  WriteResult result;
  result.status = WriteStatus::bad_column;
  result.text = text;
  return result;
}

// A file that exists only while this object does, unless it was given its real name.
class TemporaryFile {
 public:
  explicit TemporaryFile(const char* path) : path_(path) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (exists_) ::unlink(name_.c_str());
  }

  // 0 or errno, like the others below. A name left by a killed process of the same id is stepped over, not
  // removed: it might be another thread's.
  int create() {
    const std::string stem = path_ + ".tmp." + std::to_string(::getpid());
    for (int attempt = 0; attempt < kTemporaryNamesTried; ++attempt) {
      name_ = attempt == 0 ? stem : stem + "." + std::to_string(attempt);
      do {
        fd_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      } while (fd_ < 0 && errno == EINTR);
      if (fd_ >= 0) {
        exists_ = true;
        return 0;
      }
      if (errno != EEXIST) return errno;
    }
    return EEXIST;
  }

  int write_at(std::uint64_t offset, std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      if (written == 0) return EIO;
      offset += static_cast<std::uint64_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return 0;
  }

  // To the disk, closed, and under the real name. Network file systems report a full disk only at these steps.
  int publish() {
    int outcome;
    do {
      outcome = ::fsync(fd_);
    } while (outcome != 0 && errno == EINTR);
    // EINVAL and ENOTSUP: a file system that cannot sync, such as some user-space ones; the file is still good.
    if (outcome != 0 && errno != EINVAL && errno != ENOTSUP) return errno;
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0 && errno != EINTR) return errno;
    if (::rename(name_.c_str(), path_.c_str()) != 0) return errno;
    exists_ = false;
    sync_folder();
    return 0;
  }

 private:
  // So that the new name survives a power cut as well. The file itself is complete either way: no failure here.
  void sync_folder() const {
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)::fsync(fd);
    ::close(fd);
  }

  std::string path_;
  std::string name_;
  int fd_ = -1;
  bool exists_ = false;
};

// Gathers small pieces into big writes. Data passes through the buffer even when it is large: what is checksummed
// is then what is written, whatever other threads do to the source.
class Stream {
 public:
  Stream(const TemporaryFile& file, std::uint64_t offset)
      : file_(file), flushed_(offset), buffer_(kBufferBytes) {}

  [[nodiscard]] std::uint64_t offset() const { return flushed_ + used_; }

  int append(std::span<const std::byte> bytes, std::uint32_t& crc) {
    while (!bytes.empty()) {
      const std::size_t room = std::min(bytes.size(), buffer_.size() - used_);
      std::byte* copy = buffer_.data() + used_;
      std::memcpy(copy, bytes.data(), room);
      crc = crc32({copy, room}, crc);
      used_ += room;
      bytes = bytes.subspan(room);
      if (used_ == buffer_.size()) {
        if (const int error = flush()) return error;
      }
    }
    return 0;
  }

  int align() {
    static constexpr std::array<std::byte, kColumnAlignment> kZeros{};
    std::uint32_t ignored = 0;
    return append({kZeros.data(), static_cast<std::size_t>(column_align(offset()) - offset())}, ignored);
  }

  int flush() {
    const int error = file_.write_at(flushed_, {buffer_.data(), used_});
    if (error == 0) {
      flushed_ += used_;
      used_ = 0;
    }
    return error;
  }

 private:
  const TemporaryFile& file_;
  std::uint64_t flushed_;
  std::size_t used_ = 0;
  std::vector<std::byte> buffer_;
};

// An empty result means that every column can be written; text tells what is wrong with the first that cannot.
WriteResult check(std::span<const Column> columns) {
  if (columns.size() > kColumnsMost)
    return bad_column("more than " + std::to_string(kColumnsMost) + " columns");
  std::vector<std::string_view> names;
  names.reserve(columns.size());
  std::uint64_t total = column_align(sizeof(DumpHeader) + columns.size() * sizeof(DumpDirectoryEntry));
  for (const Column& column : columns) {
    const std::string who = "column '" + column.name + "': ";
    if (!column_name_is_valid(column.name))
      return bad_column(who + "the name must be 1 to 39 printable ASCII characters");
    const std::uint64_t item = column.dtype == nullptr ? 0 : dtype_bytes(column.dtype);
    if (item == 0) return bad_column(who + "unknown dtype");
    if (column.data == nullptr && column.count > 0) return bad_column(who + "no data");
    if (column.count > kFileBytesMost / item) return bad_column(who + "too long");
    total += column_align(column.count * item);
    if (total > kFileBytesMost) return bad_column(who + "the file would be too long");
    names.push_back(column.name);
  }
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) return bad_column("column '" + std::string(*twin) + "': the name appears twice");
  return {};
}

DumpDirectoryEntry entry_of(const Column& column) {
  DumpDirectoryEntry entry{};
  std::memcpy(entry.name.data(), column.name.data(), column.name.size());
  std::memcpy(entry.dtype.data(), column.dtype, std::strlen(column.dtype));
  entry.count = column.count;
  return entry;
}

int write_columns(Stream& stream, std::span<const Column> columns,
                  std::vector<DumpDirectoryEntry>& directory) {
  for (const Column& column : columns) {
    if (const int error = stream.align()) return error;
    DumpDirectoryEntry entry = entry_of(column);
    entry.offset = stream.offset();
    const auto length = static_cast<std::size_t>(column.count * dtype_bytes(column.dtype));
    if (length > 0) {  // no arithmetic on a null pointer
      if (const int error = stream.append({static_cast<const std::byte*>(column.data), length}, entry.crc32))
        return error;
    }
    directory.push_back(entry);
  }
  return stream.flush();
}

DumpHeader header_of(std::uint64_t file_length, std::span<const std::byte> directory) {
  DumpHeader header{};
  header.magic = kDumpMagic;
  header.version = kDumpVersion;
  header.header_size = sizeof(DumpHeader);
  header.file_length = file_length;
  header.directory_offset = sizeof(DumpHeader);
  header.directory_count = static_cast<std::uint32_t>(directory.size() / sizeof(DumpDirectoryEntry));
  header.directory_crc32 = crc32(directory);
  header.header_crc32 = crc32(std::as_bytes(std::span(&header, 1)).first(offsetof(DumpHeader, header_crc32)));
  return header;
}

// The columns go first and the header last, so that a file cut short by a crash does not even begin like a dump.
WriteResult write_checked(const char* path, std::span<const Column> columns) {
  const std::string doing = std::string("cannot write ") + path;
  TemporaryFile file(path);
  if (const int error = file.create()) return refused(error, doing);
  std::vector<DumpDirectoryEntry> directory;
  directory.reserve(columns.size());
  Stream stream(file, sizeof(DumpHeader) + columns.size() * sizeof(DumpDirectoryEntry));
  if (const int error = write_columns(stream, columns, directory)) return refused(error, doing);
  const auto directory_bytes = std::as_bytes(std::span(directory));
  const DumpHeader header = header_of(stream.offset(), directory_bytes);
  if (const int error = file.write_at(sizeof(DumpHeader), directory_bytes)) return refused(error, doing);
  if (const int error = file.write_at(0, std::as_bytes(std::span(&header, 1)))) return refused(error, doing);
  if (const int error = file.publish()) return refused(error, doing);
  WriteResult result;
  result.bytes = header.file_length;
  return result;
}

}  // namespace

const char* slug(WriteStatus status) noexcept {
  switch (status) {
    case WriteStatus::ok:
      return "ok";
    case WriteStatus::bad_column:
      return "bad-column";
    case WriteStatus::disk_full:
      return "disk-full";
    case WriteStatus::failed:
      return "write";
    case WriteStatus::no_memory:
      return "no-memory";
  }
  return "write";
}

WriteResult write_dump_file(const char* path, std::span<const Column> columns) noexcept {
  try {
    WriteResult result = check(columns);
    return result.status == WriteStatus::ok ? write_checked(path, columns) : result;
  } catch (...) {  // only the standard library's allocations can throw here
    WriteResult result;
    result.status = WriteStatus::no_memory;
    result.error = ENOMEM;
    result.text = "out of memory";  // short enough not to need any
    return result;
  }
}

}  // namespace leakscope
