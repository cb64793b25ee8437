#include "dump_reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "crc32.h"
#include "dump_file.h"

namespace leakscope {
namespace {

using Bytes = std::span<const std::byte>;

ReadError error(ReadStatus status, std::uint64_t offset, std::string text) {
  return {status, static_cast<std::int64_t>(offset), std::move(text)};
}

ReadError damaged(std::uint64_t offset, std::string text) {
  return error(ReadStatus::damaged, offset, std::move(text));
}

// The caller has proven that the bytes are there.
template <class T>
T load(Bytes file, std::uint64_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

ReadError check_magic(Bytes file) {
  if (file.empty()) return error(ReadStatus::unknown_format, 0, "the file is empty");
  const std::size_t seen = std::min(file.size(), kDumpMagic.size());
  if (std::memcmp(file.data(), kDumpMagic.data(), seen) != 0) {
    const bool named = seen >= 4 && std::memcmp(file.data() + 1, kDumpMagic.data() + 1, 3) == 0;
    if (named) return damaged(0, "the first bytes were changed, as a transfer in text mode does");
    return error(ReadStatus::unknown_format, 0, "the file does not begin like a .lks file");
  }
  if (file.size() < sizeof(DumpHeader)) {
    return error(ReadStatus::truncated, file.size(), "the file ends inside its header of 64 bytes");
  }
  return {};
}

ReadError check_length(Bytes file, const DumpHeader& header) {
  const std::string lengths =
      std::to_string(file.size()) + " bytes instead of " + std::to_string(header.file_length);
  if (file.size() < header.file_length) {
    return error(ReadStatus::truncated, file.size(), "the file is cut short: " + lengths);
  }
  if (file.size() > header.file_length) {
    return damaged(header.file_length, "something follows the end of the file: " + lengths);
  }
  return {};
}

// The checksum comes before the version: bytes 0 to 44 mean the same in every version, see dump_file.h.
ReadError check_header(Bytes file, DumpHeader& header) {
  if (ReadError wrong = check_magic(file); wrong.status != ReadStatus::ok) return wrong;
  header = load<DumpHeader>(file, 0);
  constexpr std::size_t kCovered = offsetof(DumpHeader, header_crc32);
  if (crc32(file.first(kCovered)) != header.header_crc32) {
    return damaged(kCovered, "the header does not match its checksum");
  }
  if (header.version > kDumpVersion) {
    return error(ReadStatus::newer_format, offsetof(DumpHeader, version),
                 "version " + std::to_string(header.version) + " of the format; this reader knows version 1");
  }
  if (header.version != kDumpVersion) return damaged(offsetof(DumpHeader, version), "the version is 0");
  if (header.header_size != sizeof(DumpHeader)) {
    return damaged(offsetof(DumpHeader, header_size), "the header's size is not 64");
  }
  for (const unsigned char zero : header.zeros) {
    if (zero != 0) return damaged(offsetof(DumpHeader, zeros), "the header does not end in zeros");
  }
  return check_length(file, header);
}

// Leaves in `directory` the bytes of the entries, proven to be inside the file.
ReadError find_directory(Bytes file, DumpHeader& header, Bytes& directory) {
  if (ReadError wrong = check_header(file, header); wrong.status != ReadStatus::ok) return wrong;
  constexpr std::size_t kSaidAt = offsetof(DumpHeader, directory_offset);
  const std::uint64_t length = std::uint64_t{header.directory_count} * sizeof(DumpDirectoryEntry);
  if (header.directory_count > kColumnsMost) {
    return damaged(offsetof(DumpHeader, directory_count),
                   "the directory has more than " + std::to_string(kColumnsMost) + " entries");
  }
  if (header.directory_offset < sizeof(DumpHeader) || header.directory_offset > file.size() ||
      length > file.size() - header.directory_offset) {
    return damaged(kSaidAt, "the directory lies outside the file");
  }
  if (header.directory_offset % kColumnAlignment != 0) {
    return damaged(kSaidAt, "the directory does not begin at a multiple of 64");
  }
  directory = file.subspan(header.directory_offset, length);
  if (crc32(directory) != header.directory_crc32) {
    return damaged(header.directory_offset, "the directory does not match its checksum");
  }
  return {};
}

// Text before the first zero byte; `padded` is false if anything but zeros follows it or no zero byte does.
template <std::size_t N>
std::string_view padded_text(const std::array<char, N>& field, bool& padded) {
  const auto end = std::find(field.begin(), field.end(), '\0');
  padded = std::all_of(end, field.end(), [](char c) { return c == '\0'; });
  return {field.data(), static_cast<std::size_t>(end - field.begin())};
}

ReadError read_entry(std::uint64_t at, const DumpDirectoryEntry& raw, std::uint64_t file_length,
                     ColumnEntry& column) {
  bool padded = false;
  const std::string_view name = padded_text(raw.name, padded);
  if (!padded || !column_name_is_valid(name)) {
    return damaged(at, "a column's name is not 1 to 39 printable ASCII characters");
  }
  const std::string who = "column '" + std::string(name) + "': ";
  const std::string_view dtype = padded_text(raw.dtype, padded);
  const std::uint64_t item = dtype_bytes(dtype);
  if (!padded || item == 0) {
    return damaged(at + offsetof(DumpDirectoryEntry, dtype), who + "unknown dtype");
  }
  const std::uint64_t offset_at = at + offsetof(DumpDirectoryEntry, offset);
  if (raw.offset % kColumnAlignment != 0)
    return damaged(offset_at, who + "does not begin at a multiple of 64");
  if (raw.offset < sizeof(DumpHeader)) return damaged(offset_at, who + "lies in the header");
  // Division instead of multiplication: count * item may not fit in 64 bits.
  if (raw.offset > file_length || raw.count > (file_length - raw.offset) / item) {
    return damaged(offset_at, who + "reaches beyond the end of the file");
  }
  column = {std::string(name), std::string(dtype), raw.count, raw.offset, raw.count * item, raw.crc32};
  return {};
}

ReadError check_names(const std::vector<ColumnEntry>& columns, std::uint64_t directory_offset) {
  std::vector<std::string_view> names;
  names.reserve(columns.size());
  for (const ColumnEntry& column : columns) names.push_back(column.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin == names.end()) return {};
  return damaged(directory_offset, "column '" + std::string(*twin) + "' appears twice");
}

// Nothing lies on top of anything else: 64 bytes of a hostile file must not be able to order a second reading of
// all the others.
ReadError check_overlaps(const std::vector<ColumnEntry>& columns, const DumpHeader& header, Bytes directory) {
  struct Range {
    std::uint64_t begin, end;
    std::string_view who;
  };
  std::vector<Range> ranges;
  ranges.reserve(columns.size() + 1);
  if (!directory.empty()) {
    ranges.push_back({header.directory_offset, header.directory_offset + directory.size(), "the directory"});
  }
  for (const ColumnEntry& column : columns) {
    if (column.length > 0) ranges.push_back({column.offset, column.offset + column.length, column.name});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end) {
      return damaged(ranges[i].begin,
                     std::string(ranges[i].who) + " overlaps " + std::string(ranges[i - 1].who));
    }
  }
  return {};
}

ReadError read_entries(Bytes file, std::vector<ColumnEntry>& columns) {
  DumpHeader header;
  Bytes directory;
  if (ReadError wrong = find_directory(file, header, directory); wrong.status != ReadStatus::ok) return wrong;
  columns.resize(header.directory_count);
  std::uint64_t at = header.directory_offset;
  for (ColumnEntry& column : columns) {
    ReadError wrong = read_entry(at, load<DumpDirectoryEntry>(file, at), file.size(), column);
    if (wrong.status != ReadStatus::ok) return wrong;
    at += sizeof(DumpDirectoryEntry);
  }
  if (ReadError wrong = check_names(columns, header.directory_offset); wrong.status != ReadStatus::ok)
    return wrong;
  return check_overlaps(columns, header, directory);
}

}  // namespace

const char* slug(ReadStatus status) noexcept {
  switch (status) {
    case ReadStatus::ok:
      return "ok";
    case ReadStatus::unknown_format:
      return "unknown-format";
    case ReadStatus::newer_format:
      return "newer-format";
    case ReadStatus::truncated:
      return "truncated";
    case ReadStatus::damaged:
      return "damaged";
    case ReadStatus::no_memory:
      return "no-memory";
  }
  return "damaged";
}

Directory read_directory(Bytes file) noexcept {
  Directory directory;
  try {
    directory.error = read_entries(file, directory.columns);
  } catch (...) {  // only the standard library's allocations can throw here
    directory.error.status = ReadStatus::no_memory;
    directory.error.text = "out of memory";  // short enough not to need any
  }
  if (directory.error.status != ReadStatus::ok) directory.columns.clear();
  return directory;
}

ReadError check_columns(Bytes file) noexcept {
  Directory directory = read_directory(file);
  if (directory.error.status != ReadStatus::ok) return std::move(directory.error);
  for (const ColumnEntry& column : directory.columns) {
    if (crc32(file.subspan(column.offset, column.length)) == column.crc32) continue;
    try {
      return damaged(column.offset, "column '" + column.name + "' does not match its checksum");
    } catch (...) {
      return {ReadStatus::damaged, -1, {}};
    }
  }
  return {};
}

}  // namespace leakscope
