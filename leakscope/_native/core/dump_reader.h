// Finds the columns in the bytes of a .lks file. The bytes may come from anyone: every length, offset, name and
// checksum is proven before it is used, and an error says what was expected and where. It refuses to know files
// (the caller maps them) and meanings (formats/lks.py looks columns up by name).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leakscope {

enum class ReadStatus {
  ok,              // everything that was asked for holds
  unknown_format,  // does not begin like a .lks file
  newer_format,    // an intact header of a later version
  truncated,       // begins well but is shorter than its header says
  damaged,         // contradicts itself: a checksum, an offset, a name
  no_memory,       // the directory did not fit in memory
};

struct ReadError {
  ReadStatus status = ReadStatus::ok;
  std::int64_t offset = -1;  // where in the file; -1 if nowhere in particular
  std::string text;          // one line without a full stop; empty if ok
};

struct ColumnEntry {
  std::string name;
  std::string dtype;         // "u1" "u4" "i4" "u8" "i8" "f4" "f8"
  std::uint64_t count = 0;   // items
  std::uint64_t offset = 0;  // bytes from the beginning of the file; a multiple of 64
  std::uint64_t length = 0;  // bytes; offset + length is inside the file
  std::uint32_t crc32 = 0;   // what check_columns compares with
};

struct Directory {
  std::vector<ColumnEntry> columns;  // in the file's order; empty on error
  ReadError error;
};

// "ok", "unknown-format", "newer-format", "truncated", "damaged", "no-memory".
[[nodiscard]] const char* slug(ReadStatus status) noexcept;

// The directory of a whole file in memory. Reads the header and the directory only, whatever the file's size.
[[nodiscard]] Directory read_directory(std::span<const std::byte> file) noexcept;

// Reads every column once and compares its CRC-32; also fails as read_directory does. Columns never overlap, so the
// cost is bounded by the file's length.
[[nodiscard]] ReadError check_columns(std::span<const std::byte> file) noexcept;

}  // namespace leakscope
